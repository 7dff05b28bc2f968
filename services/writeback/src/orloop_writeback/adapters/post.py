"""All routes of a process as one scribe and one courier: each step goes by the route that the book chose for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.ports import Courier, Scribe


@dataclass(frozen=True, slots=True)
class Counter:
    """One route's scribe and courier."""

    scribe: Scribe
    courier: Courier


class PostOffice:
    """A step of a route that has no counter (people key it in) must not come here."""

    def __init__(self, counters: Mapping[str, Counter]) -> None:
        self._counters = dict(counters)

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
