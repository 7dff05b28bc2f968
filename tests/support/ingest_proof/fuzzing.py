"""What must hold of any bytes at the door: each function takes bytes and raises if it does not.

Nothing but the declared exceptions, the same frames however the bytes were split, every message back to the byte, no
answer that is no answer, and a meaning that can be written to the log and folded.
"""

import random
from collections.abc import Callable, Iterable
from functools import lru_cache

from orloop_common import messages
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.mllp import CR, FS, LF, VT, Fault, FaultKind, Frame, MllpDecoder, encode_frame
from orloop_common.testing import ManualClock
from orloop_ingest.domain.hl7 import NotHl7, read_header, tokenize
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.understanding import understand
from orloop_ingest.ledger import Ledger
from orloop_ingest.reception import Received, Reception

from .traffic import EVENING, draw, site_file

LIMIT = 600  # small, so that the limit is met often
SOURCE, SUITE = "SRC00", "suite0"
TOLD_BEFORE = 16  # so many messages of the morning are known when a broken one comes
MARKS = (
    VT,
    FS,
    CR,
    LF,
    FS + CR,
    VT + VT,
    FS + VT,
    CR + LF,
    b"MSH|^~\\&|",
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b'""',
    b"\x00",
)
MARKS += (b"\\X0D\\", b"\\.br\\", b"\\", b"\\Z", b"MSH|", b"SCH|", b"\rMSH|^~\\&|", b"UNICODE UTF-8", b"GB 18030-2000")
MARKS += (
    b"BIG-5",
    b"8859/1",
    b"ISO IR87",
    b"\xef\xbb\xbf",
    b"\x81\x7c",
    b"20261325000000",
    b"20260329023000",
    b"-5",
    b"S15",
)
MARKS += (
    b"9" * 30,
    b"V99999999999999999999",
    b"1e9",
    b"24^HR",
    b"120^minutes",
    b"ADT^A40",
    b"MRG|",
    b"nan",
    b"\xc3",
    b"A" * 300,
)


def framing(data: bytes) -> None:
    """The first byte draws how the rest is split."""
    if not data:
        return
    chance, stream = random.Random(data[0]), data[1:]
    whole = _decoded([stream])
    parts, at = [], 0
    while at < len(stream):
        size = chance.choice((1, 1, 2, 3, 7, 50, 400))
        parts.append(stream[at : at + size])
        at += size
    assert _decoded(parts) == whole, "Expected the same frames however the bytes are split."
    head = stream[:400]
    assert _decoded([bytes([b]) for b in head]) == _decoded([head]), "Expected the same frames byte by byte."
    for item in whole:
        _check_item(item)
    generous = MllpDecoder(2**20)
    told = [_said(item) for item in (*generous.feed(stream), *generous.close())]
    assert told == frames_by_the_book(stream), "Expected what the rules of framing say, byte by byte."
    # What stands in a stream in one piece between clean frames arrives as it stood, whatever came before.
    inside = chance.randbytes(20).replace(VT, b"").replace(FS, b"")
    around = _decoded([stream, CR, encode_frame(inside), encode_frame(b"last")])
    assert Frame(b"last") in around, "Expected a clean frame after any bytes."
    silent = MllpDecoder(LIMIT)
    for part in parts:
        for item in (*silent.feed(part), *(silent.settle() if chance.random() < 0.2 else ())):
            _check_item(item)


def frames_by_the_book(stream: bytes) -> list[tuple[str, bytes]]:
    """The rules of `common/runtime/mllp.py` as a plain loop, without a limit: what each piece is, and its bytes."""
    found: list[tuple[str, bytes]] = []
    at, junk = 0, b""
    while at < len(stream):
        if stream[at : at + 1] != VT:
            junk = (junk + stream[at : at + 1]).lstrip(CR + LF)
            at += 1
            continue
        if junk:
            found.append(("junk", junk[:4096].rstrip(CR + LF)))
            junk = b""
        at, payload, inside = at + 1, b"", ""
        while True:
            byte, following = stream[at : at + 1], stream[at + 1 : at + 2]
            at += 1
            if byte == VT:  # a new start: what came before is half a message, if it is anything
                found += [("cut_short", payload)] if payload else []
                payload, inside = b"", ""
            elif byte == FS and following in (CR, LF, VT, b""):
                found.append((f"frame{inside}{'' if following == CR else ' no_cr'}", payload))
                at += following in (CR, LF)
                break
            elif byte == b"":
                found += [("cut_short", payload)] if payload else []
                break
            else:
                inside = " fs_inside" if byte == FS else inside
                payload += byte
    return found + ([("junk", junk[:4096].rstrip(CR + LF))] if junk else [])


