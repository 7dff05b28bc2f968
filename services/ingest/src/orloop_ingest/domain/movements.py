"""ADT: where a patient is, as a milestone of the one case that it can belong to."""

from orloop_common.domain.events import Event
from orloop_common.domain.reading import entered, left
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.vocabulary import Milestone

from . import profile as p
from .observations import milestone_at
from .quarantine import Quarantined, Reason
from .reading import Reading


def moved(r: Reading) -> list[Event]:
    """A02 and A08: PV1-3 in the PACU is `pacu_in`, PV1-11 in one of our rooms is `patient_in_room`."""
    pv1, evn = r.need("PV1"), r.segment("EVN")
    if r.segment("SCH") is not None:
        raise Quarantined(Reason.WRONG_BODY, "SCH")
    room = r.profile.rooms.get(r.text(pv1, 11))
    in_pacu = r.text(pv1, 3) in r.profile.pacu_locations
    if room is None and not in_pacu:
        return []
    case = _case(r, r.text(pv1, 19), room)
    happened = r.time(evn, 6, "EVN-6")
    at = happened or r.time(evn, 2, "EVN-2") or r.told
    first_only = r.header.trigger == p.UPDATED or happened is None
    milestone = Milestone.PATIENT_IN_ROOM if room is not None else Milestone.PACU_IN
    event = milestone_at(r, case, milestone, at, room, first_only=first_only)
    return [event] if event is not None else []


def _case(r: Reading, visit: str, room: str | None) -> str:
    """The visit's case that a move into `room` (None: the PACU) belongs to."""
    cases = [r.known.case(case) for case in r.known.identities.cases_of(r.source, visit)] if visit else []
    cases = [c for c in cases if c.status == "scheduled"]
    if not cases:
        raise Quarantined(Reason.UNKNOWN_VISIT, "PV1-19")
    if len(cases) == 1:
        return cases[0].case
    fitting = [c for c in cases if _fits(c, room)]
    if len(fitting) != 1:
        raise Quarantined(Reason.AMBIGUOUS_VISIT, "PV1-19")
    return fitting[0].case


def _fits(record: CaseRecord, room: str | None) -> bool:
    if room is None:
        return entered(record) is not None and Milestone.PACU_IN not in record.milestones
    here = record.schedule is not None and record.schedule.room == room
    return here and left(record) is None
