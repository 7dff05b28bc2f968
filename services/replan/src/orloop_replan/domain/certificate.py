"""Verifies a bound without a solver: Lagrangian duality over room-days (Geoffrion 1974), from the rules alone.

Whatever the prices of cases, resources and fairness are, no plan costs less than what they pay together with
the cheapest day of each room at these prices. So a certificate is only a list of prices; here they are
counted again, in whole numbers of 1/1024, by code that shares nothing with the one that found them.

The model: place costs, overtime per room past what committed cases need, fairness and postponements, such that
each case has one place or is postponed, a room has one case at a time (turnover times included), resources
suffice at each moment that has a price, a surgeon is not with one patient in a window and with another all through
it, and fairness levels cover each group's mean. A case may come twice in
a room's day, though never directly after itself: that can only make the bound lower.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from orloop_common.domain.cost import postponing
from orloop_common.domain.fairness import groups
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Certificate
from orloop_common.domain.vocabulary import Urgency

from .certificate_limits import Ints, Left, left_over, micros
from .certificate_places import Option, committed_overtime, extra_between, options

SCALE = 1024
MEASURES = ("delay", "late", "prime")
SURGEON = "surgeon-one-place"
_FACTOR = {"delay": 1, "late": 1, "prime": 10}
_EMERGENCIES = (Urgency.URGENT, Urgency.IMMEDIATE)
_Way = tuple[int, int, int]
"""The cheapest way so far, the case that it ends with (-1: none), and the cheapest that ends with another one."""


class CertificateError(ValueError):
    """The prices cannot certify anything for this problem."""


def verify(problem: PlanProblem, certificate: Certificate, postponed: Collection[str] | None = None) -> int:
    """What every plan costs at least, by these prices.

    Parameters
    ----------
    postponed
        Who the plan at hand postpones. Emergencies that fit somewhere and are not among them are counted as
        never postponed (rule `emergency-never-postponed`), and where the problem is strict and nobody is
        postponed, nobody at all. None stands for a plan of which nothing is known.

    Raises
    ------
    CertificateError
        If a price names something that the problem does not have, is no multiple of 1/1024, has the wrong
        sign, or if groups together are paid more than fairness weighs.
    """
    prices = _Prices.read(problem, certificate)
    total = prices.constant + SCALE * committed_overtime(problem)
    days: list[list[Option]] = [[] for _ in problem.rooms]
    placeable = set()
    for option in options(problem, prices.left):
        days[option.room].append(option)
        placeable.add(option.case)
    total += sum(_cheapest_day(problem, prices, day) for day in days if day)
    for i, case in enumerate(problem.cases):
        must = case.urgency in _EMERGENCIES and i in placeable and case.id not in (postponed or ())
        if not must and not (problem.weights.strict and postponed is not None and not postponed):
            total += min(0, SCALE * _postponing(problem, i) - prices.cases[i])
    return -(-total // SCALE)


def _postponing(problem: PlanProblem, i: int) -> int:
    case, weights = problem.cases[i], problem.weights
    left = case.current.room is not None  # a case that leaves its published place
    return postponing(problem, case) + (weights.changed + weights.moved_again * case.moved_today) * left


@dataclass(frozen=True, eq=False, slots=True)
class _Prices:
    """Prices in 1/1024: `cases` [n]; by resource its `moments` and `sums` up to each; `groups` [3][n].

    `windows` are by resource: case, first and last moment, price. `constant` is what cases, resources and windows pay
    together.
    """

    cases: list[int]
    moments: dict[str, Ints]
    sums: dict[str, Ints]
    groups: list[list[int]]
    windows: dict[str, list[tuple[int, int, int, int]]]
    constant: int
    left: dict[str, Left]

    @staticmethod
    def read(problem: PlanProblem, certificate: Certificate) -> "_Prices":
        left = left_over(problem)
        ids = [case.id for case in problem.cases]
        _known("case", certificate.cases, ids)
        _known("resource", (p.resource for p in certificate.resources), left)
        cases = [_whole(f"case {name}", certificate.cases.get(name, 0.0)) for name in ids]
        listed: dict[str, dict[int, int]] = {}
        for p in certificate.resources:
            own = listed.setdefault(p.resource, {})
            at = micros(p.at - problem.now)
            own[at] = own.get(at, 0) + _never_positive(p.resource, p.price)
        constant, moments, sums = sum(cases), {}, {}
        for name, own in listed.items():
            moments[name] = np.array(sorted(own), np.int64)
            each = np.array([own[at] for at in sorted(own)], np.int64)
            sums[name] = np.concatenate([[0], np.cumsum(each)])
            constant += int((each * left[name].at(moments[name])).sum())
        windows = _windows(problem, certificate, left)
        constant += sum(price for own in windows.values() for *_, price in own)
        return _Prices(cases, moments, sums, _fair_prices(problem, certificate.fairness), windows, constant, left)


def _windows(
    problem: PlanProblem, certificate: Certificate, left: Collection[str]
) -> dict[str, list[tuple[int, int, int, int]]]:
    """Of each surgeon, as a resource, the windows with a price: case, first moment, last moment, price."""
    index = {case.id: i for i, case in enumerate(problem.cases)}
    _known("surgeon", (f"{SURGEON}/{paid.surgeon}" for paid in certificate.windows), left)
    _known("case", (paid.case for paid in certificate.windows), index)
    found: dict[str, list[tuple[int, int, int, int]]] = {}
    for paid in certificate.windows:
        if paid.last < paid.first:
            raise CertificateError(
                f"Expected a window of {paid.surgeon} that ends after it begins, got {paid.first} to {paid.last}.\n"
                "Maybe its ends are swapped."
            )
        price = _never_positive(f"window of {paid.surgeon}", paid.price)
        first, last = micros(paid.first - problem.now), micros(paid.last - problem.now)
        found.setdefault(f"{SURGEON}/{paid.surgeon}", []).append((index[paid.case], first, last, price))
    return found


def _fair_prices(problem: PlanProblem, fairness: dict[str, float]) -> list[list[int]]:
    """By measure and case, the sum of the prices of its groups."""
    weights, members = problem.weights, groups(problem)
    known = [f"{measure}/{group}" for measure in MEASURES for group in members]
    _known("group", fairness, known)
    found = []
    for measure, weight in zip(
        MEASURES, (weights.fairness, weights.fairness_late, weights.fairness_prime), strict=True
    ):
        price = {g: _never_positive(f"group {g}", fairness.get(f"{measure}/{g}", 0.0)) for g in members}
        paid = -sum(price[group] * len(cases) for group, cases in members.items())
        if paid > weight * SCALE:
            raise CertificateError(
                f"Expected prices of {measure} worth at most its weight of {weight}, got {paid / SCALE}.\n"
                "Maybe they were rounded away from zero."
            )
        found.append([sum(price[g] for g, cases in members.items() if c.id in cases) for c in problem.cases])
    return found


def _reduced(prices: _Prices, option: Option) -> Ints:
    """The price of each place of an option beyond what it is paid."""
    price = SCALE * option.cost - prices.cases[option.case]
    counted = zip(MEASURES, (option.delay, option.late, option.prime), prices.groups, strict=True)
    for measure, count, own in counted:
        price = price - own[option.case] * _FACTOR[measure] * count
    for hold in option.holds:
        moments, sums = prices.moments.get(hold.name), prices.sums.get(hold.name)
        if moments is not None and sums is not None:
            until = np.searchsorted(moments, option.start + hold.end, side="left")
            since = np.searchsorted(moments, option.start + hold.start, side="left")
            price = price - hold.amount * (sums[until] - sums[since])
        begin, end = option.start + hold.start, option.start + hold.end
        for case, first, last, paid in prices.windows.get(hold.name, ()):
            some, whole = (begin <= last) & (end > first), (begin <= first) & (end > last)
            price = price - paid * (some if case == option.case else whole)
    return price


# --- one room's day ----------------------------------------------------------------------------------


def _cheapest_day(problem: PlanProblem, prices: _Prices, day: Sequence[Option]) -> int:
    """The cheapest sequence of places in a room, or 0 for an empty day: one dynamic program by begin of setup."""
    kinds, extra = _kinds(problem, day)
    begin = np.concatenate([option.begin for option in day])
    end = np.concatenate([option.end for option in day])
    case = np.concatenate([np.full(len(option.start), option.case) for option in day])
    price = np.concatenate([_reduced(prices, option) for option in day])
    last = price + SCALE * np.concatenate([option.overtime for option in day])
    order = np.argsort(begin, kind="stable")
    by_end = order[np.argsort(end[order], kind="stable")].tolist()
    begins, ends, cases, costs = begin.tolist(), end.tolist(), case.tolist(), price.tolist()
    surplus = (last - price).tolist()
    reach = [0] * len(costs)
    ways = [_Ways() for _ in extra]
    best, ended, now = 0, 0, None
    ahead: dict[int, _Way] = {}
    for p in order.tolist():
        if begins[p] != now:
            now, ahead = begins[p], {}
            while ended < len(by_end) and ends[by_end[ended]] <= now:
                q = by_end[ended]
                ways[kinds[cases[q]]].add(ends[q], reach[q], cases[q])
                ended += 1
        kind = kinds[cases[p]]
        if kind not in ahead:
            ahead[kind] = _before(ways, extra, kind, begins[p])
        way = ahead[kind]
        reach[p] = costs[p] + (way[2] if way[1] == cases[p] else way[0])
        best = min(best, reach[p] + surplus[p])
    return best


class _Ways:
    """Of one turnover class, the cheapest ways that end by a time; times come in order."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.best: list[_Way] = []

    def add(self, end: int, price: int, case: int) -> None:
        way = _better(self.best[-1] if self.best else (0, -1, 0), price, case)
        if self.ends and self.ends[-1] == end:
            self.best[-1] = way
        else:
            self.ends.append(end)
            self.best.append(way)

    def by(self, time: int) -> _Way:
        index = bisect_right(self.ends, time)
        return self.best[index - 1] if index else (0, -1, 0)


