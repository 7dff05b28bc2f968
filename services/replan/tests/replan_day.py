"""A demo-like suite told through its log, and workers that solve at once."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.derived import CaseForecast, Proposal
from orloop_common.domain.digest import derived_id
from orloop_common.domain.plan import Quantiles
from orloop_common.domain.site import RoomLayout, Site, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus
from orloop_common.messages import CASE_FORECASTS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import LoopSettings, Output
from orloop_common.testing import ManualClock, MemoryBus
from orloop_replan.adapters.price_engine import PriceAndFix
from orloop_replan.domain.solving import solve
from orloop_replan.flow import TOPICS, ReplanFlow
from orloop_replan.ports import Job, Limits, Solved

DAY = datetime(2026, 3, 2, tzinfo=UTC)
_ROOMS = (
    ("1", "orthopaedics", ("orthopaedics",), "15:30"),
    ("2", "orthopaedics", ("orthopaedics", "plastic"), "15:30"),
    ("3", "urology", ("urology", "general"), "15:30"),
    ("4", "general", ("general", "gynaecology"), "15:30"),
    ("6", "gynaecology", ("gynaecology", "urology"), "15:30"),
    ("8", "open", ("urology", "general", "gynaecology", "orthopaedics"), "17:00"),
)
LAYOUT = SuiteLayout(
    id="main",
    name="Main operating suite",
    rooms=tuple(
        RoomLayout(
            id=room,
            name=f"OR {room}",
            service=own,
            services=services,
            block_start=time(7, 30),
            block_end=time.fromisoformat(ends),
            closes=time(19),
        )
        for room, own, services, ends in _ROOMS
    ),
)
SITE = Site(site="demo", timezone="UTC", day_boundary=time(4), suites=(LAYOUT,))


def at(clock: str) -> datetime:
    """A moment of the demo's day."""
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def case(name: str, room: str | None, start: str, minutes: int, **more: Any) -> e.CaseScheduled:
    """The first version of a case, named after its procedure."""
    surgeon = more.pop("surgeon", f"S{room}")
    label = more.pop("label", name.capitalize())
    fields: dict[str, Any] = {
        "id": derived_id("scheduled", name, str(more.get("version", 1))),
        "suite": "main",
        "at": at("07:00"),
        "case": name,
        "version": 1,
        "service": "urology",
        "procedures": (e.Procedure(code="X", text=label),),
        "surgeons": (e.Surgeon(id=surgeon, name={"S3": "Marino", "S6": "Haddad"}.get(surgeon)),),
        "room": room,
        "start": at(start),
        "booked": timedelta(minutes=minutes),
        "bed": BedUnit.PACU,
        "recovery": timedelta(minutes=60),
    }
    return e.CaseScheduled(**{**fields, **more})


def tick(clock: str) -> e.ClockTicked:
    return e.ClockTicked(id=f"tick {clock}", suite="main", at=at(clock))


def milestone(name: str, kind: Milestone, clock: str, room: str | None = None) -> e.MilestoneRecorded:
    return e.MilestoneRecorded(
        id=derived_id("milestone", name, str(kind), clock),
        suite="main",
        at=at(clock),
        case=name,
        milestone=kind,
        room=room,
    )


def down(room: str, clock: str, until: str | None = None) -> e.RoomWentDown:
    return e.RoomWentDown(
        id=f"down {room} {clock}",
        suite="main",
        at=at(clock),
        room=room,
        cause="air handling",
        until=at(until) if until else None,
    )


def ready(name: str, clock: str) -> e.ReadinessChanged:
    return e.ReadinessChanged(
        id=f"ready {name} {clock}",
        suite="main",
        at=at(clock),
        case=name,
        item=ReadinessItem.CONSENT,
        status=ReadinessStatus.OUTSTANDING,
    )


def staff_short(name: str, start: str, end: str, missing: int) -> e.StaffShort:
    return e.StaffShort(
        id=name, suite="main", at=at("10:02"), role="anaesthesia", missing=missing, start=at(start), end=at(end)
    )


