"""What is acknowledged, how, and what then happens to the connection: the contract with every sender.

`CONTRACT` is the whole of it: reviewed as a table, carried out by `answers`, and the parameters of the tests.
Sources: HL7 v2.5.1 chapter 2.9 (original and enhanced mode), tables 0008, 0155 and 0357.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from .hl7.header import LONGEST_CONTROL_ID, Fault, Header
from .hl7.times import format_time

_PLAIN = re.compile(r"[\x20-\x7e]*")


class Came(StrEnum):
    """What arrived at the door."""

    GOOD = "a good header, whatever the body says"
    UNMAPPED = "a good header, and the body is quarantined or our own mapping fails"
    REPEATED = "a message that is stored already: same MSH-3, MSH-4, MSH-10 and body"
    REUSED = "a control id that is stored already, with another body"
    BAD_HEADER = "no MSH, several of them, or MSH-9, 10, 11 or 12 that cannot be used"
    MISDIRECTED = "MSH-5, 6 or 11 that the source's profile does not expect, or a certificate of another source"
    BAD_BATCH = "a batch whose count is not that of its messages"
    TOO_LONG = "a payload over the limit whose head can be read"
    NO_FRAME = "bytes outside of a frame, or a frame cut short by another VT or by the end"
    HALF_FRAME = "half a frame, then silence"
    NOT_DURABLE = "a message that neither the journal nor the broker takes"
    LATE = "a message that was durable only after the sender's time-out"
    NO_BYTES = "a connection that says nothing: a load balancer's probe"


class Then(StrEnum):
    """What happens to the connection."""

    STAYS = "stays open"
    CLOSES = "is closed"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the contract.

    Parameters
    ----------
    original
        MSA-1 without MSH-15 and MSH-16; empty for no answer.
    accept
        MSA-1 of the accept acknowledgement, if MSH-15 asks for it (AL, or SU for a good and ER for a bad header).
    application
        MSA-1 of the application acknowledgement, after mapping, if MSH-16 asks for it.
    error
        Whether an ERR segment names the place and the code of table 0357.
    raw, events
        Whether the bytes are kept, and whether events may come of them.
    """

    came: Came
    original: str
    accept: str
    application: str
    error: bool
    then: Then
    raw: bool
    events: bool


_STAYS, _CLOSES = Then.STAYS, Then.CLOSES
CONTRACT: dict[Came, Rule] = {
    rule.came: rule
    for rule in (
        #    came               original acc.  appl. ERR    connection raw    events
        Rule(Came.GOOD, "AA", "CA", "AA", False, _STAYS, True, True),
        Rule(Came.UNMAPPED, "AA", "CA", "AA", False, _STAYS, True, False),
        Rule(Came.REPEATED, "AA", "CA", "AA", False, _STAYS, False, False),
        Rule(Came.REUSED, "AA", "CA", "AA", False, _STAYS, True, True),
        Rule(Came.BAD_HEADER, "AR", "CR", "AR", True, _STAYS, True, False),
        Rule(Came.MISDIRECTED, "AR", "CR", "AR", True, _STAYS, True, False),
        Rule(Came.BAD_BATCH, "AR", "CR", "AR", True, _STAYS, True, False),
        Rule(Came.TOO_LONG, "AR", "CR", "AR", True, _STAYS, True, False),
        Rule(Came.NO_FRAME, "", "", "", False, _STAYS, True, False),
        Rule(Came.HALF_FRAME, "", "", "", False, _CLOSES, True, False),
        Rule(Came.NOT_DURABLE, "", "", "", False, _CLOSES, False, False),
        Rule(Came.LATE, "", "", "", False, _CLOSES, True, True),
        Rule(Came.NO_BYTES, "", "", "", False, _STAYS, False, False),
    )
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Acknowledgements without framing: `accept` once it is durable, `application` once it is mapped."""

    accept: bytes = b""
    application: bytes = b""

    @property
    def all(self) -> tuple[bytes, ...]:
        """Those that are due, in the order of sending."""
        return tuple(answer for answer in (self.accept, self.application) if answer)


def answers(header: Header, received: datetime, id: str) -> Answers:
    """What the contract says to this header: a function of it alone, so that a duplicate gets the same bytes."""
    good = header.fault is None
    rule = CONTRACT[Came.GOOD if good else Came.BAD_HEADER]
    if not header.enhanced:
        return Answers(acknowledge(header, rule.original, received, id))
    accept = wanted(header.accept_ack, good)
    first = acknowledge(header, rule.accept, received, id) if accept else b""
    if not wanted(header.application_ack, good) or (first and not good):
        return Answers(first)  # what was refused is refused once
    return Answers(first, acknowledge(header, rule.application, received, f"{id[:19]}A"))


def answer_batch(header: Header, members: Sequence[Header], received: datetime, id: str) -> Answers:
    """One frame that answers each message of a batch, in their order, in a batch of its own."""
    found = [answers(member, received, f"{id[:16]}{number:04d}") for number, member in enumerate(members, 1)]
    return Answers(
        _enclose(header, [each.accept for each in found if each.accept], received),
        _enclose(header, [each.application for each in found if each.application], received),
    )


def _enclose(header: Header, acknowledgements: Sequence[bytes], received: datetime) -> bytes:
    if not acknowledgements:
        return b""
    d = header.delimiters
    f = d.field.decode()
    to = f.join(("BHS", d.declared.decode(), "ORLOOP", "ORLOOP", _safe(header.application), _safe(header.facility)))
    head = f"{to}{f}{format_time(received)}\r".encode("latin-1")
    return head + b"".join(acknowledgements) + f"BTS{f}{len(acknowledgements)}\r".encode("latin-1")


def wanted(condition: str, good: bool) -> bool:
    """Table 0155: AL always, NE and empty never, ER for errors, SU for successes; what it does not know is AL."""
    if condition in ("", "NE"):
        return False
    return condition == ("SU" if good else "ER") or condition not in ("SU", "ER")


def acknowledge(header: Header, code: str, received: datetime, id: str) -> bytes:
    """One acknowledgement in the sender's delimiters; it repeats nothing of the message but MSH-3, 4, 10 and 12."""
    d = header.delimiters
    head, kind = _head(d.field, d.declared, d.component, header.application, header.facility, header.trigger)
    control, version = _safe(header.control_id), _version(header.version)
    f = d.field.decode()
    text = f"{head}{format_time(received)}{f}{f}{kind}{f}{id[:20]}{f}P{f}{version}\rMSA{f}{code}{f}{control}\r"
    if header.fault is not None:
        text += _error(header.fault, f, d.component.decode())
    return text.encode("latin-1")


@lru_cache(1024)
def _head(
    field: bytes, declared: bytes, component: bytes, application: str, facility: str, trigger: str
) -> tuple[str, str]:
    f = field.decode()
    kind = component.decode().join(p for p in ("ACK", trigger if trigger.isalnum() else "", "ACK") if p)
    return f.join(("MSH", declared.decode(), "ORLOOP", "ORLOOP", _safe(application), _safe(facility), "")), kind


@lru_cache(64)
def _version(version: str) -> str:
    return version if re.fullmatch(r"2\.\d(\.\d)?", version) else "2.5.1"


def _error(fault: Fault, field: str, component: str) -> str:
    segment, _, number = fault.field.partition("-")
    location = component.join((segment, "1", number)) if number else segment
    code = component.join((fault.code, "", "HL70357"))
    return field.join(("ERR", "", location, code, "E", "", "", "", fault.sentence)) + "\r"


def _safe(value: str) -> str:
    return value[:LONGEST_CONTROL_ID] if _PLAIN.fullmatch(value) else ""
