"""The board in a real browser: the real application, a staged feed, and a gate that speaks gRPC."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from board_day import LIVE, QUIET, Stage, approved, gate_status, heard, proposal, quiet_morning, tick
from board_parts import KEY, SECRET, VIEWER_KEY, FakeGate, FakeManual, Served
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_board_clients import GateServer

from orloop.gate.v1 import gate_pb2_grpc
from orloop_board.adapters.gate import GateClient
from orloop_board.ports import Said
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.clock import SystemClock

pytestmark = [pytest.mark.board, pytest.mark.slow]

AXE = "4.14.1"
WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}


def _missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            _missing("no Chromium: apt install chromium, or .venv/bin/playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Desk:
    """A served board with a stage that tests change, and one page on it."""

    def __init__(self, browser: Browser, data: Path) -> None:
        self.browser, self.data = browser, data
        self.stage, self.gate, self.manual = Stage(), FakeGate(), FakeManual()
        self.served: Served | None = None
        self.contexts: list[object] = []
        self.complaints: list[str] = []

    def serve(self, gate: object = None) -> "Desk":
        self.served = Served(self.stage, gate or self.gate, self.manual, self.data)  # type: ignore[arg-type]
        return self

    def open(self, key: str = KEY, size: dict[str, int] = WALL, **more: object) -> Page:
        served = self.served or self.serve().served
        assert served is not None
        context = self.browser.new_context(viewport=size, **more)  # type: ignore[arg-type]
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(5000)
        page.goto(f"{served.url}/?key={key}")
        expect(page.locator(".clock")).to_be_visible()
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()  # type: ignore[attr-defined]
        if self.served is not None:
            self.served.stop()


@pytest.fixture
def desk(chromium: Browser, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(chromium, tmp_path)
    yield made
    made.close()


def test_two_keystrokes_approve_and_the_board_shows_what_was_applied(desk):
    servicer, server = GateServer(), grpc.server(ThreadPoolExecutor(2))
    gate_pb2_grpc.add_GateServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = GateClient(f"127.0.0.1:{port}", Tokens(SECRET, SystemClock()), "board")
    page = desk.serve(client).open()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_contain_text("Approved")
    assert [(r.proposal, r.alternative) for r in servicer.requests] == [("f3a91c", "alt-1")]
    desk.stage.now = approved(answers=1, echoes=1)
    expect(page.locator(".progress h2")).to_have_text("1 of 3 applied")
    expect(page.locator("[data-act=approve]")).to_have_count(0)
    desk.stage.now = approved(answers=0, echoes=3)
    expect(page.locator(".progress h2")).to_have_text("3 of 3 applied")
    assert desk.complaints == []
    client.close()
    server.stop(0).wait(3)


def test_number_keys_choose_what_is_approved_and_what_the_timeline_shows(desk):
    page = desk.open()
    arriving = page.locator(".room:nth-child(8) foreignObject.arriving:visible")
    expect(arriving).to_have_count(2)
    page.keyboard.press("3")
    expect(page.get_by_role("radio", checked=True)).to_contain_text("Keep room 8")
    expect(arriving).to_have_count(1)
    page.keyboard.press("a")
    expect(page.locator("#d-approve h2")).to_have_text("Approve “Keep room 8 for emergencies”?")
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_have_text("Approved.")
    assert desk.gate.calls[0][:4] == ("approve", "main", "f3a91c", "alt-3")


def test_a_choice_survives_the_next_tick(desk):
    page = desk.open()
    page.keyboard.press("2")
    page.locator("[data-choose='2']").focus()
    desk.stage.now = replace(desk.stage.now, day=desk.stage.now.day.apply(tick("10:15")))
    expect(page.locator(".clock")).to_have_text("10:15")
    expect(page.get_by_role("radio", checked=True)).to_contain_text("Fewest changes")
    desk.stage.now = replace(desk.stage.now, day=desk.stage.now.day.apply(tick("10:16")))
    expect(page.locator(".clock")).to_have_text("10:16")
    assert page.evaluate("document.activeElement.dataset.choose") == "2"


def test_what_the_gate_refuses_is_shown_next_to_the_button(desk):
    desk.gate.answer = Said(False, "The log moved on: room 8 is down.")
    page = desk.open()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#d-approve .error")).to_have_text("The log moved on: room 8 is down.")
    page.keyboard.press("Escape")
    expect(page.locator("#d-approve")).to_be_hidden()


def test_pressing_twice_is_one_decision(desk):
    page = desk.open()
    desk.gate.answer = Said(False, "Try again.")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#d-approve .error")).to_have_text("Try again.")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    keys = {call[4] for call in desk.gate.calls}
    assert len(desk.gate.calls) == 2
    assert len(keys) == 1


def test_changes_can_be_unticked_with_a_reason(desk):
    page = desk.open()
    page.keyboard.press("c")
    page.locator("#d-change").get_by_label("Cystoscopy").uncheck()
    page.locator("#d-change select").select_option("patient_not_ready")
    page.locator("#d-change textarea").fill("ward is late")
    page.get_by_role("button", name="Approve the ticked ones").click()
    expect(page.locator("#d-change")).to_be_hidden()
    assert desk.gate.calls == [
        ("override", "main", "f3a91c", "alt-1", ("nephrectomy", "ureteroscopy"), "patient_not_ready", "ward is late")
    ]


def test_a_recommendation_is_rejected_with_a_reason(desk):
    page = desk.open()
    page.keyboard.press("r")
    page.locator("#d-reject select").select_option("recovery_full")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.locator("#d-reject")).to_be_hidden()
    assert desk.gate.calls == [("reject", "main", "f3a91c", "recovery_full", "")]


def test_a_room_is_reported_down_and_back(desk):
    page = desk.open()
    page.keyboard.press("d")
    page.locator("#d-room select").select_option("8")
    page.locator("#d-room").get_by_label("Why").fill("power")
    page.get_by_role("button", name="Report").click()
    expect(page.locator("#outcome")).to_have_text("Room 8 is reported down.")
    page.keyboard.press("d")
    page.locator("#d-room select").select_option("3")
    page.locator("#d-room").get_by_label("It can be used again").check()
    page.get_by_role("button", name="Report").click()
    expect(page.locator("#outcome")).to_have_text("Room 3 is reported back.")
    assert desk.manual.calls == [("down", "main", "8", "power", None), ("restored", "main", "3")]


def test_everything_is_frozen_from_the_keyboard(desk):
    page = desk.open()
    page.keyboard.press("f")
    page.keyboard.type("fire drill")
    page.keyboard.press("Enter")
    expect(page.locator("#d-freeze")).to_be_hidden()
    assert desk.gate.calls == [("mode", "main", "frozen", "fire drill")]


def test_letters_typed_into_a_field_are_letters(desk):
    page = desk.open()
    page.keyboard.press("r")
    page.locator("#d-reject textarea").press_sequentially("a c d 1 2")
    expect(page.locator("#d-reject textarea")).to_have_value("a c d 1 2")
    expect(page.locator("#d-approve")).to_be_hidden()


def test_keys_can_be_switched_off(desk):
    page = desk.open()
    page.get_by_role("button", name="Keys on").click()
    page.keyboard.press("a")
    expect(page.locator("#d-approve")).to_be_hidden()


def test_when_ticks_stop_the_header_turns_red_and_the_actions_go(desk):
    page = desk.open()
    desk.stage.beat = QUIET
    expect(page.locator(".stale").filter(has_text="Stale since 10:14:00")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.top')).backgroundColor") == "rgb(179, 38, 30)"
    expect(page.locator("[data-act=approve]")).to_have_count(0)
    page.keyboard.press("a")
    expect(page.locator("#d-approve")).to_be_hidden()
    desk.stage.beat = LIVE
    expect(page.locator("[data-act=approve]")).to_be_visible()
    expect(page.locator(".stale").filter(has_text="Stale since")).to_have_count(0)


def test_a_screen_that_loses_the_board_says_so_by_itself(desk):
    page = desk.open()
    page.keyboard.press("a")
    assert desk.served is not None
    desk.served.stop()
    expect(page.locator("#cut")).to_contain_text("No connection since 10:14:00", timeout=9000)
    expect(page.locator("[data-act=approve]")).to_be_hidden()
    expect(page.locator("#d-approve")).to_be_hidden()


def test_a_screen_finds_the_board_again_and_catches_up(desk):
    page = desk.open()
    assert desk.served is not None
    port = desk.served.server.port
    desk.served.stop()
    expect(page.locator("#cut")).to_be_visible(timeout=9000)
    desk.stage.now = approved()
    desk.served = Served(desk.stage, desk.gate, desk.manual, desk.data, port)
    expect(page.locator(".progress h2")).to_have_text("1 of 3 applied", timeout=15000)
    expect(page.locator("#cut")).to_be_hidden()


def test_a_recommendation_that_changes_closes_the_question_about_the_old_one(desk):
    page = desk.open()
    page.keyboard.press("a")
    newer = replace(proposal(heard().day), id="newer", as_of=95, headline="Move 2 cases")
    desk.stage.now = replace(
        heard(),
        proposals=heard().proposals.set("newer", newer),
        newest_answer="newer",
        gate=gate_status(open_proposal="newer"),
    )
    expect(page.locator("#d-approve")).to_be_hidden()
    expect(page.locator("#outcome")).to_contain_text("changed meanwhile")
    assert desk.gate.calls == []


def test_an_alternative_that_was_closed_cannot_be_approved(desk):
    desk.stage.now = heard(gate=gate_status(closed={"alt-2": ("room 8 is taken by then",)}))
    page = desk.open()
    page.keyboard.press("2")
    expect(page.get_by_text("Room 8 is taken by then.")).to_be_visible()
    expect(page.locator("[data-act=approve]")).to_be_hidden()
    page.keyboard.press("a")
    expect(page.locator("#d-approve")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("[data-act=approve]")).to_be_visible()


def test_a_stream_that_hangs_without_closing_is_noticed(desk):
    page = desk.open()
    page.evaluate("EventSource.prototype.addEventListener = () => {}")
    now = page.evaluate("performance.now()")
    page.evaluate(f"performance.now = () => {now} + 60000")
    expect(page.locator("#cut")).to_be_visible()


def test_a_viewer_has_no_actions_and_no_keys(desk):
    page = desk.open(VIEWER_KEY)
    expect(page.get_by_text("Move 3 cases, nobody is postponed")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("[data-act]")).to_have_count(0)


def test_reading_order_is_keyboard_order(desk):
    page = desk.open()
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.dataset.k ?? document.activeElement.id"))
    assert seen == ["choose-1", "approve", "change", "reject", "room", "replan", "freeze", "ask", "1-knee-scope-done"]


def test_why_not_is_asked_and_answered_without_leaving_the_form(desk):
    page = desk.open()
    page.keyboard.press("w")
    page.locator("#d-ask input[value=room]").check()
    page.locator("#d-ask [type=submit]").click()
    expect(page.get_by_text("The nephrectomy cannot go to room 4")).to_be_visible()
    expect(page.locator("#d-ask")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-act=approve]")).to_be_visible()


def test_arrow_keys_move_inside_the_timeline_and_the_full_text_is_shown(desk):
    page = desk.open()
    page.locator("[data-k='1-knee-scope-done']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tip")).to_contain_text("Hip replacement, Okafor, room 1, in the room since 09:26")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#tip")).to_contain_text("room 2")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 1920, 2560])
def test_labels_never_leave_their_bars(desk, width):
    page = desk.open(size={"width": width, "height": int(width * 9 / 16)})
    out = page.evaluate(
        """() => [...document.querySelectorAll('.label')].filter(l => l.getClientRects().length).flatMap(label => {
            const box = label.getBoundingClientRect();
            return [...label.querySelectorAll('b, .second')].filter(t => t.getClientRects().length &&
                getComputedStyle(t).visibility === 'visible').filter(t => {
              const r = t.getBoundingClientRect(), m = 1;
              return r.left < box.left - m || r.right > box.right + m ||
                r.top < box.top - m || r.bottom > box.bottom + m;
            }).map(t => t.textContent);
        })"""
    )
    assert out == []
    cut = page.locator(".plate .txt").evaluate_all("all => all.filter(t => t.scrollWidth > t.clientWidth).length")
    assert cut == 0


@pytest.mark.parametrize("moment", [heard, approved, quiet_morning])
def test_a_phone_scrolls_down_and_never_sideways(desk, moment):
    desk.stage.now = moment()
    page = desk.open(size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    expect(page.locator(".list li")).to_have_count(10)
    expect(page.locator("#timeline")).to_be_hidden()
    page.get_by_role("button", name="Show the timeline").click()
    expect(page.locator("#timeline")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_on_a_phone_the_recommendation_comes_before_the_rooms(desk):
    page = desk.open(size=PHONE)
    tops = [page.locator(s).bounding_box()["y"] for s in (".head", ".alternatives", ".list")]  # type: ignore[index]
    assert tops == sorted(tops)
    approve = page.locator("[data-act=approve]").bounding_box()
    assert approve is not None
    assert approve["y"] + approve["height"] <= PHONE["height"]  # within reach without scrolling


def test_the_wall_shows_the_whole_board_without_scrolling(desk):
    page = desk.open()
    assert page.evaluate("document.documentElement.scrollHeight") <= WALL["height"]
    hidden = page.locator(".advice").evaluate("a => a.scrollHeight - a.clientHeight")
    assert hidden <= 0


def test_day_and_night_are_a_choice_that_stays(desk):
    page = desk.open()
    page.get_by_role("button", name="Night").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "night"
    dark = desk.open(VIEWER_KEY, color_scheme="dark")
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 24)"


def test_everything_that_can_be_pressed_or_filled_has_a_name(desk):
    page = desk.open()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, [role=img], [role=radio]')].filter(e =>
            !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("#say").get_attribute("aria-live") == "polite"
    assert desk.complaints == []


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core from npm, kept in the cache; not needed for the rest."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "orloop" / f"axe-core-{AXE}.min.js"
    if not kept.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm to fetch axe-core with: apt install npm")
        kept.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "pack", "--silent", f"axe-core@{AXE}"], cwd=kept.parent, capture_output=True, text=True, timeout=60
        )
        packed = kept.parent / f"axe-core-{AXE}.tgz"
        if done.returncode or not packed.exists():
            pytest.skip("npm could not fetch axe-core: is a registry reachable?")
        shutil.unpack_archive(packed, kept.parent / "axe-unpacked", "gztar")
        shutil.move(kept.parent / "axe-unpacked" / "package" / "axe.min.js", kept)
        shutil.rmtree(kept.parent / "axe-unpacked")
        packed.unlink()
    return kept.read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WALL, PHONE], ids=["wall", "phone"])
@pytest.mark.parametrize("moment", [heard, approved], ids=["waits", "applying"])
def test_axe_finds_nothing(desk, axe, theme, size, moment):
    desk.stage.now = moment()
    page = desk.open(size=size, color_scheme=theme, bypass_csp=True)
    page.evaluate(axe)
    run = "axe.run(document).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))"
    found = page.evaluate(run)
    assert found == []
