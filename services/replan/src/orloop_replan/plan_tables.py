"""A plan and its proof as text for a terminal."""

from collections.abc import Collection, Iterator, Mapping

from orloop_common.domain.cost import told
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.solution import PlanSolution
from orloop_common.domain.wording import clock_time, count

_HEAD = ("case", "urgency", "from", "to", "change", "what")


def plan_table(problem: PlanProblem, plan: Mapping[str, Place], rooms: Collection[str] = ()) -> str:
    """One line for each case that moves or is postponed, then how many stay; of all rooms, or of some."""
    moved = [c for c in problem.cases if plan[c.id] != c.current and (not rooms or _touches(c, plan[c.id], rooms))]
    stay = sum(plan[case.id] == case.current for case in problem.cases)
    moved.sort(key=lambda c: (plan[c.id].start is None, plan[c.id].start or problem.now, c.id))
    lines = [_HEAD, *(_line(problem, case, plan[case.id]) for case in moved)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    title = f"Suite {problem.suite} at {clock_time(problem.now, problem.timezone)}, {count(len(problem.rooms), 'room')}"
    return "\n".join([title, *(table if moved else []), f"{count(len(moved), 'change')}, {stay} unchanged."])


def proof_line(solution: PlanSolution) -> str:
    """Cost, bound, gap, whether it is proven, and CPU seconds."""
    proven = "proven: nothing cheaper exists" if solution.proven else f"at most {solution.gap:.1%} from the best"
    return (
        f"cost {solution.cost}, bound {solution.bound} (certified {solution.certified}), gap {solution.gap:.2%}, "
        f"{proven}; {solution.cpu_seconds:.2f} CPU s"
    )


def terms_line(cost: int, terms: Mapping[str, int]) -> str:
    """The cost and those of its terms that are not zero."""
    parts = ", ".join(f"{name} {value}" for name, value in terms.items() if value)
    return f"cost {cost}" + (f" = {parts}" if parts else "")


def _touches(case: ProblemCase, place: Place, rooms: Collection[str]) -> bool:
    return case.current.room in rooms or place.room in rooms


def _line(problem: PlanProblem, case: ProblemCase, place: Place) -> tuple[str, ...]:
    changes = ", ".join(_changes(case, place))
    return (case.id, str(case.urgency), _place(problem, case.current), _place(problem, place), changes, case.label)


def _place(problem: PlanProblem, place: Place) -> str:
    return f"{clock_time(place.start, problem.timezone)} room {place.room}" if place.start and place.room else "-"


def _changes(case: ProblemCase, place: Place) -> Iterator[str]:
    if place.start is None:
        yield "postponed"
        return
    if case.current.room is not None and place.room != case.current.room:
        yield "room"
    promised = told(case)
    if promised is not None and place.start != promised:
        minutes = round((place.start - promised).total_seconds() / 60)
        yield f"{minutes:+d} min"
    if case.current.room is None:
        yield "add-on"
