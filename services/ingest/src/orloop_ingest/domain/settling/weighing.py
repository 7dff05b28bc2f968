"""One message on the scales: what it says, what is known, and what came of it so far."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import (
    CaseCancelled,
    CaseEnteredInError,
    CaseNoShow,
    CaseScheduled,
    Event,
    MilestoneRecorded,
    ReadinessChanged,
    SourceDisagreed,
)
from orloop_common.domain.evolving import evolve as replace
from orloop_common.messages.codec import to_json
from orloop_common.messages.identity import CASE
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.known import Identities, Known
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.told import Told

AGAIN = timedelta(minutes=10)
"""How long the question may stay open whether a case that was told again has moved back."""
CaseWord = CaseScheduled | CaseCancelled | CaseNoShow | CaseEnteredInError
TICK = timedelta(microseconds=1)


class Weighing:
    """Gathers what one message leads to.

    Attributes
    ----------
    identities
        The index with what this message adds.
    schedules, others
        Events in the order of writing: schedules and ends first, then what was observed.
    deferred
        What the case has told before: applied only if the message brings other news of the case, else held.
    whole
        Cases that it tells anew in whole: that mends doubts.
    agreed
        The schedules that it says again, or brings.
    settled_fields
        By case, the fields of which the message says what is known already.
    """

    __slots__ = (
        "agreed",
        "cases",
        "deferred",
        "doubts",
        "drafts",
        "identities",
        "known",
        "missing",
        "notes",
        "others",
        "pseudonyms",
        "schedules",
        "settled_fields",
        "told",
        "whole",
    )  # fmt: skip

    def __init__(self, told: Told, known: Known, pseudonyms: Pseudonyms) -> None:
        self.told, self.known, self.pseudonyms = told, known, pseudonyms
        self.identities: Identities = known.identities
        self.schedules: list[CaseWord] = []
        self.others: list[Event] = []
        self.drafts: dict[tuple[str, str], i.CaseIdentityDraft] = {}
        self.notes: list[str] = list(told.notes)
        self.cases: list[str] = []
        self.deferred: list[tuple[str, tuple[str, ...], Callable[[], None]]] = []
        self.settled_fields: dict[str, set[str]] = {}
        self.doubts: list[Event] = []
        self.missing: list[tuple[str, str]] = []
        self.whole: set[str] = set()
        self.agreed: dict[str, CaseScheduled] = {}

    def keep(self, kind: str, name: str, record: Any) -> None:
        """A record that must be durable before the events."""
        suite = record.suite if kind == CASE else self.told.suite
        draft = i.CaseIdentityDraft(kind, name, suite, record)
        self.drafts[kind, name] = draft
        self.identities = self.identities.with_draft(draft)

    def schedule(self, case: str) -> CaseScheduled | None:
        """The case's schedule, with what this message made of it."""
        for event in reversed(self.schedules):
            if isinstance(event, CaseScheduled) and event.case == case:
                return event
        return self.known.case(case).schedule

    def at_after(self, held: CaseScheduled | None, version: int) -> datetime:
        """When this version was told: later than what it replaces under the same version."""
        if held is not None and held.version == version and held.at >= self.told.at:
            return held.at + TICK
        return self.told.at

    def has_news(self, case: str) -> bool:
        """Whether the message says something of the case that was never said before."""
        return any(event.case == case for event in self.schedules) or any(
            isinstance(event, MilestoneRecorded | ReadinessChanged) and event.case == case for event in self.others
        )

    def follows(self, case: str) -> bool:
        """Whether the case is being told again with news in between: then what comes is taken as it comes."""
        again = self.identities.again.get(case)
        return again is not None and again.following and self.told.received - again.since <= AGAIN

    def disagree(
        self, subject: str, first: str, second: str, cause: str, *, room: str | None = None, case: str | None = None
    ) -> None:
        """Two sources tell different things: an event, once for each `cause`."""
        told = self.told
        id = derived_id("SourceDisagreed", told.suite, subject, told.source, first, second, cause)
        if case is not None and id in self.known.past(case).flagged:
            return
        self.others.append(
            SourceDisagreed(
                id=id, suite=told.suite, at=told.at, subject=subject, first=first, second=second, room=room, case=case
            )
        )


def named(w: Weighing, event: CaseScheduled, held: CaseScheduled | None) -> CaseScheduled:
    """The event with the id that follows from its content, whenever it was told.

    What was said of this version before and is news again (a merge taken back) is so once for what it replaces.
    """
    content = to_json(replace(event, id="", at=event.start)).decode()
    id = derived_id("CaseScheduled", event.suite, event.case, str(event.version), content)
    if (
        held is not None
        and held.version == event.version
        and any(s.id == id for s in w.known.past(event.case).schedules)
    ):
        id = derived_id("CaseScheduled", id, held.id)
    return replace(event, id=id)
