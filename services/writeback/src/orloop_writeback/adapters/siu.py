"""SIU^S13, S14 and S15 through hl7apy: a case goes to another room or time, or leaves the day.

Which fields say so is the route's style, for each sender reads others. hl7apy 1.3.5 does not escape delimiters in
values; `_escape` does. PID-5 is the sender's own text, delimiters included, and goes back as it came.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.site import Hl7Profile
from orloop_common.messages.identity import PatientIdentity, SenderIdentity, open_identity
from orloop_writeback.domain.message import Step
from orloop_writeback.domain.routes import Style

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "})
_REASONS = {"S13": "RESCHEDULED", "S14": "MODIFIED", "S15": "CANCELLED"}
MASK = "***"


class SiuScribe:
    """Addresses a case in its sender's own ids; the same step gives the same bytes."""

    def __init__(
        self, profile: Hl7Profile, decrypt: Callable[[bytes], bytes], *, timezone: str = "UTC", masked: bool = False
    ) -> None:
        self._profile, self._decrypt, self._masked = profile, decrypt, masked
        self._wall = ZoneInfo(timezone)

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The message's bytes, segments ended by CR, and the words that identify the patient."""
        identity = unseal(step.case, step.suite, step.said_at, sealed, self._decrypt)
        text = self._message(step, masked(identity) if self._masked else identity)
        return (text + "\r").encode(), secrets_of(identity)

    def _message(self, step: Step, identity: SenderIdentity) -> str:
        from hl7apy.core import Message  # type: ignore[import-untyped]

        style, profile = step.route.style, self._profile
        facility = identity.facility or profile.facility or ""
        clock = _with_offset(identity.zone) if style.offsets else _wall_clock(self._wall)
        words = _Words(step, clock, facility, self._room(step, identity))
        message = Message("SIU_S12", version=style.version)
        msh = message.msh
        msh.msh_3 = style.receiving_application or profile.receiving_application
        msh.msh_4 = style.receiving_facility or profile.receiving_facility
        msh.msh_5, msh.msh_6 = identity.source, words.facility
        structured = style.version >= "2.3.1"
        msh.msh_7, msh.msh_9 = words.said, f"SIU^{step.trigger}" + ("^SIU_S12" if structured else "")
        msh.msh_10, msh.msh_11, msh.msh_12 = step.control_id, "P", style.version
        if style.enhanced:
            msh.msh_15, msh.msh_16 = "AL", "AL"
        msh.msh_18 = "UNICODE UTF-8"
        _appointment(message, step, identity, words)
        patient = message.add_group("SIU_S12_PATIENT")
        _patient(patient, identity, words.room if style.room == "pv1" else "")
        _resources(message, step, words)
        return str(message.to_er7())

    def _room(self, step: Step, identity: SenderIdentity) -> str:
        room = (step.origin if step.cancels else step.place).room or ""
        known = {ours: theirs for theirs, ours in reversed(self._profile.rooms.items())}
        return _escape(identity.aliases.get(room) or known.get(room, room))


class _Words:
    """What a message says of a step, in the sender's words and times; an S15 names what is cancelled."""

    def __init__(self, step: Step, stamp: Callable[[datetime], str], facility: str, room: str) -> None:
        start = step.origin.start if step.cancels else step.place.start
        assert start is not None
        self.said, self.facility, self.room_id = stamp(step.said_at), facility, room
        self.start, self.end = stamp(start), stamp(start + step.booked)
        self.minutes = str(round(step.booked.total_seconds() / 60))
        self.status = "Cancelled" if step.cancels else "Booked"
        self.action = ("D" if step.cancels else "U") if step.route.style.actions else ""

    @property
    def room(self) -> str:
        """A location (PL): the sender's room, and the facility."""
        return f"{self.room_id}^^^{_escape(self.facility)}"


