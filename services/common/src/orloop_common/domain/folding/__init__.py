"""One handler per event type: what each fact means for the day."""

from collections.abc import Callable
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.suite_day import SuiteDay

from .cases import (
    case_doubted,
    case_ended,
    case_linked,
    case_scheduled,
    milestone_recorded,
    readiness_changed,
)
from .decisions import change_answered, plan_decided
from .surroundings import (
    beds_changed,
    cleaning_changed,
    clock_ticked,
    exception_decided,
    feed_returned,
    feed_silent,
    last_word,
    newest,
    room_observed,
    room_usability,
    roster_changed,
    staff_short,
)

HANDLERS: dict[type[e.Event], Callable[[SuiteDay, Any], SuiteDay]] = {
    e.CaseScheduled: case_scheduled,
    e.CaseCancelled: case_ended("cancelled"),
    e.CaseNoShow: case_ended("no_show"),
    e.CaseEnteredInError: case_ended("entered_in_error"),
    e.CaseLinked: case_linked,
    e.CaseDoubted: case_doubted,
    e.MilestoneRecorded: milestone_recorded,
    e.ReadinessChanged: readiness_changed,
    e.RoomWentDown: room_usability,
    e.RoomRestored: room_usability,
    e.RoomStateChanged: room_observed,
    e.CleaningStatusChanged: cleaning_changed,
    e.RosterChanged: roster_changed,
    e.StaffShort: staff_short,
    e.BedsChanged: beds_changed,
    e.EquipmentChanged: newest("equipment", lambda x: (x.kind, x.unit or "")),
    e.ImplantExpected: newest("implants", lambda x: (x.case, x.implant)),
    e.BlockChanged: newest("blocks", lambda x: (x.room, x.start)),
    e.ExceptionRequested: newest("exceptions", lambda x: x.exception),
    e.ExceptionDecided: exception_decided,
    e.ReplanRequested: last_word("requested"),
    e.FeedWentSilent: feed_silent,
    e.FeedReturned: feed_returned,
    e.SourceDisagreed: newest("disagreements", lambda x: x.subject),
    e.ClockTicked: clock_ticked,
    e.PlanDecided: plan_decided,
    e.ModeChanged: last_word("mode"),
    e.RulesChanged: last_word("rules"),
    e.WeightsChanged: last_word("weights"),
    e.ChangeAnswered: change_answered,
}
