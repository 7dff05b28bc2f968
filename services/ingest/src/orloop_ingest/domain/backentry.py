"""Milestones that a downtime kept back: each keeps its own time, and says when it was entered. Pure."""

from dataclasses import dataclass
from datetime import datetime

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import MilestoneRecorded
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Source

from .known import Identities
from .reconciling import cases_named
from .tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What becomes of one row: new, corrects (another time was known), unchanged."""

    outcome: str
    event: MilestoneRecorded


def entered(
    table: Table,
    day: SuiteDay,
    identities: Identities,
    namespace: str,
    source: str,
    now: datetime,
    oldest: datetime,
    latest: datetime,
) -> list[Entered]:
    """The milestones of a file; rows of unknown cases and of times out of bounds are faults of the table."""
    found: list[Entered] = []
    for row in table.rows:
        at, milestone = row.cells["at"], row.cells["milestone"]
        cases = cases_named(identities, namespace, row.cells["case_id"])
        case = min(cases, default="")
        if len(cases) != 1 or case not in day.cases:
            table.wrong(row.place, "case_id", "a case that is known here", "another")
            continue
        if not oldest <= at <= latest:
            expected = "a time within the last day (older ones with --back-entry)"
            table.wrong(row.place, "at", expected, at.isoformat())
            continue
        held = day.cases[case].milestones.get(milestone)
        known = () if held is None else (held, *held.earlier)
        same = next((one for one in known if one.at == at), None)
        id = derived_id("back-entry", day.suite, case, milestone, at.isoformat(), source)
        event = MilestoneRecorded(
            id=id if same is None else same.event,
            suite=day.suite,
            at=at,
            case=case,
            milestone=milestone,
            room=row.cells["room"],
            source=Source.MANUAL,
            recorded=now,
            replaces=held.event if held is not None and same is None else None,
        )
        outcome = "unchanged" if same is not None else "corrects" if held is not None else "new"
        found.append(Entered(outcome=outcome, event=event))
    return found
