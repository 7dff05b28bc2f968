"""Verifies a bound that rests on parts of all plans, each with prices of its own; no solver, as in `certificate`.

The parts come of questions that every plan answers with yes or no, one after the other. A place through which no
cheap enough day leads by the certificate's own prices is in no plan that costs less than what is to be proven, and
is left out of every part.
"""

from collections.abc import Collection, Sequence
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np

from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Answer, Branch, Certificate

from .certificate import Judge, verify
from .certificate_days import Day, taken
from .certificate_limits import micros
from .certificate_prices import MEASURES, SCALE, CertificateError

_FIELDS = {"start": ("case", "until"), "room": ("case", "room"), "postponed": ("case",), "level": ("measure", "level")}


def verify_branches(
    problem: PlanProblem,
    certificate: Certificate,
    branches: Sequence[Branch],
    goal: int,
    postponed: Collection[str] | None = None,
) -> int:
    """What every plan costs at least, `goal` if that is right; `postponed` as in `verify`. Without branches `verify`.

    Raises
    ------
    CertificateError
        If prices cannot certify anything, or if the branches leave plans out.
    """
    if not branches:
        return verify(problem, certificate, postponed)
    judge = Judge(problem, postponed, certificate.around)
    for branch in branches:
        _asked(problem, branch)
    _all_plans(branches, 0)
    prices = judge.read(certificate)
    priced = list(judge.priced(prices))
    alone = judge.total(prices, [day.cheapest(price) for day, price in priced])
    worth = SCALE * (goal - 1) - alone
    kept = [day.through(price) <= worth for day, price in priced]
    parts = [_part(judge, branch, kept) for branch in branches]
    return max(-(-alone // SCALE), min([goal, *(-(-part // SCALE) for part in parts)]))


def _part(judge: Judge, branch: Branch, kept: Sequence[Any]) -> int:
    """What every plan of a branch costs at least, in 1/1024, among those over the kept places."""
    low, high = dict.fromkeys(MEASURES, 0), dict[str, int]()
    may = list(judge.may)
    ids = [case.id for case in judge.problem.cases]
    for answer in branch.answers:
        if answer.question == "level" and answer.measure is not None and answer.level is not None:
            if answer.yes:
                high[answer.measure] = min(answer.level, high.get(answer.measure, answer.level))
            else:
                low[answer.measure] = max(low[answer.measure], answer.level + 1)
        elif answer.question == "postponed" and not answer.yes:
            may[ids.index(answer.case or "")] = False
    prices = judge.read(branch.prices, high)
    cheapest = []
    for (day, price), (room, _), mine in zip(judge.priced(prices), judge.rooms, kept, strict=True):
        left = mine & _answered(judge.problem, branch.answers, day, room, ids)
        cheapest.append(taken(day, left).cheapest(price[left]))
    levels = 0
    for measure, rest in zip(MEASURES, prices.rest, strict=True):
        levels += rest * (low[measure] if rest >= 0 else high[measure])
    return judge.total(prices, cheapest, may) + levels


def _answered(problem: PlanProblem, answers: Sequence[Answer], day: Day, room: int, ids: Sequence[str]) -> Any:
    """Which places [q] of a room the answers leave."""
    left = np.ones(len(day.case), bool)
    for answer in answers:
        if answer.case is None:
            continue
        mine = day.case == ids.index(answer.case)
        if answer.question == "start" and answer.until is not None:
            early = day.start <= micros(answer.until - problem.now)
            left &= ~mine | (early if answer.yes else ~early)
        elif answer.question == "postponed":
            left &= ~mine | (not answer.yes)
        elif answer.question == "room" and answer.yes != (problem.rooms[room].id == answer.room):
            left &= ~mine
    return left


def _all_plans(branches: Sequence[Branch], depth: int) -> None:
    """Whatever a plan answers, one of these branches holds it."""
    if len(branches) == 1 and len(branches[0].answers) == depth:
        return
    asked = {_question(branch.answers[depth]) if len(branch.answers) > depth else None for branch in branches}
    yes = [branch for branch in branches if len(branch.answers) > depth and branch.answers[depth].yes]
    no = [branch for branch in branches if len(branch.answers) > depth and not branch.answers[depth].yes]
    if len(asked) != 1 or None in asked or not yes or not no:
        raise CertificateError(
            f"Expected branches that hold all plans between them, got {len(yes)} yes and {len(no)} no to the "
            f"question after {depth} answers.\nMaybe one of them is missing."
        )
    _all_plans(yes, depth + 1)
    _all_plans(no, depth + 1)


def _question(answer: Answer) -> tuple[object, ...]:
    return (answer.question, *(getattr(answer, field) for field in _FIELDS[answer.question]))


def _asked(problem: PlanProblem, branch: Branch) -> None:
    """Every answer is to a question that this problem has."""
    cases, rooms = {case.id for case in problem.cases}, {room.id for room in problem.rooms}
    for answer in branch.answers:
        fields = ("question", "yes", *_FIELDS.get(answer.question, ("",)))
        known = all(
            (getattr(answer, field.name) is not None) == (field.name in fields) for field in dataclass_fields(answer)
        )
        known = known and (answer.case is None or answer.case in cases)
        known = known and (answer.room is None or answer.room in rooms)
        if not known or (answer.measure is not None and answer.measure not in MEASURES):
            raise CertificateError(
                f"Expected questions about cases, rooms and measures that the problem has, got {answer.question!r}.\n"
                "Maybe the branches belong to another problem."
            )
