"""What hospitals say in a day, as HL7 bytes: drawn from a seed, the same for the same seed.

A source speaks of a set of cases; each case lives: it is booked, changed a few times, the patient arrives, milestones
come, the patient goes to recovery. Most messages are therefore news about a case that is known, as at a real door,
and what is said in one hour is of the same kinds as what is said in the next.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = datetime(2026, 3, 2, tzinfo=UTC)
EVENING = DAY + timedelta(hours=29)  # all that is told has happened by then
ROOMS, SOURCES_A_SUITE = 10, 5
PER_CASE = 11.4  # messages that the life of a case has on average
_MILESTONES = ("WHEELS_IN", "ANAES_READY", "INCISION", "CLOSING", "PROC_END", "WHEELS_OUT")
_PROCEDURES = (
    ("5-820.00", "Hip replacement, uncemented", 100),
    ("5-511.11", "Laparoscopic cholecystectomy", 70),
    ("5-573.40", "Transurethral resection of a bladder tumour", 45),
    ("5-144.5a", "Phacoemulsification with lens implant", 25),
    ("5-361.03", "Coronary artery bypass graft, two vessels", 240),
    ("5-749.10", "Caesarean section, secondary", 50),
)
_SERVICES = ("ORT", "URO", "GEN", "GYN")
_FAMILIES = ("Zzyxcanary", "Meyer-Lüdenscheid", "O'Hara", "Ødegård", "Nguyễn", "Smith")
_STREETS = ("Canary Lane 7", "Hauptstraße 12a", "Rue de l'Église 3", "Long Acre 101")
_NOTES = (
    "free canary text: patient asks for a window bed",
    "Allergy to latex reported by telephone; see the chart for the rest of what was said",
    "Interpreter booked",
    "Family waits in room 12; ring before the patient goes to recovery",
)
CANARIES = ("Zzyxcanary", "Canary Lane", "canary text", "CANARYMRN")


@dataclass(frozen=True, slots=True)
class Said:
    """One message: who said it, its MSH-10, what it is, its bytes."""

    source: str
    control: str
    kind: str
    body: bytes

    @property
    def frame(self) -> bytes:
        return b"\x0b" + self.body + b"\x1c\r"

    def again(self, number: int) -> "Said":
        """The same statement after an outage: a new MSH-10 and a new MSH-7, all else the same."""
        control = f"{self.control}R{number}"
        head, line, rest = self.body.partition(b"\r")
        fields = head.split(b"|")
        sent = datetime.strptime(fields[6].decode(), "%Y%m%d%H%M%S%z") + timedelta(minutes=3, seconds=number % 60)
        fields[6], fields[9] = _stamp(sent).encode(), control.encode()
        return Said(self.source, control, self.kind, b"|".join(fields) + line + rest)


def source_name(number: int) -> str:
    """`SRC07`."""
    return f"SRC{number:02d}"


def site_file(sources: int = 50, names: dict[str, str] | None = None) -> str:
    """A site whose suites each hear five of these sources; `names` gives source -> suite instead."""
    heard = names or {source_name(k): f"suite{k // SOURCES_A_SUITE}" for k in range(sources)}
    hours = 'block_start: "07:30", block_end: "15:30", closes: "22:00"'
    rooms = "\n".join(f'      - {{id: "{k}", service: orthopaedics, {hours}}}' for k in range(1, ROOMS + 1))
    suites = "\n".join(f"  - id: {suite}\n    rooms:\n{rooms}" for suite in dict.fromkeys(heard.values()))
    listed = ", ".join(f"{source}: {{suite: {suite}}}" for source, suite in heard.items())
    aliases = ", ".join(f'OR{k:02d}: "{k}"' for k in range(1, ROOMS + 1))
    return f"""site: proof
timezone: Europe/Berlin
day_boundary: "04:00"
suites:
{suites}
hl7:
  sources: {{{listed}}}
  facility: DEMO
  rooms: {{{aliases}}}
  services: {{ORT: orthopaedics, URO: urology, GEN: general, GYN: gynaecology}}
  milestones: {{WHEELS_IN: patient_in_room, ANAES_READY: anaesthesia_ready, INCISION: procedure_start,
                CLOSING: closing, PROC_END: procedure_end, WHEELS_OUT: patient_out_of_room, PACU_IN: pacu_in}}
  pacu_locations: [PACU]
