"""The contract with every sender, as a table: what is sent, what is answered, what becomes of it.

For interface analysts. A row reads from left to right:

what         the fault or the oddity, in words
wire         packets (bytes) and silences (seconds), as the sender sends them
answers      MSA-1 and MSA-2 of every acknowledgement, in order; "" for none
error        ERR-2 (segment, field) and ERR-3 (table 0357) of every refusal
then         what the door does with the connection: STAYS or CLOSES
told         the events on the suite's log, in order
reasons      why messages are in quarantine, in order
kept         the raw messages that are kept, to the byte; if not given: the payload of every frame
before       messages that were told, and answered, before
profile      what the source's profile says beside the default
disk         "full" or "slow"
status       the case's status in the end

Whatever the row: every message that was answered is kept to the byte, nothing is acknowledged when the disk takes
nothing, the door goes on with the next sender, and no word of the patient can be read in an answer, a log, a metric or
a record of any topic. FHIR's rows stand below, with HTTP status codes for answers. (412 is an answer
to us: its rows are in services/writeback/tests/test_writeback_fhir.py.)
"""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

import fhir_parts as f
import pytest
from door_stage import Stage
from fhir_stage import FhirStage, notification
from siu_words import CANARIES, batch, with_msh
from siu_words import write_siu as siu

from orloop_ingest.domain.acknowledging import CONTRACT, Came, Then, wanted
from orloop_ingest.domain.quarantine import Reason

STAYS, CLOSES = Then.STAYS, Then.CLOSES
VT, FS, END = b"\x0b", b"\x1c", b"\x1c\r"
NEW = "CaseScheduled"
BOOKED, OTHER = siu(), siu(case="A200", control="M2")


def frame(body: bytes) -> bytes:
    return VT + body + END


def one_by_one(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[n : n + 1] for n in range(len(data)))


@dataclass(frozen=True)
class Row:
    """One line of the table; see the module's first lines."""

    what: str
    wire: tuple[bytes | float, ...] | bytes
    answers: str
    error: str = ""
    then: Then = STAYS
    told: str = ""
    reasons: str = ""
    kept: tuple[bytes, ...] | None = None
    before: tuple[bytes, ...] = ()
    profile: dict[str, Any] | None = None
    disk: str = ""
    status: str = ""

    @property
    def packets(self) -> tuple[bytes | float, ...]:
        return (self.wire,) if isinstance(self.wire, bytes) else self.wire


def says(what: str, body: bytes, answers: str, **more: Any) -> Row:
    """A row of one whole frame."""
    return Row(what, frame(body), answers, kept=(body,), **more)


# --- framing -------------------------------------------------------------------------------------------------

