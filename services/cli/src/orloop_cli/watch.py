"""The launcher's eyes on the mesh: what waits for an answer, and what became of each trigger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import GateStatus, Proposal
from orloop_common.domain.events import Event
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import GATE_STATUS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.messages.sitefile import parse_site

from .reader import Seen, TopicReader
from .story import Line, SuiteStory


class Watch:
    """Follows the log, the proposals and the gate's word of every suite of a site."""

    def __init__(self, bootstrap: str, site_file: Path) -> None:
        site = parse_site(site_file.read_text())
        calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self.suites = {
            layout.id: SuiteStory(layout.id, SuiteDay(suite=layout.id, calendar=calendar)) for layout in site.suites
        }
        self._reader = TopicReader(bootstrap, [SUITE_EVENTS, PLAN_PROPOSALS, GATE_STATUS])

    def poll(self) -> list[Line]:
        """Take what is new and return what is worth telling."""
        return [line for seen in self._reader.poll() for line in self._take(seen)]

    def close(self) -> None:
        self._reader.close()

    @property
    def waiting(self) -> list[Proposal]:
        """Proposals that wait for an answer, one a suite at most."""
        return [story.open_proposal for story in self.suites.values() if story.open_proposal is not None]

    @property
    def room_down_answered(self) -> bool:
        """Whether a plan that moves a case out of a room that went down has been applied."""
        return any(story.answered_room_down() for story in self.suites.values())

    def why_not(self) -> str:
        """Why that has not happened yet."""
        return "; ".join(story.why_not() for story in self.suites.values())

    def _take(self, seen: Seen) -> Iterator[Line]:
        story = self.suites.get(seen.suite)
        message = seen.message() if story is not None else None
        if story is None or message is None:
            return
        if isinstance(message, Event):
            yield from story.event(message, seen.received)
        elif isinstance(message, Proposal):
            yield from story.proposal(message, seen.received)
        elif isinstance(message, GateStatus):
            yield from story.status(message)
