"""A log with write-back on it, a courier that a test answers for, and a case's identity: for write-back's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.carrying import in_order
from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.plan import Change
from orloop_common.domain.records import Pending
from orloop_common.domain.vocabulary import Verdict
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS, WRITEBACK_STATUS
from orloop_common.messages.identity import PatientIdentity, SenderIdentity, seal_identity
from orloop_common.runtime import CannotDecrypt, LoopSettings, Output
from orloop_common.runtime.core import LoopCore
from orloop_common.runtime.crypto import PayloadCipher, generate_key
from orloop_common.testing import ManualClock, MemoryBus
from orloop_common.testing.suite import HOUR, booked, change, clock, day_after, outcomes, small_site
from orloop_common.testing.suite import tick as tick
from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.domain.routes import Route, Routes
from orloop_writeback.domain.tasks import TaskSaid
from orloop_writeback.flow import TOPICS, WritebackFlow
from orloop_writeback.ports import Word

CIPHER_KEY = generate_key()
CIPHER = PayloadCipher(CIPHER_KEY)
CANARY = ("Zimtstern^Ottilie", "990017", "19410203", "VIS-88")


class PlainScribe:
    """Writes nothing that a hospital could read."""

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        if sealed == "locked":
            raise CannotDecrypt("Expected another key.")
        return step.control_id.encode(), ()


@dataclass
class HandCourier:
    """Carries nothing until the test answers."""

    sent: list[Step] = field(default_factory=list)
    waiting: list[Answer] = field(default_factory=list)
    withdrawn: list[Step] = field(default_factory=list)

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        self.sent.append(step)

    def withdraw(self, step: Step) -> None:
        self.withdrawn.append(step)

    def answers(self) -> Sequence[Answer]:
        found, self.waiting = self.waiting, []
        return found

    def answer(self, kind: str = "accepted", text: str = "", tries: int = 1) -> None:
        self.waiting.append(Answer(step=self.sent[-1], kind=kind, text=text, tries=tries))

    @property
    def cases(self) -> list[str]:
        return [step.case for step in self.sent]


@dataclass
class People:
    """What a test says about lines of the worklist."""

    news: list[Word] = field(default_factory=list)
    told: list[tuple[Word, str, str]] = field(default_factory=list)

    def say(self, case: str, done: bool = True, text: str = "", proposal: str = "p1") -> None:
        self.news.append(Word(suite="main", proposal=proposal, case=case, done=done, who="anna", text=text))

    def heard(self) -> Sequence[Word]:
        found, self.news = self.news, []
        return found

    def settled(self, word: Word, event: str, refused: str = "") -> None:
        self.told.append((word, event, refused))


@dataclass
class Inboxes:
    """Hospitals' inboxes: a test says what became of a Task."""

    open: Mapping[str, tuple[Step, tuple[str, ...]]] = field(default_factory=dict)
    news: list[TaskSaid] = field(default_factory=list)

    def watch(self, open_ones: Mapping[str, tuple[Step, tuple[str, ...]]]) -> None:
        self.open = open_ones

    def said(self) -> Sequence[TaskSaid]:
        found, self.news = self.news, []
        return found

    def say(self, status: str, reason: str = "") -> None:
        """Of the one Task that is open."""
        ((step, _),) = self.open.values()
        self.news.append(TaskSaid(step=step, status=status, reason=reason))


