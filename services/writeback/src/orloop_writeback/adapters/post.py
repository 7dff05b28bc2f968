"""All routes of a process as one scribe and one courier: each step goes by the route that the book chose for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.domain.tasks import TaskSaid
from orloop_writeback.ports import Courier, Scribe

from .task_watch import TaskWatch


@dataclass(frozen=True, slots=True)
class Counter:
    """One route's scribe and courier."""

    scribe: Scribe
    courier: Courier


class PostOffice:
    """A step of a route that has no counter (people key it in) must not come here."""

    def __init__(self, counters: Mapping[str, Counter], watches: Mapping[str, TaskWatch] | None = None) -> None:
        self._counters, self._watches = dict(counters), dict(watches or {})

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The message's bytes, and the words in it that identify the patient."""
        return self._counters[step.route.name].scribe.write(step, sealed)

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        """Hand over; returns at once."""
        self._counters[step.route.name].courier.send(step, body, secrets)

    def withdraw(self, step: Step) -> None:
        """Do not try it again."""
        self._counters[step.route.name].courier.withdraw(step)

    def answers(self) -> Sequence[Answer]:
        """What came back on any route since the last call."""
        return [answer for counter in self._counters.values() for answer in counter.courier.answers()]

    def watch(self, open_ones: Mapping[str, tuple[Step, tuple[str, ...]]]) -> None:
        """Each Task is looked after on its own route."""
        for name, each in self._watches.items():
            each.watch({id: held for id, held in open_ones.items() if held[0].route.name == name})

    def said(self) -> Sequence[TaskSaid]:
        """What is new of the Tasks on any route."""
        return [said for each in self._watches.values() for said in each.said()]