def forecast(name: str, minutes: int, clock: str, as_of: int, remaining: int | None = None) -> CaseForecast:
    def spread(middle: int) -> Quantiles:
        return Quantiles(
            p50=timedelta(minutes=middle), p80=timedelta(minutes=middle + 10), p95=timedelta(minutes=middle + 25)
        )

    return CaseForecast(
        suite="main",
        as_of=as_of,
        at=at(clock),
        case=name,
        stage="in_room" if remaining is not None else "scheduled",
        model="test",
        duration=spread(minutes),
        remaining=spread(remaining) if remaining is not None else None,
    )


def morning() -> list[e.Event]:
    """Six rooms at 10:00: running cases in rooms 1, 2, 4; room 3's first is done; room 8 stands empty."""
    booked = [
        case("hip", "1", "08:00", 150, service="orthopaedics"),
        case("knee", "1", "11:30", 90, service="orthopaedics"),
        case("spine", "2", "08:00", 150, service="orthopaedics"),
        case("disc", "2", "11:30", 90, service="orthopaedics"),
        case("prostate", "3", "08:00", 75),
        case("nephrectomy", "3", "11:00", 80),
        case("ureteroscopy", "3", "13:00", 60),
        case("cystoscopy", "3", "14:40", 30),
        case("bowel", "4", "08:00", 180, service="general"),
        case("gallbladder", "4", "12:00", 90, service="general"),
        case("hysterectomy", "6", "08:00", 150, service="gynaecology"),
        case("laparoscopy", "6", "11:30", 80, service="gynaecology"),
    ]
    running = [
        milestone(name, Milestone.PATIENT_IN_ROOM, "08:00", room)
        for name, room in (("hip", "1"), ("spine", "2"), ("prostate", "3"), ("bowel", "4"), ("hysterectomy", "6"))
    ]
    over = [
        milestone("prostate", Milestone.PATIENT_OUT_OF_ROOM, "09:15", "3"),
        milestone("prostate", Milestone.CLEANUP_END, "09:35", "3"),
    ]
    return [tick("07:00"), *booked, *running, tick("09:40"), *over, tick("10:02")]


def day_after(*events: e.Event) -> SuiteDay:
    day = SuiteDay(suite="main")
    for event in events:
        day = day.apply(event)
    return day


@dataclass
class InstantWorkers:
    """Solves when polled, in this process; `hold` keeps the answer back."""

    limits: Limits = field(default_factory=Limits)
    hold: bool = False
    started: list[Job] = field(default_factory=list)
    cancelled: int = 0
    _job: Job | None = None

    def start(self, job: Job) -> None:
        self.started.append(job)
        self._job = job

    def cancel(self) -> None:
        self.cancelled += self._job is not None
        self._job = None

    def poll(self) -> Solved | None:
        if self._job is None or self.hold:
            return None
        job, self._job = self._job, None
        return solve(job, PriceAndFix(job.limits or self.limits), self.limits)

    def close(self) -> None:
        self._job = None


@dataclass
class Suite:
    """The flow on a memory bus, with a clock that only moves when told."""

    bus: MemoryBus
    clock: ManualClock
    workers: InstantWorkers
    flow: ReplanFlow = field(init=False)
    core: Any = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process on the same log."""
        self.flow = ReplanFlow(SITE, ["main"], self.workers, self.clock, rules_digest="rules")
        self.core = self.bus.core(self.flow, LoopSettings(topics=list(TOPICS), group="orloop.replan"))

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.count += 1
            topic = CASE_FORECASTS if isinstance(message, CaseForecast) else SUITE_EVENTS
            id_ = message.id if isinstance(message, e.Event) else f"forecast {self.count}"
            self.bus.publish(Output(topic, "main", "main", message, id_, at=message.at))

    def settle(self, seconds: float = 5.0, step: float = 0.1) -> list[Proposal]:
        """Let wall time pass in small steps; return what was answered."""
        before = len(self.answers())
        for _ in range(round(seconds / step)):
            self.core.step()
            self.clock.advance(timedelta(0), timedelta(seconds=step))
        self.core.step()
        return self.answers()[before:]

    def answers(self) -> list[Proposal]:
        return self.bus.messages(PLAN_PROPOSALS)