FRAMING = [
    Row("junk before VT", b"junk\r\n" + frame(BOOKED), "AA M1", told=NEW, reasons="broken_frame",
        kept=(b"junk", BOOKED)),
    Row("junk after a frame", frame(BOOKED) + b"junk", "AA M1", told=NEW, reasons="broken_frame",
        kept=(BOOKED, b"junk")),
    Row("VT twice", VT + frame(BOOKED), "AA M1", told=NEW, kept=(BOOKED,)),
    Row("FS without CR, then silence", (VT + BOOKED + FS, 1.0), "AA M1", told=NEW, kept=(BOOKED,)),
    Row("FS without CR, then the next frame", VT + BOOKED + FS + frame(OTHER), "AA M1, AA M2", told=f"{NEW}, {NEW}",
        kept=(BOOKED, OTHER)),
    Row("FS and LF", VT + BOOKED + FS + b"\n", "AA M1", told=NEW, kept=(BOOKED,)),
    Row("FS inside of the payload", frame(BOOKED.replace(b"canary", b"can" + FS + b"ary")), "AR M1", "MSH 100",
        reasons="bad_header", kept=(BOOKED.replace(b"canary", b"can" + FS + b"ary"),)),
    Row("FS CR inside of the payload: the frame ends there", frame(BOOKED.replace(b"free canary", b"free" + END)),
        "AA M1", told="CaseDoubted", reasons="unknown_service, broken_frame",
        kept=tuple((BOOKED.replace(b"free canary", b"free" + END) + FS).split(END))),
    Row("VT inside of a frame", VT + OTHER[:100] + frame(BOOKED), "AA M1", told=NEW, reasons="broken_frame",
        kept=(OTHER[:100], BOOKED)),
    Row("half a frame, then the sender hangs up", VT + BOOKED[:100], "", reasons="broken_frame", kept=(BOOKED[:100],)),
    Row("half a frame, then silence", (VT + BOOKED[:100], 6.0), "", then=CLOSES, reasons="broken_frame",
        kept=(BOOKED[:100],)),
    Row("one byte a packet", one_by_one(frame(BOOKED)), "AA M1", told=NEW, kept=(BOOKED,)),
    Row("50 frames pipelined", b"".join(frame(siu(case=f"A{n}", control=f"P{n}")) for n in range(50)),
        ", ".join(f"AA P{n}" for n in range(50)), told=", ".join([NEW] * 50),
        kept=tuple(siu(case=f"A{n}", control=f"P{n}") for n in range(50))),
    Row("9 MiB", frame(siu(obx=("TX|X||" + "y" * 9 * 2**20,))), "AR M1", "MSH 207", reasons="too_long",
        kept=(siu(obx=("TX|X||" + "y" * 9 * 2**20,))[:4096],)),
    Row("9 MiB, then the next frame", frame(siu(obx=("TX|X||" + "y" * 9 * 2**20,))) + frame(OTHER), "AR M1, AA M2",
        "MSH 207", told=NEW, reasons="too_long", kept=(siu(obx=("TX|X||" + "y" * 9 * 2**20,))[:4096], OTHER)),
    says("nothing but NUL", b"\0" * 10, "AR", error="MSH 100", reasons="bad_header"),
    says("NUL in a note", BOOKED.replace(b"free canary", b"free\0canary"), "AA M1", told=NEW),
    says("NUL at the end", BOOKED + b"\0", "AA M1", told=NEW),
    says("an empty frame", b"", "AR", error="MSH 100", reasons="bad_header"),
    Row("nothing at all: a load balancer's probe", (), "", kept=()),
    Row("nothing for a day", (90_000.0,), "", kept=()),
]  # fmt: skip

# --- header --------------------------------------------------------------------------------------------------

TURNED = bytes.maketrans(b"|^~\\&", b"!@#%*")
LATIN = with_msh(BOOKED, f18="UNICODE UTF-8")
WIDE = with_msh(BOOKED, f18="GB 18030-2000").replace(b"Zzyxcanary", "髚Zzyxcanary".encode("gb18030"))


def headed(what: str, answers: str, error: str = "", told: str = "", reasons: str = "", **fields: str) -> Row:
    """A booking with other MSH fields; refused ones are quarantined as bad_header."""
    return says(what, with_msh(BOOKED, **fields), answers, error=error, told=told or ("" if error else NEW),
                reasons=reasons or ("bad_header" if error else ""))  # fmt: skip


