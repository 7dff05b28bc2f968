"""Doubts about cases: raised by what could not be applied, withdrawn by what mends it."""

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseDoubted, CaseScheduled, MilestoneRecorded
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseTold, MilestoneTold, ReadinessTold

from .matching import case_of
from .weighing import Weighing

MOVED_BACK = "The sender told an earlier state of the case again: sent twice, or moved back."


def doubt_case(w: Weighing, case: str, problem: Quarantined) -> None:
    """The quarantined message names this case; told again word for word it is no second doubt."""
    id = _id(w, case, problem.reason)
    if id in w.known.past(case).flagged:
        return
    w.doubts.append(CaseDoubted(id=id, suite=w.told.suite, at=w.told.received, case=case, reason=str(problem)))


def doubt_statements(w: Weighing, problem: Quarantined) -> None:
    """Every case that the message names; observations name only cases that are known."""
    for statement in w.told.statements:
        if not isinstance(statement, CaseTold | MilestoneTold | ReadinessTold) or not statement.ref.ids:
            continue
        case = case_of(w, statement.ref)
        ours = isinstance(statement, CaseTold) or case in w.known.day.cases
        if ours and not any(isinstance(d, CaseDoubted) and d.case == case for d in w.doubts):
            doubt_case(w, case, problem)


def tell_flags(w: Weighing) -> None:
    """What a person must mend, if the message brought anything: two sources disagree, and a case without its room."""
    news = next(iter(w.agreed.values()), None)
    case = news.case if news is not None else next(iter(w.cases), None)
    if w.told.flags and (news is not None or w.others):
        for flag in w.told.flags:
            what = flag.kind.removeprefix("unknown_").removeprefix("unmapped_").removeprefix("remapped_")
            subject = f"{what}:{flag.word or flag.place}"
            w.disagree(subject, f"{w.told.source}: {flag.word or flag.place}", flag.kind, case or "", case=case)
            if flag.kind == Reason.UNKNOWN_ROOM and news is not None and case is not None:
                _doubt_room(w, case, news, Quarantined(Reason.UNKNOWN_ROOM, flag.place))
    for missing, word in w.missing:
        w.disagree(word, f"{w.told.source}: taken away", "it was never there", missing, case=missing)


def _doubt_room(w: Weighing, case: str, news: CaseScheduled, problem: Quarantined) -> None:
    if any(d.reason == str(problem) for d in w.known.past(case).doubts):
        return
    id = derived_id("CaseDoubted", w.told.suite, case, problem.reason, news.id)
    if id in w.known.past(case).flagged:
        return
    w.doubts.append(CaseDoubted(id=id, suite=w.told.suite, at=w.told.received, case=case, reason=str(problem)))


def withdraw_doubts(w: Weighing) -> None:
    """What this message mends: a doubt about itself (a retry), and of a case that it tells anew as a whole."""
    for case in w.cases:
        for held in w.known.past(case).doubts:
            if _mends(w, case, held):
                withdraw(w, held)


def withdraw(w: Weighing, held: CaseDoubted) -> None:
    """The doubt is over."""
    id = derived_id("CaseDoubted", w.told.suite, held.case, held.reason, "withdrawn", held.id)
    w.doubts.append(
        CaseDoubted(id=id, suite=w.told.suite, at=w.told.received, case=held.case, reason=held.reason, withdrawn=True)
    )


def _mends(w: Weighing, case: str, held: CaseDoubted) -> bool:
    if any(held.id == _id(w, case, reason) for reason in Reason):
        return True
    if held.reason == MOVED_BACK:
        return False
    if held.reason.startswith(Reason.FUTURE_MILESTONE.sentence):
        return any(isinstance(e, MilestoneRecorded) and e.case == case for e in w.others)
    if case not in w.whole or held.at > w.told.received:
        return False
    return not (
        held.reason.startswith(Reason.UNKNOWN_ROOM.sentence)
        and any(flag.kind == Reason.UNKNOWN_ROOM for flag in w.told.flags)
    )


def _id(w: Weighing, case: str, reason: Reason) -> str:
    return derived_id("CaseDoubted", w.told.suite, case, reason, w.told.content or w.told.raw)
