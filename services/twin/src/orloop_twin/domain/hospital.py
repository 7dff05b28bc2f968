"""The hospital's day in SimPy: patients, rooms, surgeons, teams and recovery beds in simulated seconds.

It follows the hospital's *current* schedule: a patient goes in when the booked time has come and the
room is free, clean and up, the surgeon is free and a team is there. Two runs with the same seed and
the same changes at the same seconds say the same things at the same seconds.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import simpy

from orloop_common.domain.site import SuiteLayout

from .cases import Booking, CaseRecord, Day
from .changes import judge, objection
from .draws import Draws
from .feed import ChangeDecision, ChangeRequest, Observation
from .generator import MINUTE, fails_at
from .scenario import Scenario, seconds
from .staffing import anaesthesia_roster, teams_at
from .suite import CaseOfDay, Process, RoomOfDay
from .voice import Said, Voice


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
        self._cases = {record.id: CaseOfDay(record, record.first, record.first) for record in self.day.cases}
        self._rooms = {room.id: RoomOfDay(room.id) for room in self.suite.rooms}
        self.voice = Voice(self.env, self.day, self.scenario, self.draws)
        self._news = self.env.event()
        self._recovering: dict[str, int] = {}  # case -> when it is expected to leave
        self._cleaning = 0
        self._heard = 0
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
        return self.voice.heard()

    def state(self) -> dict[str, Any]:
        """Where everybody is; no names."""
        cases = {}
        for id, case in self._cases.items():
            cases[id] = [case.stage, case.booking.room, case.booking.start, case.booking.version]
        rooms = {}
        for room in self._rooms.values():
            rooms[room.id] = "down" if room.down else room.taken or ("dirty" if room.dirty else "idle")
        return {"now": self.now, "rooms": rooms, "cases": cases, "recovering": len(self._recovering)}

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.state(), sort_keys=True).encode()).hexdigest()

    # --- write-back --------------------------------------------------------------------------------

    def decide(self, change: ChangeRequest) -> ChangeDecision:
        """Judge a change as of now, without carrying it out."""
        if self.over:
            return ChangeDecision(False, "The operating department is closed for today")
        why_not = objection(change, self.now, self._cases, self._rooms)
        if why_not:
            return ChangeDecision(False, why_not)
        version = self._cases[change.case].booking.version
        return judge(change, self._heard + 1, version, self.scenario.writeback, self.draws)

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
            case.untold.append(case.booking)
            case.echoed_at = max(self.now + decision.echo_after, case.echoed_at + 1)
            self.env.process(self._echo(case, case.booking, case.echoed_at))

    def _echo(self, case: CaseOfDay, booking: Booking, at: int) -> Process:
        yield self.env.timeout(at - self.now)
        if booking in case.untold:
            self._tell_change(case)

    def _tell_change(self, case: CaseOfDay) -> None:
        """Echo the oldest change that the feed has not told yet."""
        case.told = case.untold.pop(0)
        if not case.gone:
            self.voice.schedule(case, "S13", "echo", case.told.version, detailed=True)

    # --- a case's course ---------------------------------------------------------------------------

    def _course(self, case: CaseOfDay) -> Process:
        record, draws = case.record, self.draws
        yield self.env.timeout(max(0, record.told_at - self.now))
        case.stage = "booked"
        self.voice.schedule(case, "S12", "booked", detailed=True)
        if record.ready_at is not None:
            self.env.process(self._readiness(case))
        yield from self._until_in_room(case)
        if case.gone:
            return
        room = self._rooms[case.booking.room]
        while case.untold:  # the feed never has a patient in a room that it has not named
            self._tell_change(case)
        entered = self.now
        case.stage, case.operating = "in_room", True
        self.voice.milestone(case, "WHEELS_IN")
        prep = int(min(0.25 * record.stay, draws.between(9, 20, record.id, "preparation") * MINUTE))
        emergence = int(min(0.15 * record.stay, draws.between(5, 12, record.id, "emergence") * MINUTE))
        closing = int(min(0.12 * record.stay, draws.between(5, 14, record.id, "closing") * MINUTE))
        anaesthesia = int(0.2 * prep)
        yield self.env.timeout(anaesthesia)
        if record.procedure.anaesthesia != "local":
            self.voice.milestone(case, "ANES_START", form="ORU")
        yield self.env.timeout(prep - anaesthesia)
        self.voice.milestone(case, "INCISION")
        yield self.env.timeout(max(MINUTE, record.stay - prep - closing - emergence))
        self.voice.milestone(case, "CLOSING")
        case.operating = False
        self._tell_all()
        yield self.env.timeout(closing)
        self.voice.milestone(case, "PROC_END")
        yield self.env.timeout(max(0, entered + record.stay - self.now))
        needs_bed = record.procedure.bed == "pacu"
        while needs_bed and len(self._recovering) >= self.scenario.pacu_beds:
            yield self._news
        case.stage = "out"
        room.dirty = True
        self.voice.milestone(case, "WHEELS_OUT")
        if needs_bed:
            self._recovering[record.id] = self.now + record.procedure.recovery * MINUTE
            self.env.process(self._recovery(case))
        self._tell_all()
        yield from self._clean(case, room)

    def _until_in_room(self, case: CaseOfDay) -> Process:
        """Call the patient, prepare the room, wait for everything that a start needs."""
        record = case.record
        lead = int(self.draws.between(24, 28, record.id, "called") * MINUTE)
        late = self._late(record)
        prepared: tuple[str, int] | None = None
        while True:
            if case.gone:
                self._release(case, prepared)
                return
            booking, now = case.booking, self.now
            room = self._rooms[booking.room]
            moments = [booking.start - lead, booking.start - record.setup, booking.start + late]
            if case.stage == "booked" and now >= booking.start - lead and not room.down:
                case.stage = "called"
                self.voice.milestone(case, "PATIENT_IN_PREOP")
            if prepared and (prepared[0] != room.id or room.down or now < booking.start - record.setup):
                self._release(case, prepared)
                prepared = None
            if prepared is None and now >= booking.start - record.setup and self._may_prepare(case, room):
                length = int(record.setup * self.draws.lognormal(0.15, record.id, "setup"))
                prepared = (room.id, now + length)
                room.taken = record.id
                self.voice.milestone(case, "ROOM_SETUP")
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

    def _release(self, case: CaseOfDay, prepared: tuple[str, int] | None) -> None:
        if prepared and self._rooms[prepared[0]].taken == case.record.id:
            self._rooms[prepared[0]].taken = None
            self._tell_all()

    def _may_prepare(self, case: CaseOfDay, room: RoomOfDay) -> bool:
        """The room is free, clean and up, and this case is its next."""
        if room.down or room.dirty or room.taken is not None:
            return False
        waiting = [c for c in self._cases.values() if c.booking.room == room.id and c.waiting]
        return min(waiting, key=lambda c: (c.booking.start, c.record.number)) is case

    def _may_enter(self, case: CaseOfDay) -> bool:
        """The surgeon is not busy elsewhere and an anaesthesia team is free."""
        inside = [c for c in self._cases.values() if c.stage == "in_room"]
        if any(c.operating and c.record.surgeon.id == case.record.surgeon.id for c in inside):
            return False
        return len(inside) < teams_at(anaesthesia_roster(self.suite), self.now)

    def _clean(self, case: CaseOfDay, room: RoomOfDay) -> Process:
        record = case.record
        yield self.env.timeout(int(self.draws.between(1, 3, record.id, "to clean") * MINUTE))
        while self._cleaning >= self.scenario.cleaning_teams:
            yield self._news
        self._cleaning += 1
        self.voice.milestone(case, "CLEAN_START")
        length = record.cleanup * self.draws.lognormal(0.18, record.id, "cleaning") - 3 * MINUTE
        yield self.env.timeout(max(4 * MINUTE, int(length)))
        self._cleaning -= 1
        room.dirty, room.taken = False, None
        self.voice.milestone(case, "CLEAN_END")
        self._tell_all()

    def _recovery(self, case: CaseOfDay) -> Process:
        """The bed is kept from leaving the room on."""
        record, out = case.record, self.now
        stay = record.procedure.recovery * self.draws.lognormal(0.35, record.id, "recovery")
        leaves = out + int(min(240.0, max(15.0, stay)) * MINUTE)
        yield self.env.timeout(int(self.draws.between(2, 5, record.id, "to recovery") * MINUTE))
        self.voice.milestone(case, "PACU_IN", form="ADT")
        yield self.env.timeout(leaves - self.now)
        del self._recovering[record.id]
        case.stage = "done"
        self.voice.milestone(case, "PACU_OUT", form="ORU")
        self._tell_all()

    def _readiness(self, case: CaseOfDay) -> Process:
        record = case.record
        assert record.ready_at is not None
        yield self.env.timeout(max(0, record.ready_at - self.now))
        if case.waiting:
            found = tuple(
                Observation("CWE", f"READY_{item}", "done")
                for item, status in record.readiness.items()
                if status == "outstanding"
            )
            form: Literal["SIU", "ORU"] = "ORU" if record.number % 2 else "SIU"
            self.voice.message(case, form, "R01" if form == "ORU" else "S14", ("readiness",), observations=found)

    # --- the house ---------------------------------------------------------------------------------

    def _failure(self, room_id: str) -> Process:
        down = next(d for d in self.scenario.rooms_down if d.room == room_id)
        room = self._rooms[room_id]
        yield self.env.timeout(max(0, fails_at(down, self.draws) - self.now))
        room.down, room.back = True, seconds(down.expected_until)
        failed = self.now
        self._tell_all()
        yield self.env.timeout(down.report_seconds)
        body = {"cause": down.cause, "expected_until": seconds(down.expected_until), "at": failed}
        self.voice.report(f"rooms/{room_id}/down", body)
        if down.restored is None:
            return
        yield self.env.timeout(max(0, seconds(down.restored) - self.now))
        room.down = False
        self._tell_all()
        self.voice.report(f"rooms/{room_id}/restored", {"at": self.now})

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
        self.voice.schedule(case, plan.trigger, "withdrawn", status=status, reason=plan.reason)
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
        self.voice.report("roster", {"entries": entries})
        while not self.over:
            leaving = sorted(max(leaves, self.now + 5 * MINUTE) for leaves in self._recovering.values())
            body = {"unit": "pacu", "capacity": self.scenario.pacu_beds, "occupied": len(leaving)}
            self.voice.report("beds", body | {"expected_discharges": leaving})
            yield self.env.timeout(self.scenario.report_beds_every_minutes * MINUTE)

    def _tell_all(self) -> None:
        """Wake everybody who waits for the house to change."""
        news, self._news = self._news, self.env.event()
        news.succeed()
