"""A second room fails while people look at the first, then both come back: what waits for an answer is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from orloop_cli.mesh import Mesh, Options
from orloop_cli.ports import free_port
from orloop_cli.services import demo_site
from orloop_cli.story import SuiteStory
from orloop_cli.watch import Watch
from orloop_common.domain.derived import Proposal
from orloop_common.domain.events import PlanDecided
from orloop_common.domain.vocabulary import Verdict
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import SystemClock

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Morning:
    """A mesh on a calm morning, a board runner who reports, and what the log says."""

    mesh: Mesh
    watch: Watch

    @property
    def story(self) -> SuiteStory:
        return self.watch.suites["main"]

    def report(self, path: str, **body: str) -> None:
        """A person's report at the manual door."""
        token = Tokens(self.mesh.run.secrets.token_secret, SystemClock()).mint("kim", Role.BOARD_RUNNER, "main")
        url = f"{self.mesh.addresses.manual_url}/v1/suites/main/{path}"
        answer = httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert answer.status_code == 202, answer.text

    def wait_for(self, found: Callable[[], object]) -> None:
        def look() -> bool:
            self.watch.poll()
            return bool(found())

        assert self.mesh.run_until(look, 30), list(self.story.proposals.values())[-1:]

    def goes_down(self, room: str) -> Proposal:
        """The proposal that is open once a failure has been answered."""
        assert self.mesh.day is not None
        back = self.mesh.day.now() + timedelta(hours=6)
        self.report(f"rooms/{room}/down", cause="air handling", expected_until=back.isoformat())
        self.wait_for(lambda: self.open_for(room))
        found = self.open_for(room)
        assert found is not None
        return found

    def open_for(self, room: str) -> Proposal | None:
        """What is open, if it answers the failure of a room."""
        waits = self.story.open_proposal
        if waits is None:
            return None
        downs = [self.story.downs[t.event] for t in waits.triggers if t.event in self.story.downs]
        return waits if room in {down.room for down in downs} else None

    def end_of(self, proposal: Proposal) -> PlanDecided:
        """What became of a proposal, once the log has it: the gate's status may be read before its decision."""
        self.wait_for(lambda: proposal.id in self.story.day.decisions)
        return self.story.day.decisions[proposal.id].decided

    def answered(self, kind: str) -> set[str | None]:
        """The rooms whose triggers of a kind have an answer."""
        return {t.room for p in self.story.proposals.values() for t in p.triggers if t.type == kind}

    def says_down(self) -> bool:
        """Whether what is open moves anybody because a room is down."""
        waits = self.story.open_proposal
        return waits is not None and any(" is down" in c.reason for a in waits.alternatives for c in a.changes)

    def leaving(self, proposal: Proposal) -> set[str | None]:
        """The rooms whose cases it moves elsewhere or to later."""
        return {change.origin.room for change in proposal.alternatives[0].changes}


@pytest.fixture
def morning(tmp_path: Path) -> Iterator[Morning]:
    with Mesh.new(tmp_path, Options(speed=60, seed=11, board_port=free_port(), scenario="quiet")) as mesh:
        mesh.start()
        watch = Watch(mesh.bootstrap, demo_site())
        try:
            mesh.play(60)
            assert mesh.run_until(lambda: mesh.day is not None and mesh.day.now().minute >= 2, 30)
            mesh.play(1)
            yield Morning(mesh, watch)
        finally:
            watch.close()


def test_two_rooms_fail_one_after_the_other_and_both_come_back(morning: Morning) -> None:
    first = morning.goes_down("4")
    assert "4" in morning.leaving(first)
    assert morning.says_down()
    second = morning.goes_down("6")
    assert morning.leaving(second) >= {"4", "6"}, "nobody is left in either of them"
    assert morning.end_of(first).reason_code == "superseded"

    morning.report("rooms/6/restored")
    morning.report("rooms/4/restored")
    assert morning.end_of(second).verdict in (Verdict.EXPIRED, Verdict.WITHHELD)
    morning.wait_for(lambda: {"4", "6"} <= morning.answered("RoomRestored"))
    morning.wait_for(lambda: not morning.says_down())
