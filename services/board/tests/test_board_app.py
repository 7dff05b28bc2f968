"""The board's door, its stream and its commands, through the real application."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from board_day import LIVE, QUIET, SUITE, Stage, approved, at, gate_status, heard, quiet_morning, tick
from board_parts import KEY, SECRET, VIEWER_KEY, Browser, FakeGate, FakeManual, board

from orloop_board.adapters.door import Door, Session
from orloop_board.adapters.snapshots import Snapshots
from orloop_board.adapters.web import _stream, build
from orloop_board.ports import Said
from orloop_common.runtime.clock import SystemClock
from orloop_common.testing.clock import ManualClock


class Desk:
    """A browser in front of the board."""

    def __init__(self, data: Path, stage: Stage | None = None) -> None:
        self.stage = stage or Stage()
        self.gate, self.manual, self.data = FakeGate(), FakeManual(), data
        self.browser = Browser(build(board(self.stage, self.gate, self.manual, data)))

    def other_browser(self) -> Browser:
        return Browser(self.browser.app)

    def enter(self, key: str = KEY) -> "Desk":
        assert self.browser.get("/", params={"key": key}).status_code == 303
        return self

    def page(self) -> str:
        answer = self.browser.get("/")
        assert answer.status_code == 200, answer.text
        return answer.text

    def csrf(self) -> str:
        return self.page().split('name="csrf" content="')[1].split('"')[0]

    def post(self, path: str, key: str = "0123456789abcdef", csrf: str | None = None, **fields: object):
        headers = {"X-CSRF-Token": self.csrf() if csrf is None else csrf, "Idempotency-Key": key}
        return self.browser.post(f"/suites/{SUITE}/{path}", data=fields, headers=headers)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path).enter()


# --- the door ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/events", "/board.json", "/static/board.js", "/static/board.css", "/nothing"])
def test_nothing_is_served_without_the_link(tmp_path, path):
    answer = Desk(tmp_path).browser.get(path)
    assert answer.status_code == 401
    assert "This board needs its link" in answer.text
    assert "Main operating suite" not in answer.text


def test_a_command_without_a_session_is_refused(tmp_path):
    desk = Desk(tmp_path)
    assert desk.browser.post(f"/suites/{SUITE}/mode", data={"mode": "frozen"}).status_code == 401
    assert desk.gate.calls == []


def test_the_link_sets_a_strict_cookie_and_leaves_the_address_clean(tmp_path):
    answer = Desk(tmp_path).browser.get("/", params={"key": KEY})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert KEY not in cookie


def test_a_second_browser_is_refused_with_a_page_that_says_how_to_get_a_new_link(desk):
    answer = desk.other_browser().get("/", params={"key": KEY})
    assert answer.status_code == 403
    assert "already used" in answer.text
    assert "orloop up" in answer.text
    assert "set-cookie" not in answer.headers


def test_whoever_has_the_cookie_may_use_the_link_again(desk):
    assert desk.browser.get("/", params={"key": KEY}).status_code == 303


def test_a_restarted_board_knows_that_its_link_was_used_and_still_knows_the_cookie(desk):
    again = Desk(desk.data)
    assert again.browser.get("/", params={"key": KEY}).status_code == 403
    again.browser.cookies = desk.browser.cookies
    assert again.browser.get("/").status_code == 200


def test_a_wrong_key_opens_nothing(tmp_path):
    answer = Desk(tmp_path).browser.get("/", params={"key": "something-else-of-some-length"})
    assert answer.status_code == 403
    assert "opens nothing here" in answer.text


def test_the_viewers_link_opens_as_often_as_it_is_used(tmp_path):
    desk = Desk(tmp_path).enter(VIEWER_KEY)
    assert desk.other_browser().get("/", params={"key": VIEWER_KEY}).status_code == 303


def test_a_viewers_cookie_does_not_open_the_used_link(desk):
    viewer = desk.other_browser()
    viewer.get("/", params={"key": VIEWER_KEY})
    assert viewer.get("/", params={"key": KEY}).status_code == 403


def test_a_forged_cookie_is_no_session(desk):
    other = desk.other_browser()
    other.cookies.set("orloop_board", desk.browser.cookies["orloop_board"][:-4] + "AAAA")
    assert other.get("/").status_code == 401


def test_a_session_ends_after_a_long_shift(tmp_path):
    clock = ManualClock()
    door = Door(SECRET, KEY, None, tmp_path, clock)
    cookie = door.exchange(KEY, None)
    assert isinstance(cookie, str)
    assert door.session(cookie) is not None
    clock.advance(timedelta(hours=16, seconds=1))
    assert door.session(cookie) is None


def test_a_session_of_another_run_does_not_open_this_one(tmp_path):
    ours = Door(SECRET, KEY, None, tmp_path / "a", SystemClock())
    theirs = Door(SECRET, KEY + "x", None, tmp_path / "b", SystemClock())
    cookie = theirs.exchange(KEY + "x", None)
    assert isinstance(cookie, str)
    assert ours.session(cookie) is None


def test_another_host_name_is_refused(desk):
    assert desk.browser.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/static/board.css", "/board.json"])
def test_every_answer_carries_the_security_headers(desk, path):
    headers = desk.browser.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


# --- the page --------------------------------------------------------------------------------------------


def test_the_first_paint_comes_from_the_server(desk):
    page = desk.page()
    assert "Move 3 cases, nobody is postponed" in page
    assert page.count('class="room ') == 10
    assert 'data-act="approve"' in page


def test_the_page_asks_nobody_else_for_anything(desk):
    page = desk.page().replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    style = desk.browser.get("/static/board.css").text
    assert "http" not in style


def test_a_viewer_sees_everything_and_no_action(tmp_path):
    page = Desk(tmp_path).enter(VIEWER_KEY).page()
    assert "Move 3 cases" in page
    assert "data-act" not in page
    assert "<dialog" not in page


def test_a_stale_board_says_so_and_its_actions_are_gone_but_the_brake(tmp_path):
    stage = Stage()
    stage.beat = QUIET
    page = Desk(tmp_path, stage).enter().page()
    assert "Stale since 10:14:00" in page
    assert 'data-act="approve"' not in page
    assert 'data-act="room"' not in page
    assert 'data-act="freeze"' in page


def test_what_a_feed_says_is_text_and_never_markup(tmp_path):
    stage = Stage()
    answer = stage.now.proposals["f3a91c"]
    stage.now = replace(
        stage.now, proposals=stage.now.proposals.set("f3a91c", replace(answer, headline="<script>x</script>"))
    )
    assert "<script>x" not in Desk(tmp_path, stage).enter().page()


def test_before_the_log_is_read_there_is_a_page_that_waits(tmp_path):
    stage = Stage()
    stage.live = False
    desk = Desk(tmp_path, stage).enter()
    answer = desk.browser.get("/")
    assert answer.status_code == 503
    assert "Reading the log" in answer.text
    assert desk.browser.get("/events").status_code == 503


def test_the_values_can_be_had_as_json(desk):
    shown = desk.browser.get("/board.json").json()
    assert shown["header"]["clock"] == "10:14"
    assert shown["advice"]["proposal"] == "f3a91c"


def test_a_suite_that_is_not_here_is_refused(desk):
    assert desk.browser.get("/", params={"suite": "west"}).status_code == 404


# --- commands ----------------------------------------------------------------------------------------------


def test_approve_reaches_the_gate_with_its_key(desk):
    answer = desk.post("proposals/f3a91c/approve", alternative="alt-1")
    assert answer.json() == {"ok": True, "text": "Approved."}
    assert desk.gate.calls == [("approve", SUITE, "f3a91c", "alt-1", "0123456789abcdef")]


def test_what_the_gate_says_is_handed_on_in_words(desk):
    desk.gate.answer = Said(False, "Somebody was faster: it was already rejected by anna.")
    answer = desk.post("proposals/f3a91c/approve", alternative="alt-1").json()
    assert answer == {"ok": False, "text": "Somebody was faster: it was already rejected by anna."}


def test_reject_carries_a_reason(desk):
    desk.post("proposals/f3a91c/reject", reason_code="recovery_full", reason=" PACU closes ")
    assert desk.gate.calls == [("reject", SUITE, "f3a91c", "recovery_full", "PACU closes")]


def test_an_unknown_reason_is_refused(desk):
    answer = desk.post("proposals/f3a91c/reject", reason_code="because")
    assert (answer.status_code, answer.json()["text"]) == (400, "Pick one of the reasons.")


def test_something_else_wants_words(desk):
    answer = desk.post("proposals/f3a91c/reject", reason_code="other", reason=" ")
    assert answer.json()["text"] == "Say in a few words what else it is."


def test_override_carries_what_is_kept(desk):
    desk.post(
        "proposals/f3a91c/override",
        alternative="alt-1",
        keep=["nephrectomy", "cystoscopy"],
        reason_code="recovery_full",
    )
    assert desk.gate.calls == [
        ("override", SUITE, "f3a91c", "alt-1", ("nephrectomy", "cystoscopy"), "recovery_full", "")
    ]


def test_an_override_that_keeps_nothing_is_no_approval(desk):
    answer = desk.post("proposals/f3a91c/override", alternative="alt-1", reason_code="recovery_full")
    assert "Keep at least one" in answer.json()["text"]
    assert desk.gate.calls == []


def test_a_room_is_reported_down_until_a_time_of_the_sites_clock(desk):
    assert desk.post("rooms/8/down", cause="power", until="15:00").json()["ok"]
    assert desk.manual.calls == [("down", SUITE, "8", "power", at("15:00"))]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cause": ""}, "Say in a word"),
        ({"cause": "power", "until": "soon"}, "a time like 15:00"),
        ({"cause": "power", "until": "09:00"}, "already over"),
    ],
)
def test_a_report_that_says_too_little_is_sent_back(desk, fields, words):
    assert words in desk.post("rooms/8/down", **fields).json()["text"]
    assert desk.manual.calls == []


def test_a_room_that_is_not_here_cannot_be_down(desk):
    assert desk.post("rooms/99/down", cause="power").status_code == 404


def test_a_room_is_reported_back_and_a_plan_is_asked_for(desk):
    desk.post("rooms/3/restored")
    desk.post("replan", reason="")
    assert desk.manual.calls == [("restored", SUITE, "3"), ("replan", SUITE, "asked on the board")]


def test_everything_is_frozen_even_when_the_feed_is_stale(desk):
    csrf = desk.csrf()
    desk.stage.beat = QUIET
    assert desk.post("mode", csrf=csrf, mode="frozen", reason="smoke").json()["ok"]
    assert desk.gate.calls == [("mode", SUITE, "frozen", "smoke")]


def test_a_mode_that_people_do_not_set_here_is_refused(desk):
    assert desk.post("mode", mode="auto").status_code == 400


def test_no_decision_leaves_a_stale_board(desk):
    csrf = desk.csrf()
    desk.stage.beat = QUIET
    answer = desk.post("proposals/f3a91c/approve", csrf=csrf, alternative="alt-1")
    assert answer.status_code == 409
    assert "stale" in answer.json()["text"]
    assert desk.gate.calls == []


def test_a_command_without_the_pages_token_is_refused(desk):
    assert desk.post("proposals/f3a91c/approve", csrf="0" * 64, alternative="alt-1").status_code == 403
    assert desk.gate.calls == []


def test_a_command_from_another_page_is_refused(desk):
    headers = {"X-CSRF-Token": desk.csrf(), "Idempotency-Key": "0123456789", "Origin": "http://127.0.0.1:9999"}
    answer = desk.browser.post(f"/suites/{SUITE}/mode", data={"mode": "frozen"}, headers=headers)
    assert answer.status_code == 403
    assert desk.gate.calls == []


def test_a_command_without_a_key_that_makes_it_one_command_is_refused(desk):
    answer = desk.browser.post(f"/suites/{SUITE}/mode", data={"mode": "frozen"}, headers={"X-CSRF-Token": desk.csrf()})
    assert answer.status_code in (400, 422)
    assert desk.gate.calls == []


def test_a_viewer_cannot_command_whatever_it_sends(tmp_path):
    desk = Desk(tmp_path).enter(VIEWER_KEY)
    answer = desk.post("proposals/f3a91c/approve", alternative="alt-1")
    assert answer.status_code == 403
    assert "looking only" in answer.json()["text"]
    assert desk.gate.calls == []


# --- the stream ----------------------------------------------------------------------------------------------

RUNNER, VIEWER = Session("s", "board_runner"), Session("s", "viewer")


class Screen:
    """A screen on the stream, without a socket."""

    def __init__(self, data: Path) -> None:
        self.stage = Stage()
        self.board = board(self.stage, FakeGate(), FakeManual(), data)

    def after(self, last: str | None, session: Session = RUNNER) -> tuple[str, dict]:
        async def first() -> tuple[str, dict]:
            stream = _stream(self.board, SUITE, session, last)
            event = await asyncio.wait_for(anext(stream), 0.2)
            await stream.aclose()
            assert event.event == "snapshot"
            return str(event.id), json.loads(event.data)

        return asyncio.run(first())

    def change(self, now=None) -> None:
        self.stage.now = now or approved()
        self.board.snapshots.refresh(SUITE)


@pytest.fixture
def screen(tmp_path) -> Screen:
    return Screen(tmp_path)


def test_a_screen_that_knows_nothing_gets_everything(screen):
    _, told = screen.after(None)
    assert set(told["regions"]) == {"header", "banner", "advice", "actions", "timeline", "list", "cards"}
    assert told["proposal"] == "f3a91c"


def test_a_screen_that_comes_back_gets_what_changed_since(screen):
    last, _ = screen.after(None)
    screen.change(replace(heard(), gate=gate_status(open_proposal=None)))
    _, told = screen.after(last)
    assert "advice" in told["regions"]
    assert "cards" not in told["regions"]
    assert told["proposal"] == ""


def test_a_screen_that_is_up_to_date_waits(screen):
    last, _ = screen.after(None)
    with pytest.raises(TimeoutError):
        screen.after(last)


def test_an_id_of_an_earlier_process_is_answered_with_everything(screen):
    assert "timeline" in screen.after("deadbeef-7")[1]["regions"]


def test_a_viewers_stream_carries_no_actions(screen):
    assert "actions" not in screen.after(None, VIEWER)[1]["regions"]


def test_the_live_region_says_the_recommendation_once(screen):
    _, told = screen.after(None)
    assert told["say"] == "Recommendation: Move 3 cases, nobody is postponed. Decide by 10:24."


def test_many_events_between_two_looks_are_one_snapshot(screen):
    last, _ = screen.after(None)
    for second in range(1, 50):
        screen.stage.now = replace(screen.stage.now, day=screen.stage.now.day.apply(tick("10:14", second)))
    screen.board.snapshots.refresh(SUITE)
    new, told = screen.after(last)
    assert int(new.split("-")[1]) == int(last.split("-")[1]) + 1
    assert "10:14:49" in told["regions"]["header"]


def test_nothing_new_draws_nothing(screen):
    first = screen.board.snapshots.channel(SUITE).id
    screen.board.snapshots.refresh(SUITE)
    assert screen.board.snapshots.channel(SUITE).id == first


def test_a_pulse_that_stops_is_a_snapshot_of_its_own(screen):
    last, _ = screen.after(None)
    screen.stage.beat = QUIET
    screen.board.snapshots.refresh(SUITE)
    _, told = screen.after(last)
    assert told["stale"]
    assert "Stale since 10:14:00" in told["regions"]["banner"]
    assert told["say"].startswith("Stale since")
    screen.stage.beat = LIVE
    screen.board.snapshots.refresh(SUITE)
    assert not screen.after(last)[1]["stale"]


def test_every_moment_renders(tmp_path):
    for moment in (heard(), approved(), quiet_morning()):
        drawn = Snapshots(Stage(moment), SystemClock()).channel(SUITE)
        assert len(drawn.html()["timeline"]) > 5000
