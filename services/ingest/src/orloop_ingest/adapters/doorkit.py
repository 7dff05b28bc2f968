"""What all HTTP doors of ingest share: refusals with a hint, limits, measuring, serving."""

import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics

_log = get_logger("manual")
LARGEST_BODY = 256 * 1024
LARGEST_FILE = 32 * 2**20  # a week's bookings of a large site
FILES = "/files/"  # whatever takes a file has this in its path


def add_errors(app: FastAPI) -> None:
    """Every error has `error` and `hint`; bodies have a limit; every answer is counted."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        detail = error.detail if isinstance(error.detail, dict) else {"error": str(error.detail), "hint": ""}
        return JSONResponse(detail, error.status_code)

    @app.exception_handler(404)
    async def nowhere(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException) and isinstance(error.detail, dict):
            return JSONResponse(error.detail, 404)
        return JSONResponse({"error": "Expected a page of this door, got another.", "hint": "Maybe see /docs."}, 404)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        told = {"error": f"{place}: {first['msg']}", "hint": "Maybe compare it with /docs."}
        return JSONResponse(told, 422)

    @app.middleware("http")
    async def measure(request: Request, go_on: Callable[[Request], Awaitable[Any]]) -> Any:
        length = request.headers.get("content-length", "")
        if not length.isdigit() and request.headers.get("transfer-encoding"):
            return JSONResponse({"error": "Expected a Content-Length.", "hint": "Maybe send it in one piece."}, 411)
        most = LARGEST_FILE if FILES in request.url.path else LARGEST_BODY
        if length.isdigit() and int(length) > most:
            return JSONResponse({"error": f"Expected at most {most} bytes.", "hint": "Maybe split it."}, 413)
        answer = await go_on(request)
        route = request.scope.get("route")
        kind = route.path.rsplit("/", 1)[-1] if route is not None else "unknown"
        metrics.MANUAL.labels(kind, str(answer.status_code)).inc()
        return answer


async def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve until cancelled, in the doors' event loop."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    _log.info("manual_door_listening", port=listener.getsockname()[1])
    await server.serve(sockets=[listener])


def refused(status: int, error: str, hint: str) -> HTTPException:
    """What was wrong and what to try, as the doors answer it."""
    return HTTPException(status, {"error": error, "hint": hint})


def from_text(status: int, text: str) -> HTTPException:
    """A refusal from an error whose second line starts with Maybe."""
    error, _, hint = text.partition("\n")
    return refused(status, error, hint)


def one_of(names: Iterable[str]) -> str:
    """The hint that lists what there is."""
    return f"Maybe one of {', '.join(names)}."
