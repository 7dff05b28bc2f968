"""A hospital's FHIR server for write-back's tests: one Appointment in versions, Tasks by identifier, tokens.

No registry offers a FHIR server with If-Match, tokens and a script of faults as a ready artifact; Medplum's router
(tests/peers/FhirReceiver.mjs) is the peer that we did not write.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

SYSTEM = "urn:epr:case"
PRACTITIONER = {"actor": {"reference": "Practitioner/p1"}, "status": "accepted"}


def appointment(start: str = "2026-03-02T11:30:00+01:00", room: str = "or1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "identifier": [{"system": SYSTEM, "value": "C1"}],
        "status": "booked",
        "start": start,
        "end": "2026-03-02T12:30:00+01:00",
        "comment": "as it was",
        "participant": [PRACTITIONER, {"actor": {"reference": f"Location/{room}"}, "status": "accepted"}],
        **more,
    }


class Server:
    """Keeps one Appointment in versions and Tasks by identifier; refuses a PUT of another version than the newest."""

    def __init__(self, held: dict[str, Any] | None = None) -> None:
        self.held, self.version = held or appointment(), 1
        self.tasks: dict[str, dict[str, Any]] = {}
        self.case = "C1"
        self.asked: list[httpx.Request] = []
        self.before: list[Callable[[httpx.Request], httpx.Response | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.before and (answer := self.before.pop(0)(request)) is not None:
            return answer
        if request.method == "POST":
            return self._task(request)
        if request.method == "PUT":
            return self._put(request)
        told = {**self.held, "meta": {"versionId": str(self.version)}}
        if request.url.path.endswith("/Appointment"):
            wanted = request.url.params["identifier"] == f"{SYSTEM}|{self.case}"
            return httpx.Response(200, json={"resourceType": "Bundle", "entry": [{"resource": told}] if wanted else []})
        return httpx.Response(200, json=told, headers={"ETag": f'W/"{self.version}"'})

    def change(self, **more: Any) -> None:
        self.held, self.version = {**self.held, **more}, self.version + 1

    def _put(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("If-Match") != f'W/"{self.version}"':
            return httpx.Response(412)
        body = json.loads(request.content)
        body.pop("meta")
        self.change(**body)
        return httpx.Response(200)

    def _task(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["If-None-Exist"]
        made = key not in self.tasks
        self.tasks.setdefault(key, json.loads(request.content))
        return httpx.Response(201 if made else 200)


@contextmanager
def serving(handler: Callable[[httpx.Request], httpx.Response]) -> Iterator[str]:
    """The handler as a server on loopback; yields its address."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = f"http://{self.headers['Host']}{self.path}"
            told = handler(httpx.Request(self.command, url, headers=dict(self.headers), content=body))
            self.send_response(told.status_code)
            for name, value in told.headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            self.wfile.write(told.content)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_: Any) -> None:
            """Nothing: tests read what the server kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