def _appointment(message: Any, step: Step, identity: SenderIdentity, words: _Words) -> None:
    style, sch = step.route.style, message.sch
    if identity.placer:
        sch.sch_1 = _escape(identity.placer)
    sch.sch_2, sch.sch_6 = _escape(identity.filler), _REASONS[step.trigger]
    sch.sch_9, sch.sch_10, sch.sch_25 = words.minutes, "min", words.status
    if "sch11" in style.times:
        sch.sch_11 = f"^^M{words.minutes}^{words.start}^{words.end}"
    if "tq1" in style.times and style.version >= "2.5":
        tq1 = message.add_segment("TQ1")
        tq1.tq1_1, tq1.tq1_7, tq1.tq1_8 = "1", words.start, words.end


def _patient(group: Any, identity: SenderIdentity, room: str) -> None:
    pid, who = group.add_segment("PID"), identity.pid
    pid.pid_1, pid.pid_3 = "1", f"{_escape(who.id)}^^^{_escape(who.assigner)}^{_escape(who.type)}"
    pid.pid_5 = who.name
    if who.birth:
        pid.pid_7 = _escape(who.birth)
    if who.sex:
        pid.pid_8 = _escape(who.sex)
    pv1 = group.add_segment("PV1")
    pv1.pv1_1, pv1.pv1_2 = "1", "U"
    if room:
        pv1.pv1_3 = room
    if identity.visit:
        pv1.pv1_19 = _escape(identity.visit)


def _resources(message: Any, step: Step, words: _Words) -> None:
    style: Style = step.route.style
    resources = message.add_group("SIU_S12_RESOURCES")
    rgs = resources.add_segment("RGS")
    rgs.rgs_1 = "1"
    if words.action:
        rgs.rgs_2 = words.action
    if style.room == "aig":
        aig = resources.add_group("SIU_S12_GENERAL_RESOURCE").add_segment("AIG")
        aig.aig_1, aig.aig_3, aig.aig_4, aig.aig_14 = "1", words.room_id, "ROOM", words.status
        if words.action:
            aig.aig_2 = words.action
        if "resource" in style.times:
            aig.aig_8, aig.aig_11, aig.aig_12 = words.start, words.minutes, "min"
        return
    if style.room == "pv1" and "resource" not in style.times:
        return
    ail = resources.add_group("SIU_S12_LOCATION_RESOURCE").add_segment("AIL")
    ail.ail_1, ail.ail_3, ail.ail_12 = "1", words.room, words.status
    if words.action:
        ail.ail_2 = words.action
    if "resource" in style.times:
        ail.ail_6, ail.ail_9, ail.ail_10 = words.start, words.minutes, "min"


def unseal(case: str, suite: str, at: datetime, sealed: str, decrypt: Callable[[bytes], bytes]) -> SenderIdentity:
    """The sender's ids of a case."""
    return open_identity(CaseIdentity(case=case, suite=suite, at=at, payload=sealed), decrypt)


def secrets_of(identity: SenderIdentity) -> tuple[str, ...]:
    """The words that identify the patient."""
    pid = identity.pid
    return (pid.name, pid.id, pid.birth, identity.visit)


def masked(identity: SenderIdentity) -> SenderIdentity:
    """The same identity with the patient hidden: what a dry run shows unless asked for more."""
    pid = identity.pid
    hidden = {name: MASK for name in ("id", "name", "birth", "sex") if getattr(pid, name)}
    patient = replace(pid, **hidden) if hidden else PatientIdentity()
    return replace(identity, pid=patient, visit=MASK if identity.visit else "")


def sender_zone(offset: str) -> timezone:
    """`+0100` as a time zone; UTC for what is none."""
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit():
        span = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
        return timezone(-span if offset[0] == "-" else span)
    return timezone(timedelta(0))


def _with_offset(offset: str) -> Callable[[datetime], str]:
    zone = sender_zone(offset)
    return lambda moment: moment.astimezone(zone).strftime("%Y%m%d%H%M%S%z")


def _wall_clock(zone: ZoneInfo) -> Callable[[datetime], str]:
    return lambda moment: moment.astimezone(zone).strftime("%Y%m%d%H%M%S")


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)