HEADER = [
    says("byte order mark", b"\xef\xbb\xbf" + BOOKED, "AA M1", told=NEW),
    says("`msh` in small letters", b"msh" + BOOKED[3:], "AR", error="MSH 100", reasons="bad_header"),
    says("no MSH", BOOKED[BOOKED.index(b"SCH") :], "AR", error="MSH 100", reasons="bad_header"),
    says("delimiters of the sender's own", BOOKED.translate(TURNED), "AA M1", told=NEW),
    says("five delimiters", BOOKED.replace(b"^~\\&", b"^~\\&#", 1), "AA M1", told=NEW),
    says("two delimiters", b"MSH|^~\\\rPID|1\r", "AR", error="MSH 100", reasons="bad_header"),
    headed("MSH-9 empty", "AR M1", "MSH-9 101", f9=""),
    headed("MSH-9 without a trigger", "AR M1", "MSH-9 101", f9="SIU"),
    headed("MSH-9 without a type", "AR M1", "MSH-9 101", f9="^S12"),
    says("MSH-9 of a movement over a schedule", with_msh(BOOKED, f9="ADT^A02"), "AA M1", reasons="wrong_body"),
    says("MSH-9 of a result over a schedule", with_msh(BOOKED, f9="ORU^R01"), "AA M1", reasons="wrong_body"),
    says("MSH-9 that nobody reads over a schedule", with_msh(BOOKED, f9="ORM^O01"), "AA M1", reasons="unknown_type"),
    says("a type that is for others", with_msh(siu(drop=("SCH",)), f9="MDM^T02"), "AA M1"),
    says("SIU without SCH", siu(drop=("SCH",)), "AA M1", reasons="wrong_body"),
    headed("MSH-10 empty", "AR", "MSH-10 101", f10=""),
    headed("MSH-10 of 199 characters", f"AA {'x' * 199}", f10="x" * 199),
    headed("MSH-10 of 200 characters", f"AR {'x' * 199}", "MSH-10 101", f10="x" * 200),
    headed("MSH-10 with a control character", "AR", "MSH-10 102", f10="M\x07"),
    says("MSH-10 again, same bytes", BOOKED, "AA M1", before=(BOOKED,), told=NEW),
    says("MSH-10 again, another body", siu(version="V2", room="OR1"), "AA M1", before=(BOOKED,), told=f"{NEW}, {NEW}"),
    headed("MSH-11 of a test message", "AR M1", "MSH-11 202", f11="T"),
    headed("MSH-11 empty", "AA M1", f11=""),
    headed("MSH-12 empty", "AR M1", "MSH-12 203", f12=""),
    headed("MSH-12 2.1", "AR M1", "MSH-12 203", f12="2.1"),
    headed("MSH-12 2.3", "AA M1", f12="2.3"),
    headed("MSH-12 2.7.1", "AA M1", f12="2.7.1"),
    headed("MSH-12 2.9", "AA M1", f12="2.9"),
    headed("MSH-12 3", "AR M1", "MSH-12 203", f12="3"),
    headed("MSH-18 UTF-8", "AA M1", f18="UNICODE UTF-8"),
    says("MSH-18 wrong, where nobody reads", LATIN.replace(b"free canary", b"fr\xfc canary"), "AA M1", told=NEW),
    says("MSH-18 wrong, in the procedure's name", LATIN.replace(b"Hip replacement", b"H\xfcfte"), "AA M1",
         told="CaseDoubted", reasons="unreadable_characters"),
    says("MSH-18 of no known set, plain text", with_msh(BOOKED, f18="KLINGON"), "AA M1", told=NEW),
    says("MSH-18 GB 18030: trail bytes that equal delimiters", WIDE, "AA M1", told=NEW),
    says("a source that the site file does not know", siu(source="STRANGER"), "AA M1", reasons="unknown_source"),
]  # fmt: skip

# --- body ----------------------------------------------------------------------------------------------------

BATCHED = batch(BOOKED, OTHER)
BODY = [
    says("LF between segments", BOOKED.replace(b"\r", b"\n"), "AA M1", told=NEW),
    says("CR LF between segments", BOOKED.replace(b"\r", b"\r\n"), "AA M1", told=NEW),
    says("no end of the last segment", BOOKED.rstrip(b"\r"), "AA M1", told=NEW),
    says("Z segments anywhere", siu(replace={"NTE": "ZOR|1|anything", "RGS": "ZZZ\rRGS|1\rZZ9|x", "AIG": "ZEN|1"}),
         "AA M1", told=NEW),
    says("AIP before AIL", siu(replace={"AIL": "AIP|1||S017^Meyer^Anna|SURGEON", "AIP": "AIL|1||OR3^^^DEMO"}), "AA M1",
         told=NEW),
    says("no RGS", siu(drop=("RGS",)), "AA M1", told=NEW),
    says("no resources at all", siu(drop=("RGS", "AIS", "AIL", "AIP", "AIG")), "AA M1", told=NEW),
    says("no PID", siu(drop=("PID",)), "AA M1", told=NEW),
    says("two SCH", siu(replace={"SCH": "SCH||A100|||V1\rSCH||A200|||V1"}), "AA M1", reasons="wrong_body",
         told="CaseDoubted"),
    says("two messages in a frame", BOOKED + OTHER, "AR M1", error="MSH 100", reasons="bad_header"),
    says("FHS and BHS with the right count", BATCHED, "AA M1, AA M2", told=f"{NEW}, {NEW}"),
    says("FHS and BHS with a count of one", batch(BOOKED, OTHER, count=1), "AR M1", error="BTS-1 100",
         reasons="bad_header"),
    says("FHS and BHS with a count of three", batch(BOOKED, OTHER, count=3), "AR M1", error="BTS-1 100",
         reasons="bad_header"),
    says("a batch of nothing", b"FHS|^~\\&|TWIN\rBHS|^~\\&|TWIN\rBTS|0\rFTS|1\r", "AR", error="BTS-1 100",
         reasons="bad_header"),
    says("a batch with one message of a wrong version", batch(BOOKED, with_msh(OTHER, f12="2.1")), "AA M1, AR M2",
         error="MSH-12 203", told=NEW, reasons="bad_header"),
    says("500 AIS", siu(replace={"AIS": "\r".join(f"AIS|{n}||5-820^Hip^OPS" for n in range(500))}), "AA M1", told=NEW),
    says("701 AIS", siu(replace={"AIS": "\r".join(f"AIS|{n}||5-820^Hip^OPS" for n in range(701))}), "AA M1",
         told="CaseDoubted", reasons="wrong_body"),
    says("1 MB OBX", siu(obx=("TX|REMARK||" + "x" * 1_000_000,)), "AA M1", told=NEW),
    says("an escape that does not end, and unknown ones", siu(replace={"NTE": "NTE|1||a \\F and \\Zx\\ and \\X0G\\ x"}),
         "AA M1", told=NEW),
    says("the same in the procedure's name",
         siu(replace={"AIS": "AIS|1||5-820^Hip \\F and \\Zx\\ and \\X0G\\ x^OPS"}), "AA M1", told=NEW),
    says("a name of 100 kB", siu(replace={"PID": "PID|1||CANARYMRN77||" + "Zzyxcanary " * 9000}), "AA M1", told=NEW),
    says("a procedure's name of 501 characters", siu(replace={"AIS": "AIS|1||5-820^" + "x" * 501 + "^OPS"}), "AA M1",
         told="CaseDoubted", reasons="field_too_long"),
]  # fmt: skip

