"""The real application around a staged day: in-process, or served for a browser and for people.

Run as a script it serves the board without Kafka: `python services/board/tests/board_parts.py 8077`.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
from board_day import Stage, approved, heard, quiet_morning, refused
from fastapi import FastAPI

from orloop_board.adapters.door import Door
from orloop_board.adapters.parts import Board
from orloop_board.adapters.server import WebServer
from orloop_board.adapters.snapshots import Snapshots
from orloop_board.adapters.web import build
from orloop_board.ports import Gate, ManualDoor, Said
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.health import bind

KEY = "a-link-key-of-a-test-0123456789"
VIEWER_KEY = "a-viewer-key-of-a-test-0123456789"
SECRET = "a-secret-of-a-test-that-is-long-enough-0123456789"


class Browser:
    """Speaks to the application without a socket, keeps cookies, follows no redirect."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.cookies = httpx.Cookies()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)


@dataclass
class FakeGate:
    """Remembers what was decided, and answers what a test wants."""

    answer: Said = field(default_factory=lambda: Said(True, "Approved."))
    calls: list[tuple[object, ...]] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def _said(self, *call: object) -> Said:
        self.calls.append(call)
        self.then()
        return self.answer

    def approve(self, suite: str, proposal: str, alternative: str, key: str) -> Said:
        return self._said("approve", suite, proposal, alternative, key)

    def reject(self, suite: str, proposal: str, code: str, reason: str, key: str) -> Said:
        return self._said("reject", suite, proposal, code, reason)

    def override(
        self, suite: str, proposal: str, alternative: str, keep: Sequence[str], code: str, reason: str, key: str
    ) -> Said:
        return self._said("override", suite, proposal, alternative, tuple(keep), code, reason)

    def set_mode(self, suite: str, mode: str, reason: str, key: str) -> Said:
        return self._said("mode", suite, mode, reason)


@dataclass
class FakeManual:
    """Remembers what was reported."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    def room_down(self, suite: str, room: str, cause: str, until: datetime | None, key: str) -> Said:
        self.calls.append(("down", suite, room, cause, until))
        return Said(True, f"Room {room} is reported down.")

    def room_restored(self, suite: str, room: str, key: str) -> Said:
        self.calls.append(("restored", suite, room))
        return Said(True, f"Room {room} is reported back.")

    def replan(self, suite: str, reason: str, key: str) -> Said:
        self.calls.append(("replan", suite, reason))
        return Said(True, "A new plan is asked for.")


@dataclass
class FakePlanner:
    """Remembers what was asked."""

    calls: list[tuple[str, ...]] = field(default_factory=list)

    def why_not(self, proposal: str, alternative: str, case: str, wish: str, value: str) -> Said:
        self.calls.append((proposal, alternative, case, wish, value))
        return Said(True, "The nephrectomy cannot go to room 4: room 4 does not take urology.")


def board(stage: Stage, gate: Gate, manual: ManualDoor, data: Path, hosts: tuple[str, ...] = ("127.0.0.1",)) -> Board:
    """The real web part around staged ones."""
    clock = SystemClock()
    return Board(
        source=stage,
        gate=gate,
        manual=manual,
        door=Door(SECRET, KEY, VIEWER_KEY, data, clock),
        snapshots=Snapshots(stage, clock),
        planner=FakePlanner(),
        hosts=hosts,
    )


class Served:
    """The application on a port of its own."""

    def __init__(self, stage: Stage, gate: Gate, manual: ManualDoor, data: Path, port: int = 0) -> None:
        self.server = WebServer(build(board(stage, gate, manual, data)), bind(port, "PORT"))
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.thread = self.server.start()
        waited = threading.Event()
        for _ in range(200):
            if self.server.serving:
                return
            waited.wait(0.02)
        raise TimeoutError("Expected the board to serve within 4 s.")

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(5)
        self.server.close()


MOMENTS: dict[str, Callable[[], object]] = {
    "waits": heard,
    "quiet": quiet_morning,
    "applying": approved,
    "refused": refused,
}

if __name__ == "__main__":
    stage = Stage(MOMENTS[sys.argv[2] if len(sys.argv) > 2 else "waits"]())  # type: ignore[arg-type]
    if len(sys.argv) > 3:
        stage.beat = type(stage.beat)(silent_for=timedelta(seconds=40))
    served = Served(stage, FakeGate(), FakeManual(), Path(mkdtemp()), int(sys.argv[1]) if len(sys.argv) > 1 else 8077)
    print(f"{served.url}/?key={KEY}", flush=True)
    served.thread.join()
