"""What the gate publishes of itself: its status, and the plan in force."""

from datetime import datetime

from orloop_common.domain.derived import GateStatus, PlanCurrent, Proposal, StopCondition
from orloop_common.domain.plan import Assignment
from orloop_common.domain.reading import todays_cases

from .decide import Open, Withhold
from .suite import SuiteView


def gate_status(
    view: SuiteView,
    stops: tuple[StopCondition, ...],
    proposal: Proposal | None,
    judged: Open | Withhold | None,
    at: datetime,
) -> GateStatus:
    """The suite's mode and stop conditions, and what the newest undecided proposal may do."""
    opened = proposal.id if proposal and isinstance(judged, Open) else None
    withheld = proposal.id if proposal and isinstance(judged, Withhold) else None
    return GateStatus(
        suite=view.suite,
        as_of=view.offset,
        at=view.day.now or at,
        mode=view.mode,
        stops=stops,
        open_proposal=opened,
        withheld=withheld,
        withheld_because=judged.sentences if isinstance(judged, Withhold) else (),
        closed=judged.closed if isinstance(judged, Open) else {},
        audit_sequence=view.head.sequence,
        audit_head=view.head.hash if view.head.sequence else "",
    )


def same_status(one: GateStatus | None, two: GateStatus) -> bool:
    """Whether both say the same: since when, as of which offset, is not news."""
    return one is not None and _news(one) == _news(two)


def _news(status: GateStatus) -> tuple[object, ...]:
    stops = tuple((stop.id, stop.sentence) for stop in status.stops)
    shown = (status.open_proposal, status.withheld, status.withheld_because, tuple(sorted(status.closed.items())))
    return (status.mode, stops, *shown, status.audit_sequence, status.audit_head)


def plan_current(view: SuiteView) -> PlanCurrent | None:
    """The published plan of the operational day; None before the first tick."""
    day = view.day
    if day.now is None:
        return None
    places = [(c.case, day.place(c.case)) for c in todays_cases(day) if c.active]
    in_force = [(record.decided.at, id) for id, record in day.decisions.items() if record.in_force]
    return PlanCurrent(
        suite=view.suite,
        as_of=view.offset,
        at=day.now,
        day=day.calendar.day(day.now).isoformat(),
        proposal=max(in_force)[1] if in_force else None,
        assignments=tuple(Assignment(case=case, place=place) for case, place in places if place),
    )
