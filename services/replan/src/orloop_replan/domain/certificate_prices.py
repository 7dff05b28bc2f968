"""A certificate's prices, read in whole numbers of 1/1024, and what a place costs beyond what they pay for it."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from orloop_common.domain.fairness import groups
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Certificate

from .certificate_limits import Ints, Left, micros
from .certificate_places import Option

SCALE = 1024
MEASURES = ("delay", "late", "prime")
SURGEON = "surgeon-one-place"
_FACTOR = {"delay": 1, "late": 1, "prime": 10}


class CertificateError(ValueError):
    """The prices cannot certify anything for this problem."""


@dataclass(frozen=True, eq=False, slots=True)
class Prices:
    """Prices in 1/1024: `cases` [n]; by resource its `moments` and `sums` up to each; `groups` [3][n], and what
    fairness weighs beyond them, `rest` [3].

    `windows` are by resource: case, first and last moment, price. `constant` is what cases, resources and windows pay
    together.
    """

    cases: list[int]
    moments: dict[str, Ints]
    sums: dict[str, Ints]
    groups: list[list[int]]
    rest: list[int]
    windows: dict[str, list[tuple[int, int, int, int]]]
    postponements: int
    constant: int

    @staticmethod
    def read(
        problem: PlanProblem, certificate: Certificate, left: dict[str, Left], limited: Collection[str] = ()
    ) -> "Prices":
        """The prices of a certificate; groups of `limited` measures may be paid more than fairness weighs."""
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
        tier = _never_positive("postponements", certificate.postponements)
        fair, rest = _fair_prices(problem, certificate.fairness, limited)
        return Prices(cases, moments, sums, fair, rest, windows, tier, constant)


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


def _fair_prices(
    problem: PlanProblem, fairness: dict[str, float], limited: Collection[str]
) -> tuple[list[list[int]], list[int]]:
    """By measure and case, the sum of the prices of its groups; by measure, what they leave of its weight."""
    weights, members = problem.weights, groups(problem)
    known = [f"{measure}/{group}" for measure in MEASURES for group in members]
    _known("group", fairness, known)
    found, rest = [], []
    for measure, weight in zip(
        MEASURES, (weights.fairness, weights.fairness_late, weights.fairness_prime), strict=True
    ):
        price = {g: _never_positive(f"group {g}", fairness.get(f"{measure}/{g}", 0.0)) for g in members}
        paid = -sum(price[group] * len(cases) for group, cases in members.items())
        if paid > weight * SCALE and measure not in limited:
            raise CertificateError(
                f"Expected prices of {measure} worth at most its weight of {weight}, got {paid / SCALE}.\n"
                "Maybe they were rounded away from zero."
            )
        found.append([sum(price[g] for g, cases in members.items() if c.id in cases) for c in problem.cases])
        rest.append(weight * SCALE - paid)
    return found, rest


def reduced(prices: Prices, option: Option) -> Ints:
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
