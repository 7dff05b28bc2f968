"""OBX in SIU and ORU^R01: milestones, readiness and, in ORU, attributes of the case such as ASA."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from orloop_common.domain.vocabulary import Milestone, ReadinessItem, ReadinessStatus
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, CaseRef, CaseTold, MilestoneTold, ReadinessTold, Statement

from . import words as w
from .attributes import attributes
from .reading import Reading
from .tokens import Segment

FUTURE = timedelta(minutes=10)
_WITHDRAWN = frozenset({"D", "W"})


def observed(r: Reading, ref: CaseRef, room: str | None, segments: list[Segment] | None = None) -> Iterator[Statement]:
    """Every milestone and readiness item that the message, or these of its OBX segments, tell."""
    for obx in r.message.all(b"OBX") if segments is None else segments:
        code = r.observation(obx)
        milestone = r.profile.tables.milestones.get(code)
        if milestone is not None:
            if (told := _milestone(r, ref, obx, milestone, room)) is not None:
                yield told
        elif code.startswith(w.READY_PREFIX):
            yield _readiness(r, ref, obx, code)
        elif code not in r.profile.obx_words:
            r.notes.append("unmapped_observation")
    for milestone, places in r.profile.milestone_fields:
        for place in places:
            segment = r.find(place)
            if segment is not None and (value := r.value(segment, place)):
                yield milestone_at(r, ref, milestone, r.instant(value, place.text), room)
                break


def _milestone(r: Reading, ref: CaseRef, obx: Segment, milestone: Milestone, room: str | None) -> MilestoneTold | None:
    if r.text(obx, 11) in _WITHDRAWN:
        raise Quarantined(Reason.UNKNOWN_CODE, "OBX-11")
    for field in r.profile.milestone_time:
        if value := r.text(obx, field):
            return milestone_at(r, ref, milestone, r.instant(value, f"OBX-{field} of {milestone}"), room)
    return None


def milestone_at(
    r: Reading, ref: CaseRef, milestone: Milestone, at: datetime, room: str | None, *, fills_gap_only: bool = False
) -> MilestoneTold:
    """A milestone at a time that may be.

    Raises
    ------
    Quarantined
        FUTURE_MILESTONE if it has not come yet.
    """
    if at > r.received + FUTURE:
        raise Quarantined(Reason.FUTURE_MILESTONE, str(milestone))
    return MilestoneTold(ref=ref, milestone=milestone, at=at, room=room, fills_gap_only=fills_gap_only)


def _readiness(r: Reading, ref: CaseRef, obx: Segment, code: str) -> ReadinessTold:
    try:
        item = ReadinessItem(code.removeprefix(w.READY_PREFIX).lower())
        status = ReadinessStatus(r.text(obx, 5).lower())
    except ValueError:
        raise Quarantined(Reason.UNKNOWN_CODE, "OBX-5 of READY") from None
    return ReadinessTold(ref=ref, item=item, status=status)


def results(r: Reading) -> Iterator[Statement]:
    """ORU^R01: what its observations say of a case; each OBX belongs to the OBR before it, and that to its ORC."""
    if r.has("SCH"):
        raise Quarantined(Reason.WRONG_BODY, "SCH")
    if not r.has("OBR"):
        if any(_is_ours(r, obx) for obx in r.message.all(b"OBX")):
            raise Quarantined(Reason.WRONG_BODY, "OBR")
        return
    groups = _groups(r)
    if len(groups) == 1:
        yield from _result(r, groups[0][2])
        return
    for orc, obr, segments in groups:
        if any(_is_ours(r, obx) for obx in segments):
            r.narrow({b"ORC": orc, b"OBR": obr})
            yield from _result(r, segments)


def _is_ours(r: Reading, obx: Segment) -> bool:
    code = r.observation(obx)
    return code in r.profile.tables.milestones or code in r.profile.obx_words or code.startswith(w.READY_PREFIX)


def _groups(r: Reading) -> list[tuple[Segment | None, Segment | None, list[Segment]]]:
    groups: list[tuple[Segment | None, Segment | None, list[Segment]]] = []
    orc = None
    for s in r.message.segments:
        if s.name == b"ORC":
            orc = s
        elif s.name == b"OBR":
            groups.append((orc, s, []))
        elif s.name == b"OBX" and groups:
            groups[-1][2].append(s)
    return groups


def _result(r: Reading, segments: list[Segment]) -> Iterator[Statement]:
    patient = r.patient()
    ref = r.ref(patient)
    if not ref.ids and not ref.visit:
        if any(_is_ours(r, obx) for obx in segments):
            raise Quarantined(Reason.NO_CASE_ID, "SCH-2, OBR-3")
        r.notes.append("unmapped_observation")  # a laboratory's result is none of ours
        return
    fields = attributes(r)
    if fields:
        yield CaseTold(
            ref=ref,
            identity=r.identity(ref.ids, ref.visit, patient),
            act=Act.BOOKED,
            creates=False,
            fields=fields,
        )
    yield from observed(r, ref, None, segments)
