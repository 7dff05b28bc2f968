"""A version of a case against what is held: news, the same again, an older one, or one that was told before."""

from dataclasses import fields
from hashlib import sha256
from typing import Any

from orloop_common.domain.events import CaseScheduled
from orloop_common.domain.evolving import evolve as replace
from orloop_common.domain.records import CaseRecord
from orloop_common.messages.codec import to_json
from orloop_common.messages.identity import CASE
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.past import Past
from orloop_ingest.domain.pseudonyms import age_band
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, CaseTold, MilestoneTold, ReadinessTold
from orloop_ingest.domain.truth import outranks

from .aging import is_past
from .ends import end_case
from .linking import link_replacements
from .matching import case_of
from .naming import keys_of, name_case, told_keys, told_person
from .parking import park
from .patients import ever_led
from .resources import applied, was_there
from .versions import is_amendment, is_told_by_several, last_told, version_of
from .weighing import Weighing, named

_NAMES = tuple(f.name for f in fields(CaseScheduled))
_DERIVED = ("patient_key", "age_band")
_BASIS: dict[str, Any] = {"procedures": (), "surgeons": (), "room": None}


def tell_case(w: Weighing, told: CaseTold) -> None:
    """Weigh one version of a case.

    Raises
    ------
    Quarantined
        If it cannot be ordered, or a new case lacks what it needs, or nobody knows any more what became of it.
    """
    case = case_of(w, told.ref)
    if is_past(w, case, told.start, follows=told.start is None and not told.creates and told.act is Act.BOOKED):
        return
    if told.act is not Act.BOOKED:
        name_case(w, case, told.identity, told.ref)
        end_case(w, case, told)
        link_replacements(w, case)
        return
    record = w.known.case(case)
    held = w.schedule(case)
    if held is None and not told.creates:
        name_case(w, case, told.identity, told.ref)
        park(w, case, told)
        return
    book_case(w, case, told, record, held)


def book_case(w: Weighing, case: str, told: CaseTold, record: CaseRecord, held: CaseScheduled | None) -> None:
    """The newest version of the schedule, if this statement holds one that is not known yet."""
    version = version_of(w, told, record, held)
    if held is None and told.start is None:
        name_case(w, case, told.identity, told.ref)
        if any(isinstance(s, MilestoneTold | ReadinessTold) for s in w.told.statements):
            return  # a milestone that overtook its booking
        raise Quarantined(Reason.NO_START, "TQ1-7")
    several = is_told_by_several(w, case, held)
    last = last_told(w, case, held, several)
    new = _fields(w, case, told, held)
    if held is not None and is_amendment(told):
        if last is None or version < last:
            _remember_late(w, case, told, new)
            new = {name: value for name, value in new.items() if getattr(held, name) is None}
        version = max(version, held.version)
    elif (last is not None and version < last) or (
        not several and record.ended_version is not None and version <= record.ended_version
    ):
        _superseded(w, case, told, new)
        return
    if (
        held is None
        and record.ended_version is not None
        and not told.counted
        and _was_told(w, case, told, new, w.known.past(case))
    ):
        w.notes.append("told_before")
        name_case(w, case, told.identity, told.ref)
        return
    if held is None:
        new = {**told.defaults, **new}
        for name, place, reason in (
            ("booked", "SCH-9", Reason.BAD_LENGTH),
            ("service", "PV1-10", Reason.UNKNOWN_SERVICE),
        ):
            if not new.get(name):
                raise Quarantined(reason, place)
        basis = {**_BASIS, "source": w.told.source, **new}
        _schedule(
            w, case, told, CaseScheduled(id="", suite=w.told.suite, at=w.told.at, case=case, version=version, **basis)
        )
        link_replacements(w, case)
        return
    _change(w, case, told, held, new, version, several)


def _change(
    w: Weighing,
    case: str,
    told: CaseTold,
    held: CaseScheduled,
    new: dict[str, Any],
    version: int,
    several: bool,
) -> None:
    changed = _differing(new, held)
    past = w.known.past(case)
    if not changed:
        name_case(w, case, told.identity, told.ref, trusted=not is_amendment(told))
        if told.counted and not several and version > held.version:
            _schedule(w, case, told, _next(w, held, version, {}))
            return
        w.settled_fields.setdefault(case, set()).update(new, _DERIVED)
        w.agreed[case] = held
        if held.at == w.told.at and _is_whole(told):
            w.whole.add(case)  # this very message brought it: what was to follow may not have been written
        link_replacements(w, case)
        return
    if several and outranks(w.known.truth.cases, held.source, w.told.source):
        name_case(w, case, told.identity, told.ref)
        _disagree(w, held, changed, new)
        return

    def apply() -> None:
        number = version
        if several:
            number = max(held.version, w.known.case(case).ended_version or 0) + 1
            _count(w, case, held, version)
        _schedule(w, case, told, _next(w, held, number, new))
        link_replacements(w, case)  # another patient or procedure may make it a replacement

    if told.counted and not several:
        if version > held.version:
            apply()
        elif any(_is_told_by(w, told, new, each) for each in past.schedules if each.version == version):
            name_case(w, case, told.identity, told.ref)
            w.notes.append("told_before")
        else:
            raise Quarantined(Reason.SAME_VERSION_DIFFERS, "SCH-5")
        return
    if not w.follows(case) and _was_told(w, case, told, new, past):
        w.deferred.append((case, tuple(sorted(changed)), apply))
        name_case(w, case, told.identity, told.ref)
        return
    apply()