def _before(ways: Sequence[_Ways], extra: Sequence[Sequence[int]], kind: int, begin: int) -> _Way:
    """The cheapest ways after which a case of this class may begin; nothing at all is one of them."""
    found: _Way = (0, -1, 0)
    for other, own in enumerate(ways):
        price, case, second = own.by(begin - extra[other][kind])
        if price < found[0]:  # a case has one class: whoever comes from another one differs
            found = (price, case, min(found[0], second))
        else:
            found = (found[0], found[1], min(found[2], price))
    return found


def _better(way: _Way, price: int, case: int) -> _Way:
    """Keeps the two cheapest ways whose last cases differ."""
    first, whose, second = way
    if price < first:
        return price, case, second if whose == case else first
    return way if whose == case or price >= second else (first, whose, price)


def _kinds(problem: PlanProblem, day: Sequence[Option]) -> tuple[dict[int, int], list[list[int]]]:
    """The turnover class of each case in a room, and the extra time between two classes."""
    here = sorted({option.case for option in day})
    if problem.turnover is None:
        return dict.fromkeys(here, 0), [[0]]
    signs = {i: (problem.cases[i].service, problem.cases[i].contaminated, problem.cases[i].latex) for i in here}
    classes = sorted(set(signs.values()))
    one = [next(problem.cases[i] for i in here if signs[i] == sign) for sign in classes]
    extra = [[extra_between(problem, first, second) for second in one] for first in one]
    return {i: classes.index(signs[i]) for i in here}, extra


# --- reading prices ----------------------------------------------------------------------------------


def _known(what: str, names: Iterable[str], known: Collection[str]) -> None:
    strangers = sorted(set(names) - set(known))
    if strangers:
        raise CertificateError(
            f"Expected prices of a {what} that the problem has, got {strangers[0]!r}.\n"
            "Maybe the certificate belongs to another problem."
        )


def _whole(what: str, price: float) -> int:
    whole = price * SCALE if math.isfinite(price) else 0.5
    if whole != int(whole):
        raise CertificateError(
            f"Expected a price of {what} in whole 1/{SCALE}, got {price}.\nMaybe it was not rounded."
        )
    return int(whole)


def _never_positive(what: str, price: float) -> int:
    whole = _whole(what, price)
    if whole > 0:
        raise CertificateError(f"Expected a price of {what} of at most 0, got {price}.\nMaybe its sign is turned.")
    return whole