# --- values --------------------------------------------------------------------------------------------------


def doubtful(what: str, reason: Reason, **change: Any) -> Row:
    """A booking that cannot be mapped: acknowledged, quarantined, its case in doubt."""
    return says(what, siu(**change), "AA M1", told="CaseDoubted", reasons=reason.value)


def lasting(length: str) -> dict[str, Any]:
    return {"end": "", "replace": {"SCH": f"SCH||A100|||V1||||{length}"}}


VALUES = [
    doubtful("a start that is a date only", Reason.BAD_TIME, start="20260302"),
    doubtful("a start in words", Reason.BAD_TIME, start="yesterday"),
    doubtful("a start on the 31st of February", Reason.BAD_TIME, start="20260231090000+0000"),
    doubtful("a start with an offset that nobody has", Reason.BAD_TIME, start="20260302090000+9900"),
    doubtful("a start that no clock showed (DST gap)", Reason.BAD_TIME, start="20260329023000", end="20260329043000",
             sent=""),
    says("a start that the clock showed twice (DST overlap), nothing tells which",
         siu(start="20261025023000", end="20261025040000", sent=""), "AA M1", told=f"{NEW}, SourceDisagreed"),
    says("the same, told apart by the offset of MSH-7",
         siu(start="20261025023000", end="20261025040000", sent="20261025013000+0100"), "AA M1", told=NEW),
    doubtful("no start", Reason.NO_START, drop=("TQ1", "AIL")),
    doubtful("an end before the start", Reason.BAD_LENGTH, end="20260302080000+0000"),
    doubtful("an end at the start", Reason.BAD_LENGTH, end="20260302090000+0000"),
    doubtful("an end three days later", Reason.BAD_LENGTH, end="20260305090000+0000"),
    doubtful("a length of `2 hours`", Reason.BAD_LENGTH, **lasting("2 hours|min")),
    doubtful("a length of minus 30 minutes", Reason.BAD_LENGTH, **lasting("-30|min")),
    doubtful("a length of 0", Reason.BAD_LENGTH, **lasting("0|min")),
    doubtful("a length of `nan`", Reason.BAD_LENGTH, **lasting("nan|min")),
    doubtful("a length in fortnights", Reason.BAD_LENGTH, **lasting("90|fortnight")),
    doubtful("a version in words", Reason.BAD_VERSION, version="seven"),
    says("an unknown room", siu(room="OR99"), "AA M1", told=f"{NEW}, SourceDisagreed, CaseDoubted"),
    says("an unknown surgeon", BOOKED, "AA M1", told=f"{NEW}, SourceDisagreed", profile={"staff": ["S001"]}),
    says("a known surgeon", BOOKED, "AA M1", told=NEW, profile={"staff": ["S017"]}),
    says("action D for equipment that was never there (snapshot)", siu(replace={"AIG": "AIG|1|D|NEVERTHERE"}), "AA M1",
         told=NEW),
    says("action D for equipment that was never there (action codes)",
         siu("S14", control="M2", version="V2", replace={"AIG": "AIG|1|D|NEVERTHERE"}), "AA M2",
         before=(BOOKED,), told=f"{NEW}, {NEW}, SourceDisagreed", profile={"mode": "action_code"}),
    says("an action code that is none", siu(replace={"AIG": "AIG|1|Q|LAPTOWER"}), "AA M1", told="CaseDoubted",
         reasons="unknown_code", profile={"mode": "action_code"}),
    doubtful("an unknown service", Reason.UNKNOWN_SERVICE, replace={"PV1": "PV1|1|I|W|||||||XXX"}),
    doubtful("an unknown priority", Reason.UNKNOWN_PRIORITY,
             replace={"TQ1": "TQ1|1||||||20260302090000+0000|20260302100000+0000|9^Whenever"}),
    says("no case id", siu(replace={"SCH": "SCH|||||V1"}), "AA M1", reasons="no_case_id"),
    doubtful("an ASA of 9", Reason.UNKNOWN_CODE, obx=("NM|ASA||9",)),
    doubtful("a bed that is a hammock", Reason.UNKNOWN_CODE, obx=("ST|BED_NEED||hammock",)),
    doubtful("a readiness of `maybe`", Reason.UNKNOWN_CODE, obx=("CWE|READY_CONSENT||maybe",)),
    doubtful("a readiness of the weather", Reason.UNKNOWN_CODE, obx=("CWE|READY_WEATHER||done",)),
    doubtful("a milestone at `soon`", Reason.BAD_TIME, obx=("DTM|INCISION||soon",)),
    doubtful("a milestone that is taken back", Reason.UNKNOWN_CODE, obx=("DTM|INCISION||20260302093000+0000||||||D",)),
]  # fmt: skip

