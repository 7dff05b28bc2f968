"""What no message brings about: questions that stay open, statements that wait, keys that a rotation has made old."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseDoubted
from orloop_common.messages.identity import CASE
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.known import Identities, Known
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.told import Told

from .doubting import MOVED_BACK
from .outcome import Settled
from .patients import rekey_case
from .settle import settle_parked
from .weighing import AGAIN, Weighing

PARKED_TOO_LONG = timedelta(hours=1)
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for its sender or for a person: `kind` is parked or told_again; no value of a message."""

    kind: str
    case: str
    suite: str
    since: datetime
    raw: str
    source: str = ""
    fields: tuple[str, ...] = ()

    def age(self, now: datetime) -> timedelta:
        """Since when it waits."""
        return max(now - self.since, timedelta(0))


def waiting(identities: Identities, suite: str) -> tuple[Waiting, ...]:
    """All that waits in a suite, the oldest first: for the desk, and for the gauges that alarm."""
    found = [
        Waiting("parked", record.case, suite, record.received, record.raw, record.source)
        for record in identities.parked.values()
        if _suite(identities, record.case) == suite
    ]
    found += [
        Waiting("told_again", record.case, suite, record.since, record.raw, fields=record.fields)
        for record in identities.again.values()
        if not record.following and _suite(identities, record.case) == suite
    ]
    return tuple(sorted(found, key=lambda w: (w.since, w.kind, w.case, w.raw)))


def sweep(known: Known, pseudonyms: Pseudonyms, suite: str, now: datetime) -> Settled:
    """What is due in a suite: nothing, most of the time. Told twice it changes nothing."""
    w = Weighing(_by_itself(suite, now, "sweep"), known, pseudonyms)
    _close_questions(w, now)
    _apply_parked(w, now)
    _renew_keys(w)
    return Settled((*w.schedules, *w.others, *w.doubts), tuple(w.drafts.values()))


def _by_itself(suite: str, now: datetime, cause: str) -> Told:
    return Told(source="orloop", suite=suite, namespace="", at=now, received=now, raw=cause)


def _close_questions(w: Weighing, now: datetime) -> None:
    for case, again in sorted(w.identities.again.items()):
        if _suite(w.identities, case) != w.told.suite or now - again.since <= AGAIN:
            continue
        if again.following or now - again.since > KEPT:
            w.keep(i.AGAIN, case, replace(again, fields=()))
            continue
        if again.doubted:
            continue
        id = derived_id("CaseDoubted", w.told.suite, case, MOVED_BACK, again.raw, again.since.isoformat())
        if id not in w.known.past(case).flagged:
            w.doubts.append(CaseDoubted(id=id, suite=w.told.suite, at=now, case=case, reason=MOVED_BACK))
        w.keep(i.AGAIN, case, replace(again, doubted=True))


def _apply_parked(w: Weighing, now: datetime) -> None:
    for name, record in sorted(w.identities.parked.items()):
        if _suite(w.identities, record.case) != w.told.suite:
            continue
        if w.known.case(record.case).schedule is None:
            if now - record.received > KEPT:
                w.keep(i.PARKED, name, replace(record, done=True))
            continue
        outcome = settle_parked(w, record)
        w.others += outcome.events
        for draft in outcome.identities:
            w.keep(draft.kind, draft.name, draft.record)
        if not outcome.events:
            w.keep(i.PARKED, name, replace(record, done=True))


def _renew_keys(w: Weighing) -> None:
    """After a rotation, and after merges that another suite's source told."""
    for case, record in sorted(w.known.day.cases.items()):
        identity = w.identities.by_case.get(case)
        if identity is None or not identity.pid.id or identity.suite != w.told.suite:
            continue
        keys = identity.patient_keys
        if len(keys) != 1 + len(w.pseudonyms.former) or not w.pseudonyms.is_current(keys[0]):
            keys = w.pseudonyms.patient_keys(*i.person_of(identity.pid))
            w.keep(CASE, case, replace(identity, patient_keys=keys))
        if record.schedule is not None and (w.identities.merges or record.schedule.patient_key != keys[0]):
            rekey_case(w, case)


def _suite(identities: Identities, case: str) -> str:
    identity = identities.by_case.get(case)
    return identity.suite if identity is not None else ""
