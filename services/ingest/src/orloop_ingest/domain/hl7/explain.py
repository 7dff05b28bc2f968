"""What a profile makes of one message, field by field, and what of the message nothing ever looked at. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain.site import Site
from orloop_ingest.domain.quarantine import Quarantined
from orloop_ingest.domain.told import (
    BedTold,
    CaseTold,
    FactTold,
    MilestoneTold,
    PatientsMerged,
    ReadinessTold,
    Told,
    VisitMoved,
)

from .header import Fault, Header, misdirected, read_header
from .places import Place
from .profile import SourceProfile
from .reading import Reading
from .tokens import CLEARED, Message, Segment
from .told_by import read

_NOTHING_TO_READ = {b"MSH": range(1, 100), b"EVN": (1,), b"SFT": range(1, 100), b"UAC": range(1, 100)}
_ALWAYS = {"OBX": {1, 2, 3, 4}, "PID": {1, 5}, "NTE": {1}}


@dataclass(frozen=True, slots=True)
class Resolved:
    """One field: which candidate was taken, what stood there, what it became, and why not another."""

    name: str
    place: str
    value: str
    becomes: str
    why: str
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A field with a value that no candidate of the profile read."""

    place: str
    value: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One message as the profile reads it. `outcome`: read, quarantined, refused, not_ours."""

    number: int
    type: str
    control_id: str
    outcome: str
    reason: str = ""
    sentence: str = ""
    says: tuple[str, ...] = ()
    fields: tuple[Resolved, ...] = ()
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class TracedReading(Reading):
    """A reading that remembers what it looked at."""

    def __init__(self, *given: Any) -> None:
        self.touched: set[tuple[int, int]] = set()
        self.picked: dict[str, tuple[str, Place | None]] = {}
        self.patients: list[tuple[str, str, str]] = []
        super().__init__(*given)

    def text(self, segment: Segment | None, number: int, component: int = 1, sub: int = 0) -> str:
        if segment is not None:
            self.touched.add((segment.number, number))
        return super().text(segment, number, component, sub)

    def components(self, segment: Segment, number: int, last: int) -> list[str]:
        self.touched.add((segment.number, number))
        return super().components(segment, number, last)

    def number(self, segment: Segment, field: int) -> tuple[str, str, str]:
        self.touched.add((segment.number, field))
        found = super().number(segment, field)
        if segment.name == b"PID":
            self.patients.append(found)
        return found

    def pick(self, name: str) -> tuple[str, Place] | tuple[str, None]:
        found = super().pick(name)
        self.picked.setdefault(name, found)
        return found


def explain(body: bytes, profile: SourceProfile, site: Site, received: datetime, number: int = 1) -> Explained:
    """What the profile makes of one message, as the door would."""
    header, message = read_header(body)
    fault = header.fault or misdirected(header, profile)
    if message is None or header.fault is not None:
        return _refused(Explained(number, header.type, header.control_id, "refused"), fault)
    r = TracedReading(message, header, profile, site.site, received, "")
    try:
        told = read(r)
    except Quarantined as problem:
        found = _quarantined(number, header, problem, r)
    else:
        found = Explained(
            number=number,
            type=header.type,
            control_id=header.control_id,
            outcome="read" if told.statements else "not_ours",
            says=tuple(_say(statement) for statement in told.statements),
            fields=tuple(_fields(r, told)),
            unread=tuple(unread(message, r)),
            notes=tuple(dict.fromkeys(told.notes)),
            flags=_flags(r),
        )
    return _refused(found, fault) if fault is not None else found


def _refused(found: Explained, fault: Fault | None) -> Explained:
    """The answer will be AR, whatever could be read."""
    sentence = f"{fault.sentence} ({fault.field})" if fault else "Expected HL7 v2."
    return replace(found, outcome="refused", reason="bad_header", sentence=sentence)


def _flags(r: Reading) -> tuple[str, ...]:
    return tuple(f"{f.kind} {f.word or '(hidden)'} at {f.place}" for f in r.flags)


def _quarantined(number: int, header: Header, problem: Quarantined, r: TracedReading) -> Explained:
    return Explained(
        number=number,
        type=header.type,
        control_id=header.control_id,
        outcome="quarantined",
        reason=problem.reason.value,
        sentence=str(problem),
        fields=tuple(_fields(r, None)),
        unread=tuple(unread(r.message, r)),
        notes=tuple(dict.fromkeys(r.notes)),
        flags=_flags(r),
    )


def _fields(r: TracedReading, told: Told | None) -> list[Resolved]:
    """Every field that was asked for, and those attributes that have candidates, in the profile's order."""
    case = next((s for s in told.statements if isinstance(s, CaseTold)), None) if told is not None else None
    found = []
    asked = [name for name in r.profile.candidates if name in r.picked or _is_attribute(r, name)]
    if case is not None:
        asked = [*asked, *(n for n in ("room", "procedure", "person", "equipment") if n not in asked)]
    if r.patients:
        found.append(_patient(r))
    for name in asked:
        value, place = r.picked.get(name) or r.pick(name)
        becomes = _becomes(name, case, value)
        found.append(
            Resolved(
                name=name,
                place=place.text if place else "",
                value=value,
                becomes=becomes,
                why=_why(r, name, place),
                cleared=place is None and r.cleared(name),
            )
        )
    return found


