"""The bound's judge: no prices certify more than a sound plan costs; the planner's certify what it says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import numpy as np
import pytest

from orloop_common.domain.checker import check
from orloop_common.domain.cost import floor, price
from orloop_common.domain.fairness import groups
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Capacity, PlanProblem, StaffHours
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.solution import Certificate, ResourcePrice, WindowPrice
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.adapters.bound import dual_value, lower_bound
from orloop_replan.adapters.certifying import certificate_of
from orloop_replan.adapters.master import Prices
from orloop_replan.domain import slots as planner
from orloop_replan.domain.certificate import SCALE, CertificateError, verify
from orloop_replan.domain.certificate_limits import left_over
from orloop_replan.domain.certificate_places import options
from orloop_replan.domain.kernels import right_shift_chosen
from orloop_replan.domain.pricing import arc_costs, arcs_of, price_rooms
from orloop_replan.generate import generate

Plan = dict[str, Place]
EVENTS = ("down", "overrun", "emergency", "staff", "storm")


def sound_plans(problem: PlanProblem, draw: Random) -> Iterator[Plan]:
    """Right-shift's plan, and some at random that the checker lets pass."""
    plan = right_shift(problem)
    if not check(problem, plan):
        yield plan
    places = by_case(problem)
    for _ in range(20):
        case = draw.choice(problem.cases)
        other = plan | {case.id: draw.choice([*places[case.id], Place(room=None, start=None)])}
        if not check(problem, other):
            yield other


def by_case(problem: PlanProblem) -> dict[str, list[Place]]:
    """All places of each case, as the judge sees them."""
    found: dict[str, list[Place]] = {case.id: [] for case in problem.cases}
    for option in options(problem, left_over(problem)):
        for start in option.start.tolist():
            place = Place(room=problem.rooms[option.room].id, start=problem.now + timedelta(microseconds=start))
            found[problem.cases[option.case].id].append(place)
    return found


def random_prices(problem: PlanProblem, draw: Random) -> Certificate:
    weights = problem.weights
    steps = [problem.now + problem.grid * k for k in range(0, 120, 2)]
    names = [draw.choice(sorted(left_over(problem))) for _ in range(30)]
    fair = {}
    for measure, weight in (
        ("delay", weights.fairness),
        ("late", weights.fairness_late),
        ("prime", weights.fairness_prime),
    ):
        for name, members in groups(problem).items():
            share = draw.randint(0, weight * SCALE) // (len(members) * len(groups(problem)))
            fair[f"{measure}/{name}"] = -share / SCALE
    return Certificate(
        cases={case.id: draw.randint(-50 * SCALE, 400 * SCALE) / SCALE for case in problem.cases},
        resources=tuple(
            ResourcePrice(resource=name, at=draw.choice(steps), price=-draw.randint(0, 60 * SCALE) / SCALE)
            for name in names
        ),
        windows=tuple(random_windows(problem, draw)),
        fairness=fair,
    )


def random_windows(problem: PlanProblem, draw: Random) -> Iterator[WindowPrice]:
    """Windows of the surgeons who have several cases."""
    busy = [c for c in problem.cases if sum(bool({*c.surgeons} & {*other.surgeons}) for other in problem.cases) > 1]
    for case in busy * 3:
        first = problem.now + problem.grid * draw.randint(0, 80)
        last = first + problem.grid * draw.randint(0, 20)
        price = -draw.randint(0, 60 * SCALE) / SCALE
        yield WindowPrice(surgeon=draw.choice(case.surgeons), case=case.id, first=first, last=last, price=price)


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", EVENTS)
def test_no_prices_certify_more_than_a_sound_plan_costs(kind: str, event: str) -> None:
    draw = Random(f"{kind}/{event}")
    for seed in range(2):
        problem = generate(3, event, seed, kind=kind)
        certificates = [Certificate(cases={}), *(random_prices(problem, draw) for _ in range(4))]
        for plan in sound_plans(problem, draw):
            cost = price(problem, plan).total
            away = [case for case, place in plan.items() if place.room is None]
            for certificate in certificates:
                assert verify(problem, certificate, away) <= cost
                assert verify(problem, certificate) <= cost


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", EVENTS)
def test_the_planners_prices_certify_what_the_planner_says(kind: str, event: str) -> None:
    problem = generate(5, event, 1, kind=kind)
    if kind == "full":
        problem = replace(problem, weights=replace(problem.weights, fairness=8, fairness_late=5, fairness_prime=20))
    slots = planner.build(problem)
    start = right_shift_chosen(slots)
    bound = lower_bound(slots, [start])
    plan = slots.plan(int(place) for place in start if place >= 0)
    away = [case for case, place in plan.items() if place.room is None]
    certified = verify(problem, certificate_of(slots, bound), away)
    assert certified == bound.certified
    assert floor(problem) <= certified <= price(problem, plan).total


