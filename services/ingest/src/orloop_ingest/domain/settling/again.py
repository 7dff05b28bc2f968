"""What was told before: a resend, or a move back to an earlier state?

The message alone cannot tell. Nothing is reverted and nothing is ignored in silence: it is held, and the question
is open until the sender says the present state again (then it was a resend), brings news of the case (then that
counts), or the question has been open too long (then the case is in doubt and a person looks).
"""

from orloop_common.domain.evolving import evolve as replace
from orloop_ingest.domain import identities as i

from .doubting import MOVED_BACK, withdraw
from .weighing import Weighing


def hold_what_was_told(w: Weighing) -> None:
    """Apply what the case told before if this message brings news of it as well; else hold it."""
    held: dict[str, set[str]] = {}
    for case, fields, apply in w.deferred:
        if w.has_news(case):
            apply()
        else:
            held.setdefault(case, set()).update(fields)
    if held:
        w.notes.append("told_before")
    for case in w.cases:
        again = w.identities.again.get(case)
        if case in held or again is not None:
            _keep(w, case, again, held.get(case, set()))


def _keep(w: Weighing, case: str, again: i.AgainRecord | None, held: set[str]) -> None:
    news = w.has_news(case)
    if again is not None and again.following:
        if w.follows(case):
            return
        w.keep(i.AGAIN, case, replace(again, fields=()))
        again = None
    if again is None:
        if held:
            record = i.AgainRecord(case=case, fields=tuple(sorted(held)), since=w.told.received, raw=w.told.raw)
            w.keep(i.AGAIN, case, record)
        return
    if news:
        _withdraw(w, again)
        w.keep(i.AGAIN, case, replace(again, following=True, since=w.told.received, doubted=False))
        return
    fields = (set(again.fields) | held) - w.settled_fields.get(case, set())
    if fields == set(again.fields):
        return
    if not fields:
        _withdraw(w, again)
    w.keep(i.AGAIN, case, replace(again, fields=tuple(sorted(fields)), doubted=again.doubted and bool(fields)))


def _withdraw(w: Weighing, again: i.AgainRecord) -> None:
    for doubt in w.known.past(again.case).doubts:
        if doubt.reason == MOVED_BACK:
            withdraw(w, doubt)
