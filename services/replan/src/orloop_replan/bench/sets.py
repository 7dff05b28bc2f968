"""The frozen problems: which they are, where they lie, and what is the best known of each.

`contracts/instances/NAME.json.gz` holds a problem, `best.json` beside it one entry a name: how it was generated, how
many cases may move, what right-shift costs, the best known cost and bound, and who found them.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orloop_common.domain.problem import PlanProblem
from orloop_replan.generate import generate
from orloop_replan.plan_files import packed, read_problem

INSTANCES = Path(__file__).parents[5] / "contracts" / "instances"
MOST_SEEDS = 3000
EVENTS = ("down", "overrun", "emergency", "staff", "storm")


@dataclass(frozen=True, slots=True)
class Known:
    """One problem of a set, and the best that is known of it; `cost` and `bound` are None until it was solved.

    `full` says that it is measured with `--full` only.
    """

    rooms: int
    event: str
    seed: int
    kind: str
    now: str
    movable: int
    right_shift: int
    full: bool = False
    cost: int | None = None
    bound: int | None = None
    found_by: str = ""
    bound_by: str = ""

    @property
    def proven(self) -> bool:
        return self.cost is not None and self.cost == self.bound


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a set is made of: `each` problems an event, the first `few` of them measured without `--full`.

    A seed counts if `least` to `most` cases may move and right-shift costs at least `harder` times what price and fix
    finds with its smallest model: an easier set would prove nothing.
    """

    rooms: int
    least: int
    most: int
    few: int
    each: int
    kind: str = "core"
    now: str = "10:00"
    harder: float = 0.0
    events: tuple[str, ...] = EVENTS


SETS = {
    "tiny": Wanted(3, 4, 10, 1, 1),
    "tiny-full": Wanted(3, 4, 9, 1, 1, kind="full", events=("down", "storm")),
    "20": Wanted(20, 38, 50, 3, 12, harder=1.75),
    "40": Wanted(40, 79, 88, 3, 12, harder=1.8),
    "40-early": Wanted(40, 110, 137, 1, 2, now="08:00"),
    "20-full": Wanted(20, 38, 50, 1, 3, kind="full"),
    "40-full": Wanted(40, 79, 88, 1, 2, kind="full", events=("down", "storm")),
}


def read_best(folder: Path = INSTANCES) -> dict[str, Known]:
    """Every known problem by name."""
    path = folder / "best.json"
    entries = json.loads(path.read_text()) if path.exists() else {}
    return {name: Known(**entry) for name, entry in entries.items()}


def write_best(known: dict[str, Known], folder: Path = INSTANCES) -> None:
    """Write `best.json`, one line a problem."""
    lines = [f" {json.dumps(name)}: {json.dumps(asdict(known[name]))}" for name in sorted(known)]
    (folder / "best.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def names(size: str, full: bool, known: dict[str, Known]) -> list[str]:
    """The problems of a set: the few, with `full` all of them."""
    own = [name for name in sorted(known) if name.rsplit("-", 2)[0] == f"r{size}"]
    return [name for name in own if full or not known[name].full]


def load(name: str, folder: Path = INSTANCES) -> PlanProblem:
    """The frozen problem of a name."""
    return read_problem(folder / f"{name}.json.gz")


def better(known: Known, cost: int | None, bound: int | None, who: str) -> Known:
    """What is known after somebody found a cost, a bound, or both."""
    if cost is not None and (known.cost is None or cost < known.cost):
        known = replace(known, cost=cost, found_by=who)
    if bound is not None and (known.bound is None or bound > known.bound):
        known = replace(known, bound=bound, bound_by=who)
    return known


def freeze(size: str, folder: Path = INSTANCES) -> dict[str, Known]:
    """Find the seeds of a set and write its files; what counts is in `Wanted`."""
    from orloop_replan.adapters.price_and_fix import FixLimits, solve
    from orloop_replan.domain import kernels, slots

    wanted, found = SETS[size], dict[str, Known]()
    folder.mkdir(parents=True, exist_ok=True)
    for event in wanted.events:
        count = seed = 0
        while count < wanted.each and seed < MOST_SEEDS:
            seed += 1
            problem = generate(wanted.rooms, event, seed, wanted.kind, wanted.now)
            if not wanted.least <= len(problem.cases) <= wanted.most:
                continue
            arrays = slots.build(problem)
            waiting = kernels.price_chosen(arrays, kernels.right_shift_chosen(arrays))
            if wanted.harder:
                quick = solve(arrays, 0, FixLimits(growth=(8,)))
                if waiting < wanted.harder * quick.cost:
                    continue
            name = f"r{size}-{event}-{seed:03d}"
            (folder / f"{name}.json.gz").write_bytes(packed(problem))
            made = (wanted.rooms, event, seed, wanted.kind, wanted.now, len(problem.cases), waiting)
            found[name] = Known(*made, full=count >= wanted.few)
            count += 1
    return found
