"""SIU^S13 of HL7 v2.5.1 through hl7apy: a case goes to another room or time.

hl7apy 1.3.5 does not escape delimiters in values; `_escape` does. PID-5 is the sender's own text,
delimiters included, and goes back as it came.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.site import Hl7Profile
from orloop_common.messages.identity import SenderIdentity, open_identity
from orloop_writeback.domain.message import Step

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "})


class SiuScribe:
    """Addresses a case in its sender's own ids; the same step gives the same bytes."""

    def __init__(self, profile: Hl7Profile, decrypt: Callable[[bytes], bytes]) -> None:
        self._profile, self._decrypt = profile, decrypt

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The message's bytes, segments ended by CR, and the words that identify the patient."""
        record = CaseIdentity(case=step.case, suite=step.suite, at=step.said_at, payload=sealed)
        identity = open_identity(record, self._decrypt)
        message = self._message(step, identity)
        pid = identity.pid
        return (str(message.to_er7()) + "\r").encode(), (pid.name, pid.id, pid.birth, identity.visit)

    def _message(self, step: Step, identity: SenderIdentity) -> Any:
        from hl7apy.core import Message  # type: ignore[import-untyped]

        assert step.place.start is not None
        zone = _zone(identity.zone)
        start, end = _stamp(step.place.start, zone), _stamp(step.place.start + step.booked, zone)
        minutes = str(round(step.booked.total_seconds() / 60))
        message = Message("SIU_S12", version="2.5.1")
        msh = message.msh
        msh.msh_3, msh.msh_4 = self._profile.receiving_application, self._profile.receiving_facility
        msh.msh_5, msh.msh_6 = identity.source, identity.facility or self._profile.facility or ""
        msh.msh_7, msh.msh_9 = _stamp(step.said_at, zone), "SIU^S13^SIU_S12"
        msh.msh_10, msh.msh_11, msh.msh_12, msh.msh_18 = step.control_id, "P", "2.5.1", "UNICODE UTF-8"
        sch = message.sch
        if identity.placer:
            sch.sch_1 = _escape(identity.placer)
        sch.sch_2, sch.sch_6 = _escape(identity.filler), "RESCHEDULED"
        sch.sch_9, sch.sch_10, sch.sch_25 = minutes, "min", "Booked"
        tq1 = message.add_segment("TQ1")
        tq1.tq1_1, tq1.tq1_7, tq1.tq1_8 = "1", start, end
        patient = message.add_group("SIU_S12_PATIENT")
        _patient(patient, identity)
        resources = message.add_group("SIU_S12_RESOURCES")
        rgs = resources.add_segment("RGS")
        rgs.rgs_1, rgs.rgs_2 = "1", "U"
        ail = resources.add_group("SIU_S12_LOCATION_RESOURCE").add_segment("AIL")
        ail.ail_1, ail.ail_2, ail.ail_3 = "1", "U", self._room(step, identity)
        ail.ail_6, ail.ail_9, ail.ail_10, ail.ail_12 = start, minutes, "min", "Booked"
        return message

    def _room(self, step: Step, identity: SenderIdentity) -> str:
        room = step.place.room or ""
        known = {ours: theirs for theirs, ours in reversed(self._profile.rooms.items())}
        alias = identity.aliases.get(room) or known.get(room, room)
        return f"{_escape(alias)}^^^{_escape(identity.facility or self._profile.facility or '')}"


def _patient(group: Any, identity: SenderIdentity) -> None:
    pid, who = group.add_segment("PID"), identity.pid
    pid.pid_1, pid.pid_3 = "1", f"{_escape(who.id)}^^^{_escape(who.assigner)}^{_escape(who.type)}"
    pid.pid_5 = who.name
    if who.birth:
        pid.pid_7 = _escape(who.birth)
    if who.sex:
        pid.pid_8 = _escape(who.sex)
    pv1 = group.add_segment("PV1")
    pv1.pv1_1, pv1.pv1_2 = "1", "U"
    if identity.visit:
        pv1.pv1_19 = _escape(identity.visit)


def _zone(offset: str) -> timezone:
    """`+0100` as a time zone; UTC for what is none."""
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit():
        span = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
        return timezone(-span if offset[0] == "-" else span)
    return timezone(timedelta(0))


def _stamp(moment: datetime, zone: timezone) -> str:
    return moment.astimezone(zone).strftime("%Y%m%d%H%M%S%z")


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)
