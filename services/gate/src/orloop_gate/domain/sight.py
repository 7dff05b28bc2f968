"""What the gate sees at one moment: everything that a stop condition may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain.derived import CaseForecast
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Mode

MODES = (Mode.SHADOW, Mode.ADVISORY, Mode.FROZEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where each stop condition begins; event time unless said otherwise.

    `low_confidence_share` is of the cases that a proposal changes.
    """

    forecast_grace: timedelta = timedelta(minutes=10)
    remaining_age: timedelta = timedelta(minutes=15)
    low_confidence_share: float = 0.5
    answer_within: timedelta = timedelta(minutes=20)
    backlog: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The last news of a case that a forecast depends on: the offset after it, and `now` when it was folded."""

    as_of: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The newest fold, the forecasts, and how old the last tick is on the wall clock (None: no tick yet)."""

    day: SuiteDay
    layout: SuiteLayout
    now: datetime
    mode: Mode
    tick_age: timedelta | None
    tick_limit: timedelta
    forecasts: Mapping[str, CaseForecast] = field(default_factory=dict)
    heard: Mapping[str, Heard] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
