"""Events in; statuses of rooms and cases and features of cases out, when they changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import CaseFeatures, CaseStatus, Derived, RoomStatus
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.features import without_moving
from orloop_common.domain.reading import is_in_room
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import CASE_FEATURES, CASE_STATE, ROOM_STATE
from orloop_common.runtime.records import Output, Record

from .domain.views import Moment, case_statuses, open_case_features, refresh_due, room_statuses

_REFRESHING = (
    e.RoomWentDown,
    e.RoomRestored,
    e.StaffShort,
    e.RosterChanged,
    e.BedsChanged,
    e.EquipmentChanged,
    e.CleaningStatusChanged,
    e.CaseCancelled,
    e.CaseNoShow,
    e.ReplanRequested,
)
"""Triggers of a re-plan that change no feature: the planner wants remaining times no older than these."""

_NEVER = datetime.min.replace(tzinfo=UTC)
Told = dict[tuple[str, str], Any]


@dataclass(slots=True)
class Suite:
    """A suite's fold, where it stands, and what was told of it last."""

    day: SuiteDay
    as_of: int = 0
    refresh: bool = False
    cases_changed: bool = False
    told: Told = field(default_factory=dict)


@dataclass
class FeaturesFlow:
    """What this service does, without Kafka, Faust, a clock or a thread.

    Outputs are a function of the log up to `as_of`: what is told again carries the same id.
    """

    layouts: Mapping[str, SuiteLayout]
    calendar: OperationalCalendar
    suites: dict[str, Suite] = field(default_factory=dict)

    def fold(self, record: Record) -> None:
        """Take one event into its suite's day; events of other sites' suites are not ours."""
        if record.suite not in self.layouts or not isinstance(record.message, e.Event):
            return
        suite = self._suite(record.suite)
        before = suite.day
        suite.day = before.apply(record.message)
        suite.as_of = record.offset + 1
        suite.refresh |= refresh_due(before.now, suite.day.now) or isinstance(record.message, _REFRESHING)
        suite.cases_changed |= suite.day.cases is not before.cases or suite.day.plan is not before.plan

    def outputs(self, record: Record) -> Iterator[Output]:
        """What is different since it was told last, after the record was folded."""
        if record.suite not in self.suites or not isinstance(record.message, e.Event):
            return
        suite = self.suites[record.suite]
        at = suite.day.now or record.message.at
        yield from self._tell(suite, at, record.id, only_changed=True)

    def current(self, suite_id: str, now: datetime) -> Iterator[Output]:
        """All that is true now: told at the start, so that boards see idle rooms before anything happens."""
        suite = self._suite(suite_id)
        suite.told.clear()
        suite.cases_changed = True
        yield from self._tell(suite, suite.day.now or now, None, only_changed=False)

    def restore(self, days: Mapping[str, tuple[int, SuiteDay]]) -> None:
        """Start from these folds, each as of an offset, instead of empty ones."""
        for suite_id, (as_of, day) in days.items():
            self.suites[suite_id] = Suite(day, as_of)

    def forget(self, suite_ids: Iterable[str]) -> None:
        """Another replica has them now."""
        for suite_id in suite_ids:
            self.suites.pop(suite_id, None)

    def state(self) -> dict[str, Any]:
        """For `/state`."""
        return {
            suite_id: {"digest": digest(suite.day), "as_of": suite.as_of}
            for suite_id, suite in sorted(self.suites.items())
        }

    def _suite(self, suite_id: str) -> Suite:
        if suite_id not in self.suites:
            self.suites[suite_id] = Suite(SuiteDay(suite=suite_id, calendar=self.calendar))
        return self.suites[suite_id]

    def _tell(self, suite: Suite, at: datetime, cause: str | None, *, only_changed: bool) -> Iterator[Output]:
        day, moment = suite.day, Moment(suite.as_of, at)
        seen: Told = {} if suite.cases_changed else dict(suite.told)
        for topic, key, view in self._views(suite, moment):
            place = (topic, key)
            seen[place] = _content(view)
            refreshed = suite.refresh and isinstance(view, CaseFeatures) and is_in_room(day.cases[view.case])
            if refreshed or not only_changed or suite.told.get(place) != seen[place]:
                yield _output(topic, key, view, moment, cause)
        for topic, key in sorted(suite.told.keys() - seen.keys()):
            if topic == CASE_STATE:  # the day was long ago: readers of compacted topics may forget it too
                for gone in (CASE_STATE, CASE_FEATURES):
                    identity = derived_id(gone, day.suite, key, str(moment.as_of))
                    yield Output(gone, f"{day.suite}/{key}", day.suite, None, identity, cause, at)
        suite.told, suite.refresh, suite.cases_changed = seen, False, False

    def _views(self, suite: Suite, moment: Moment) -> Iterator[tuple[str, str, Derived]]:
        """What may differ from what was told: cases only when one changed, or when those in a room are refreshed."""
        day = suite.day
        for room in room_statuses(day, self.layouts[day.suite], moment):
            yield ROOM_STATE, room.room, room
        if suite.cases_changed:
            for case in case_statuses(day, moment):
                yield CASE_STATE, case.case, case
        if suite.cases_changed or suite.refresh:
            for features in open_case_features(day, moment, only_in_room=not suite.cases_changed):
                yield CASE_FEATURES, features.case, features


def _content(view: Derived) -> Any:
    """The view without what changes by itself: the offset, the event time, features that are durations up to now."""
    if isinstance(view, CaseFeatures):
        return view.stage, without_moving(view.values)
    assert isinstance(view, RoomStatus | CaseStatus)
    return replace(view, as_of=0, at=_NEVER)


def _output(topic: str, key: str, view: Derived, moment: Moment, cause: str | None) -> Output:
    identity = derived_id(topic, view.suite, key, str(moment.as_of))
    return Output(topic, f"{view.suite}/{key}", view.suite, view, identity, cause, moment.at)