def _patient(r: TracedReading) -> Resolved:
    id, assigner, kind = r.patients[0]
    wanted = r.profile.patient_number.types
    why = f"the repetition of type {kind or '(none)'}; wanted {', '.join(wanted)}" if wanted else "the first repetition"
    place = f"PID-{r.profile.patient_number.field}"
    return Resolved("patient", place, "^".join((id, assigner, kind)) if id else "", "a keyed hash" if id else "", why)


def _is_attribute(r: TracedReading, name: str) -> bool:
    return any(name == attribute for attribute, _ in r.profile.attributes) and bool(r.picked)


def _why(r: TracedReading, name: str, place: Place | None) -> str:
    candidates = [p.text for p in r.profile.candidates[name]]
    if not candidates:
        return "the profile says that it is nowhere"
    if place is None:
        return "cleared by two quotes" if r.cleared(name) else f"empty: {', '.join(candidates)}"
    at = candidates.index(place.text)
    if len(candidates) == 1:
        return "the only candidate"
    return f"candidate {at + 1} of {len(candidates)}" + (f"; empty: {', '.join(candidates[:at])}" if at else "")


def _becomes(name: str, case: CaseTold | None, value: str) -> str:
    if case is None:
        return ""
    told: Any = {
        "start": case.start,
        "end": case.booked,
        "length": case.booked,
        "status": case.act,
        "version": case.version if case.version is not None else "MSH-7 stands in",
        "reason_code": case.reason_code,
        "procedure": ", ".join(f"{p.system} {p.code}" for p in case.fields.get("procedures", ())),
        "person": ", ".join(f"{s.id} ({s.role})" for s in case.fields.get("surgeons", ())),
        "equipment": ", ".join(case.fields.get("equipment", ())),
        **{k: v for k, v in case.fields.items() if k not in ("procedures", "surgeons", "equipment")},
    }.get(name)
    if case.actions and name in ("procedure", "person", "equipment", "room"):
        return "; ".join(_act(a, name) for a in case.actions if _act(a, name))
    if told is None or told == "":
        return ""
    if isinstance(told, datetime):
        return told.isoformat(timespec="minutes")
    if isinstance(told, timedelta):
        return f"{told.total_seconds() / 60:g} min"
    return str(told)


def _act(action: Any, name: str) -> str:
    what = {
        "procedure": action.procedure and f"{action.procedure.system} {action.procedure.code}",
        "person": action.surgeon and f"{action.surgeon.id} ({action.surgeon.role})",
        "equipment": action.equipment,
        "room": action.room,
    }[name]
    return f"{action.action.name.lower()} {what}" if what else ""


def _say(statement: Any) -> str:
    """One statement in a few words, without anything that names a patient."""
    if isinstance(statement, CaseTold):
        start = statement.start.isoformat(timespec="minutes") if statement.start else "no start"
        if statement.act != "booked":
            return f"case {statement.act}"
        return f"case booked, {start}" + ("" if statement.creates else " (only if it is known)")
    if isinstance(statement, MilestoneTold):
        gap = ", fills a gap only" if statement.fills_gap_only else ""
        return f"{statement.milestone} at {statement.at.isoformat(timespec='seconds')}{gap}"
    if isinstance(statement, ReadinessTold):
        return f"{statement.item} {statement.status}"
    if isinstance(statement, PatientsMerged):
        return "two patient numbers are one patient"
    if isinstance(statement, VisitMoved):
        return "a visit has another number or patient"
    if isinstance(statement, BedTold):
        return f"bed of {statement.unit} is {statement.status}"
    assert isinstance(statement, FactTold)
    return type(statement.event).__name__


def unread(message: Message, r: TracedReading) -> list[Unread]:
    """Fields with values that nothing looked at: where an analyst finds what the profile misses."""
    found = []
    for segment in message.segments:
        name = segment.name.decode("ascii", "replace")
        skipped = _NOTHING_TO_READ.get(segment.name, ())
        always = _ALWAYS.get(name, {1} if name not in ("SCH", "ORC") else set())
        label = f"OBX[{r.observation(segment)}]" if name == "OBX" else name
        for at, raw in enumerate(segment.fields[1:], 1):
            if not raw or raw == CLEARED or at in skipped or at in always:
                continue
            if (segment.number, at) not in r.touched:
                found.append(Unread(f"{label}-{at}", _decoded(message, raw)))
    return found


def _decoded(message: Message, raw: bytes) -> str:
    try:
        return message.decode_escaped(raw[:120])
    except Quarantined:
        return raw[:120].decode("latin-1")
