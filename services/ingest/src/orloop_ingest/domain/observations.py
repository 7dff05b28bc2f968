"""OBX in SIU^S14 and ORU^R01: milestones and readiness, with corrections that name what they replace."""

from datetime import datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event, MilestoneRecorded, ReadinessChanged
from orloop_common.domain.vocabulary import Milestone, ReadinessItem, ReadinessStatus

from . import profile as p
from .quarantine import Quarantined, Reason
from .reading import Reading
from .times import parse_time
from .tokens import Segment

FUTURE = timedelta(minutes=10)
_WITHDRAWN = frozenset({"D", "W"})


def observed(r: Reading, case: str) -> list[Event]:
    """Every milestone and readiness item that this message tells and that was not known."""
    rooms = [r.room(s, 3, 1, "AIL-3") for s in r.segments("AIL")]
    room = next((name for name in rooms if name), None)
    found: list[Event] = []
    event: Event | None
    for obx in r.segments("OBX"):
        code = r.text(obx, 3).upper()
        if code in r.profile.milestones:
            event = _milestone(r, case, obx, Milestone(r.profile.milestones[code]), room)
        elif code.startswith(p.READY_PREFIX):
            event = _readiness(r, case, obx, code)
        else:
            if code not in p.ATTRIBUTES:
                r.notes.append("unmapped_observation")
            continue
        if event is not None:
            found.append(event)
    return found


def _milestone(r: Reading, case: str, obx: Segment, milestone: Milestone, room: str | None) -> MilestoneRecorded | None:
    if r.text(obx, 11) in _WITHDRAWN:
        raise Quarantined(Reason.UNKNOWN_CODE, "OBX-11")
    value = r.text(obx, 5)
    if not value:
        return None
    return milestone_at(r, case, milestone, parse_time(value, r.zone, f"OBX-5 of {milestone}"), room)


def milestone_at(
    r: Reading, case: str, milestone: Milestone, at: datetime, room: str | None, *, first_only: bool = False
) -> MilestoneRecorded | None:
    """The recording of a milestone, or None if the same time is in force already.

    Parameters
    ----------
    first_only
        Whether this source may only fill a gap, never correct (a location that is repeated).
    """
    if at > r.received + FUTURE:
        raise Quarantined(Reason.FUTURE_MILESTONE, str(milestone))
    held = r.known.case(case).milestones.get(milestone)
    told = recorded = r.told
    replaces = None
    if held is not None:
        if held.at == at or first_only:
            return None
        if told >= held.recorded:
            replaces = held.event
            recorded = max(told, held.recorded + timedelta(microseconds=1))
    return MilestoneRecorded(
        id=derived_id("MilestoneRecorded", r.suite, case, milestone, at.isoformat(), told.isoformat()),
        suite=r.suite,
        at=at,
        case=case,
        milestone=milestone,
        room=room,
        recorded=recorded,
        replaces=replaces,
    )


def _readiness(r: Reading, case: str, obx: Segment, code: str) -> ReadinessChanged | None:
    try:
        item = ReadinessItem(code.removeprefix(p.READY_PREFIX).lower())
        status = ReadinessStatus(r.text(obx, 5).lower())
    except ValueError:
        raise Quarantined(Reason.UNKNOWN_CODE, "OBX-5 of READY") from None
    if r.known.case(case).readiness.get(item) is status:
        return None
    id = derived_id("ReadinessChanged", r.suite, case, item, status, r.told.isoformat())
    return ReadinessChanged(id=id, suite=r.suite, at=r.told, case=case, item=item, status=status)
