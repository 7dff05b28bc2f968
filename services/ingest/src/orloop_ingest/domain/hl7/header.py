"""The message header: what may be logged of it, and whether it can be used."""

import re
from dataclasses import dataclass
from functools import lru_cache

from .escapes import Delimiters
from .profile import SourceProfile
from .tokens import BOM, Message, NotHl7, nth, read_delimiters, tokenize

LONGEST_CONTROL_ID = 199
_DEFAULT = Delimiters()
_FIELDS = 17  # as many as are looked at
_SHORT = 1024  # longer ones are not worth remembering
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
    fields, d = message.msh.fields, message.delimiters
    if len(fields) < _FIELDS:
        fields = [*fields, *[b""] * (_FIELDS - len(fields))]
    c, r = d.component, d.repetition
    if len(message.msh.line) <= _SHORT:  # a source says the same in nearly all of them with every message
        application, facility, to, there = _said(c, r, *fields[3:7])
        kind, trigger = _kind(c, r, fields[9])
        processing, version, accept, response = _said(c, r, fields[11], fields[12], fields[15], fields[16])
    else:
        application, facility, to, there = _said.__wrapped__(c, r, *fields[3:7])
        kind, trigger = _kind.__wrapped__(c, r, fields[9])
        processing, version, accept, response = _said.__wrapped__(c, r, fields[11], fields[12], fields[15], fields[16])
    control = fields[10]
    header = Header(
        d,
        application,
        facility,
        _text(c, r, fields[7]),
        kind,
        trigger,
        control.decode("latin-1"),
        processing,
        version,
        accept,
        response,
        _fault(message, control, kind, trigger, version),
        to,
        there,
        _text(c, r, fields[13]),
    )
    return header, message


def _text(component: bytes, repetition: bytes, raw: bytes) -> str:
    """The first component as text; empty if it is not plain."""
    if not raw:
        return ""
    if repetition in raw:
        raw = raw.split(repetition, 1)[0]
    if component in raw:
        raw = raw.split(component, 1)[0]
    value = raw.decode("ascii", "replace")
    return value if value.isascii() and value.isprintable() else ""


@lru_cache(2048)
def _said(component: bytes, repetition: bytes, *fields: bytes) -> tuple[str, ...]:
    return tuple([_text(component, repetition, raw) for raw in fields])


@lru_cache(1024)
def _kind(component: bytes, repetition: bytes, raw: bytes) -> tuple[str, str]:
    """MSH-9: the type and the trigger event."""
    trigger = nth(raw.split(repetition, 1)[0], component, 2).decode("ascii", "replace")
    plain = trigger.isascii() and trigger.isprintable()
    return _text(component, repetition, raw), trigger if plain else ""


def _fault(message: Message, control: bytes, kind: str, trigger: str, version: str) -> Fault | None:
    if len(message.all(b"MSH")) > 1:
        return Fault("100", "MSH", "Expected one message in a frame, got several.")
    if not kind or (not trigger and kind != "ACK"):
        return Fault("101", "MSH-9", "Expected a message type and a trigger event.")
    if not control or len(control) > LONGEST_CONTROL_ID:
        return Fault("101", "MSH-10", f"Expected a control id of 1 to {LONGEST_CONTROL_ID} characters.")
    if not (control.isascii() and control.decode("ascii").isprintable()):
        return Fault("102", "MSH-10", "Expected a control id of printable ASCII characters.")
    if not _is_version(version):
        return Fault("203", "MSH-12", "Expected an HL7 version from 2.2 to 2.9.")
    return None


@lru_cache(256)
def _is_version(version: str) -> bool:
    return _VERSION.fullmatch(version) is not None


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