# --- sequence ------------------------------------------------------------------------------------------------


def merged(into: str, retired: str, control: str) -> bytes:
    return (
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|20260302080000+0000||ADT^A40|{control}|P|2.5.1\r"
        f"EVN|A40|20260302080000+0000\rPID|1||{into}^^^DEMO^MR||Zzyxcanary^Ada\rMRG|{retired}^^^DEMO^MR\r"
    ).encode()


def stone(code: str, time: str, control: str, sent: int = 11) -> bytes:
    at = f"20260302{sent}0000+0000"
    return (
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|{at}||ORU^R01|{control}|P|2.5.1\r"
        f"OBR|1||A100\rOBX|1|DTM|{code}||20260302{time}00+0000||||||F\r"
    ).encode()


def in_turn(what: str, *bodies: bytes, told: str, answers: str, reasons: str = "", **more: Any) -> Row:
    return Row(what, tuple(frame(body) for body in bodies), answers, told=told, reasons=reasons, kept=bodies, **more)


CANCELLED = siu("S15", control="M2", version="V2")
MARK = "MilestoneRecorded"
SEQUENCE = [
    in_turn("S14 before S12 (snapshot): it creates, the older S12 is superseded",
            siu("S14", control="M2", version="V2"), BOOKED, told=NEW, answers="AA M2, AA M1"),
    in_turn("S14 before S12 (action codes): it waits for its booking",
            siu("S14", control="M2", version="V2", replace={"AIG": "AIG|1|A|CARM"}), told="", answers="AA M2",
            profile={"mode": "action_code"}),
    in_turn("S15, then a late S12: nothing is revived", BOOKED, CANCELLED, siu(control="M3"),
            told=f"{NEW}, CaseCancelled", answers="AA M1, AA M2, AA M3", status="cancelled"),
    in_turn("S15, then an S12 of a later version: noted, and still nothing is revived", BOOKED, CANCELLED,
            siu(control="M3", version="V3"), told=f"{NEW}, CaseCancelled, {NEW}", answers="AA M1, AA M2, AA M3",
            status="cancelled"),
    in_turn("A40 in a chain", BOOKED, merged("P2", "CANARYMRN77", "A1"), merged("P3", "P2", "A2"),
            told=f"{NEW}, {NEW}, {NEW}", answers="AA M1, AA A1, AA A2"),
    in_turn("A40 in a circle", merged("P2", "P1", "A1"), merged("P1", "P2", "A2"), told="", answers="AA A1, AA A2",
            reasons="merge_cycle"),
    in_turn("A40 of a patient into itself: nothing to merge", merged("P1", "P1", "A1"), told="", answers="AA A1"),
    in_turn("milestones out of order", BOOKED, stone("INCISION", "0930", "S1"), stone("WHEELS_IN", "0905", "S2"),
            told=f"{NEW}, {MARK}, {MARK}", answers="AA M1, AA S1, AA S2"),
    in_turn("a milestone corrected", BOOKED, stone("INCISION", "0930", "S1"), stone("INCISION", "0925", "S2", sent=12),
            told=f"{NEW}, {MARK}, {MARK}", answers="AA M1, AA S1, AA S2"),
    in_turn("a milestone told again", BOOKED, stone("INCISION", "0930", "S1"), stone("INCISION", "0930", "S2"),
            told=f"{NEW}, {MARK}", answers="AA M1, AA S1, AA S2"),
    in_turn("a milestone in the future", BOOKED, stone("INCISION", "2359", "S1"), told=f"{NEW}, CaseDoubted",
            answers="AA M1, AA S1", reasons="future_milestone"),
    in_turn("a milestone before its case", stone("INCISION", "0930", "S1"), BOOKED, told=f"{MARK}, {NEW}",
            answers="AA S1, AA M1"),
]  # fmt: skip

