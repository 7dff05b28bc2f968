"""The answers to a message; what it is answered by stands in `hl7.header`."""

import re
from datetime import datetime

from .hl7.header import LONGEST_CONTROL_ID, Fault, Header, header_of_head, read_header
from .hl7.times import format_time

__all__ = ["LONGEST_CONTROL_ID", "Fault", "Header", "acknowledge", "answers", "header_of_head", "read_header"]
_PLAIN = re.compile(r"[\x20-\x7e]*")


def answers(header: Header, received: datetime, id: str) -> tuple[bytes, ...]:
    """The acknowledgements that are due, without framing: one in original mode, up to two in enhanced mode."""
    good = header.fault is None
    if not header.enhanced:
        return (acknowledge(header, "AA" if good else "AR", received, id),)
    due = []
    if _wanted(header.accept_ack, good):
        due.append(acknowledge(header, "CA" if good else "CR", received, id))
    if good and _wanted(header.application_ack, good):
        due.append(acknowledge(header, "AA", received, f"{id[:19]}A"))
    return tuple(due)


def _wanted(condition: str, good: bool) -> bool:
    return condition == "AL" or condition == ("SU" if good else "ER")


def acknowledge(header: Header, code: str, received: datetime, id: str) -> bytes:
    """One acknowledgement in the sender's delimiters; it repeats nothing of the message but MSH-3, 4, 10 and 12."""
    d = header.delimiters
    f, c = d.field.decode(), d.component.decode()
    version = header.version if re.fullmatch(r"2\.\d(\.\d)?", header.version) else "2.5.1"
    kind = c.join(part for part in ("ACK", header.trigger if header.trigger.isalnum() else "", "ACK") if part)
    when, control = format_time(received), _safe(header.control_id)
    msh = ["MSH", d.declared.decode(), "ORLOOP", "ORLOOP", _safe(header.application), _safe(header.facility), when, ""]
    lines = [f.join((*msh, kind, id[:20], "P", version)), f.join(("MSA", code, control))]
    if header.fault is not None:
        segment, _, field = header.fault.field.partition("-")
        location = c.join((segment, "1", field)) if field else segment
        error = c.join((header.fault.code, "", "HL70357"))
        lines.append(f.join(("ERR", "", location, error, "E", "", "", "", header.fault.sentence)))
    return "".join(line + "\r" for line in lines).encode("latin-1")


def _safe(value: str) -> str:
    return value[:LONGEST_CONTROL_ID] if _PLAIN.fullmatch(value) else ""
