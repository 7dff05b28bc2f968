"""The message header: what may be logged of it, whether it can be used, and the answers to it."""

import re
from dataclasses import dataclass
from datetime import datetime

from .times import format_time
from .tokens import BOM, Delimiters, Message, NotHl7, read_delimiters, tokenize

LONGEST_CONTROL_ID = 199
_DEFAULT = Delimiters()
_PLAIN = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a header is refused: table 0357 code, the field, a sentence without values."""

    code: str
    field: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Header:
    """MSH as far as it could be read; every field may be empty."""

    delimiters: Delimiters = _DEFAULT
    application: str = ""
    facility: str = ""
    sent: str = ""
    kind: str = ""
    trigger: str = ""
    control_id: str = ""
    processing: str = ""
    version: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    fault: Fault | None = None

    @property
    def type(self) -> str:
        return f"{self.kind}^{self.trigger}" if self.trigger else self.kind

    @property
    def enhanced(self) -> bool:
        """Whether the sender uses the enhanced acknowledgement mode (MSH-15 or MSH-16 valued)."""
        return bool(self.accept_ack or self.application_ack)


def read_header(body: bytes) -> tuple[Header, Message | None]:
    """The header, and the message if its delimiters could be read. A bad header has a `fault`."""
    try:
        message = tokenize(body)
    except NotHl7 as error:
        return Header(fault=Fault("100", "MSH", str(error).splitlines()[0])), None
    msh = message.msh

    def text(field: int, component: int = 1) -> str:
        value = message.bytes_of(msh, field, component).decode("ascii", "replace")
        return value if _PLAIN.fullmatch(value) else ""

    header = Header(
        delimiters=message.delimiters,
        application=text(3),
        facility=text(4),
        sent=text(7),
        kind=text(9),
        trigger=text(9, 2),
        control_id=msh.raw(10).decode("latin-1"),
        processing=text(11),
        version=text(12),
        accept_ack=text(15),
        application_ack=text(16),
        fault=_fault(message, text(9), text(9, 2), text(11), text(12)),
    )
    return header, message


def _fault(message: Message, kind: str, trigger: str, processing: str, version: str) -> Fault | None:
    control = message.msh.raw(10)
    if sum(1 for _ in message.all(b"MSH")) > 1:
        return Fault("100", "MSH", "Expected one message in a frame, got several.")
    if not kind or (not trigger and kind != "ACK"):
        return Fault("101", "MSH-9", "Expected a message type and a trigger event.")
    if not control or len(control) > LONGEST_CONTROL_ID:
        return Fault("101", "MSH-10", f"Expected a control id of 1 to {LONGEST_CONTROL_ID} characters.")
    if not _PLAIN.fullmatch(control.decode("latin-1")):
        return Fault("102", "MSH-10", "Expected a control id of printable ASCII characters.")
    if not re.fullmatch(r"2\.[2-9](\.\d)?", version):
        return Fault("203", "MSH-12", "Expected an HL7 version from 2.2 to 2.9.")
    if processing not in ("", "P"):
        return Fault("202", "MSH-11", "Expected processing id P: this door takes no test messages.")
    return None


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


def header_of_head(head: bytes) -> Header:
    """The header of a message of which only the beginning is kept; for refusing what is too long."""
    line = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    try:
        read_delimiters(line.removeprefix(BOM))
    except NotHl7:
        return Header()
    return read_header(line + b"\r")[0]
