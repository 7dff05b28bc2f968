"""The hospital's day in SimPy: patients, rooms, surgeons, teams and recovery beds in simulated seconds.

It follows the hospital's *current* schedule: a patient goes in when the booked time has come and the
room is free, clean and up, the surgeon is free and a team is there. Two runs with the same seed and
the same changes at the same seconds say the same things at the same seconds.
"""

import hashlib
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import simpy

from orloop_common.domain.site import SuiteLayout

from .cases import Booking, CaseRecord, Day
from .draws import Draws
from .feed import ChangeDecision, ChangeRequest, HospitalMessage, ManualReport, Observation, message_id
from .generator import MINUTE, fails_at
from .scenario import Scenario, seconds
from .staffing import anaesthesia_roster, teams_at

Said = HospitalMessage | ManualReport
Process = Generator[simpy.Event, Any, None]
Stage = Literal["expected", "booked", "called", "in_room", "out", "done", "withdrawn"]


@dataclass
class _Case:
    """A case on its way: the hospital's own booking and the one that its feed has told."""

    record: CaseRecord
    booking: Booking
    told: Booking
    stage: Stage = "expected"
    operating: bool = False
    corrections: int = 0
    echoes: int = 0


@dataclass
class _Room:
    """A room: the case that it is prepared for or that is in it, and whether it is fit for use."""

    id: str
    down: bool = False
    dirty: bool = False
    taken: str | None = None