@dataclass
class Mesh:
    """A log, and write-back on it."""

    enabled: bool = True
    routes: tuple[Route, ...] = (Route(),)
    clock: ManualClock = field(default_factory=lambda: ManualClock(clock("09:00")))
    bus: MemoryBus = field(init=False)
    courier: HandCourier = field(default_factory=HandCourier)
    people: "People" = field(init=False)
    inboxes: "Inboxes" = field(init=False)
    flow: WritebackFlow = field(init=False)
    core: LoopCore = field(init=False)
    versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bus = MemoryBus(clock=self.clock)
        self.start()

    def start(self) -> None:
        """A new process on the same log."""
        self.courier = HandCourier()
        self.people, self.inboxes = People(), Inboxes()
        self.flow = WritebackFlow(
            small_site(),
            ["main"],
            self.clock,
            PlainScribe(),
            self.courier if self.enabled else None,
            routes=Routes(self.routes, sending=self.enabled),
            words=self.people,
            tasks=self.inboxes,
        )
        flow = self.flow
        self.core = self.bus.core(flow, LoopSettings(topics=TOPICS, group="orloop.writeback"))

    def run(self) -> "Mesh":
        for _ in range(8):
            self.core.step()
        return self

    def say(self, *events: e.Event) -> None:
        for event in events:
            self.bus.publish(Output(SUITE_EVENTS, "main", "main", event, event.id, at=event.at))
            if isinstance(event, e.ClockTicked):
                self.clock.set(event.at)

    def identify(self, case: str, payload: str = "sealed") -> None:
        record = CaseIdentity(case=case, suite="main", at=clock("08:00"), payload=payload)
        self.bus.publish(Output(CASE_IDENTITY, f"main/{case}", "main", record, f"identity/{case}"))

    def approve(self, *changes: Change, proposal: str = "p1") -> None:
        """The cases are booked where the changes find them, and the changes are approved."""
        for one in changes:
            assert one.origin.start
            self.versions[one.case] = 1
            self.say(booked(one.case, one.origin.room, f"{one.origin.start:%H:%M}"))
            self.identify(one.case)
        self.say(tick("09:00"))
        day = day_after(*self.log())
        ordered = in_order(day, changes, small_site().suite("main"))
        self.say(
            e.PlanDecided(
                id=f"decision/{proposal}",
                suite="main",
                at=clock("09:00"),
                proposal=proposal,
                verdict=Verdict.APPROVED,
                based_on=0,
                decided_by="demo",
                changes=ordered,
            )
        )

    def echo(self, late: timedelta = timedelta(0)) -> None:
        """The hospital's feed shows the step that was sent last."""
        step = self.courier.sent[-1]
        assert step.place.start
        self.versions[step.case] += 1
        start = step.place.start + late
        self.say(booked(step.case, step.place.room, f"{start:%H:%M}", version=self.versions[step.case]))

    def log(self) -> list[Any]:
        return self.bus.messages(SUITE_EVENTS)

    def answers(self) -> list[tuple[str, str]]:
        return [(m.case, str(m.answer)) for m in self.log() if isinstance(m, e.ChangeAnswered)]

    def outcomes(self) -> dict[str, str]:
        return dict(outcomes(day_after(*self.log()), "p1"))

    def statuses(self, case: str) -> list[str]:
        return [s.status for s in self.bus.messages(WRITEBACK_STATUS) if s.case == case]

    def text(self, case: str) -> str:
        return str([s.text for s in self.bus.messages(WRITEBACK_STATUS) if s.case == case][-1])


def identity(**more: Any) -> SenderIdentity:
    """A case that its sender calls C1, of a patient who must not be seen anywhere."""
    base = {
        "source": "TWIN",
        "suite": "main",
        "filler": "C1",
        "facility": "DEMO",
        "visit": CANARY[3],
        "pid": PatientIdentity(id=CANARY[1], assigner="DEMO", type="MR", name=CANARY[0], birth=CANARY[2], sex="F"),
        "aliases": {"1": "OR1", "2": "OR2", "3": "OR3"},
    }
    return SenderIdentity(**base | more)


def a_step(
    target: tuple[str, str] | None = ("3", "11:00"), case: str = "hip", proposal: str = "p1", **more: Any
) -> Step:
    """From room 1 at 10:30 to the target, decided at nine."""
    moved = change(case, ("1", "10:30"), target)
    pending = Pending(change=moved, proposal=proposal, order=1, of=1, decided=clock("09:00"))
    return Step(suite="main", pending=pending, place=moved.target, booked=HOUR, held=moved.origin, **more)


def sealed(case: str = "hip", who: SenderIdentity | None = None) -> str:
    """The case's identity as it lies on the log."""
    return seal_identity(case, clock("08:00"), who or identity(), CIPHER.encrypt).payload