# --- the acknowledgement table, in every mode (MSH-15, MSH-16) -------------------------------------------------

CONDITIONS = ("", "AL", "NE", "ER", "SU")
_ERRORS = {Came.BAD_HEADER: "MSH-12 203", Came.MISDIRECTED: "MSH-11 202", Came.TOO_LONG: "MSH 207",
           Came.BAD_BATCH: "BTS-1 100"}  # fmt: skip
_REASONS = {Came.UNMAPPED: "wrong_body", Came.TOO_LONG: "too_long", Came.NO_FRAME: "broken_frame",
            Came.HALF_FRAME: "broken_frame"}  # fmt: skip


def contract(came: Came, accept: str, application: str) -> Row:
    """A row of the table in `domain/acknowledging.py`."""
    rule, modes = CONTRACT[came], {"f15": accept, "f16": application}
    body = with_msh(BOOKED, **modes)
    sent: dict[Came, bytes] = {
        Came.UNMAPPED: with_msh(siu(drop=("SCH",)), **modes),
        Came.REUSED: with_msh(siu(version="V2"), **modes),
        Came.BAD_HEADER: with_msh(BOOKED, **modes, f12="1.0"),
        Came.MISDIRECTED: with_msh(BOOKED, **modes, f11="T"),
        Came.BAD_BATCH: batch(body, count=7),
        Came.TOO_LONG: with_msh(siu(obx=("TX|X||" + "y" * 5 * 2**20,)), **modes),
    }
    body = sent.get(came, body)
    wire: dict[Came, tuple[bytes | float, ...]] = {
        Came.NO_FRAME: (VT + body[:90],),
        Came.HALF_FRAME: (VT + body[:90], 6.0),
        Came.LATE: (frame(body), 11.0),
        Came.NO_BYTES: (),
    }
    good = not rule.error
    codes = [rule.original] if not accept and not application else []
    if accept or application:
        codes = [rule.accept] * wanted(accept, good) + [rule.application] * wanted(application, good)
        codes = codes if good else codes[:1]
    codes = codes if rule.original else []
    kept = {Came.TOO_LONG: (body[:4096],), Came.NO_FRAME: (body[:90],), Came.HALF_FRAME: (body[:90],)}
    before = (with_msh(BOOKED, **modes),) if came in (Came.REPEATED, Came.REUSED) else ()
    told = [NEW] * (len(before) + rule.events)
    return Row(
        f"{came.name.lower()}, MSH-15 {accept or '-'}, MSH-16 {application or '-'}",
        wire.get(came, (frame(body),)),
        ", ".join(f"{code} M1" for code in codes),
        _ERRORS.get(came, "") if codes else "",
        rule.then,
        ", ".join(told),
        _REASONS.get(came, "bad_header" if rule.error else ""),
        kept.get(came, (body,)) if rule.raw else (),
        before,
        disk={Came.NOT_DURABLE: "full", Came.LATE: "slow"}.get(came, ""),
    )


