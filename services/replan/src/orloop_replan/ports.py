"""The doors of the planner: an engine that finds plans, a desk of workers that solve beside the loop."""

from collections.abc import Callable, Mapping
from typing import Protocol

from orloop_common.domain.problem import PlanProblem

from .domain.backups import Backup
from .domain.search import Cut, Engine, Goal, Job, Limits, Plan, Search, Solved, Stop, Stopped, never


class Workers(Protocol):
    """Solves jobs beside the loop, one at a time; never blocks."""

    def start(self, job: Job) -> None:
        """Begin; what runs is cancelled."""

    def cancel(self) -> None:
        """Drop what runs."""

    def poll(self) -> Solved | None:
        """The answer, once there is one: the engine's, or right-shift when time ran out."""

    def close(self) -> None: ...


class Solver(Protocol):
    """One process that solves one job after the other; never blocks."""

    def ask(self, job: Job) -> None:
        """Hand over a job."""

    def answer(self) -> Solved | None:
        """The answer to the newest job, once it is there."""

    def alive(self) -> bool: ...

    def end(self) -> None:
        """End it at once."""


class Backups(Protocol):
    """Plans for what has not happened yet, worked out beside the loop; never blocks."""

    def interrupt(self) -> None:
        """Something is to be done: give way at once."""

    def offer(self, suite: str, as_of: int, problem: Callable[[], PlanProblem]) -> None:
        """There is time."""

    def held(self, suite: str) -> Mapping[str, Backup]:
        """The newest back-ups by key."""

    def forget(self, suite: str) -> None: ...


__all__ = [
    "Backup",
    "Backups",
    "Cut",
    "Engine",
    "Goal",
    "Job",
    "Limits",
    "Plan",
    "Search",
    "Solved",
    "Solver",
    "Stop",
    "Stopped",
    "Workers",
    "never",
]
