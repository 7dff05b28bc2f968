"""Everything that the board has heard, as one frozen value: what `view` works from."""

from dataclasses import dataclass
from datetime import timedelta

from immutables import Map

from orloop_common.domain.derived import (
    CaseForecast,
    CaseStatus,
    GateStatus,
    Proposal,
    RoomStatus,
    WritebackStatus,
)
from orloop_common.domain.suite_day import SuiteDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One suite as its topics tell it. `as_of` is the offset (next to be read) of the suite's log."""

    day: SuiteDay
    as_of: int = 0
    rooms: Map[str, RoomStatus] = Map()
    cases: Map[str, CaseStatus] = Map()
    forecasts: Map[str, CaseForecast] = Map()
    proposals: Map[str, Proposal] = Map()
    newest_answer: str | None = None
    gate: GateStatus | None = None
    writeback: Map[tuple[str, str], WritebackStatus] = Map()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How fresh the log is on the wall clock: seconds since the last tick was received, and how many are too many."""

    silent_for: timedelta | None = None
    limit: timedelta = timedelta(seconds=10)

    @property
    def beating(self) -> bool:
        return self.silent_for is not None and self.silent_for <= self.limit
