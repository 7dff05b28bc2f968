"""MLLP and the manual door, on loopback sockets and on a transport in memory."""

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest

from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import SystemClock
from orloop_twin.adapters.manual import ManualDoor
from orloop_twin.adapters.mllp import MllpClient, serve
from orloop_twin.domain.feed import ManualReport
from orloop_twin.domain.hospital import Hospital
from orloop_twin.domain.scenario import seconds
from orloop_twin.ports import LinkLost

SECRET = "0123456789abcdef0123456789abcdef"


def listener() -> socket.socket:
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


async def with_server(answers: Callable[[bytes], bytes | None], talk: Callable[[int], Any]) -> Any:
    async def handler(body: bytes) -> bytes | None:
        return answers(body)

    sock = listener()
    server = await serve(sock, handler)
    try:
        async with asyncio.timeout(3):
            return await talk(sock.getsockname()[1])
    finally:
        server.close()


def test_a_client_and_a_server_exchange_frames_on_one_connection() -> None:
    async def talk(port: int) -> list[bytes]:
        client = MllpClient("127.0.0.1", port, timeout=1)
        try:
            return [await client.ask(f"MSH|{n}\r".encode()) for n in range(3)]
        finally:
            await client.close()

    assert asyncio.run(with_server(lambda body: b"re:" + body, talk)) == [b"re:MSH|0\r", b"re:MSH|1\r", b"re:MSH|2\r"]


def test_no_answer_is_a_lost_link_and_the_next_question_connects_again() -> None:
    answers = iter([None, b"yes"])

    async def talk(port: int) -> bytes:
        client = MllpClient("127.0.0.1", port, timeout=1)
        with pytest.raises(LinkLost):
            await client.ask(b"MSH|1\r")
        try:
            return await client.ask(b"MSH|1\r")
        finally:
            await client.close()

    assert asyncio.run(with_server(lambda _: next(answers), talk)) == b"yes"


@pytest.mark.parametrize(
    "sent",
    [
        b"junk",
        b"\x0bMSH|half",
        b"\x0bMSH|1\r\x0bMSH|2\r\x1c\r",
        b"\x0bMSH|1\r\x1c\x0bMSH|2\r\x1c\r",
        b"\x0b\x0bMSH|1\r\x1c\r",
    ],
)
def test_a_broken_frame_is_never_answered(sent: bytes) -> None:
    heard: list[bytes] = []

    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    assert asyncio.run(with_server(lambda body: heard.append(body) or b"AA", talk)) == b""  # type: ignore[func-returns-value]
    assert heard == []


def door(answer: Callable[[httpx.Request], httpx.Response]) -> ManualDoor:
    made = ManualDoor("http://door", "main", SECRET, SystemClock(), datetime(2026, 3, 2, tzinfo=UTC))
    made._client = httpx.AsyncClient(base_url="http://door", transport=httpx.MockTransport(answer))
    return made


def test_a_report_names_the_room_the_time_the_nurse_and_itself(hospital: Callable[..., Hospital]) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"event_id": "e"})

    said = hospital().advance(seconds("09:30"))
    reports = [s for s in said if isinstance(s, ManualReport)]
    made = door(answer)
    for report in reports:
        assert asyncio.run(made.report(report))
    down = next(r for r in seen if r.url.path.endswith("/down"))
    assert down.url.path == "/v1/suites/main/rooms/3/down"
    body = json.loads(down.content)
    assert body["expected_until"] == "2026-03-02T15:00:00Z"
    assert body["at"].startswith("2026-03-02T09:")
    assert down.headers["Idempotency-Key"] == next(r.id for r in reports if r.path == "rooms/3/down")
    principal = Tokens(SECRET, SystemClock()).verify(down.headers["Authorization"].split()[1], suite="main")
    assert (principal.user, principal.role) == ("charge-nurse", Role.BOARD_RUNNER)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(down.headers["Authorization"].split()[1], "x" * 32, algorithms=["HS256"], audience="orloop")
    roster = json.loads(next(r for r in seen if r.url.path.endswith("/roster")).content)
    team = roster["entries"][0]
    assert set(team) == {"team_id", "role", "skills", "shift_start", "shift_end"}
    assert team["shift_start"] == "2026-03-02T07:00:00Z"


@pytest.mark.parametrize(("status", "taken"), [(202, True), (200, True), (400, False), (404, False), (409, False)])
def test_what_the_door_refuses_for_good_is_not_asked_again(status: int, taken: bool) -> None:
    report = ManualReport("MD1", 0, "beds", {"unit": "pacu"})
    assert asyncio.run(door(lambda _: httpx.Response(status)).report(report)) is taken


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_what_may_pass_is_tried_again(status: int) -> None:
    report = ManualReport("MD1", 0, "beds", {"unit": "pacu"})
    with pytest.raises(LinkLost):
        asyncio.run(door(lambda _: httpx.Response(status)).report(report))
