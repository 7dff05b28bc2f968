"""Cases whose day is long over: they leave what is known, and what is told of them late brings none of them back.

What was ever said of such a case was said, or planned, before its last moment. So whatever is said of it again names
a time before that, or was written before that: only what lies after it is news.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from orloop_common.messages.identity import CASE, SenderIdentity
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.known import Known
from orloop_ingest.domain.quarantine import Quarantined, Reason

from .outcome import Settled
from .weighing import Weighing

A_DAY = timedelta(days=1)


def is_past(w: Weighing, case: str, start: datetime | None, *, follows: bool = False) -> bool:
    """Whether this is said of a day that is long over, so that nothing follows from it.

    Parameters
    ----------
    start
        For when the case is told, or when what is told happened; None if the message does not say.
    follows
        Whether it only adds to a booking (an attribute, a milestone): a case that is over has none.

    Raises
    ------
    Quarantined
        LONG_PAST if nobody here knows the case, and if we did we would have forgotten it: it may have been cancelled.
    """
    last = w.known.over_since(case)
    if last is not None:
        over = follows or w.told.at <= last or (start is not None and start <= last)
        if over:
            w.notes.append("day_is_over")
        return over
    if w.known.remembered is None or case in w.known.day.cases:
        return False
    oldest = w.told.received - w.known.remembered
    if w.told.at <= oldest or (start is not None and start <= oldest):
        raise Quarantined(Reason.LONG_PAST)
    return False


def age_out(known: Known, suite: str, now: datetime, cases: Iterable[str]) -> Settled:
    """Tombstones for those of these cases that are due: a pure function, and the same if it is asked again.

    Never for a case that its day still has or that something waits for, and a patient whose numbers were merged
    leaves with all cases or with none.
    """
    if known.remembered is None:
        return Settled()
    waiting = {record.case for record in known.identities.parked.values()}
    gone: list[i.CaseIdentityDraft] = []
    for case in cases:
        identity = known.identities.by_case.get(case)
        if identity is None or identity.suite != suite or not _is_due(known, case, now, waiting):
            continue
        if not all(_is_due(known, each, now, waiting) for each in _family(known, identity)):
            continue
        gone.append(i.CaseIdentityDraft(CASE, case, suite, None))
        if case in known.identities.overtaken:
            gone.append(i.CaseIdentityDraft(i.OVERTAKEN, case, suite, None))
    return Settled(identities=tuple(gone))


def _is_due(known: Known, case: str, now: datetime, waiting: set[str]) -> bool:
    written, last = known.identities.written.get(case), known.pasts.last(case)
    assert known.remembered is not None
    if case in known.day.cases or case in waiting or case in known.identities.again:
        return False
    if written is None or written + known.remembered + A_DAY >= now.date():
        return False
    return last is None or last + known.remembered < now


def _family(known: Known, identity: SenderIdentity) -> tuple[str, ...]:
    person, ids = i.person_of(identity.pid), known.identities
    if not person[2] or (person not in ids.merges and person not in ids.retired):
        return ()
    return ids.cases_of_patient(person)
