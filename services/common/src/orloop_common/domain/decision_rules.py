"""Hard rules of a decision: what must hold of each case at the moment its change is decided.

The plan's rules are in `checker`; these ask the fold, not the problem.
"""

from collections.abc import Callable, Iterable

from .checker import Broken
from .plan import Change
from .reading import entered, left
from .records import CaseRecord
from .suite_day import SuiteDay
from .wording import the, upper_first


def check_decision(day: SuiteDay, changes: Iterable[Change]) -> tuple[Broken, ...]:
    """Every rule of a decision that the changes break on this state of the day."""
    return tuple(
        Broken(rule, sentence, (change.case,))
        for change in changes
        for rule, judge in DECISION_RULES.items()
        if (sentence := judge(day, change)) is not None
    )


def case_open(day: SuiteDay, change: Change) -> str | None:
    """The case is still to be operated on."""
    record = day.cases.get(change.case)
    if record is not None and record.active:
        return None
    how = {"cancelled": "was cancelled", "no_show": "did not come", "entered_in_error": "was entered in error"}
    return f"{_name(record)} {how.get(record.status if record else '', 'is not known')}."


def not_started(day: SuiteDay, change: Change) -> str | None:
    """The patient has not entered a room."""
    record = day.cases.get(change.case)
    if record is None or (entered(record) is None and left(record) is None):
        return None
    return f"{_name(record)} has begun."


def version_unchanged(day: SuiteDay, change: Change) -> str | None:
    """The hospital has not changed the case since the change was made."""
    record = day.cases.get(change.case)
    if record is None or record.schedule is None or record.schedule.version == change.version:
        return None
    return f"The hospital has changed {_name(record, begin=False)} since."


def one_change_at_a_time(day: SuiteDay, change: Change) -> str | None:
    """No earlier change of the case waits for the hospital's answer."""
    if change.case not in day.pending:
        return None
    return f"An earlier change of {_name(day.cases.get(change.case), begin=False)} has not been answered yet."


def no_doubted_case(day: SuiteDay, change: Change) -> str | None:
    """Nothing speaks against what is known of the case."""
    doubts = day.doubted(change.case)
    if not doubts:
        return None
    return f"What is known of {_name(day.cases.get(change.case), begin=False)} may be wrong: {doubts[0].rstrip('.')}."


DECISION_RULES: dict[str, Callable[[SuiteDay, Change], str | None]] = {
    "case-open": case_open,
    "not-started": not_started,
    "version-unchanged": version_unchanged,
    "one-change-at-a-time": one_change_at_a_time,
    "no-doubted-case": no_doubted_case,
}


def _name(record: CaseRecord | None, *, begin: bool = True) -> str:
    schedule = record.schedule if record else None
    label = schedule.procedures[0].text if schedule and schedule.procedures else "case"
    return upper_first(the(label)) if begin else the(label)
