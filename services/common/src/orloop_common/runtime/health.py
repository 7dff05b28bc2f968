"""/healthz, /readyz, /state and /metrics on loopback, in a thread of their own."""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .clock import Clock
from .errors import PortInUse
from .metrics import BEAT, READY, exposition

Check = Callable[[], bool | str]  # True, or why not
SILENCE = 20.0


class LoopHealth:
    """What the loop tells about itself; written by the loop's thread, read by the server's.

    `state` is answered by the loop's own thread between two polls, so that offsets and digests belong
    to the same moment.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beat = clock.monotonic()
        self._ready = False
        self.beats = 0
        self._wanted = threading.Event()
        self._answered = threading.Condition()
        self._state: dict[str, Any] | None = None
        self._serial = 0
        self.expected = True  # a process without a loop sets this to False

    def beat(self) -> None:
        """Progress was made."""
        self._beat = self._clock.monotonic()
        self.beats += 1
        BEAT.set(self._clock.wall().timestamp())

    def settle(self, ready: bool, state: Callable[[], dict[str, Any]]) -> None:
        """After a poll: whether the loop has read to the end, and its state if somebody asked."""
        self._ready = ready
        if self._wanted.is_set():
            self._wanted.clear()
            value = state()
            with self._answered:
                self._state, self._serial = value, self._serial + 1
                self._answered.notify_all()

    def silent_for(self) -> float:
        """Seconds since the last beat."""
        return self._clock.monotonic() - self._beat

    def ready(self) -> bool:
        """Partitions assigned and read to the end."""
        return self._ready or not self.expected

    def state(self, timeout: float = 5.0) -> dict[str, Any] | None:
        """The loop's state as of now, or None if the loop does not answer in time."""
        if not self.expected:
            return {}
        with self._answered:
            serial = self._serial
            self._wanted.set()
            if not self._answered.wait_for(lambda: self._serial > serial, timeout):
                return None
            return self._state


def bind(port: int, variable: str, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket on loopback; 0 lets the system choose; `PortInUse` names the variable."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"{variable}: Expected to listen on {host}:{port}, got: {error.strerror}.\n"
            f"Maybe another run still holds it: stop that one, or set {variable}=0 for any free port."
        ) from None
    return listener


class HealthServer:
    """Serves the four pages while the service runs."""

    def __init__(
        self,
        service: str,
        instance: str,
        port: int,
        loop: LoopHealth,
        checks: Mapping[str, Check] | None = None,
        variable: str = "ORLOOP_HEALTH_PORT",
    ) -> None:
        self._service, self._instance, self._loop = service, instance, loop
        self.checks: dict[str, Check] = dict(checks or {})
        self._socket = bind(port, variable)
        self.port: int = self._socket.getsockname()[1]
        routes = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/state": self._state,
            "/metrics": self._metrics,
        }
        self.app = Starlette(routes=[Route(path, page) for path, page in routes.items()])
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="health", daemon=True
        )

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(3.0)
        with contextlib.suppress(OSError):
            self._socket.close()

    def why_not_ready(self) -> dict[str, str]:
        """What is still missing, in words."""
        missing = {} if self._loop.ready() else {"log": "partitions are not assigned or not read to their end"}
        for name, check in self.checks.items():
            answer = check()
            if answer is not True:
                missing[name] = answer if isinstance(answer, str) else "not ready"
        READY.set(0 if missing else 1)
        return missing

    def _healthz(self, _: Request) -> Response:
        silent = self._loop.silent_for() if self._loop.expected else 0.0
        alive = silent < SILENCE
        return JSONResponse({"alive": alive, "silent_seconds": round(silent, 3)}, 200 if alive else 503)

    def _readyz(self, _: Request) -> Response:
        missing = self.why_not_ready()
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    def _state(self, _: Request) -> Response:
        state = self._loop.state()
        told = {"service": self._service, "instance": self._instance}
        if state is None:
            return JSONResponse({**told, "error": "the loop is busy; ask again"}, 503)
        return JSONResponse({**told, "offsets": {}, "suites": {}, **state})

    def _metrics(self, _: Request) -> Response:
        return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