def _said(item: Frame | Fault) -> tuple[str, bytes]:
    if isinstance(item, Frame):
        return " ".join(["frame", *item.faults]), item.payload
    return item.kind.value, item.data


def _decoded(parts: list[bytes]) -> list[Frame | Fault]:
    decoder, found = MllpDecoder(LIMIT), list[Frame | Fault]()
    for part in parts:
        found += decoder.feed(part)
    found += decoder.close()
    assert not decoder.in_frame
    assert not decoder.close()
    return found


def _check_item(item: Frame | Fault) -> None:
    if isinstance(item, Frame):
        assert VT not in item.payload, "Expected no frame that holds the start of another."
        assert (FS in item.payload) == (FaultKind.FS_INSIDE in item.faults), "Expected an FS inside to be told."
        assert len(item.payload) <= LIMIT
    else:
        assert item.length >= len(item.data) or item.kind is FaultKind.TOO_LONG


def tokens(data: bytes) -> None:
    """Lossless, and every field can be asked for."""
    try:
        message = tokenize(data)
    except NotHl7:
        return
    assert message.encode() == data, "Expected the bytes that came."
    for segment in message.segments[:12]:
        for field in range(min(28, len(segment.fields) + 1)):
            for component, sub in ((1, 0), (2, 1 + field % 2)):
                message.bytes_of(segment, field, component, sub)
                try:
                    found = message.text(segment, field, component, sub)
                except Quarantined:
                    continue
                assert isinstance(found, str)


def header(data: bytes) -> None:
    """A header or a fault; an answer that is one message, goes into a frame, and names the message."""
    found, _ = read_header(data)
    reception = _reception()[0]
    arrival = reception.arrive(Frame(data))
    for told in arrival.answers.all:
        encode_frame(told)
        for answer in _each(told):
            lines = answer.split(b"\r")
            assert lines[0].startswith(b"MSH"), told
            assert lines[-1] == b"", told
            kinds = [line[:3] for line in lines[1:-1]]
            assert kinds[:1] == [b"MSA"], told
            assert set(kinds[1:]) <= {b"ERR"}, told
            reread, answered = read_header(answer)
            assert answered is not None, told
            if found.fault is None and answer is told:
                assert reread.fault is None, (answer, reread.fault)
                msa = answered.first(b"MSA")
                assert msa is not None
                assert msa.raw(2) == found.control_id.encode("latin-1"), answer


def _each(told: bytes) -> list[bytes]:
    """The acknowledgements of a batch, which come as a batch; or the one."""
    if not told.startswith((b"BHS", b"FHS")):
        return [told]
    found: list[bytes] = []
    for line in told.split(b"\r")[:-1]:
        if line[:3] == b"MSH":
            found.append(b"")
        if line[:3] not in (b"FHS", b"BHS", b"BTS", b"FTS"):
            found[-1] += line + b"\r"
    return found


def meaning(data: bytes) -> None:
    """Read, settle, write and fold: on a day on which something is known."""
    reception, ledger = _reception()
    frame = Frame(data)
    received = reception.read(reception.arrive(frame))
    if received.problem is not None and received.problem.reason is Reason.MAPPER_FAILED:
        _raise_what_failed(data, ledger)
    for output in (*received.first, *received.then):
        messages.encode(output.message)
    _fold(ledger, received)
    again = reception.read(reception.arrive(frame))
    assert not again.events, "Expected nothing new of a message that is told twice."
    refused = ledger.day(SUITE).refused
    assert not refused, f"Expected the fold to take what settling says, got {[r.reason for r in refused.values()]}."


def _raise_what_failed(data: bytes, ledger: Ledger) -> None:
    found, message = read_header(data)
    assert message is not None
    site = _site()
    profile = Reception(site, ledger, Pseudonyms(b"s" * 32), bytes, ManualClock(EVENING))._profiles[SOURCE]
    understand(message, found, profile, site, EVENING, ledger.known(SUITE), Pseudonyms(b"s" * 32), "raw")
    raise AssertionError("Expected the mapper to fail again.")


