"""Ingest's door on a stage: all of the real road but socket, disk and broker, which do as they are told.

Frames go through the real decoder, connection, reception, intake and settling; what is posted is encoded as for Kafka
and folded back by ingest's own flow. Afterwards one can ask what a connection heard, what lies on the topics, and
whether a word of the patient stands anywhere in clear.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from siu_words import make_site

from orloop_common.domain.events import Event
from orloop_common.messages import HL7_RAW, SUITE_EVENTS
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.cloudevents import encode_headers
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.crypto import PayloadCipher, generate_key
from orloop_common.runtime.metrics import exposition
from orloop_common.runtime.records import Output, Record
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.mllp import Connection, Limits, MllpDoor
from orloop_ingest.arriving import Arrival
from orloop_ingest.domain.hl7 import SourceProfile
from orloop_ingest.domain.hl7.profile_file import parse_profile
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.flow import IngestFlow
from orloop_ingest.intake import Intake
from orloop_ingest.ledger import Ledger
from orloop_ingest.reception import Reception

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = generate_key()
SECRET = Pseudonyms(b"s" * 32)
CODEC = default_codec()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lying:
    """One record as the broker has it."""

    output: Output
    bytes: bytes


class Disk:
    """The journal: it takes all at once, nothing (`full`), or what came so far when it is told to (`slow`)."""

    def __init__(self, hook: "Hook") -> None:
        self.full = self.slow = False
        self.entries: list[bytes] = []
        self.drained = self.size = 0
        self.waiting: deque[list[Arrival]] = deque()
        self.intake: Intake
        self._hook = hook

    @property
    def last(self) -> int:
        return len(self.entries)

    def put(self, arrivals: Sequence[Arrival]) -> None:
        if arrivals:
            self.waiting.append(list(arrivals))
            if not self.slow:
                self._hook.call_soon(self.write)

    def write(self) -> None:
        while self.waiting:
            batch = self.waiting.popleft()
            error = OSError(28, "No space left on device") if self.full else None
            if error is None:
                self.entries += [arrival.sealed() for arrival in batch]
            else:
                self.waiting.clear()  # what follows a lost one is lost with it
            self.intake.committed(batch, self.last, error)

    def read(self, after: int, most: int) -> list[tuple[int, bytes]]:
        return [(n, entry) for n, entry in enumerate(self.entries, 1) if n > after][:most]


class Log:
    """The broker: it has a record once `serve` was called, and then ingest's own fold has it, too."""

    def __init__(self, flow: IngestFlow) -> None:
        self.lying: list[Lying] = []
        self._flow = flow
        self._posted: deque[tuple[Output, Callable[[Exception | None, int], None]]] = deque()

    def post(self, output: Output, done: Callable[[Exception | None, int], None]) -> bool:
        self._posted.append((output, done))
        return True

    def serve(self) -> None:
        while self._posted:
            output, done = self._posted.popleft()
            message = output.message
            headers = encode_headers(
                id=output.id,
                service="ingest",
                type=CODEC.ce_type_of(message),
                subject=output.suite,
                time=output.at or NOON,
                dataschema=CODEC.dataschema_of(message),
                traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
                cause=output.cause,
            )
            text = b" ".join([output.key.encode(), CODEC.encode(message), *(value for _, value in headers)])
            self.lying.append(Lying(output, text))
            told = {name: value.decode() for name, value in headers}
            place = len(self.lying)
            self._flow.fold(Record(output.topic, 0, place, output.key, output.suite, message, told, NOON))
            done(None, place)


class Hook:
    """The event loop: callbacks run when the stage says so."""

    def __init__(self) -> None:
        self.soon: deque[Callable[[], None]] = deque()
        self.later: deque[Callable[[], None]] = deque()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.later.append(callback)

    def run(self) -> None:
        for _ in range(4):
            self.soon += self.later
            self.later.clear()
            for _ in range(len(self.soon)):
                self.soon.popleft()()
            while self.soon:
                self.soon.popleft()()