def _next(w: Weighing, held: CaseScheduled, version: int, new: dict[str, Any]) -> CaseScheduled:
    values = {name: getattr(held, name) for name in _NAMES}
    values |= new
    values |= {"version": version, "at": w.at_after(held, version), "source": w.told.source}
    return CaseScheduled(**values)


def _schedule(w: Weighing, case: str, told: CaseTold, event: CaseScheduled) -> None:
    event = named(w, event, w.schedule(case))
    w.schedules.append(event)
    name_case(w, case, told.identity, told.ref, trusted=not is_amendment(told))
    w.agreed[case] = event
    if _is_whole(told):
        w.whole.add(case)


def _is_whole(told: CaseTold) -> bool:
    """Whether it says all that planning needs, so that what was lost before does not matter any more."""
    return told.start is not None and not told.actions and "procedures" in told.fields and "room" in told.fields


def _fields(w: Weighing, case: str, told: CaseTold, held: CaseScheduled | None) -> dict[str, Any]:
    """Every attribute that the statement tells, with the patient's key and age band."""
    new = dict(told.fields)
    if told.start is not None:
        new["start"] = told.start
    if told.booked:
        new["booked"] = told.booked
    if held is not None and is_amendment(told):
        return new  # whose case it is the schedule says
    keys = told_keys(w, case, told.identity)
    if keys:
        new["patient_key"] = held.patient_key if held is not None and held.patient_key in keys else keys[0]
    start = told.start or (held.start if held else None)
    if told.identity.pid.birth and start is not None and "age_band" not in new:
        new["age_band"] = age_band(told.identity.pid.birth, start.date())
    if told.actions:
        schedules = w.known.past(case).schedules
        resources, missing = applied(told.actions, held, schedules)
        new |= resources
        for what, code in missing:
            if not was_there(what, code, schedules):
                w.missing.append((case, f"{what}:{code}"))
    return new


def _differing(new: dict[str, Any], held: CaseScheduled) -> list[str]:
    return [name for name, value in new.items() if getattr(held, name) != value]


def _is_told_by(w: Weighing, told: CaseTold, new: dict[str, Any], state: CaseScheduled) -> bool:
    """Whether the statement, told of this earlier state, would have changed nothing."""
    if told.actions:
        new = new | applied(told.actions, state, w.known.past(state.case).schedules)[0]
    differing = _differing(new, state)
    if differing == ["patient_key"] and state.patient_key is not None:
        person = w.identities.by_key.get(state.patient_key)
        if person is not None and new["patient_key"] in keys_of(w, w.identities.root(person)):
            return True  # who has been merged since is the same patient
        led = ever_led(w, told_person(w, told.identity))  # and so was a number that has another survivor since
        return any(state.patient_key in keys_of(w, each) for each in led)
    return not differing


def _was_told(w: Weighing, case: str, told: CaseTold, new: dict[str, Any], past: Past) -> bool:
    if any(_is_told_by(w, told, new, state) for state in past.schedules):
        return True
    late = w.identities.overtaken.get(case)
    return late is not None and _digest(told) in late.digests


def _superseded(w: Weighing, case: str, told: CaseTold, new: dict[str, Any]) -> None:
    """An older version changes nothing."""
    w.notes.append("superseded")
    name_case(w, case, told.identity, told.ref)
    if not told.counted:
        _remember_late(w, case, told, new)


def _remember_late(w: Weighing, case: str, told: CaseTold, new: dict[str, Any]) -> None:
    """What came too late to count still does not count when it is sent again with a new time."""
    if _was_told(w, case, told, new, w.known.past(case)):
        return
    held = w.identities.overtaken.get(case)
    digests = (*(held.digests if held else ()), _digest(told))[-64:]
    w.keep(i.OVERTAKEN, case, i.OvertakenRecord(case=case, digests=digests))


def _digest(told: CaseTold) -> str:
    said = (sorted(told.fields.items()), told.start, told.booked, told.actions)
    return sha256(to_json(said)).hexdigest()[:16]


def _count(w: Weighing, case: str, held: CaseScheduled, version: int) -> None:
    identity = w.identities.by_case[case]
    versions = identity.versions or {held.source: held.version}
    w.keep(CASE, case, replace(identity, versions={**versions, w.told.source: version}))


def _disagree(w: Weighing, held: CaseScheduled, changed: list[str], new: dict[str, Any]) -> None:
    place = f"{w.told.source} is believed after {held.source}"
    first = ", ".join(f"{name} {_shown(getattr(held, name))}" for name in changed if name in _SHOWN)
    second = ", ".join(f"{name} {_shown(new[name])}" for name in changed if name in _SHOWN)
    w.notes.append("believed_less")
    w.disagree(f"case:{held.case}", f"{held.source}: {first}", f"{w.told.source}: {second}", place, case=held.case)


_SHOWN = ("start", "booked", "room", "service", "urgency")


def _shown(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