@lru_cache(maxsize=1)
def _site():  # type: ignore[no-untyped-def]
    return parse_site(site_file(1))


@lru_cache(maxsize=1)
def _known() -> Ledger:
    """A morning of one source, told and folded."""
    ledger = Ledger(_site(), [SUITE])
    reception = Reception(_site(), ledger, Pseudonyms(b"s" * 32), _seal, ManualClock(EVENING))
    for said in templates()[:TOLD_BEFORE]:
        _fold(ledger, reception.receive(Frame(said)))
    return ledger


def _reception() -> tuple[Reception, Ledger]:
    ledger = _known().copy()
    return Reception(_site(), ledger, Pseudonyms(b"s" * 32), _seal, ManualClock(EVENING)), ledger


def _seal(body: bytes) -> bytes:
    return b"sealed"


def _fold(ledger: Ledger, received: Received) -> None:
    for event in received.events:
        ledger.fold(event)
    for record in received.records:
        ledger.fold_record(record)


@lru_cache(maxsize=1)
def templates() -> tuple[bytes, ...]:
    """Messages to break: of each kind that a day has, and some that it has not."""
    drawn = [said.body for said in draw(SOURCE, 60, 3)]
    head = f"MSH|^~\\&|{SOURCE}|DEMO|ORLOOP|ORLOOP|20260302130000+0000||"
    pid = "PID|1||CANARYMRNX1^^^DEMO^MR||Zzyxcanary^Asa||19700101|F\r"
    more = (
        f"ADT^A40^ADT_A39|A40|P|2.5.1\rEVN|A40|20260302120000\r{pid}MRG|CANARYMRNX2^^^DEMO^MR\r",
        "ADT^A20^ADT_A20|A20|P|2.5.1\rEVN|A20|20260302120000\rNPU|PACU^^1|U\r",
        f"ADT^A11^ADT_A09|A11|P|2.5.1\rEVN|A11|20260302120000\r{pid}PV1|1|I|W||||||||||||||||VX1\r",
        f"SIU^S15^SIU_S12|S15|P|2.3\rSCH|A^X|{SOURCE}C00001|||V9|LATE||||\r{pid}RGS|1\rAIS|1|D|5-820\rAIG|1||OR01^x^ROOM\r",
        f'ORU^R01^ORU_R01|R01|T|2.7\r{pid}OBR|1|{SOURCE}C00001|x\rOBX|1|CE|ASA||3\rOBX|2|DTM|WHEELS_IN||""\r',
        "ZIU^Z12|Z12|P|2.4\rZCH|1|2|3\rZIS|1\rZIL|1|OR01\r",
    )
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + drawn[0] + b"BTS|2\rFTS|1\r"
    return (*drawn, *((head + text).encode() for text in more), batch)


Change = tuple[int, int, int]
"""Where, how, and what: an item of `MARKS`, a byte, a length or another line."""


def broken(template: int, changes: Iterable[Change]) -> bytes:
    """A template with changes."""
    return changed(templates()[template % len(templates())], changes)


def changed(body: bytes, changes: Iterable[Change]) -> bytes:
    """A message with changes to its bytes, fields and lines."""
    for where, how, what in changes:
        at, kind = where % (len(body) + 1), how % 9
        if kind == 0:
            body = body[:at] + MARKS[what % len(MARKS)] + body[at:]
        elif kind == 1:
            body = body[:at] + bytes([what % 256]) + body[at + 1 :]
        elif kind == 2:
            body = body[:at] + body[at + what % 40 :]
        elif kind == 3:
            body = body[: max(at, 60)]
        else:
            body = _in_lines(body, where, kind, what)
    return body


def _in_lines(body: bytes, where: int, kind: int, what: int) -> bytes:
    lines = body.split(b"\r")
    one, other = where % len(lines), what % len(lines)
    if kind == 4:
        lines.insert(other, lines[one])
    elif kind == 5:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        fields = lines[one].split(b"|")
        fields[(where // 7) % len(fields)] = MARKS[what % len(MARKS)]
        lines[one] = b"|".join(fields)
    return b"\r".join(lines)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "framing": framing,
    "tokens": tokens,
    "header": header,
    "meaning": meaning,
}
