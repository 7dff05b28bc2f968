"""Generate, solve, check and explain planning problems: `python -m orloop_replan.plan COMMAND ...`.

What `orloop plan` runs. Exit code 0: done, and the plan is sound; 1: the answer is no (a broken rule, a wrong figure);
2: something cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orloop_common.domain.checker import Broken, check
from orloop_common.domain.cost import price
from orloop_common.domain.faults import committed_faults
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import PlanSolution
from orloop_common.messages import to_json

from . import plan_tables
from .domain.search import Job, never
from .domain.wishes import WishAnswer, WishError, parse_wish
from .generate import KINDS, GeneratorError, generate
from .generate_events import EVENTS
from .plan_files import PlanFileError, places, read_problem, read_solution, write

WITHIN = 20.0
"""Wall seconds after which a wish is answered with what is known by then."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker, the published cost and the certificate say of a solution.

    `wrong` are figures that the solution states and that do not come out; `certified` is the bound that the
    certificate proves, None where it was not asked.
    """

    broken: tuple[Broken, ...]
    wrong: tuple[str, ...]
    cost: int
    terms: dict[str, int]
    certified: int | None = None

    @property
    def ok(self) -> bool:
        return not self.broken and not self.wrong


def check_solution(problem: PlanProblem, solution: PlanSolution, certificate: bool = False) -> Checked:
    """Judge a solution with nothing of the solver: rules, cost, gap and, if asked, the certificate."""
    plan = places(solution)
    priced = price(problem, plan)
    wrong = []
    if priced.total != solution.cost:
        wrong.append(f"It states a cost of {solution.cost}; its plan costs {priced.total}.")
    if solution.bound > solution.cost:
        wrong.append(f"It states that no plan costs less than {solution.bound}, and costs {solution.cost} itself.")
    if abs(solution.gap - gap(solution.cost, solution.bound, solution.floor)) > 1e-6:
        wrong.append(f"It states a gap of {solution.gap:.4f}, which is not that of its cost and bound.")
    if solution.proven and solution.bound != solution.cost:
        wrong.append("It says that nothing cheaper exists, but its bound is below its cost.")
    certified = None
    if certificate:
        if solution.certificate is None:
            wrong.append("It carries no certificate.")
        else:
            from .domain.certificate_tree import verify_branches

            postponed = [case for case, place in plan.items() if place.room is None]
            certified = verify_branches(problem, solution.certificate, solution.branches, solution.certified, postponed)
            if certified < solution.certified:
                wrong.append(f"Its certificate proves {certified}, not the {solution.certified} that it states.")
            if certified > priced.total:
                wrong.append(f"Its certificate proves {certified}, above the cost of its plan.")
    return Checked(check(problem, plan), tuple(wrong), priced.total, asdict(priced), certified)


def gap(cost: int, bound: int, floor: int) -> float:
    """How much of what a plan can change may still be saved at most: 0 where nothing can."""
    return 0.0 if cost <= bound else (cost - bound) / max(1, cost - floor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except (PlanFileError, GeneratorError, WishError) as error:
        print(error, file=sys.stderr)
        return 2


def _generate(given: argparse.Namespace) -> int:
    problem = generate(given.rooms, given.event, given.seed, given.kind, given.now)
    if given.output is None:
        print(to_json(problem).decode())
        return 0
    write(problem, given.output)
    said = {"problem": str(given.output), "cases": len(problem.cases), "committed": len(problem.committed)}
    print(json.dumps(said) if given.json else f"{given.output}: {said['cases']} cases may move.")
    return 0


def _solve(given: argparse.Namespace) -> int:
    problem = read_problem(given.problem)
    for fault in committed_faults(problem):
        print(f"No plan changes this, {fault.rule}: {fault.sentence}", file=sys.stderr)
    from .adapters.price_and_fix import PROVING, FixLimits, Found, solution, solve

    def show(found: Found) -> None:
        """Hand over what there is; a plan that only its proof is missing for can be used."""
        answer = solution(problem, found)
        if given.output is not None:
            write(answer, given.output)
        if not given.json:
            if not shown or places(answer) != places(shown[-1]):
                print(plan_tables.plan_table(problem, places(answer), given.room or ()))
            print(plan_tables.proof_line(answer), flush=True)
        shown.append(answer)

    shown: list[PlanSolution] = []
    found = solve(problem, given.seed, PROVING if given.prove else FixLimits(), told=show)
    answer = solution(problem, found)
    if not shown or (answer.cost, answer.certified, answer.bound) != (
        shown[-1].cost,
        shown[-1].certified,
        shown[-1].bound,
    ):
        show(found)
    if given.json:
        print(to_json(answer).decode())
    return 0


def _check(given: argparse.Namespace) -> int:
    problem = read_problem(given.problem)
    solution = read_solution(given.solution, problem)
    checked = check_solution(problem, solution, given.certificate)
    if given.json:
        print(json.dumps({"ok": checked.ok, **asdict(checked)}))
    else:
        for broken in checked.broken:
            print(f"{broken.rule}: {broken.sentence}")
        for wrong in checked.wrong:
            print(wrong)
        print(plan_tables.terms_line(checked.cost, checked.terms))
        if checked.certified is not None:
            print(f"The certificate proves that no plan costs less than {checked.certified}.")
        print(plan_tables.proof_line(solution) if checked.ok else "Not sound.")
    return 0 if checked.ok else 1


def _explain(given: argparse.Namespace) -> int:
    problem = read_problem(given.problem)
    solution = read_solution(given.solution, problem)
    plan = places(solution)
    from .domain.explain import explain, trade

    answers = _why_not(problem, solution, given.why_not, given.within)
    reasons, traded = explain(problem, plan), trade(problem, plan)
    if given.json:
        told = {"reasons": reasons, "trade": traded, "why_not": answers}
        print(to_json(told).decode())
        return 0
    print(traded.sentence)
    for reason in reasons:
        print(f"{reason.case}: {reason.sentence}")
    for answer in answers:
        print(f"{answer.question} {answer.sentence}")
    return 0


def _why_not(problem: PlanProblem, solution: PlanSolution, asked: Sequence[str], within: float) -> list[WishAnswer]:
    """The answers to wishes, so many wall seconds for each; the solver is loaded only if there are any."""
    wishes = [parse_wish(text, problem) for text in asked]
    if not wishes:
        return []
    from .adapters.resolving import say
    from .domain.certificate_tree import verify_branches

    known, postponed = None, [one.case for one in solution.plan if one.place.room is None]
    if solution.certificate is not None:
        known = verify_branches(problem, solution.certificate, solution.branches, solution.certified, postponed)
    job = Job(id="why_not", problem=problem, start=solution.plan, within=within, known=known)
    answers = [say(replace(job, wish=wish), never).said for wish in wishes]
    return [answer for answer in answers if answer is not None]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orloop plan", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: Any, *files: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name)
        made.set_defaults(run=run)
        made.add_argument("--json", action="store_true")
        for file in files:
            made.add_argument(file, type=Path)
        return made

    made = command("generate", _generate)
    made.add_argument("--rooms", type=int, default=20)
    made.add_argument("--event", default="down", metavar="|".join(EVENTS))
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--kind", default="core", metavar="|".join(KINDS))
    made.add_argument("--now", default="10:00")
    made.add_argument("--output", type=Path)
    made = command("solve", _solve, "problem")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--output", type=Path)
    made.add_argument("--room", action="append")
    made.add_argument("--prove", action="store_true")
    made = command("check", _check, "problem", "solution")
    made.add_argument("--certificate", action="store_true")
    made = command("explain", _explain, "problem", "solution")
    made.add_argument("--why-not", action="append", default=[])
    made.add_argument("--within", type=float, default=WITHIN, metavar="SECONDS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
