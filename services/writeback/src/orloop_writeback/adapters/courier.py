"""Carries steps to the hospital in a thread of its own, so that the loop never waits for a socket."""

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from orloop_common.runtime import Clock
from orloop_common.runtime.logs import get_logger
from orloop_writeback import metrics
from orloop_writeback.domain.acknowledgement import without
from orloop_writeback.domain.message import Answer, Step

from .mllp import MllpClient, NoAnswer

_log = get_logger("courier")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a step is tried, and how long to wait between two tries (wall time, doubling)."""

    tries: int = 6
    first_pause: float = 0.5
    longest_pause: float = 8.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    step: Step
    body: bytes
    secrets: tuple[str, ...]


class MllpCourier:
    """`send` and `answers` belong to the loop, `run` to a thread; one message is in flight at a time."""

    def __init__(self, client: MllpClient, patience: Patience, clock: Clock, stop: threading.Event) -> None:
        self._client, self._patience, self._clock, self._stop = client, patience, clock, stop
        self._parcels: queue.Queue[_Parcel] = queue.Queue()
        self._answers: deque[Answer] = deque()

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        """Hand over; returns at once."""
        self._parcels.put(_Parcel(step, body, tuple(secrets)))

    def answers(self) -> Sequence[Answer]:
        """What came back since the last call."""
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def run(self) -> None:
        """Carry until asked to stop; what is not answered then is sent again by the next process."""
        while not self._stop.is_set():
            try:
                parcel = self._parcels.get(timeout=0.2)
            except queue.Empty:
                continue
            answer = self._carry(parcel)
            if answer is not None:
                metrics.EXCHANGES.labels(answer.kind).inc()
                self._answers.append(answer)
        self._client.close()

    def _carry(self, parcel: _Parcel) -> Answer | None:
        pause, control_id = self._patience.first_pause, parcel.step.control_id
        begun = self._clock.monotonic()
        for number in range(1, self._patience.tries + 1):
            try:
                answer = self._client.ask(parcel.body, control_id)
            except NoAnswer as error:
                metrics.RETRIES.inc()
                _log.warning("hospital_did_not_answer", control_id=control_id, attempt=number, reason=str(error))
                if number < self._patience.tries and self._stop.wait(pause):
                    return None
                pause = min(2 * pause, self._patience.longest_pause)
                continue
            metrics.EXCHANGE_SECONDS.observe(self._clock.monotonic() - begun)
            text = without(answer.text, parcel.secrets)
            _log.info("hospital_answered", control_id=control_id, code=answer.code, attempt=number)
            return Answer(step=parcel.step, kind="accepted" if answer.accepted else "refused", text=text)
        text = f"The hospital's system did not answer {self._patience.tries} times."
        return Answer(step=parcel.step, kind="unanswered", text=text)
