"""What one frame leads to: records to write, in order, and the acknowledgement that follows them.

No socket and no broker here: the MLLP adapter writes `first`, then `then`, then answers.
"""

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from orloop_common.domain.derived import DeadLetter, RawMessage
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS
from orloop_common.messages.identity import SenderIdentity, seal_identity
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Fault as FrameFault
from orloop_common.runtime.mllp import FaultKind, Frame
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

from . import metrics
from .domain import header as h
from .domain.mapping import Mapped, map_message, suite_of
from .domain.pseudonyms import Pseudonyms
from .domain.quarantine import Quarantined, Reason
from .domain.tokens import Message
from .ledger import Ledger

_log = get_logger("reception")
LONGEST_TOKEN = 900_000  # what a Kafka record takes at most, less room for headers
_KEPT_HEAD = 65_536
_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Received:
    """One frame, read: `first` must be durable before `then` is sent, and both before `answers`."""

    id: str
    source: str
    outcome: str
    first: tuple[Output, ...] = ()
    then: tuple[Output, ...] = ()
    events: tuple[Event, ...] = ()
    case: str | None = None
    identity: SenderIdentity | None = None
    problem: Quarantined | None = None
    answers: tuple[bytes, ...] = ()


class Reception:
    """Reads frames of all connections; not thread-safe, lives in the doors' thread."""

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        pseudonyms: Pseudonyms,
        encrypt: Callable[[bytes], bytes],
        clock: Clock,
        hear: Callable[[str], None] = lambda source: None,
    ) -> None:
        self._site, self._ledger, self._pseudonyms = site, ledger, pseudonyms
        self._encrypt, self._clock, self._hear = encrypt, clock, hear
        self._answered: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()
        self._bodies: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    def receive(self, frame: Frame) -> Received:
        """Read a whole frame. What it tells is expected by the ledger from now on."""
        header, message = h.read_header(frame.payload)
        if FaultKind.FS_INSIDE in frame.faults:
            header = replace(header, fault=h.Fault("100", "MSH", "Expected no FS inside of a frame."))
        for kind in frame.faults:
            metrics.FRAME_FAULTS.labels(kind).inc()
        hash = sha256(frame.payload).hexdigest()
        id = derived_id("raw", header.application, header.facility, header.control_id, hash)
        self._hear_of(header)
        stored = self._answered.get(id)
        if stored is not None:
            return Received(id, self._label(header), "repeated", answers=stored)
        return self._read(frame.payload, header, message, id, self._flag_reuse(header, hash))

    def refuse(self, fault: FrameFault) -> Received:
        """Keep the head of what is no whole frame. Only what is too long is answered."""
        metrics.FRAME_FAULTS.labels(fault.kind).inc()
        received, long = self._clock.now(), fault.kind is FaultKind.TOO_LONG
        problem = Quarantined(Reason.TOO_LONG if long else Reason.BROKEN_FRAME)
        header = h.header_of_head(fault.data)
        id = derived_id("broken", fault.kind, str(fault.length), sha256(fault.data).hexdigest(), received.isoformat())
        header = replace(header, fault=h.Fault("207", "MSH", problem.reason.sentence))
        raw = self._raw(fault.data, header, id, received, problem)
        answers = h.answers(header, received, id) if long and header.control_id else ()
        return Received(id, self._label(header), "refused", (raw,), problem=problem, answers=answers)

    def settled(self, done: Received) -> None:
        """All of it is durable: remember the answer, count it."""
        self._ledger.written(done.events)
        metrics.MESSAGES.labels(done.source, done.outcome).inc()
        if done.problem is not None:
            metrics.QUARANTINED.labels(done.problem.reason).inc()
        if done.first:
            self._answered[done.id] = done.answers
            if len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)

    def failed(self, lost: Received) -> None:
        """Not known to be durable: the sender will send it again, and then it is new."""
        self._ledger.forget(lost.events, lost.case)

    def _read(self, body: bytes, header: h.Header, message: Message | None, id: str, reused: bool) -> Received:
        received = self._clock.now()
        mapped = Mapped()
        if header.fault is not None or message is None:
            mapped = Mapped(problem=Quarantined(Reason.BAD_HEADER, header.fault.field if header.fault else "MSH"))
        else:
            mapped = self._map(message, header, received, id)
        raw = self._raw(body, header, id, received, mapped.problem)
        if len(raw.message.payload) > LONGEST_TOKEN:
            header = replace(header, fault=h.Fault("207", "MSH", Reason.TOO_LONG.sentence))
            mapped = Mapped(problem=Quarantined(Reason.TOO_LONG))
            raw = self._raw(body[:_KEPT_HEAD], header, id, received, mapped.problem)
        for note in (*mapped.notes, *(("control_id_reused",) if reused else ())):
            metrics.NOTES.labels(note).inc()
        news = tuple(e for e in mapped.events if not self._ledger.is_written(e))
        self._ledger.expect(news, mapped.case, mapped.identity)
        self._tell(header, mapped, id)
        first = [raw]
        if mapped.case is not None and mapped.identity is not None:
            first.append(self._sealed(mapped.case, mapped.identity, received, id))
        return Received(
            id=id,
            source=self._label(header),
            outcome=_outcome(header, mapped, news),
            first=tuple(first),
            then=tuple(event_output(e, id) for e in news),
            events=news,
            case=mapped.case if mapped.identity is not None else None,
            identity=mapped.identity,
            problem=mapped.problem,
            answers=h.answers(header, received, id),
        )

    def _map(self, message: Message, header: h.Header, received: datetime, id: str) -> Mapped:
        suite = suite_of(header, self._site)
        if suite is None or suite not in self._ledger.suites:
            return Mapped(problem=Quarantined(Reason.UNKNOWN_SOURCE, "MSH-3"))
        known = self._ledger.known(suite)
        try:
            return map_message(message, header, self._site, received, known, self._pseudonyms, id)
        except Exception as error:  # noqa: BLE001 - the sender cannot mend our fault by sending again
            _log.error("mapper_failed", message_type=header.type, raw=id, exc_info=error)
            return Mapped(problem=Quarantined(Reason.MAPPER_FAILED))

    def _raw(self, body: bytes, header: h.Header, id: str, received: datetime, problem: Quarantined | None) -> Output:
        token = self._encrypt(zlib.compress(body, 6)).decode("ascii")
        record = RawMessage(
            id=id,
            source=header.application,
            received=received,
            payload=token,
            control_id=header.control_id if header.control_id.isprintable() else "",
            message_type=header.type,
            problem=f"{problem.reason}: {problem}" if problem is not None else None,
        )
        return Output(HL7_RAW, header.application or "unknown", self._suite(header), record, id, at=received)

    def _sealed(self, case: str, identity: SenderIdentity, received: datetime, id: str) -> Output:
        record = seal_identity(case, received, identity, self._encrypt)
        key = f"{identity.suite}/{case}"
        return Output(CASE_IDENTITY, key, identity.suite, record, derived_id("identity", case, id), id, received)

    def _suite(self, header: h.Header) -> str:
        return suite_of(header, self._site) or self._site.suites[0].id

    def _label(self, header: h.Header) -> str:
        known = self._site.hl7 is not None and header.application in self._site.hl7.sources
        return header.application if known else "unknown"

    def _hear_of(self, header: h.Header) -> None:
        if self._site.hl7 is not None and header.application in self._site.hl7.sources:
            self._hear(header.application)

    def _flag_reuse(self, header: h.Header, hash: str) -> bool:
        key = (header.application, header.facility, header.control_id)
        held = self._bodies.get(key)
        self._bodies[key] = hash
        if len(self._bodies) > _REMEMBERED:
            self._bodies.popitem(last=False)
        return held is not None and held != hash

    def _tell(self, header: h.Header, mapped: Mapped, id: str) -> None:
        if mapped.problem is None:
            return
        _log.warning(
            "message_quarantined",
            reason=mapped.problem.reason.value,
            sentence=str(mapped.problem),
            application=header.application,
            facility=header.facility,
            message_type=header.type,
            control_id=header.control_id,
            version=header.version,
            raw=id,
        )


def _outcome(header: h.Header, mapped: Mapped, news: tuple[Event, ...]) -> str:
    if header.fault is not None:
        return "refused"
    if mapped.problem is not None:
        return "quarantined"
    return "mapped" if news else "nothing"


def event_output(event: Event, cause: str) -> Output:
    """An event on its suite's log."""
    return Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, cause, event.at)


def raw_output(
    id: str, source: str, suite: str, kind: str, received: datetime, token: str, problem: Quarantined | None
) -> Output:
    """The raw record of a message that did not come as a frame."""
    told = f"{problem.reason}: {problem}" if problem is not None else None
    record = RawMessage(id=id, source=source, received=received, payload=token, message_type=kind, problem=told)
    return Output(HL7_RAW, source or "unknown", suite, record, id, at=received)


def pointer_output(
    id: str, source: str, suite: str, problem: Quarantined, place: Delivered, received: datetime
) -> Output:
    """The dead letter of a quarantined message: where its raw record lies, and why."""
    letter = DeadLetter(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        reason=f"{problem.reason}: {problem}",
        service="ingest",
        at=received,
    )
    return Output(f"{HL7_RAW}.dlq", source, suite, letter, derived_id("DeadLetter", id), id, received)
