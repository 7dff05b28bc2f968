"""Which way a change leaves: a hospital's choice for each suite and each of its senders."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from orloop_common.domain.suite_day import SuiteDay


class Way(StrEnum):
    """How a hospital takes changes: HL7 v2 over MLLP, FHIR R4, or a person who keys them in."""

    MLLP = "mllp"
    FHIR = "fhir"
    MANUAL = "manual"


class Postponements(StrEnum):
    """What becomes of a case that leaves the day.

    `by_hand` refuses it with a text, `worklist` has a person key it in, `cancel` sends SIU^S15, or an Appointment
    with the status cancelled.
    """

    BY_HAND = "by_hand"
    WORKLIST = "worklist"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Where this sender's HL7 looks for what: its own profile, read from our side.

    Parameters
    ----------
    times
        Where start and end are said: any of tq1 (2.5 and later), sch11 (SCH-11.4 and .5) and resource (the start
        and length of AIL or AIG).
    room
        ail (AIL-3), aig (AIG-3) or pv1 (PV1-3).
    room_only
        The trigger of a change that moves no time: S13 or S14.
    actions
        Whether RGS-2 and AIL-2 carry an action code (U, or D in an S15); action-code sites need it.
    offsets
        Whether times carry their UTC offset; else they are the site's wall clock.
    enhanced
        Whether MSH-15 and MSH-16 ask for a commit and an application acknowledgement.
    """

    version: str = "2.5.1"
    times: tuple[str, ...] = ("tq1", "resource")
    room: str = "ail"
    room_only: str = "S13"
    actions: bool = True
    offsets: bool = True
    enhanced: bool = False
    receiving_application: str | None = None
    receiving_facility: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way into one hospital system; no `suites` or no `sources` means all of them.

    `confirm_within` is how long the hospital's own echo may take; None means the process's setting. `tasks`: changes
    are put into an inbox as Tasks, whose status is read.
    """

    name: str = "hospital"
    way: Way = Way.MLLP
    suites: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    postponements: Postponements = Postponements.BY_HAND
    confirm_within: timedelta | None = None
    tasks: bool = False
    style: Style = Style()

    def takes(self, suite: str, source: str) -> bool:
        """Whether changes of this suite, to cases of this source, leave this way."""
        return (not self.suites or suite in self.suites) and (not self.sources or source in self.sources)


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a process, the first that fits wins; `sending` False turns every one into a worklist."""

    routes: tuple[Route, ...] = (Route(),)
    sending: bool = True
    nowhere: Route = field(default=Route(name="nowhere", way=Way.MANUAL))

    def of(self, day: SuiteDay, case: str) -> Route:
        """The route of a case: by its suite, and by the source that speaks of it."""
        source = source_of(day, case)
        return next((route for route in self.routes if route.takes(day.suite, source)), self.nowhere)

    def by_hand(self, day: SuiteDay, case: str, *, postponed: bool) -> bool:
        """Whether a person keys this change in."""
        route = self.of(day, case)
        left_to_people = postponed and route.postponements is Postponements.WORKLIST
        return not self.sending or route.way is Way.MANUAL or left_to_people

    def names(self, ways: Iterable[Way]) -> tuple[str, ...]:
        """The routes that go one of these ways."""
        wanted = frozenset(ways)
        return tuple(route.name for route in self.routes if route.way in wanted)


def source_of(day: SuiteDay, case: str) -> str:
    """Who speaks of the case (MSH-3); empty if nobody has yet."""
    record = day.cases.get(case)
    return (record.schedule.source or "") if record and record.schedule else ""
