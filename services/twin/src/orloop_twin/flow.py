"""The twin at work: the hospital's day at the clock's pace, its feed out, write-back's changes in."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger

from . import metrics
from .domain.feed import HospitalMessage, ManualReport
from .domain.hospital import Hospital
from .domain.voice import Said
from .ports import BadMessage, Door, Link, LinkLost, Memory, Received, Voice

_log = get_logger("twin")
_POLL = 0.1
_SHORTEST = 0.005
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Twin:
    """One day of one hospital. Starting it on a journal resumes the day that the journal tells of.

    The day is simulated again from its seed, with the changes at the seconds at which they came: what
    was not delivered goes out now, byte for byte as it would have; what was, is not said again.
    """

    def __init__(
        self, hospital: Hospital, speaker: Voice, journal: Memory, clock: Clock, link: Link, door: Door
    ) -> None:
        self.hospital, self.speaker, self.journal, self.clock = hospital, speaker, journal, clock
        self.link, self.door = link, door
        self._feed: asyncio.Queue[HospitalMessage] = asyncio.Queue()
        self._reports: asyncio.Queue[ManualReport] = asyncio.Queue()
        for entry in journal.received:
            if entry.change is not None and entry.decision is not None:
                self._queue(hospital.advance(entry.at))
                hospital.apply(entry.change, entry.decision)

    @property
    def moment(self) -> float:
        """Event time in seconds from midnight."""
        return (self.clock.now() - self.midnight).total_seconds()

    @property
    def midnight(self) -> datetime:
        return self.speaker.midnight

    @property
    def waiting(self) -> int:
        """Messages and reports that nobody has acknowledged."""
        return self._feed.qsize() + self._reports.qsize()

    def catch_up(self) -> None:
        """Let the hospital's day come to the present whole second."""
        self._queue(self.hospital.advance(int(self.moment)))

    async def play(self, stopped: Callable[[], bool], beat: Callable[[], None]) -> None:
        """Follow the clock until stopped; a change of its rate is noticed within a tenth of a second."""
        speakers = [asyncio.create_task(self._tell_feed()), asyncio.create_task(self._tell_door())]
        try:
            while not stopped():
                self.catch_up()
                beat()
                for speaker in speakers:
                    if speaker.done():
                        speaker.result()
                await asyncio.sleep(self._pause())
        finally:
            for speaker in speakers:
                speaker.cancel()
            await asyncio.gather(*speakers, return_exceptions=True)

    def _pause(self) -> float:
        rate = self.clock.rate()
        if rate <= 0:
            return _POLL
        ahead = (self.hospital.next_event + 1 - self.moment) / rate
        return min(_POLL, max(_SHORTEST, ahead))

    def _queue(self, said: Iterable[Said]) -> None:
        for saying in said:
            if saying.id in self.journal.delivered:
                continue
            if isinstance(saying, ManualReport):
                self._reports.put_nowait(saying)
            else:
                self._feed.put_nowait(saying)
        metrics.WAITING.set(self._feed.qsize())

    # --- out -----------------------------------------------------------------------------------------

    async def _tell_feed(self) -> None:
        """In order, one in flight, the same bytes until they are acknowledged."""
        while True:
            saying = await self._feed.get()
            body = self.speaker.say(saying)
            begun = self.clock.monotonic()
            code = await self._ask(saying, body)
            metrics.SEND_SECONDS.observe(self.clock.monotonic() - begun)
            if code in ("AA", "CA"):
                metrics.MESSAGES_SENT.labels(saying.trigger).inc()
            else:  # sending it again would not mend it
                metrics.MESSAGES_REFUSED.labels(saying.trigger).inc()
                _log.error("message_refused", control=saying.id, trigger=saying.trigger, answer=code)
            self.journal.deliver(saying.id)
            metrics.WAITING.set(self._feed.qsize())

    async def _ask(self, saying: HospitalMessage, body: bytes) -> str:
        pause = _FIRST_PAUSE
        while True:
            try:
                code, control = self.speaker.answered(await self.link.ask(body))
                if control == saying.id:
                    return code
                reason = f"Expected an answer to {saying.id}, got one to {control[:20]}"
            except (LinkLost, BadMessage) as error:
                reason = str(error)
            metrics.LINK_FAILURES.labels("mllp").inc()
            _log.warning("feed_waits", control=saying.id, reason=reason, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _tell_door(self) -> None:
        while True:
            report = await self._reports.get()
            pause = _FIRST_PAUSE
            while True:
                try:
                    taken = await self.door.report(report)
                    break
                except LinkLost as error:
                    metrics.LINK_FAILURES.labels("manual").inc()
                    _log.warning("report_waits", path=report.path, reason=str(error), again_in_seconds=pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            metrics.REPORTS.labels("taken" if taken else "refused").inc()
            if not taken:
                _log.error("report_refused", path=report.path, id=report.id)
            self.journal.deliver(report.id)

    # --- in --------------------------------------------------------------------------------------------

    async def hear(self, body: bytes) -> bytes | None:
        """Answer a message of write-back; None (close, no answer) if it could not be kept."""
        try:
            return self._hear(body)
        except OSError as error:
            _log.error("journal_failed", reason=str(error))
            return None

    def _hear(self, body: bytes) -> bytes:
        self.catch_up()
        now = self.hospital.now
        try:
            change = self.speaker.read_change(body)
        except BadMessage as error:
            metrics.CHANGES.labels(error.code).inc()
            _log.warning("change_not_understood", reason=str(error))
            return self._remember(error.control, self.speaker.answer(error.control, now, error.code, str(error)))
        stored = self.journal.answer_to(change.message)
        if stored is not None:
            metrics.CHANGES.labels("replayed").inc()
            return stored.encode()
        decision = self.hospital.decide(change)
        code = "AA" if decision.accepted else "AE"
        answer = self.speaker.answer(change.message, now, code, decision.text)
        self.journal.receive(Received(now, change.message, answer.decode(), change, decision))
        self.hospital.apply(change, decision)
        metrics.CHANGES.labels(code).inc()
        _log.info("change_answered", control=change.message, answer=code, reason=decision.text)
        return answer

    def _remember(self, control: str, answer: bytes) -> bytes:
        """Answer the same message the same way next time, if it has an id."""
        if not control:
            return answer
        stored = self.journal.answer_to(control)
        if stored is None:
            self.journal.receive(Received(self.hospital.now, control, answer.decode()))
        return answer if stored is None else stored.encode()
