"""The planner against its judge on made-up problems: `python -m orloop_replan.verify --n 10000 [--seed 0]`.

Of each problem: the plan breaks no rule and costs what is stated; floor <= bound <= cost; the certificate proves
what is stated, without a solver; the plan is no worse than right-shift; and with less in the way the bound is not
above the cost of this plan, which stays sound and gets no dearer. Exit code 1 if anything of it fails.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from orloop_common.domain.checker import check
from orloop_common.domain.cost import floor, price, tiers
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift

from .adapters.price_and_fix import FixLimits, Found, solve
from .adapters.reference_solve import refer
from .domain.certificate_tree import verify_branches
from .domain.slots import build
from .verify_draw import draw_problem, relax

LIMITS = FixLimits(scout=500, decodes=1000, samples=20, growth=(8,), least_work=0)
EMERGENCY = "emergency-never-postponed"
LINE_EVERY = 250


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one problem: `wrong` names what failed, `counted` what it was."""

    seed: int
    cases: int
    wrong: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


@dataclass(slots=True)
class Verified:
    """The verdicts of many problems."""

    problems: int = 0
    cases: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        self.problems += 1
        self.cases += verdict.cases
        self.counted.update(verdict.counted)
        self.wrong += [(verdict.seed, sentence) for sentence in verdict.wrong]


def verify(seed: int, most_rooms: int = 6, limits: FixLimits = LIMITS) -> Verdict:
    """Draw the problem of a seed, solve it, judge it; what is raised is reported, too."""
    problem = draw_problem(seed, most_rooms)
    try:
        found = solve(problem, seed, limits)
        wrong = [*_judged(problem, found), *_eased(seed, problem, found, limits)]
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be told
        return Verdict(seed, len(problem.cases), (f"{type(error).__name__}: {error}",))
    counted = ["proven"] if found.proven else []
    counted += ["off the grid"] if found.slots.step > 1 else []
    counted += ["strict"] if problem.weights.strict else []
    counted += ["postpones"] if any(place.room is None for place in found.plan.values()) else []
    return Verdict(seed, len(problem.cases), tuple(wrong), tuple(counted))


def _judged(problem: PlanProblem, found: Found) -> Iterator[str]:
    """The plan and its proof, by the judge."""
    broken = check(problem, found.plan)
    yield from (f"breaks {b.rule}: {b.sentence}" for b in broken if b.rule != EMERGENCY)
    if any(b.rule == EMERGENCY for b in broken) and _can_be_kept(problem):
        yield f"breaks {EMERGENCY}, which a plan can keep"
    if price(problem, found.plan).total != found.cost:
        yield f"states {found.cost}, costs {price(problem, found.plan).total}"
    if not found.bound <= found.cost:
        yield f"bound {found.bound} above cost {found.cost}"
    if floor(problem) > found.bound:
        yield f"floor {floor(problem)} above bound {found.bound}"
    if found.proven and found.bound != found.cost:
        yield "proven, but the bound is below the cost"
    left = [case for case, place in found.plan.items() if place.room is None]
    proves = verify_branches(problem, found.certificate, found.branches, found.certified, left)
    if not found.certified <= proves <= found.cost:
        yield f"the certificate proves {proves}, {found.certified} is stated of a plan that costs {found.cost}"
    shifted = right_shift(problem)
    if not check(problem, shifted) and _key(problem, shifted) < _key(problem, found.plan):
        yield f"{_key(problem, found.plan)} is worse than right-shift's {_key(problem, shifted)}"


def _eased(seed: int, problem: PlanProblem, found: Found, limits: FixLimits) -> Iterator[str]:
    """With less in the way: this plan still holds, and no bound says that it is too good."""
    easier = relax(seed, problem)
    if check(problem, found.plan):
        return
    broken = [b for b in check(easier, found.plan) if b.rule != "class-order"]  # which asks what others could have
    if broken:
        yield f"with less in the way it breaks {broken[0].rule}"
    if price(easier, found.plan).total > found.cost:
        yield f"with less in the way it costs {price(easier, found.plan).total}, not {found.cost}"
    other = solve(easier, seed, limits)
    if other.ranked > found.rank:
        yield f"with less in the way at least {other.ranked} are postponed, not {found.rank}"
    if found.rank <= other.rank and other.bound > found.cost:
        yield f"with less in the way the bound is {other.bound}, above the cost {found.cost}"


def _key(problem: PlanProblem, plan: Mapping[str, Place]) -> tuple[int, ...]:
    return tuple(tiers(problem, plan).values())


def _can_be_kept(problem: PlanProblem) -> bool:
    """Whether some plan gives every emergency a place: asked of the reference, which is complete."""
    slots = build(problem)
    if any(case.urgency in ("urgent", "immediate") and i not in slots.case for i, case in enumerate(problem.cases)):
        return False
    return refer(problem) is not None


def verify_many(seeds: Sequence[int], jobs: int = 1, most_rooms: int = 6, bar: bool = False) -> Verified:
    """The verdicts of many seeds, in their order."""
    total = Verified()
    one = partial(verify, most_rooms=most_rooms)
    with ProcessPoolExecutor(jobs) as pool:
        for verdict in map(one, seeds) if jobs == 1 else pool.map(one, seeds, chunksize=8):
            total.add(verdict)
            for sentence in verdict.wrong:
                print(f"seed {verdict.seed}: {sentence}", file=sys.stderr, flush=True)
            if total.problems % (10 if bar else LINE_EVERY) == 0 or total.problems == len(seeds):
                _tell(total, len(seeds), bar)
    return total


def _tell(total: Verified, of: int, bar: bool) -> None:
    """How far it is: a bar in a terminal, now and then a line elsewhere."""
    said = f"{total.problems}/{of}, {len(total.wrong)} wrong "
    if bar:
        done = 40 * total.problems // of
        print(f"\r[{'#' * done}{'.' * (40 - done)}] {said}", end="", file=sys.stderr, flush=True)
        if total.problems == of:
            print(file=sys.stderr)
    elif of > LINE_EVERY:
        print(said.strip(), file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the figures, and say by exit code whether all was right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rooms", type=int, default=6, help="at most so many")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    total = verify_many(range(given.seed, given.seed + given.n), given.jobs, given.rooms, sys.stderr.isatty())
    figures = {"problems": total.problems, "cases": total.cases, **total.counted, "wrong": total.wrong}
    if given.json:
        print(json.dumps(figures))
    else:
        print(", ".join(f"{name} {value}" for name, value in figures.items() if name != "wrong"))
        print(f"{len(total.wrong)} wrong")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
