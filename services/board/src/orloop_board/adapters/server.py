"""uvicorn in a thread of its own, on a socket that is bound before anything else starts."""

import contextlib
import socket
import threading

import uvicorn
from fastapi import FastAPI


class WebServer:
    """Serves the application until it is stopped."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1, lifespan="on"
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve in this thread."""
        self._server.run(sockets=[self._listener])

    def start(self) -> threading.Thread:
        """Serve in a thread of its own."""
        thread = threading.Thread(target=self.run, name="web", daemon=True)
        thread.start()
        return thread

    @property
    def serving(self) -> bool:
        """Whether requests are answered."""
        return self._server.started

    def stop(self) -> None:
        """Stop serving; open streams end."""
        self._server.should_exit = True

    def close(self) -> None:
        """Let go of the port."""
        with contextlib.suppress(OSError):
            self._listener.close()
