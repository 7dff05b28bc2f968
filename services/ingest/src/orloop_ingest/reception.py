"""What one frame leads to: an arrival that is stored and acknowledged, then what it means to the log.

No socket, no disk and no broker here. `arrive` reads the header, knows duplicates and seals the body; that is all an
acknowledgement waits for. `read` maps it into records: `first` must be durable before `then` is sent.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from orloop_common.domain.derived import RawMessage
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.messages import HL7_RAW
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import CannotDecrypt
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Fault as FrameFault
from orloop_common.runtime.mllp import FaultKind, Frame
from orloop_common.runtime.records import Output

from . import metrics
from .arriving import HEADS, HL7, STRANGER, Arrival, Received, due, opened_heads, refuse, unpack
from .bodies import pack_body, unpack_body
from .domain import hl7 as h
from .domain.acknowledging import Answers, answers
from .domain.hl7 import Message, SourceProfile, default_profile
from .domain.pseudonyms import Pseudonyms
from .domain.quarantine import Quarantined, Reason
from .domain.settling import Settled, settle
from .domain.told import Told
from .domain.understanding import understand
from .ledger import Ledger
from .outputs import event_output, identity_output, pointer_output, raw_output
from .remembered import Remembered

__all__ = ["HL7", "Arrival", "Received", "Reception", "event_output", "pointer_output"]
_log = get_logger("reception")
LONGEST_TOKEN = 900_000  # what a Kafka record takes at most, less room for headers
_KEPT_HEAD = 65_536
_REMEMBERED = 100_000
_ALL = 2**62


class Reception:
    """Reads messages of all doors; not thread-safe, lives in the doors' thread."""

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        pseudonyms: Pseudonyms,
        encrypt: Callable[[bytes], bytes],
        clock: Clock,
        hear: Callable[[str, datetime], None] = lambda source, at: None,
        *,
        seal: Callable[[bytes], bytes] | None = None,
        open_token: Callable[[bytes], bytes] | None = None,
        profiles: Mapping[str, SourceProfile] | None = None,
    ) -> None:
        self._site, self._ledger, self._pseudonyms = site, ledger, pseudonyms
        self._encrypt, self._clock, self._hear = encrypt, clock, hear
        self.stamp: Callable[[h.Header, datetime], None] = lambda header, received: None
        self._seal, self._open = seal or encrypt, open_token
        self._sources = frozenset(site.hl7.sources) if site.hl7 else frozenset()
        self._profiles = profiles or {source: default_profile(site, source) for source in self._sources}
        self._known = Remembered[datetime](_REMEMBERED)
        self._stored = Remembered[datetime](_ALL)
        self._bodies = Remembered[int](_REMEMBERED)
        self._counts: dict[tuple[str, str], Callable[[], None]] = {}
        self.asked: set[str] | None = None  # ids of duplicates, while it is not known whether our journal was lost

    def arrive(self, frame: Frame, allowed: Callable[[str], bool] | None = None) -> Arrival:
        """A whole frame: its header, whether it is a duplicate, its sealed body, its answers.

        Parameters
        ----------
        allowed
            Whether the connection's certificate speaks for a source; None: for any.
        """
        body, broken = frame.payload, ""
        header, message, members = opened_heads(body, self._judged)
        for kind in frame.faults:
            metrics.FRAME_FAULTS.labels(kind).inc()
            if kind is FaultKind.FS_INSIDE:
                broken = kind.value
        if allowed is not None and not allowed(header.application):
            broken = STRANGER
        header = self._judged(header, broken)
        hash = sha256(body).hexdigest()
        id = derived_id("raw", header.application, header.facility, header.control_id, hash)
        now = self._clock.now()
        if header.application in self._sources:
            self._hear(header.application, now)
            self.stamp(header, now)
        known = self._known.get(id)
        if known is not None:
            if self.asked is not None:
                self.asked.add(id)
            known_answers = due(header, members, known, id)
            return Arrival(id, HL7, known, broken, "", header, answers=known_answers, repeated=True)
        stored = self._stored.get(id)
        received = stored or now
        token = self._token(body)
        if len(token) > LONGEST_TOKEN:
            body, broken, message, members = body[:_KEPT_HEAD], FaultKind.TOO_LONG.value, None, ()
            header, token = refuse(header, broken), self._token(body)
        return Arrival(
            id,
            HL7,
            received,
            broken,
            token,
            header,
            body,
            message,
            members,
            answers=due(header, members, received, id),
            reread=stored is not None,
            reused=stored is None and self._flag_reuse(header, hash),
            length=len(frame.payload),
        )

    def arrive_broken(self, fault: FrameFault) -> Arrival:
        """Keep the head of what is no whole frame. Only what is too long is answered, if its head names an id."""
        metrics.FRAME_FAULTS.labels(fault.kind).inc()
        received, broken = self._clock.now(), fault.kind.value
        header = refuse(h.header_of_head(fault.data), broken)
        id = derived_id("broken", broken, str(fault.length), sha256(fault.data).hexdigest(), received.isoformat())
        answered = fault.kind is FaultKind.TOO_LONG and header.control_id
        found = answers(header, received, id) if answered else Answers()
        token = self._token(fault.data)
        return Arrival(id, HL7, received, broken, token, header, fault.data, answers=found, length=fault.length)

    def arrive_told(self, told: Told, body: bytes, kind: str) -> Arrival:
        """What another door read: a resource, a file."""
        header = h.Header(application=told.source, kind=kind)
        return Arrival(told.raw, kind, told.received, "", self._token(body), header, body, told=told, length=len(body))

    def arrive_again(self, record: RawMessage) -> Arrival:
        """A raw record that was kept, to be read once more."""
        broken = record.problem.partition(":")[0] if record.problem else ""
        kept = {Reason.TOO_LONG.value: FaultKind.TOO_LONG.value, Reason.BROKEN_FRAME.value: FaultKind.CUT_SHORT.value}
        kind = record.message_type if ":" in record.message_type else HL7
        arrival = self._opened(record.id, kind, record.received, kept.get(broken, ""), record.payload)
        arrival.reread = True
        return arrival

    def reopen(self, sealed: bytes) -> Arrival:
        """An arrival as the journal kept it."""
        return self._opened(*unpack(sealed))

    def _opened(self, id: str, kind: str, received: datetime, broken: str, token: str) -> Arrival:
        if self._open is None:
            raise CannotDecrypt("Expected a key to open what was kept, got none.\nMaybe this reception only seals.")
        body = unpack_body(self._open(token.encode("ascii")))
        arrival = Arrival(id, kind, received, broken, token, h.Header(), body, length=len(body))
        arrival.reread = id in self._stored
        if kind == HL7:
            if broken in HEADS:
                arrival.header = refuse(h.header_of_head(body), broken)
            else:
                header, arrival.message, arrival.members = opened_heads(body, self._judged)
                arrival.header = self._judged(header, broken)
        return arrival

    def remember(self, id: str, received: datetime, *, stored: bool = False) -> None:
        """This id is stored. With `stored` it lies on the broker since before a restart: read it again if it comes."""
        if stored:
            self._stored.set(id, received)
            return
        self._known.set(id, received)

    def remember_sealed(self, sealed: bytes) -> None:
        """An entry of the journal is stored."""
        id, _, received, _, _ = unpack(sealed)
        self.remember(id, received)

    @staticmethod
    def id_of(sealed: bytes) -> str:
        """The id of an entry of the journal."""
        return unpack(sealed)[0]

    def forget(self, ids: Iterable[str]) -> None:
        """These are not stored after all."""
        for id in ids:
            self._known.pop(id)

    def label(self, arrival: Arrival) -> str:
        """The source as a metric's label."""
        return self._label(arrival.header)

    def knows(self, id: str) -> bool:
        """Whether this process made it durable."""
        return id in self._known

    def receive(self, frame: Frame) -> Received:
        """Arrive and read at once."""
        arrival = self.arrive(frame)
        if arrival.repeated:
            return Received(arrival.id, self._label(arrival.header), "repeated", answers=arrival.answers.all)
        return self.read(arrival)

    def refuse(self, fault: FrameFault) -> Received:
        """Arrive and read what is no whole frame."""
        return self.read(self.arrive_broken(fault))

    def settled(self, done: Received) -> None:
        """All of it is durable: remember and count it."""
        self._ledger.written(done.events)
        count = self._counts.get((done.source, done.outcome))
        if count is None:
            count = self._counts[done.source, done.outcome] = metrics.MESSAGES.labels(done.source, done.outcome).inc
        count()
        if done.problem is not None:
            metrics.QUARANTINED.labels(done.problem.reason).inc()
        if (stored := self._stored.pop(done.id)) is not None:
            self.remember(done.id, stored)
        for output in done.first:
            if output.topic == HL7_RAW:
                self.remember(done.id, output.message.received)

    def read(self, arrival: Arrival) -> Received:
        """What it means: the records to write. What it tells is expected by the ledger from now on."""
        stored = self._stored.get(arrival.id)
        if stored is not None:  # it came before the log could be read
            arrival.reread, arrival.received = True, stored
        header, id, received = arrival.header, arrival.id, arrival.received
        if arrival.broken in HEADS:
            reason = Reason.TOO_LONG if arrival.broken == FaultKind.TOO_LONG.value else Reason.BROKEN_FRAME
            mapped = Settled(problem=Quarantined(reason))
        elif arrival.told is not None:
            mapped = self._settle(arrival.told)
        elif arrival.members and header.fault is None:
            mapped = self._map_members(arrival)
        elif header.fault is not None or arrival.message is None:
            mapped = Settled(problem=Quarantined(Reason.BAD_HEADER, header.fault.field if header.fault else "MSH"))
        else:
            mapped = self._map(arrival.message, header, received, id)
        for note in (*mapped.notes, *(("control_id_reused",) if arrival.reused else ())):
            metrics.NOTES.labels(note).inc()
        news = tuple(e for e in mapped.events if not self._ledger.is_written(e))
        self._ledger.expect(news, records=mapped.identities)
        if mapped.problem is not None:
            _tell(header, mapped.problem, id)
        first = [] if arrival.reread else [self._raw(arrival, mapped.problem)]
        first += [identity_output(draft, received, id, self._encrypt) for draft in mapped.identities]
        return Received(
            id=id,
            source=self._label(header),
            outcome=_outcome(header, mapped, news),
            first=tuple(first),
            then=tuple(event_output(e, id) for e in news),
            events=news,
            records=mapped.identities,
            problem=mapped.problem,
            answers=arrival.answers.all,
        )

    def read_nothing(self, arrival: Arrival) -> Received:
        """The raw record alone: for what our own reading cannot survive. Nothing of it is expected."""
        problem = Quarantined(Reason.MAPPER_FAILED)
        _tell(arrival.header, problem, arrival.id)
        raw = (self._raw(arrival, problem),)
        return Received(arrival.id, self._label(arrival.header), "quarantined", raw, problem=problem)

    def _map_members(self, arrival: Arrival) -> Settled:
        """Each message of a batch in its turn; one that cannot be read stops none of the others."""
        every: list[Settled] = []
        for header, message in arrival.members:
            if header.fault is not None or message is None:
                one = Settled(problem=Quarantined(Reason.BAD_HEADER, header.fault.field if header.fault else "MSH"))
            else:
                one = self._map(message, header, arrival.received, arrival.id)
            self._ledger.expect([e for e in one.events if not self._ledger.is_written(e)], records=one.identities)
            every.append(one)
        return Settled(
            events=tuple(event for one in every for event in one.events),
            identities=tuple(draft for one in every for draft in one.identities),
            problem=next((one.problem for one in every if one.problem is not None), None),
            notes=tuple(note for one in every for note in one.notes),
        )

    def _judged(self, header: h.Header, broken: str) -> h.Header:
        """The header with what the frame, the certificate and the source's profile say against it."""
        if broken:
            return refuse(header, broken)
        profile = self._profiles.get(header.application)
        if header.fault is None and profile is not None and (fault := h.misdirected(header, profile)) is not None:
            return replace(header, fault=fault)
        return header

    def _token(self, body: bytes) -> str:
        return self._seal(pack_body(body)).decode("ascii")

    def _map(self, message: Message, header: h.Header, received: datetime, id: str) -> Settled:
        profile = self._profiles.get(header.application)
        if profile is None or profile.suite not in self._ledger.suites:
            return Settled(problem=Quarantined(Reason.UNKNOWN_SOURCE, "MSH-3"))
        known = self._ledger.known(profile.suite)
        try:
            return understand(message, header, profile, self._site, received, known, self._pseudonyms, id)
        except Exception as error:  # noqa: BLE001 - the sender cannot mend our fault by sending again
            _log.error("mapper_failed", message_type=header.type, raw=id, exc_info=error)
            return Settled(problem=Quarantined(Reason.MAPPER_FAILED))

    def _settle(self, told: Told) -> Settled:
        if told.suite not in self._ledger.suites:
            return Settled(problem=Quarantined(Reason.UNKNOWN_SOURCE, "suite"))
        return settle(told, self._ledger.known(told.suite), self._pseudonyms)

    def _raw(self, arrival: Arrival, problem: Quarantined | None) -> Output:
        suite = arrival.told.suite if arrival.told is not None else self._suite(arrival.header)
        return raw_output(arrival, suite, problem)

    def _suite(self, header: h.Header) -> str:
        profile = self._profiles.get(header.application)
        return profile.suite if profile is not None else self._site.suites[0].id

    def _label(self, header: h.Header) -> str:
        known = header.application in self._sources or header.kind.startswith("fhir:")
        return header.application if known else "unknown"

    def _flag_reuse(self, header: h.Header, digest: str) -> bool:
        key, said = hash((header.application, header.facility, header.control_id)), int(digest[:16], 16)
        held = self._bodies.get(key)
        self._bodies.set(key, said)
        return held is not None and held != said


def _tell(header: h.Header, problem: Quarantined, id: str) -> None:
    """What may be logged of a message that is in quarantine."""
    _log.warning(
        "message_quarantined",
        reason=problem.reason.value,
        sentence=str(problem),
        application=header.application,
        facility=header.facility,
        message_type=header.type,
        control_id=header.control_id,
        version=header.version,
        raw=id,
    )


def _outcome(header: h.Header, mapped: Settled, news: tuple[Event, ...]) -> str:
    if header.fault is not None:
        return "refused"
    if mapped.problem is not None:
        return "quarantined"
    return "mapped" if news else "nothing"
