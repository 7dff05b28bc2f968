"""`evolve` gives what `dataclasses.replace` gives, whatever the class."""

from dataclasses import FrozenInstanceError, dataclass, field, replace
from datetime import time

import pytest

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.evolving import evolve
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.suite_day import SuiteDay


@dataclass(frozen=True, slots=True)
class Small:
    one: int
    many: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Checked:
    one: int
    two: int = 0

    def __post_init__(self) -> None:
        if self.one < 0:
            raise ValueError("below zero")


@dataclass(frozen=True)
class Loose:
    one: int
    two: int = 0


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (Small(1), {"one": 2}),
        (Small(1), {}),
        (Checked(1), {"two": 5}),
        (Loose(1), {"two": 5}),
        (CaseRecord(case="c1"), {"case": "c2"}),
        (SuiteDay(suite="main", calendar=OperationalCalendar("UTC", time(4))), {"suite": "other"}),
    ],
)
def test_it_is_what_replace_gives(value, changes) -> None:
    made = evolve(value, **changes)
    assert made == replace(value, **changes)
    assert type(made) is type(value)
    assert hash(type(made)) == hash(type(value))
    assert repr(made) == repr(replace(value, **changes))


def test_it_stays_frozen() -> None:
    made = evolve(Small(1), one=2)
    with pytest.raises(FrozenInstanceError):
        made.one = 3


def test_a_check_after_the_making_is_still_made() -> None:
    with pytest.raises(ValueError, match="below zero"):
        evolve(Checked(1), one=-1)


@pytest.mark.parametrize("value", [Small(1), Loose(1), Checked(1)])
def test_a_field_that_is_none_is_refused(value) -> None:
    with pytest.raises(TypeError):
        evolve(value, three=3)
