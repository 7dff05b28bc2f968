"""The hospital's HL7 v2.5.1, in and out through hl7apy and never through ORLoop's own codec.

Quirks of hl7apy 1.3.5 that this file works around: it does not escape delimiters in values (`escape`);
STRICT refuses a `CE` with an ampersand instead of escaping it; a parse of anything but text that
begins with MSH raises a handful of unrelated errors (`read_change` turns them into one).
"""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hl7apy.core import Message  # type: ignore[import-untyped]
from hl7apy.exceptions import HL7apyException  # type: ignore[import-untyped]
from hl7apy.parser import parse_message  # type: ignore[import-untyped]

from orloop_common.domain.site import Hl7Profile
from orloop_twin.domain.feed import ChangeRequest, HospitalMessage, Observation
from orloop_twin.ports import BadMessage

_URGENCY = {1: "1^Immediate", 2: "2^Urgent", 3: "3^Expedited", 4: "4^Elective"}
_EVENT_REASON = {"S12": "BOOKED", "S13": "RESCHEDULED", "S14": "MODIFIED"}


@dataclass(frozen=True)
class Speaker:
    """Turns what the hospital says on one day into messages, and answers into what it heard."""

    midnight: datetime
    profile: Hl7Profile
    application: str = "TWIN"

    def stamp(self, moment: int) -> str:
        """`20260302071500+0000`."""
        return (self.midnight + timedelta(seconds=moment)).strftime("%Y%m%d%H%M%S%z")

    def answered(self, body: bytes) -> tuple[str, str]:
        """The code and the control id of an acknowledgement."""
        return answered(body)

    def say(self, said: HospitalMessage) -> bytes:
        """The bytes of one message, segments ended by CR; the same for the same saying."""
        if said.form == "ORU":
            message = self._oru(said)
        elif said.form == "ADT":
            message = self._adt(said)
        else:
            message = self._siu(said)
        return (str(message.to_er7()) + "\r").encode()

    # --- messages ----------------------------------------------------------------------------------

    def _header(self, structure: str, kind: str, said_at: int, control: str) -> Any:
        message = Message(structure, version="2.5.1")
        msh = message.msh
        msh.msh_3, msh.msh_4 = self.application, self.profile.facility or "DEMO"
        msh.msh_5, msh.msh_6 = self.profile.receiving_application, self.profile.receiving_facility
        msh.msh_7, msh.msh_9, msh.msh_10, msh.msh_11 = self.stamp(said_at), kind, control, "P"
        return message

    def _siu(self, said: HospitalMessage) -> Any:
        case, booking, kind = said.case, said.booking, said.trigger
        message = self._header("SIU_S12", f"SIU^{kind}^SIU_S12", said.at, said.id)
        minutes = str(booking.booked // 60)
        sch = message.sch
        sch.sch_2, sch.sch_5 = case.id, f"V{booking.version}"
        sch.sch_6 = said.reason or _EVENT_REASON.get(kind, "CANCELLED")
        sch.sch_7 = "ADDON" if case.add_on else "ELECTIVE"
        sch.sch_9, sch.sch_10, sch.sch_25 = minutes, "min", said.status
        tq1 = message.add_segment("TQ1")
        tq1.tq1_1, tq1.tq1_9 = "1", _URGENCY[case.urgency]
        tq1.tq1_7, tq1.tq1_8 = self.stamp(booking.start), self.stamp(booking.end)
        group = message.add_group("SIU_S12_PATIENT")
        self._patient(group, said)
        self._visit(group, said)
        found = (*self._details(said), *said.observations) if said.detailed else said.observations
        self._observe(group, found)
        resources = message.add_group("SIU_S12_RESOURCES")
        resources.add_segment("RGS").rgs_1 = "1"
        self._resources(resources, said, minutes)
        return message

    def _resources(self, group: Any, said: HospitalMessage, minutes: str) -> None:
        case, booking = said.case, said.booking
        kind = case.procedure
        ais = group.add_group("SIU_S12_SERVICE").add_segment("AIS")
        ais.ais_1, ais.ais_3, ais.ais_10 = "1", f"{kind.code}^{escape(kind.text)}^OPS", said.status
        ail = group.add_group("SIU_S12_LOCATION_RESOURCE").add_segment("AIL")
        ail.ail_1, ail.ail_3 = "1", f"{self._alias(booking.room)}^^^{self.profile.facility or 'DEMO'}"
        ail.ail_6, ail.ail_9, ail.ail_10 = self.stamp(booking.start), minutes, "min"
        ail.ail_12 = said.status
        aip = group.add_group("SIU_S12_PERSONNEL_RESOURCE").add_segment("AIP")
        aip.aip_1, aip.aip_4 = "1", "SURGEON"
        aip.aip_3 = f"{case.surgeon.id}^{escape(case.surgeon.family)}^{escape(case.surgeon.given)}"
        for number, (code, text) in enumerate(kind.equipment, 1):
            aig = group.add_group("SIU_S12_GENERAL_RESOURCE").add_segment("AIG")
            aig.aig_1, aig.aig_3 = str(number), f"{code}^{escape(text)}"

    def _oru(self, said: HospitalMessage) -> Any:
        message = self._header("ORU_R01", "ORU^R01^ORU_R01", said.at, said.id)
        result = message.add_group("ORU_R01_PATIENT_RESULT")
        patient = result.add_group("ORU_R01_PATIENT")
        self._patient(patient, said)
        self._visit(patient.add_group("ORU_R01_VISIT"), said)
        order = result.add_group("ORU_R01_ORDER_OBSERVATION")
        orc = order.add_segment("ORC")
        orc.orc_1, orc.orc_3 = "RE", said.case.id
        obr = order.add_segment("OBR")
        obr.obr_1, obr.obr_3, obr.obr_4 = "1", said.case.id, "ORTIMES^Theatre record^L"
        obr.obr_7, obr.obr_25 = self.stamp(said.at), "F"
        for number, item in enumerate(said.observations, 1):
            self._obx(order.add_group("ORU_R01_OBSERVATION").add_segment("OBX"), number, item)
        return message

    def _adt(self, said: HospitalMessage) -> Any:
        message = self._header("ADT_A02", "ADT^A02^ADT_A02", said.at, said.id)
        happened = next((int(o.value) for o in said.observations if o.kind == "DTM"), said.at)
        message.evn.evn_1, message.evn.evn_2 = "A02", self.stamp(said.at)
        message.evn.evn_6 = self.stamp(happened)
        self._patient(message, said)
        self._visit(message, said, said.location)
        return message

    # --- segments ----------------------------------------------------------------------------------

    def _patient(self, group: Any, said: HospitalMessage) -> None:
        patient, pid = said.case.patient, group.add_segment("PID")
        pid.pid_1, pid.pid_3 = "1", f"{patient.mrn}^^^{self.profile.facility or 'DEMO'}^MR"
        pid.pid_5 = f"{escape(patient.family)}^{escape(patient.given)}"
        pid.pid_7, pid.pid_8 = patient.born, patient.sex

    def _visit(self, group: Any, said: HospitalMessage, location: str = "") -> None:
        case, pv1 = said.case, group.add_segment("PV1")
        pv1.pv1_1, pv1.pv1_2 = "1", "I" if case.inpatient else "O"
        pv1.pv1_3 = location or case.ward
        pv1.pv1_10 = self._service(case.service)
        pv1.pv1_19 = case.visit

    def _details(self, said: HospitalMessage) -> tuple[Observation, ...]:
        """What the hospital knows of the case besides its booking."""
        case, kind = said.case, said.case.procedure
        found = [
            Observation("NM", "ASA", str(case.patient.asa)),
            Observation("ST", "ANAESTHESIA", kind.anaesthesia),
            Observation("NM", "SETUP_MIN", str(case.setup // 60)),
            Observation("NM", "CLEANUP_MIN", str(case.cleanup // 60)),
            Observation("ST", "BED_NEED", kind.bed),
        ]
        if kind.recovery:
            found.append(Observation("NM", "PACU_MIN", str(kind.recovery)))
        for code, moment in (
            ("WAITING_SINCE", case.waiting_since),
            ("EARLIEST_START", case.earliest),
            ("LATEST_START", case.latest),
        ):
            if moment is not None:
                found.append(Observation("DTM", code, moment))
        if said.trigger == "S12":
            found += [Observation("CWE", f"READY_{item}", status) for item, status in case.readiness.items()]
        return tuple(found)

    def _observe(self, group: Any, found: tuple[Observation, ...]) -> None:
        for number, item in enumerate(found, 1):
            self._obx(group.add_segment("OBX"), number, item)

    def _obx(self, obx: Any, number: int, item: Observation) -> None:
        value = self.stamp(item.value) if isinstance(item.value, int) else escape(item.value)
        obx.obx_1, obx.obx_2, obx.obx_3, obx.obx_5 = str(number), item.kind, item.code, value
        obx.obx_11 = "F"

    def _alias(self, room: str) -> str:
        return next((alias for alias, known in self.profile.rooms.items() if known == room), room)

    def _service(self, service: str) -> str:
        return next((code for code, known in self.profile.services.items() if known == service), service)

    # --- answers -----------------------------------------------------------------------------------

    def answer(self, control: str, moment: int, code: str, text: str = "") -> bytes:
        """An acknowledgement of the message `control`: AA, or AE and AR with the reason in ERR."""
        own = "AK" + control[-18:] if control else f"AK{moment}"
        message = self._header("ACK", "ACK^S13^ACK", moment, own)
        message.msa.msa_1, message.msa.msa_2 = code, control
        if text:
            message.msa.msa_3 = escape(text)
            err = message.add_segment("ERR")
            err.err_3, err.err_4 = "207^Application internal error^HL70357", "E"
            err.err_8 = escape(text)
        return (str(message.to_er7()) + "\r").encode()

    def read_change(self, body: bytes) -> ChangeRequest:
        """The change that an SIU^S13 asks for.

        Raises
        ------
        BadMessage
            If it is not one, with the code to answer: AR for a bad header, AE for what is missing.
        """
        try:
            text = body.decode()
            message = parse_message(text.strip("\r\n") + "\r")
            kind = str(message.msh.msh_9.to_er7())
            control = str(message.msh.msh_10.to_er7())
        except (HL7apyException, UnicodeDecodeError, ValueError, AttributeError, IndexError, KeyError) as error:
            raise BadMessage(f"Expected an HL7 message, got {type(error).__name__}") from error
        if not control:
            raise BadMessage("Expected a control id in MSH-10, got nothing")
        if not kind.startswith("SIU^S13"):
            raise BadMessage(f"Expected SIU^S13, got {kind[:20]}", control)
        try:
            case = str(message.sch.sch_2.to_er7()).split("^")[0]
            start = self.moment(str(_segment(message, "TQ1").tq1_7.to_er7()))
            room = str(_segment(message, "AIL").ail_3.to_er7()).split("^")[0]
        except (HL7apyException, ValueError, AttributeError, IndexError, KeyError) as error:
            raise BadMessage("Expected SCH-2, TQ1-7 and AIL-3 in the change", control, "AE") from error
        if not case or not room:
            raise BadMessage("Expected SCH-2, TQ1-7 and AIL-3 in the change, got an empty one", control, "AE")
        return ChangeRequest(control, case, self.profile.rooms.get(room, room), start)

    def moment(self, stamp: str) -> int:
        """Seconds from midnight of an HL7 time with offset."""
        text = stamp.split("^")[0]
        form = "%Y%m%d%H%M%S%z" if len(text) > 17 else "%Y%m%d%H%M%z"
        return int((datetime.strptime(text, form).astimezone(UTC) - self.midnight).total_seconds())


def _segment(element: Any, name: str) -> Any:
    """The first segment of this name, in whatever group; KeyError if there is none."""
    for child in element.children:
        if child.name == name:
            return child
        if child.classname == "Group":
            with contextlib.suppress(KeyError):
                return _segment(child, name)
    raise KeyError(name)


def answered(body: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an acknowledgement; BadMessage if there is none."""
    try:
        message = parse_message(body.decode().strip("\r\n") + "\r", find_groups=False)
        msa = _segment(message, "MSA")
        return str(msa.msa_1.to_er7()), str(msa.msa_2.to_er7())
    except (HL7apyException, UnicodeDecodeError, ValueError, AttributeError, IndexError, KeyError) as error:
        raise BadMessage("Expected an acknowledgement with MSA") from error


_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "})


def escape(text: str) -> str:
    """Delimiters in a value as HL7 escapes; hl7apy leaves that to its user."""
    return text.translate(_ESCAPES)