"""


def draw(source: str, count: int, seed: int = 1) -> list[Said]:
    """`count` messages of one source, in the order in which it sends them; another count is another day."""
    chance = random.Random(f"{seed}/{source}")
    cases = round(count / PER_CASE * 1.1) + 3
    lives: list[tuple[datetime, int, str, bytes]] = []
    for number in range(cases):
        lives += ((at, number, kind, body) for at, kind, body in _Case(source, number, chance).live())
    lives.sort(key=lambda told: told[:2])
    # The day is cut where enough has been said: the last cases are booked and not done, as at any hour.
    return [
        Said(source, control, kind, body.replace(b"@CONTROL@", control.encode(), 1))
        for k, (_, _, kind, body) in enumerate(lives[:count])
        for control in [f"{source}-{k:06d}"]
    ]


def mix(messages: Iterable[Said]) -> str:
    """`SIU^S14 34 %, ORU^R01 31 %, ...`: what a draw holds."""
    counted = Counter(said.kind for said in messages)
    total = sum(counted.values())
    return ", ".join(f"{kind} {100 * count / total:.0f} %" for kind, count in counted.most_common())


def size_of(messages: Sequence[Said]) -> str:
    """`1180 B on average, 420 to 1620`."""
    sizes = [len(said.body) for said in messages]
    return f"{sum(sizes) / len(sizes):.0f} B on average, {min(sizes)} to {max(sizes)}"


class _Case:
    """The life of one case."""

    def __init__(self, source: str, number: int, chance: random.Random) -> None:
        self._source, self._chance = source, chance
        self._id, self._visit = f"{source}C{number:05d}", f"V{source}{number:05d}"
        self._procedure = chance.choice(_PROCEDURES)
        self._minutes = self._procedure[2] + chance.randrange(-10, 30, 5)
        self._start = DAY + timedelta(minutes=5 * chance.randrange(12, 20 * 12))
        self._room = chance.randrange(1, ROOMS + 1)
        self._surgeon, self._asa = chance.randrange(100), chance.randrange(1, 5)
        self._service = chance.choice(_SERVICES)
        self._version = 0
        self._mode = "AL|NE" if source.endswith(("4", "9")) else "|"  # one source in five asks in enhanced mode
        born = 19300101 + 10000 * chance.randrange(80)
        self._pid = (
            f"PID|1||CANARYMRN{source}{number:05d}^^^DEMO^MR~{number:09d}^^^NAT^NI||{chance.choice(_FAMILIES)}^Ada^M^^Dr"
            f"||{born}|{chance.choice('MF')}||2106-3|{chance.choice(_STREETS)}^^Testburg^^12345^DE||+49-30-{number:07d}"
            f"|||M|||{number:011d}"
        )
        self._note = chance.choice(_NOTES)

    def live(self) -> Iterator[tuple[datetime, str, bytes]]:
        """What is said about it: when, of what kind, the message with a place for its control id."""
        chance = self._chance
        booked = self._start - timedelta(minutes=chance.uniform(10, 60))
        yield self._siu(booked, "S12")
        at = booked
        for _ in range(chance.choice((1, 2, 3, 3, 4, 6))):
            at = at + (self._start - at) * chance.uniform(0.1, 0.6)
            if chance.random() < 0.5:
                self._start += timedelta(minutes=5 * chance.randrange(-2, 7))
            if chance.random() < 0.25:
                self._room = chance.randrange(1, ROOMS + 1)
            yield self._siu(at, "S13" if chance.random() < 0.2 else "S14")
            at = max(at, booked)
        yield self._adt(at + timedelta(seconds=20), "A08", "WARD1")
        begin = max(self._start, at + timedelta(minutes=2))
        fate = chance.random()
        if fate < 0.05:
            yield self._siu(begin, "S15" if fate < 0.04 else "S26")
            return
        yield self._adt(begin - timedelta(minutes=1), "A08", "WARD1")
        yield from self._stay(begin)

    def _stay(self, moment: datetime) -> Iterator[tuple[datetime, str, bytes]]:
        chance = self._chance
        happened: list[tuple[str, datetime]] = []
        for code in _MILESTONES:
            happened.append((code, moment))
            told = moment + timedelta(seconds=chance.randrange(20, 180))
            if code != "ANAES_READY":  # some are told with the next one
                yield self._oru(told, happened[-2:])
            if chance.random() < 0.05:  # a correction, minutes later
                happened[-1] = (code, moment - timedelta(minutes=chance.randrange(1, 4)))
                yield self._oru(told + timedelta(seconds=30), happened[-1:])
            moment += timedelta(minutes=self._minutes * chance.uniform(0.1, 0.35))
        yield self._adt(moment, "A02", "PACU")
        if chance.random() < 0.4:
            yield moment + timedelta(seconds=30), "MDM^T02", self._lines(moment, "MDM^T02^MDM_T02", "TXA|1|OP|TX")

    def _head(self, sent: datetime, kind: str) -> str:
        return (
            f"MSH|^~\\&|{self._source}|DEMO|ORLOOP|ORLOOP|{_stamp(sent)}||{kind}|@CONTROL@|P|2.5.1"
            f"|||{self._mode}||UNICODE UTF-8"
        )

    def _lines(self, sent: datetime, kind: str, *lines: str) -> bytes:
        return "".join(line + "\r" for line in (self._head(sent, kind), *lines)).encode()

    def _visited(self, location: str, temporary: str = "") -> str:
        attending = f"{self._surgeon:04d}^Meyer^Anna^^^Dr"
        return f"PV1|1|I|{location}|R|||{attending}|||{self._service}|{temporary}||||||||{self._visit}"

    def _siu(self, sent: datetime, trigger: str) -> tuple[datetime, str, bytes]:
        self._version += 1
        start, end = _stamp(self._start), _stamp(self._start + timedelta(minutes=self._minutes))
        status = "Cancelled" if trigger == "S15" else "Noshow" if trigger == "S26" else "Booked"
        code, text, _ = self._procedure
        return (
            sent,
            f"SIU^{trigger}",
            self._lines(
                sent,
                f"SIU^{trigger}^SIU_S12",
                f"SCH|{self._id}^EHR|{self._id}^EHR|||V{self._version}|CHANGED|ELECTIVE|NORMAL|{self._minutes}|min"
                f"|^^{self._minutes}^{start}^{end}|||||{self._surgeon:04d}^Meyer^Anna||||{self._surgeon:04d}^Desk^Theo"
                f"|||||{status}",
                f"TQ1|1||||||{start}|{end}|4^Elective",
                f"NTE|1|L|{self._note}",
                self._pid,
                self._visited("WARD1^12^A^DEMO"),
                f"OBX|1|NM|ASA||{self._asa}||||||F",
                "OBX|2|ST|ANAESTHESIA||general||||||F",
                "DG1|1|ICD|M16.1^Osteoarthritis of the hip^I10||20260101|A",
                "RGS|1|U|OR",
                f"AIS|1|U|{code}^{text}^OPS|{start}|||{self._minutes}|min|N|{status}",
                f"AIG|1|U|LAPTOWER^Laparoscopy tower|EQUIPMENT||||{start}|||{self._minutes}|min|N|{status}",
                f"AIL|1|U|OR{self._room:02d}^^^DEMO|OR||{start}|||{self._minutes}|min||{status}",
                f"AIP|1|U|{self._surgeon:04d}^Meyer^Anna^^^Dr|SURGEON||{start}|||{self._minutes}|min|N|{status}",
                f"AIP|2|U|{500 + self._surgeon:04d}^Okafor^Ben|ANAESTHETIST||{start}|||{self._minutes}|min|N|{status}",
            ),
        )

    def _oru(self, sent: datetime, happened: list[tuple[str, datetime]]) -> tuple[datetime, str, bytes]:
        found = [f"OBX|{k}|DTM|{code}||{_stamp(at)}||||||F|||{_stamp(at)}" for k, (code, at) in enumerate(happened, 1)]
        obr = f"OBR|1|{self._id}|{self._id}|ORTIMES^Theatre record^L|||{_stamp(sent)}||||||||||||||||||F"
        kind, order = "ORU^R01", f"ORC|RE|{self._id}|{self._id}"
        lines = self._lines(sent, f"{kind}^ORU_R01", self._pid, self._visited("WARD1^12^A^DEMO"), order, obr, *found)
        return sent, kind, lines

    def _adt(self, sent: datetime, trigger: str, location: str) -> tuple[datetime, str, bytes]:
        evn = f"EVN|{trigger}|{_stamp(sent)}||||{_stamp(sent)}"
        structure = "ADT_A01" if trigger == "A08" else "ADT_A02"
        body = self._lines(sent, f"ADT^{trigger}^{structure}", evn, self._pid, self._visited(location))
        return sent, f"ADT^{trigger}", body


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S+0000")
