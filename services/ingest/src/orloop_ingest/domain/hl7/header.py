"""The message header: what may be logged of it, and whether it can be used."""

import re
from dataclasses import dataclass

from .escapes import Delimiters
from .profile import SourceProfile
from .tokens import BOM, Message, NotHl7, read_delimiters, tokenize

LONGEST_CONTROL_ID = 199
_DEFAULT = Delimiters()
_PLAIN = re.compile(r"[\x20-\x7e]*")
_VERSION = re.compile(r"2\.[2-9](\.\d)?")


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
    receiving_application: str = ""
    receiving_facility: str = ""
    sequence: str = ""

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
    fields = message.msh.fields
    d = message.delimiters
    count = len(fields)

    def text(field: int) -> str:
        raw = fields[field] if field < count else b""
        if not raw:
            return ""
        if d.repetition in raw:
            raw = raw.split(d.repetition, 1)[0]
        if d.component in raw:
            raw = raw.split(d.component, 1)[0]
        value = raw.decode("ascii", "replace")
        return value if value.isascii() and value.isprintable() else ""

    type_ = message.bytes_of(message.msh, 9, 2).decode("ascii", "replace")
    kind, trigger = text(9), type_ if type_.isascii() and type_.isprintable() else ""
    processing, version = text(11), text(12)
    control = fields[10] if count > 10 else b""
    fault = _fault(message, control, kind, trigger, version)
    header = Header(
        d,
        text(3),
        text(4),
        text(7),
        kind,
        trigger,
        control.decode("latin-1"),
        processing,
        version,
        text(15),
        text(16),
        fault,
        text(5),
        text(6),
        text(13),
    )
    return header, message


def _fault(message: Message, control: bytes, kind: str, trigger: str, version: str) -> Fault | None:
    if len(message.all(b"MSH")) > 1:
        return Fault("100", "MSH", "Expected one message in a frame, got several.")
    if not kind or (not trigger and kind != "ACK"):
        return Fault("101", "MSH-9", "Expected a message type and a trigger event.")
    if not control or len(control) > LONGEST_CONTROL_ID:
        return Fault("101", "MSH-10", f"Expected a control id of 1 to {LONGEST_CONTROL_ID} characters.")
    if not _PLAIN.fullmatch(control.decode("latin-1")):
        return Fault("102", "MSH-10", "Expected a control id of printable ASCII characters.")
    if not _VERSION.fullmatch(version):
        return Fault("203", "MSH-12", "Expected an HL7 version from 2.2 to 2.9.")
    return None


def misdirected(header: Header, profile: SourceProfile) -> Fault | None:
    """Why a message is not for this door, by what the profile expects of MSH-5, MSH-6 and MSH-11; None if it is."""
    expected = profile.expected
    if expected.processing and header.processing not in expected.processing:
        return Fault("202", "MSH-11", "Expected another processing id: this door takes no test messages.")
    if expected.application and header.receiving_application not in expected.application:
        return Fault("103", "MSH-5", "Expected another receiving application: this message is for someone else.")
    if expected.facility and header.receiving_facility not in expected.facility:
        return Fault("103", "MSH-6", "Expected another receiving facility: this message is for someone else.")
    return None


def header_of_head(head: bytes) -> Header:
    """The header of a message of which only the beginning is kept; for refusing what is too long."""
    line = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    try:
        read_delimiters(line.removeprefix(BOM))
    except NotHl7:
        return Header()
    return read_header(line + b"\r")[0]
