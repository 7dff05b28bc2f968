"""ADT: where a patient is, whose numbers are one patient's, whose visit is whose, and what state a bed is in."""

from collections.abc import Iterator

from orloop_common.domain.vocabulary import Milestone
from orloop_common.messages.identity import PatientIdentity
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import BedTold, PatientsMerged, Statement, VisitMoved

from . import words as w
from .observations import milestone_at
from .reading import Reading
from .tokens import Segment

ARRIVALS = frozenset({"A01", "A02", "A04", "A08", "A10"})
DEPARTURES = frozenset({"A02", "A03", "A09", "A10"})
_MOVES = frozenset({"A02", "A09", "A10"})
WITHDRAWN = frozenset({"A11", "A12", "A13"})
MERGES = frozenset({"A34", "A36", "A39", "A40", "A47"})
VISITS = frozenset({"A42", "A45", "A50"})
UNLINKED = "A37"
BEDS = "A20"
READ_ADT = ARRIVALS | DEPARTURES | WITHDRAWN | MERGES | VISITS | {UNLINKED, BEDS}
_SURE = frozenset({"A02", "A03", "A09", "A10"})
"""Triggers whose event is the move itself: A01, A04 and A08 only repeat a location."""


def told_by_adt(r: Reading) -> Iterator[Statement]:
    """What an ADT message tells, by its trigger, which is one of `READ_ADT`."""
    trigger = r.header.trigger
    if trigger in ARRIVALS or trigger in DEPARTURES:
        return moved(r)
    if trigger in WITHDRAWN:
        return withdrawn(r)
    if trigger in MERGES:
        return merged(r)
    if trigger in VISITS:
        return visits_moved(r)
    if trigger == UNLINKED:
        raise Quarantined(Reason.PATIENTS_UNLINKED, "PID-3")
    return beds(r)


def moved(r: Reading) -> Iterator[Statement]:
    """A location of the tables is a milestone: on leaving it, then on arriving; at EVN-6, else when it was told.

    A temporary location in one of our rooms is `patient_in_room`. A repeated location, and one without its own time,
    may only fill a gap.
    """
    tables, trigger = r.profile.tables, r.header.trigger
    if r.has("SCH"):
        raise Quarantined(Reason.WRONG_BODY, "SCH")
    if not r.has("PV1") and trigger not in _MOVES:
        return
    r.need("PV1")
    room = tables.rooms.get(r.pick("temporary_location")[0])
    arrived = Milestone.PATIENT_IN_ROOM if room is not None else tables.locations.get(r.pick("location")[0])
    left = r.pick("prior_location" if trigger != "A03" else "location")[0]
    left_room = tables.rooms.get(left)
    departed = Milestone.PATIENT_OUT_OF_ROOM if left_room is not None else tables.departures.get(left)
    if trigger not in ARRIVALS:
        arrived = None
    if trigger not in DEPARTURES:
        departed = None
    if arrived is None and departed is None:
        return
    happened = r.time("event_time")
    at = happened or r.time("event_told") or r.at
    only_gap = happened is None or trigger not in _SURE
    patient = r.patient()
    if departed is not None:
        ref = r.ref(patient, left_room, at)
        yield milestone_at(r, ref, departed, at, left_room, fills_gap_only=True)
    if arrived is not None:
        yield milestone_at(r, r.ref(patient, room, at), arrived, at, room, fills_gap_only=only_gap)


def withdrawn(r: Reading) -> Iterator[Statement]:
    """A cancelled admission, transfer or discharge tells nothing, unless a milestone may stand on it.

    Raises
    ------
    Quarantined
        MOVE_WITHDRAWN if one of its locations is a room or in the tables: a person must say what is true.
    """
    tables = r.profile.tables
    for name in ("location", "temporary_location", "prior_location"):
        word, place = r.pick(name)
        if place is not None and (word in tables.rooms or word in tables.locations or word in tables.departures):
            raise Quarantined(Reason.MOVE_WITHDRAWN, place.text)
    return iter(())


def merged(r: Reading) -> Iterator[Statement]:
    """Each MRG names a number that is now the one of the PID before it; A47 changes a number, which is the same."""
    survivor = None
    for s in r.message.segments:
        if s.name == b"PID":
            r.narrow({b"PID": s})
            survivor = r.patient()
        elif s.name == b"MRG":
            retired = _retired(r, s)
            if survivor is None or not survivor.id or not retired.id:
                raise Quarantined(Reason.WRONG_BODY, "MRG-1")
            yield PatientsMerged(survivor=survivor, retired=retired)
    if not r.message.all(b"MRG") or survivor is None:
        raise Quarantined(Reason.WRONG_BODY, "MRG")


def _retired(r: Reading, mrg: Segment) -> PatientIdentity:
    id, assigner, kind = r.number(mrg, 1)
    return PatientIdentity(id=id, assigner=assigner, type=kind)


def visits_moved(r: Reading) -> Iterator[Statement]:
    """MRG-5 was the visit's number, PV1-19 is it now; PID says whose it is."""
    mrg = r.need("MRG")
    before, patient = r.text(mrg, 5), r.patient()
    now = r.pick("visit")[0] or before
    if not before or not patient.id:
        raise Quarantined(Reason.WRONG_BODY, "MRG-5")
    yield VisitMoved(visit=before, now_visit=now, patient=patient)


def beds(r: Reading) -> Iterator[Statement]:
    """A20: NPU-1 is a bed, NPU-2 its state; beds of other units than the profile's are none of ours."""
    npu = r.need("NPU")
    unit = r.profile.tables.units.get(r.text(npu, 1))
    state = r.text(npu, 2).upper()
    if unit is None:
        return
    if state not in w.BED_STATES:
        raise Quarantined(Reason.UNKNOWN_CODE, "NPU-2")
    bed = "-".join(part for part in (r.text(npu, 1, n) for n in (1, 2, 3)) if part)
    yield BedTold(unit=unit, bed=bed, status=state, at=r.time("event_time") or r.time("event_told"))