class Sender:
    """The other end of a connection: what it heard, and whether it was hung up on."""

    def __init__(self, stage: "Stage") -> None:
        self.heard, self.closed = b"", False
        self._stage = stage
        self._connection = Connection(stage.door)
        self._connection.connection_made(self)  # type: ignore[arg-type]  # it is its own transport

    def say(self, *wire: bytes | float) -> None:
        """Bytes are packets, numbers are seconds of silence."""
        for part in wire:
            if isinstance(part, bytes):
                self._connection.data_received(part)
                self._stage.hook.run()
            else:
                self._stage.wait(part)

    def leave(self) -> None:
        """Close from the sender's side."""
        if not self.closed:
            self.closed = True
            self._connection.connection_lost(None)
        self._stage.hook.run()

    @property
    def answers(self) -> list[bytes]:
        """Acknowledgements, one by one; those of a batch, too."""
        return self.heard.replace(b"\x0b", b"").split(b"\x1c\r")[:-1]

    # --- a transport ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.heard += data

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str) -> Any:
        return None


class Stage:
    """One ingest at noon of 2 March 2026: suite `main`, source TWIN.

    Parameters
    ----------
    profile
        What the source's profile says beside the default.
    """

    def __init__(self, profile: Mapping[str, Any] | None = None, **limits: Any) -> None:
        self.now = 0.0
        self.site = parse_site(make_site())
        self.clock, self.ledger, self.hook = ManualClock(NOON), Ledger(self.site, ["main"]), Hook()
        self.cipher = PayloadCipher(KEY)
        flow = IngestFlow(self.site, self.ledger, self.cipher, self.clock, timedelta(minutes=15), timedelta(seconds=10))
        self.reception = Reception(
            self.site,
            self.ledger,
            SECRET,
            self.cipher.encrypt,
            self.clock,
            flow.hear,
            open_token=self.cipher.decrypt,
            profiles=self._profiles(profile),
        )
        self.disk, self.log = Disk(self.hook), Log(flow)
        self.intake = Intake(
            self.reception, self.disk, self.log, self.hook, limit_bytes=10**9, monotonic=lambda: self.now
        )
        self.disk.intake = self.intake
        self.intake.start()
        self.door = MllpDoor(self.clock, Limits(frame_bytes=4 * 2**20, half_frame_seconds=5.0, **limits))
        self.door.intake, self.door.monotonic = self.intake, lambda: self.now
        self.door._loop = self.hook  # type: ignore[assignment]  # `call_soon` is all it is asked for

    def connect(self) -> Sender:
        return Sender(self)

    def wait(self, seconds: float) -> None:
        """Time goes by, and the door minds it."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.25)
            self.door._sweep()
            self.hook.run()

    def play(self, story: Callable[[], Awaitable[T]]) -> T:
        """What is awaited, while the hook runs."""

        async def both() -> T:
            waited = asyncio.ensure_future(story())
            while not waited.done():
                self.hook.run()
                await asyncio.sleep(0)
            return waited.result()

        return asyncio.run(both())

    @property
    def raw(self) -> list[bytes]:
        """The bytes of every message that was kept, in order."""
        kept = [each.output.message for each in self.log.lying if each.output.topic == HL7_RAW]
        return [zlib.decompress(self.cipher.decrypt(raw.payload.encode())) for raw in kept]

    @property
    def reasons(self) -> list[str]:
        """Why messages are in quarantine: the dead letters' words."""
        letters = [each.output.message for each in self.log.lying if each.output.topic == f"{HL7_RAW}.dlq"]
        return [letter.reason.partition(":")[0] for letter in letters]

    @property
    def events(self) -> list[Event]:
        """What the suite's log was told."""
        return [each.output.message for each in self.log.lying if each.output.topic == SUITE_EVENTS]

    def in_clear(self, words: Sequence[str], *texts: str) -> list[str]:
        """Which of these words can be read on any topic, in a metric, or in these texts."""
        lying = [each.bytes.decode("utf-8", "replace") for each in self.log.lying]
        return [word for word in words for text in (*lying, exposition().decode(), *texts) if word in text]

    def _profiles(self, raw: Mapping[str, Any] | None) -> Mapping[str, SourceProfile] | None:
        return {"TWIN": parse_profile({"profile": "test", **raw}, "TWIN", "main", self.site)} if raw else None
