"""Asking why not: the form, the question to the planner, and its answer in words."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from board_day import Stage
from board_parts import KEY, Browser, FakeGate, FakeManual, FakePlanner, board
from test_board_app import Desk

from orloop.replan.v1 import replan_pb2 as pb
from orloop.replan.v1 import replan_pb2_grpc
from orloop_board.adapters.planner import PlannerClient
from orloop_board.adapters.web import build
from orloop_board.ports import Said
from orloop_common.runtime.grpcserve import abort


class Asking(Desk):
    """A board runner in front of a board with a planner that remembers."""

    def __init__(self, data: Path) -> None:
        self.planner = FakePlanner()
        made = replace(board(Stage(), FakeGate(), FakeManual(), data), planner=self.planner)
        self.browser = Browser(build(made))


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    desk = Asking(tmp_path)
    assert desk.browser.get("/", params={"key": KEY}).status_code == 303
    return desk


def test_the_form_offers_a_room_an_order_a_time_and_to_leave_it(asking: Asking) -> None:
    page = asking.page()
    assert 'data-act="ask"' in page
    assert all(f'name="wish" value="{wish}"' in page for wish in ("leave", "room", "before", "start"))


def test_a_question_reaches_the_planner_and_its_answer_comes_back(asking: Asking) -> None:
    answer = asking.post("proposals/f3a91c/why-not", alternative="alt-1", case="nephrectomy", wish="room", value="4")
    assert answer.json() == {"ok": True, "text": "The nephrectomy cannot go to room 4: room 4 does not take urology."}
    asking.post("proposals/f3a91c/why-not", alternative="alt-1", case="nephrectomy", wish="leave")
    assert asking.planner.calls == [
        ("f3a91c", "alt-1", "nephrectomy", "room", "4"),
        ("f3a91c", "alt-1", "nephrectomy", "leave", ""),
    ]


@pytest.mark.parametrize(
    ("wish", "value", "words"),
    [("start", " ", "Say which"), ("fly", "4", "Ask to leave"), ("room", "99", "There is no room 99")],
)
def test_a_question_that_says_too_little_is_sent_back(asking: Asking, wish: str, value: str, words: str) -> None:
    answer = asking.post("proposals/f3a91c/why-not", alternative="a", case="c", wish=wish, value=value)
    assert answer.json()["text"].startswith(words)
    assert asking.planner.calls == []


def test_without_a_planner_nothing_can_be_asked(tmp_path: Path) -> None:
    desk = Asking(tmp_path)
    desk.browser = Browser(build(replace(board(Stage(), FakeGate(), FakeManual(), tmp_path), planner=None)))
    assert desk.browser.get("/", params={"key": KEY}).status_code == 303
    assert 'data-act="ask"' not in desk.page()
    assert desk.post("proposals/p/why-not", alternative="a", case="c", wish="leave").status_code == 400


class Server(replan_pb2_grpc.ReplanServiceServicer):
    """Remembers the question; knows one proposal."""

    def __init__(self) -> None:
        self.asked: list[pb.WhyNotRequest] = []

    def WhyNot(self, request: pb.WhyNotRequest, context: grpc.ServicerContext) -> pb.WhyNotResponse:
        self.asked.append(request)
        if request.proposal != "p":
            abort(context, grpc.StatusCode.NOT_FOUND, "Expected a recent proposal, got 'q'.", "Maybe it is older.")
        return pb.WhyNotResponse(answer="The hip can go to room 4.")


@pytest.fixture
def planner() -> Iterator[tuple[Server, PlannerClient]]:
    servicer = Server()
    server = grpc.server(ThreadPoolExecutor(2))
    replan_pb2_grpc.add_ReplanServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = PlannerClient(f"127.0.0.1:{port}", deadline=3)
    yield servicer, client
    client.close()
    server.stop(0).wait(3)


@pytest.mark.board
def test_the_client_asks_one_wish_and_hands_on_words(planner: tuple[Server, PlannerClient]) -> None:
    server, client = planner
    assert client.why_not("p", "a", "hip", "room", "4").text == "The hip can go to room 4."
    client.why_not("p", "a", "hip", "leave", "")
    assert [request.WhichOneof("wish") for request in server.asked] == ["room", "leave"]
    said = client.why_not("q", "a", "hip", "start", "11:00")
    assert (said.ok, said.text) == (False, "Expected a recent proposal, got 'q'. Maybe it is older.")


@pytest.mark.board
def test_a_planner_that_is_away_is_said_to_be_away() -> None:
    client = PlannerClient("127.0.0.1:1", deadline=1)
    said = client.why_not("p", "a", "hip", "leave", "")
    assert said == Said(False, "The planner does not answer now: ask again in a moment.")
    client.close()