TABLE = [contract(*row) for row in itertools.product(Came, CONDITIONS, CONDITIONS)]

# --- the test -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [*FRAMING, *HEADER, *BODY, *VALUES, *SEQUENCE, *TABLE], ids=lambda row: row.what)
def test_what_is_sent_is_answered_kept_and_told_as_the_table_says(row, caplog, capfd):
    stage = Stage(row.profile)
    earlier = stage.connect()
    for body in row.before:
        earlier.say(frame(body))
    stage.disk.full, stage.disk.slow = row.disk == "full", row.disk == "slow"
    sender = stage.connect()
    sender.say(*row.packets)
    assert sender.closed == (row.then is CLOSES)
    sender.leave()
    stage.disk.full = stage.disk.slow = False
    stage.disk.write()
    stage.hook.run()

    assert ", ".join(answer for heard in sender.answers for answer in acknowledged(heard)) == row.answers
    assert {error for heard in sender.answers for error in errors(heard)} == set(filter(None, [row.error]))
    kept = row.kept if row.kept is not None else ()
    fresh = tuple(body for body in kept if body not in row.before)
    assert stage.raw == [*row.before, *fresh]
    assert ", ".join(stage.reasons) == row.reasons
    assert ", ".join(type(event).__name__ for event in stage.events) == row.told
    assert row.status in ("", *(case.status for case in stage.ledger.day("main").cases.values()))
    assert len({event.id for event in stage.events}) == len(stage.events)

    next_one = stage.connect()
    next_one.say(frame(siu(case="NEXT", control="NEXT")))
    assert acknowledged(next_one.answers[0]) == ["AA NEXT"]
    logs = "".join([*capfd.readouterr(), caplog.text])
    said = [answer.decode("latin-1") for answer in (*sender.answers, *earlier.answers)]
    assert stage.in_clear(CANARIES, logs, *said) == []


def acknowledged(answer: bytes) -> list[str]:
    """MSA-1 and MSA-2 of each acknowledgement in a frame, whatever its delimiters."""
    found = re.findall(rb"\rMSA.([A-Z]{2}).([^\r]*)\r", answer)
    return [f"{code.decode()} {control.decode()}".strip() for code, control in found]


def errors(answer: bytes) -> list[str]:
    """Place and code of each ERR."""
    found = re.findall(rb"\rERR\|\|(\w+)(?:\^1\^(\d+))?\|(\d+)", answer)
    return [
        f"{segment.decode()}{'-' if field else ''}{field.decode()} {code.decode()}" for segment, field, code in found
    ]


# --- FHIR ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Post:
    """One request: a body, where to, and what is odd about its token."""

    body: bytes
    path: str = ""
    media: str = "application/fhir+json"
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FhirRow:
    """As above. `answers` are HTTP codes; `error` the first issue, code and element; `asked`: a query is owed."""

    what: str
    sent: tuple[Post, ...]
    answers: str
    error: str = ""
    told: str = ""
    reasons: str = ""
    kept: tuple[bytes, ...] = ()
    asked: int = 0
    disk: str = ""


def js(resource: Any) -> bytes:
    return json.dumps(resource, indent=1).encode()


def inside(*resources: Any) -> tuple[bytes, ...]:
    """Resources of a notification are kept in one rendering each."""
    return tuple(json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() for each in resources)


def one(what: str, resource: Any, answers: str, *, kept: bool = True, **more: Any) -> FhirRow:
    body = resource if isinstance(resource, bytes) else js(resource)
    path = f"/{resource['resourceType']}" if isinstance(resource, dict) else ""
    claims, media = more.pop("claims", {}), more.pop("media", "application/fhir+json")
    return FhirRow(what, (Post(body, path, media, claims),), answers, kept=(body,) if kept else (), **more)


APPOINTMENT, ENCOUNTER = f.appointment(), f.encounter()
R5 = f.encounter(actualPeriod={"start": "2026-03-02T09:00:00Z"})
FIRST = Post(notification("event-notification", 1, 1, resources=(APPOINTMENT,)))
HANDSHAKE = Post(notification("handshake", 0))

