"""What proves a bound, by name: prices for the whole problem, and for each part of it where it was divided."""

from dataclasses import replace

from orloop_common.domain.solution import Answer, Branch, Certificate, ResourcePrice, WindowPrice
from orloop_replan.domain.branches import LEVEL, POSTPONED, ROOM, START, Split
from orloop_replan.domain.pricing import SCALE, Floats
from orloop_replan.domain.slot_uses import SURGEON
from orloop_replan.domain.slots import Ints, Slots

from .bound import Bound
from .branching import Branching

MEASURES = ("delay", "late", "prime")


def certificate_of(slots: Slots, bound: Bound) -> Certificate:
    """The prices that prove `bound.certified`."""
    prices = (bound.case_prices, bound.resource_prices, bound.fair_prices, bound.windows, bound.window_prices)
    return replace(_named(slots, *prices), postponements=bound.tier_price, around=slots.around)


def branches_of(slots: Slots, tree: Branching) -> tuple[Branch, ...]:
    """The parts that prove the tree's bound; none where the certificate alone proves as much."""
    if tree.bound <= tree.lower.certified:
        return ()
    found = []
    for leaf in tree.parts:
        paid = leaf.prices
        prices = (paid.case / SCALE, paid.resource / SCALE, paid.fair / SCALE, leaf.windows, paid.window / SCALE)
        answers = tuple(_answer(slots, split, yes) for split, yes in leaf.part.answers)
        named = replace(_named(slots, *prices), postponements=paid.postponed / SCALE)
        found.append(Branch(answers=answers, prices=named))
    return tuple(found)


def _answer(slots: Slots, split: Split, yes: bool) -> Answer:
    if split.kind == LEVEL:
        return Answer(question=LEVEL, yes=yes, measure=MEASURES[split.of], level=split.at)
    case = slots.problem.cases[split.of].id
    if split.kind == START:
        return Answer(question=START, yes=yes, case=case, until=slots.origin + slots.tick * split.at)
    if split.kind == ROOM:
        return Answer(question=ROOM, yes=yes, case=case, room=slots.rooms[split.at])
    return Answer(question=POSTPONED, yes=yes, case=case)


def _named(slots: Slots, case: Floats, resource: Floats, fair: Floats, windows: Ints, window: Floats) -> Certificate:
    held = zip(*resource.nonzero(), strict=True)
    return Certificate(
        cases={one.id: float(case[i]) for i, one in enumerate(slots.problem.cases)},
        resources=tuple(
            ResourcePrice(
                resource=slots.resources[k], at=slots.origin + slots.tick * int(t), price=float(resource[k, t])
            )
            for k, t in held
        ),
        windows=tuple(
            WindowPrice(
                surgeon=slots.resources[k].removeprefix(f"{SURGEON}/"),
                case=slots.problem.cases[i].id,
                first=slots.origin + slots.tick * first,
                last=slots.origin + slots.tick * last,
                price=float(paid),
            )
            for (k, i, first, last), paid in zip(windows.tolist(), window, strict=True)
        ),
        fairness={name: float(fair[g]) for g, name in enumerate(slots.fair_names) if fair[g]},
    )