@pytest.mark.parametrize("event", EVENTS)
def test_any_prices_are_worth_the_same_to_judge_and_planner(event: str) -> None:
    draw = Random(event)
    problem = generate(5, event, 3, kind="full")
    problem = replace(problem, weights=replace(problem.weights, fairness=8, fairness_late=5, fairness_prime=20))
    slots = planner.build(problem)
    arcs = arcs_of(slots)
    for _ in range(5):
        certificate = random_prices(problem, draw)
        prices = as_arrays(slots, certificate)
        windows, paid = windows_of(slots, certificate)
        arc = arc_costs(arcs, slots.cost * SCALE, prices.case, prices.resource, prices.fair, windows, paid)
        prices = replace(prices, window=paid)
        days = price_rooms(arcs, arc, arcs.over * SCALE).best
        theirs = int(dual_value(arcs, slots.postpone, prices, days, SCALE))
        everybody = [case.id for case in problem.cases]
        assert verify(problem, certificate, everybody) == -(-theirs // SCALE)


def windows_of(slots: planner.Slots, certificate: Certificate) -> tuple[np.ndarray, np.ndarray]:
    """The certificate's windows as the planner keeps them, and their prices in whole 1/1024."""
    case = {case.id: i for i, case in enumerate(slots.problem.cases)}
    rows = [
        (
            slots.resources.index(f"surgeon-one-place/{paid.surgeon}"),
            case[paid.case],
            (paid.first - slots.origin) // slots.tick,
            (paid.last - slots.origin) // slots.tick,
        )
        for paid in certificate.windows
    ]
    return np.array(rows, np.int64).reshape(-1, 4), np.array([round(p.price * SCALE) for p in certificate.windows])


def as_arrays(slots: planner.Slots, certificate: Certificate) -> Prices:
    """The certificate's prices as the planner keeps them, in whole 1/1024."""
    resource = np.zeros(slots.capacity.shape, np.int64)
    for paid in certificate.resources:
        tick = (paid.at - slots.origin) // slots.tick
        resource[slots.resources.index(paid.resource), tick] += round(paid.price * SCALE)
    case = [round(certificate.cases[case.id] * SCALE) for case in slots.problem.cases]
    fair = [round(certificate.fairness[name] * SCALE) for name in slots.fair_names]
    return Prices(np.array(case), np.zeros(0, np.int64), np.array(fair, np.int64), resource)


@pytest.mark.parametrize("kind", ["core", "full"])
def test_judge_and_planner_list_the_same_places(kind: str) -> None:
    for seed in range(4):
        problem = generate(5, EVENTS[seed], seed, kind=kind)
        slots = planner.build(problem)
        theirs: dict[str, set[Place]] = {case.id: set() for case in problem.cases}
        for index in range(slots.places):
            theirs[problem.cases[int(slots.case[index])].id].add(slots.place(index))
        assert {case: set(places) for case, places in by_case(problem).items()} == theirs


def test_a_place_is_listed_exactly_if_the_checker_lets_it_pass() -> None:
    """Every grid start in every room, one case at a time, with rules that the generator uses little."""
    base = generate(4, "down", 2, kind="full")
    case = next(c for c in base.cases if c.current.start is not None and c.urgency is Urgency.ELECTIVE)
    until = base.now + timedelta(hours=6)
    rest = Interval(start=base.now + timedelta(hours=2), end=base.now + timedelta(hours=2, minutes=20))
    icu = (Capacity(start=base.now, end=base.horizon, count=1),)
    asked = replace(case, implant=rest, unit="icu", surgeon_before=timedelta(minutes=15))
    hours = {surgeon: StaffHours(until=until, breaks=(rest,)) for surgeon in case.surgeons}
    problem = replace(base, cases=(asked,), hours=hours, units={"icu": icu})
    listed = set(by_case(problem)[asked.id])
    count = int((problem.horizon - problem.now) / problem.grid) + 1
    every = [Place(room=r.id, start=problem.now + problem.grid * k) for r in problem.rooms for k in range(count)]
    sound = {place for place in {*every, asked.current} if not check(problem, {asked.id: place})}
    assert listed == sound
    assert 0 < len(sound) < len(every)


def test_prices_that_cannot_certify_anything_are_refused_by_name() -> None:
    problem = generate(4, "down", 1, kind="core")
    case, group = problem.cases[0].id, next(iter(groups(problem)))
    surgeon = f"surgeon-one-place/{problem.cases[0].surgeons[0]}"
    paid = ResourcePrice(resource=surgeon, at=problem.now, price=1.0)
    window = WindowPrice(
        surgeon=problem.cases[0].surgeons[0], case=case, first=problem.now, last=problem.now, price=-1.0
    )
    wrong = {
        "a case that the problem has, got 'ghost'": Certificate(cases={"ghost": 1.0}),
        "a resource that the problem has, got 'anything/else'": Certificate(
            cases={}, resources=(replace(paid, resource="anything/else"),)
        ),
        "whole 1/1024, got 0.3": Certificate(cases={case: 0.3}),
        "whole 1/1024, got inf": Certificate(cases={case: float("inf")}),
        "at most 0, got 1.0": Certificate(cases={}, resources=(paid,)),
        "a surgeon that the problem has, got 'surgeon-one-place/nobody'": Certificate(
            cases={}, windows=(replace(window, surgeon="nobody"),)
        ),
        "ends after it begins": Certificate(
            cases={}, windows=(replace(window, last=problem.now - timedelta(minutes=5)),)
        ),
        "of at most 0, got 2.0": Certificate(cases={}, windows=(replace(window, price=2.0),)),
        "worth at most its weight of 8": Certificate(cases={}, fairness={f"delay/{group}": -8.0}),
    }
    for told, certificate in wrong.items():
        with pytest.raises(CertificateError, match="Expected") as raised:
            verify(problem, certificate)
        assert told in str(raised.value)


def test_nobody_is_counted_as_postponed_where_the_plan_at_hand_postpones_nobody() -> None:
    problem = generate(4, "down", 1, kind="full")
    rich = Certificate(cases={case.id: 5000.0 for case in problem.cases})
    assert verify(problem, rich, ()) > verify(problem, rich)
    some = [problem.cases[0].id]
    assert verify(problem, rich, some) == verify(problem, rich)
    core = replace(problem, weights=replace(problem.weights, strict=False))
    assert verify(core, rich, ()) == verify(core, rich), "where everything has its price"