FHIR = [
    one("an Appointment", APPOINTMENT, "201", told=NEW),
    one("R5 on the R4 door: an element of R5", R5, "422", error="not-supported Encounter.actualPeriod",
        reasons="later_release"),
    one("R5 on the R4 door: by its media type", APPOINTMENT, "415", error="not-supported", kept=False,
        media="application/fhir+json; fhirVersion=5.0"),
    one("a status that is none", f.appointment(status="bogus"), "422", error="code-invalid Appointment.status",
        reasons="wrong_body"),
    one("no participant", f.appointment(participant=[]), "422", error="structure Appointment.participant",
        reasons="wrong_body"),
    one("an end without a start", f.appointment(start=None), "422", error="invariant Appointment.start",
        reasons="wrong_body"),
    FhirRow("a status that is none, of a case that is known",
            (Post(js(APPOINTMENT)), Post(js(f.appointment(status="bogus")))), "201, 422",
            "code-invalid Appointment.status", told=f"{NEW}, CaseDoubted", reasons="wrong_body",
            kept=(js(APPOINTMENT), js(f.appointment(status="bogus")))),
    one("no case id", f.appointment(identifier=None), "201", error="business-rule Appointment.identifier",
        reasons="no_case_id"),
    one("no JSON", b"{not json", "400", error="structure", kept=False),
    one("an expired token", APPOINTMENT, "401", error="login", kept=False, claims={"exp": -60}),
    one("a token for another door", APPOINTMENT, "401", error="login", kept=False, claims={"aud": "https://other"}),
    FhirRow("a jti shown twice", (Post(js(APPOINTMENT), "/Appointment", claims={"jti": "J"}),
                                  Post(js(ENCOUNTER), "/Encounter", claims={"jti": "J"})),
            "201, 401", "login", told=NEW, kept=(js(APPOINTMENT),)),
    FhirRow("events in order", (HANDSHAKE, FIRST), "200, 200", told=NEW, kept=inside(APPOINTMENT)),
    FhirRow("an event told again", (HANDSHAKE, FIRST, FIRST), "200, 200, 200", told=NEW, kept=inside(APPOINTMENT)),
    FhirRow("a skipped event number", (HANDSHAKE, FIRST, Post(notification("event-notification", 4, 4))),
            "200, 200, 200", told=NEW, kept=inside(APPOINTMENT), asked=1),
    FhirRow("a heartbeat that is ahead", (HANDSHAKE, FIRST, Post(notification("heartbeat", 3))), "200, 200, 200",
            told=NEW, kept=inside(APPOINTMENT), asked=1),
    FhirRow("R5 inside of a notification, then R4",
            (HANDSHAKE, Post(notification("event-notification", 1, 1, resources=(R5, APPOINTMENT)))), "200, 200",
            told=NEW, reasons="later_release", kept=inside(R5, APPOINTMENT)),
    one("a disk that takes nothing", APPOINTMENT, "503", error="transient", kept=False, disk="full"),
]  # fmt: skip


@pytest.mark.parametrize("row", FHIR, ids=lambda row: row.what)
def test_what_is_posted_is_answered_kept_and_told_as_the_table_says(row, tmp_path, caplog, capfd):
    door = FhirStage(tmp_path)
    stage = door.stage
    stage.disk.full = row.disk == "full"
    answers = [door.send(post.body, post.path, post.media, **post.claims) for post in row.sent]
    stage.disk.full = False
    assert ", ".join(str(answer.status_code) for answer in answers) == row.answers
    assert issue_of(answers[-1].json()) == row.error
    assert stage.raw == list(row.kept)
    assert ", ".join(stage.reasons) == row.reasons
    assert ", ".join(type(event).__name__ for event in stage.events) == row.told
    assert (door.asked, door.cursors.owed) == (row.asked, bool(row.asked))
    assert door.send(js(f.appointment("NEXT")), "/Appointment").status_code == 201
    logs = "".join([*capfd.readouterr(), caplog.text])
    assert stage.in_clear([*CANARIES, "1951-11-23"], logs, *(answer.text for answer in answers)) == []


def issue_of(outcome: dict[str, Any]) -> str:
    """Code and element of the first issue that is one."""
    found = [each for each in outcome.get("issue", ()) if each["code"] != "informational"]
    return " ".join([found[0]["code"], *found[0].get("expression", [])[:1]]) if found else ""
