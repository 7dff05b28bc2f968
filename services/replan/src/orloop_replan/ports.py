"""The doors of the planner: an engine that finds plans, a desk of workers that solve beside the loop."""

from typing import Protocol

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


__all__ = [
    "Cut",
    "Engine",
    "Goal",
    "Job",
    "Limits",
    "Plan",
    "Search",
    "Solved",
    "Stop",
    "Stopped",
    "Workers",
    "never",
]