@dataclass
class Hospital:
    """One simulated day. `advance` lets time pass and returns what was said meanwhile."""

    day: Day
    scenario: Scenario
    suite: SuiteLayout
    draws: Draws = field(init=False)

    def __post_init__(self) -> None:
        self.draws = Draws(self.day.seed)
        self.env = simpy.Environment(initial_time=seconds(self.scenario.starts))
        self._cases = {record.id: _Case(record, record.first, record.first) for record in self.day.cases}
        self._rooms = {room.id: _Room(room.id) for room in self.suite.rooms}
        self._said: list[Said] = []
        self._news = self.env.event()
        self._recovering: dict[str, int] = {}
        self._cleaning = 0
        self._heard = 0
        self._corrected: set[int] = set()
        for case in self._cases.values():
            self.env.process(self._course(case))
        self.env.process(self._desk())
        for down in self.scenario.rooms_down:
            self.env.process(self._failure(down.room))
        for number, _ in enumerate(self.scenario.withdrawals):
            self.env.process(self._withdrawal(number))

    # --- time ------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return int(self.env.now)

    @property
    def next_event(self) -> float:
        """When something happens next, in seconds from midnight; infinity when the day is over."""
        return float(self.env.peek())

    @property
    def over(self) -> bool:
        return self.now >= seconds(self.scenario.ends)

    def advance(self, to: int) -> list[Said]:
        """Let everything happen that lies before `to`; return what was said since the last look."""
        to = min(to, seconds(self.scenario.ends))
        if to > self.env.now:
            self.env.run(until=to)
        said, self._said = self._said, []
        return said

    def state(self) -> dict[str, Any]:
        """Where everybody is; no names."""
        return {
            "now": self.now,
            "rooms": {r.id: "down" if r.down else r.taken or ("dirty" if r.dirty else "idle") for r in self._rooms.values()},
            "cases": {c.record.id: [c.stage, c.booking.room, c.booking.start, c.booking.version] for c in self._cases.values()},
            "recovering": len(self._recovering),
        }

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.state(), sort_keys=True).encode()).hexdigest()

    # --- write-back --------------------------------------------------------------------------------

    def decide(self, change: ChangeRequest) -> ChangeDecision:
        """Judge a change as of now, without carrying it out."""
        why_not = self._objection(change)
        if why_not:
            return ChangeDecision(False, why_not)
        rules, number = self.scenario.writeback, self._heard + 1
        case = self._cases[change.case]
        key = ("write-back", change.case, case.booking.version)
        if number in rules.refuse or self.draws.chance(rules.refuse_rate, *key, "refuse"):
            return ChangeDecision(False, "The theatre desk does not agree to this change")
        start = change.start
        if number in rules.alter or self.draws.chance(rules.alter_rate, *key, "alter"):
            start += rules.alter_minutes * MINUTE
        slow = self.draws.chance(rules.slow_rate, *key, "slow")
        low, high = rules.slow_seconds if slow else rules.echo_seconds
        after: int | None = int(self.draws.between(low, high, *key, "echo"))
        if number in rules.silent:
            after = None
        return ChangeDecision(True, "", change.room, start, after)

    def apply(self, change: ChangeRequest, decision: ChangeDecision) -> None:
        """Carry out what was decided; the feed echoes it later."""
        self._heard += 1
        if not decision.accepted:
            return
        case = self._cases[change.case]
        version = case.booking.version + 1
        case.booking = Booking(decision.room, decision.start, case.booking.booked, version)
        self._tell_all()
        if decision.echo_after is not None:
            self.env.process(self._echo(case, case.booking, decision.echo_after))

    def _objection(self, change: ChangeRequest) -> str:
        case = self._cases.get(change.case)
        room = self._rooms.get(change.room)
        if self.over:
            return "The operating department is closed for today"
        if case is None or case.stage == "expected":
            return f"No appointment {change.case} is known here"
        if case.stage == "withdrawn":
            return f"Appointment {change.case} is cancelled"
        if case.stage in ("in_room", "out", "done"):
            return f"The patient of appointment {change.case} is already in the room"
        if room is None:
            return f"No room {change.room} is known here"
        if room.down:
            return f"Room {change.room} is out of use"
        if change.start < self.now - 10 * MINUTE:
            return f"The start asked for appointment {change.case} has passed"
        return ""

    def _echo(self, case: _Case, booking: Booking, after: int) -> Process:
        yield self.env.timeout(after)
        if case.stage == "withdrawn":
            return
        if booking.version > case.told.version:
            case.told = booking
        self._siu(case, "S13", "echo", booking.version, booking=booking, detailed=True)

    # --- a case's course ---------------------------------------------------------------------------

    def _course(self, case: _Case) -> Process:
        record, draws = case.record, self.draws
        yield self.env.timeout(max(0, record.told_at - self.now))
        case.stage = "booked"
        self._siu(case, "S12", "booked", detailed=True)
        if record.ready_at is not None:
            self.env.process(self._readiness(case))
        yield from self._until_in_room(case)
        if case.stage == "withdrawn":
            return
        room = self._rooms[case.booking.room]
        entered = self.now
        case.stage, case.operating = "in_room", True
        self._milestone(case, "WHEELS_IN")
        prep = int(min(0.25 * record.stay, draws.between(9, 20, record.id, "preparation") * MINUTE))
        emergence = int(min(0.15 * record.stay, draws.between(5, 12, record.id, "emergence") * MINUTE))
        closing = int(min(0.12 * record.stay, draws.between(5, 14, record.id, "closing") * MINUTE))
        anaesthesia = int(0.2 * prep)
        yield self.env.timeout(anaesthesia)
        if record.procedure.anaesthesia != "local":
            self._milestone(case, "ANES_START", form="ORU")
        yield self.env.timeout(prep - anaesthesia)
        self._milestone(case, "INCISION")
        yield self.env.timeout(max(MINUTE, record.stay - prep - closing - emergence))
        self._milestone(case, "CLOSING")
        case.operating = False
        self._tell_all()
        yield self.env.timeout(closing)
        self._milestone(case, "PROC_END")
        yield self.env.timeout(max(0, entered + record.stay - self.now))
        needs_bed = record.procedure.bed == "pacu"
        while needs_bed and len(self._recovering) >= self.scenario.pacu_beds:
            yield self._news
        case.stage = "out"
        room.dirty = True
        self._milestone(case, "WHEELS_OUT")
        if needs_bed:
            self._recovering[record.id] = self._leaves_recovery(case)
            self.env.process(self._recovery(case))
        self._tell_all()
        yield from self._clean(case, room)

    def _until_in_room(self, case: _Case) -> Process:
        """Call the patient, prepare the room, wait for everything that a start needs."""
        record = case.record
        lead = int(self.draws.between(24, 28, record.id, "called") * MINUTE)
        late = self._late(record)
        prepared: tuple[str, int] | None = None
        while True:
            if case.stage == "withdrawn":
                self._release(case, prepared)
                return
            booking, now = case.booking, self.now
            room = self._rooms[booking.room]
            moments = [booking.start - lead, booking.start - record.setup, booking.start + late]
            if case.stage == "booked" and now >= booking.start - lead and not room.down:
                case.stage = "called"
                self._milestone(case, "PATIENT_IN_PREOP")
            if prepared and (prepared[0] != room.id or room.down or now < booking.start - record.setup):
                self._release(case, prepared)
                prepared = None
            if prepared is None and now >= booking.start - record.setup and self._may_prepare(case, room):
                length = int(record.setup * self.draws.lognormal(0.15, record.id, "setup"))
                prepared = (room.id, now + length)
                room.taken = record.id
                self._milestone(case, "ROOM_SETUP")
            if prepared:
                moments.append(prepared[1])
                if now >= max(prepared[1], booking.start + late) and self._may_enter(case):
                    return
            ahead = [moment - now for moment in moments if moment > now]
            waits: list[simpy.Event] = [self._news]
            if ahead:
                waits.append(self.env.timeout(min(ahead)))
            yield self.env.any_of(waits)

    def _late(self, record: CaseRecord) -> int:
        """Patients come a few minutes late, one in ten rather more."""
        if self.draws.chance(0.1, record.id, "late"):
            return int(self.draws.between(8, 18, record.id, "how late") * MINUTE)
        return int(max(0.0, 2 + 3 * self.draws.normal(record.id, "how late")) * MINUTE)

    def _release(self, case: _Case, prepared: tuple[str, int] | None) -> None:
        if prepared and self._rooms[prepared[0]].taken == case.record.id:
            self._rooms[prepared[0]].taken = None
            self._tell_all()

    def _may_prepare(self, case: _Case, room: _Room) -> bool:
        """The room is free, clean and up, and this case is its next."""
        if room.down or room.dirty or room.taken is not None:
            return False
        waiting = [c for c in self._cases.values() if c.booking.room == room.id and c.stage in ("booked", "called")]
        return min(waiting, key=lambda c: (c.booking.start, c.record.number)) is case

    def _may_enter(self, case: _Case) -> bool:
        """The surgeon is not busy elsewhere and an anaesthesia team is free."""
        inside = [c for c in self._cases.values() if c.stage == "in_room"]
        if any(c.operating and c.record.surgeon.id == case.record.surgeon.id for c in inside):
            return False
        return len(inside) < teams_at(anaesthesia_roster(self.suite), self.now)

    def _clean(self, case: _Case, room: _Room) -> Process:
        record = case.record
        yield self.env.timeout(int(self.draws.between(1, 3, record.id, "to clean") * MINUTE))
        while self._cleaning >= self.scenario.cleaning_teams:
            yield self._news
        self._cleaning += 1
        self._milestone(case, "CLEAN_START", room=room.id)
        length = record.cleanup * self.draws.lognormal(0.18, record.id, "cleaning") - 3 * MINUTE
        yield self.env.timeout(max(4 * MINUTE, int(length)))
        self._cleaning -= 1
        room.dirty, room.taken = False, None
        self._milestone(case, "CLEAN_END", room=room.id)
        self._tell_all()

    def _leaves_recovery(self, case: _Case) -> int:
        stay = case.record.procedure.recovery * self.draws.lognormal(0.35, case.record.id, "recovery")
        return self.now + int(min(240.0, max(15.0, stay)) * MINUTE)

    def _recovery(self, case: _Case) -> Process:
        """The bed is kept from leaving the room on."""
        leaves = self._recovering[case.record.id]
        yield self.env.timeout(int(self.draws.between(2, 5, case.record.id, "to recovery") * MINUTE))
        self._milestone(case, "PACU_IN", form="ADT")
        yield self.env.timeout(leaves - self.now)
        del self._recovering[case.record.id]
        case.stage = "done"
        self._milestone(case, "PACU_OUT", form="ORU")
        self._tell_all()

    def _readiness(self, case: _Case) -> Process:
        record = case.record
        assert record.ready_at is not None
        yield self.env.timeout(max(0, record.ready_at - self.now))
        if case.stage in ("booked", "called"):
            found = tuple(
                Observation("CWE", f"READY_{item}", "done")
                for item, status in record.readiness.items()
                if status == "outstanding"
            )
            form: Literal["SIU", "ORU"] = "ORU" if record.number % 2 else "SIU"
            self._message(case, form, "R01" if form == "ORU" else "S14", ("readiness",), observations=found)

    # --- the house ---------------------------------------------------------------------------------

    def _failure(self, room_id: str) -> Process:
        down = next(d for d in self.scenario.rooms_down if d.room == room_id)
        room = self._rooms[room_id]
        yield self.env.timeout(max(0, fails_at(down, self.draws) - self.now))
        room.down = True
        failed = self.now
        self._tell_all()
        yield self.env.timeout(down.report_seconds)
        body = {"cause": down.cause, "expected_until": seconds(down.expected_until), "at": failed}
        self._report(f"rooms/{room_id}/down", body)
        if down.restored is None:
            return
        yield self.env.timeout(max(0, seconds(down.restored) - self.now))
        room.down = False
        self._tell_all()
        self._report(f"rooms/{room_id}/restored", {"at": self.now})

    def _withdrawal(self, number: int) -> Process:
        plan = self.scenario.withdrawals[number]
        yield self.env.timeout(max(0, seconds(plan.at) - self.now))
        waiting = [c for c in self._cases.values() if c.booking.room == plan.room and c.stage == "booked"]
        if not waiting:
            return
        case = max(waiting, key=lambda c: (c.booking.start, c.record.number))
        case.stage = "withdrawn"
        case.booking = case.told = replace(case.booking, version=case.booking.version + 1)
        status = "Cancelled" if plan.trigger == "S15" else "No Show"
        self._siu(case, plan.trigger, "withdrawn", status=status, reason=plan.reason)
        self._tell_all()

    def _desk(self) -> Process:
        """The charge nurse's round: the roster once, the recovery beds every so often."""
        yield self.env.timeout(2)
        entries = [*anaesthesia_roster(self.suite)]
        opens = min(room.block_start.hour for room in self.suite.rooms) * 3600
        for role, count in (("cleaning", self.scenario.cleaning_teams), ("nursing", self.scenario.nursing_teams)):
            for number in range(count):
                team = f"{role[:1].upper()}{number + 1:02d}"
                entries.append(
                    {"team_id": team, "role": role, "skills": [], "shift_start": opens - 1800, "shift_end": 20 * 3600}
                )
        self._report("roster", {"entries": entries})
        while not self.over:
            leaving = sorted(self._recovering.values())
            body = {"unit": "pacu", "capacity": self.scenario.pacu_beds, "occupied": len(leaving)}
            self._report("beds", body | {"expected_discharges": leaving})
            yield self.env.timeout(self.scenario.report_beds_every_minutes * MINUTE)

    # --- saying it ---------------------------------------------------------------------------------

    def _tell_all(self) -> None:
        """Wake everybody who waits for the house to change."""
        news, self._news = self._news, self.env.event()
        news.succeed()

    def _milestone(self, case: _Case, code: str, form: str = "SIU", room: str | None = None) -> None:
        """Say that it happened just now: some seconds later, as people type; perhaps wrong at first."""
        happened, record = self.now, case.record
        lag = int(self.draws.between(4, 40, record.id, code, "typing"))
        self.env.process(self._typed(case, code, form, room or case.booking.room, happened, lag))

    def _typed(self, case: _Case, code: str, form: str, room: str, happened: int, lag: int) -> Process:
        wrong = self._mistake(code, happened)
        yield self.env.timeout(lag)
        told = happened if wrong is None else happened + wrong.off_minutes * MINUTE
        trigger = {"SIU": "S14", "ORU": "R01", "ADT": "A02"}[form]
        location = "PACU" if form == "ADT" else ""
        found = (Observation("DTM", code, told),)
        self._message(case, form, trigger, (code, 1), room=room, observations=found, location=location)
        if wrong is not None:
            yield self.env.timeout(wrong.corrected_after_minutes * MINUTE)
            found = (Observation("DTM", code, happened),)
            self._message(case, "SIU", "S14", (code, 2), room=room, observations=found)

    def _mistake(self, code: str, happened: int) -> Any:
        for number, plan in enumerate(self.scenario.corrections):
            if number not in self._corrected and plan.milestone == code and happened >= seconds(plan.after):
                self._corrected.add(number)
                return plan
        return None

    def _siu(self, case: _Case, trigger: str, *key: object, **more: Any) -> None:
        self._message(case, "SIU", trigger, key, **more)

    def _message(
        self,
        case: _Case,
        form: str,
        trigger: str,
        key: Sequence[object],
        *,
        booking: Booking | None = None,
        room: str | None = None,
        **more: Any,
    ) -> None:
        """Put it into the feed with the booking that the feed has told so far."""
        told = booking or case.told
        if room is not None and room != told.room and case.stage not in ("booked", "called"):
            told = replace(told, room=room)
        name = message_id("TW", self.day.date, self.day.seed, self.scenario.name, case.record.id, trigger, *key)
        self._said.append(HospitalMessage(name, self.now, form, trigger, case.record, told, **more))

    def _report(self, path: str, body: dict[str, Any]) -> None:
        name = message_id("MD", self.day.date, self.day.seed, self.scenario.name, path, self.now)
        self._said.append(ManualReport(name, self.now, path, body))
