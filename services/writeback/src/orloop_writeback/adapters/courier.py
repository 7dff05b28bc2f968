"""Carries steps to one hospital system in a thread of its own, so that the loop never waits for a socket."""

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter
from tenacity import stop_when_event_set as stop_when

from orloop_common.runtime import Clock
from orloop_common.runtime.logs import get_logger
from orloop_writeback import metrics
from orloop_writeback.domain.acknowledgement import without
from orloop_writeback.domain.message import Answer, Reply, Step

_log = get_logger("courier")


class NoAnswer(Exception):
    """The hospital could not be reached or did not answer; the text names no patient.

    `wait` is how many seconds it asked us to wait, if it did.
    """

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Exchange(Protocol):
    """One connection to one hospital system; it belongs to one thread."""

    def ask(self, body: bytes, control_id: str) -> Reply:
        """The hospital's reply to this message, or `NoAnswer`: then the same message may be asked again."""

    def close(self) -> None:
        """Let go of the connection."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a step is tried, and how long to wait between two tries (wall time, doubling, with jitter)."""

    tries: int = 6
    first_pause: float = 0.5
    longest_pause: float = 8.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    step: Step
    body: bytes
    secrets: tuple[str, ...]
    withdrawn: threading.Event


class _Withdrawn(Exception):
    """It must not be sent any more."""


class Courier:
    """`send`, `withdraw` and `answers` belong to the loop, `run` to a thread; one message is in flight at a time."""

    def __init__(self, exchange: Exchange, patience: Patience, clock: Clock, stop: threading.Event) -> None:
        self._exchange, self._patience, self._clock, self._stop = exchange, patience, clock, stop
        self._parcels: queue.Queue[_Parcel] = queue.Queue()
        self._held: dict[str, threading.Event] = {}
        self._answers: deque[Answer] = deque()

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        """Hand over; returns at once."""
        withdrawn = self._held[step.control_id] = threading.Event()
        self._parcels.put(_Parcel(step, body, tuple(secrets), withdrawn))

    def withdraw(self, step: Step) -> None:
        """Try it no more; an answer follows all the same."""
        if step.control_id in self._held:
            self._held[step.control_id].set()

    def answers(self) -> Sequence[Answer]:
        """What came back since the last call."""
        found = [self._answers.popleft() for _ in range(len(self._answers))]
        for answer in found:
            self._held.pop(answer.step.control_id, None)
        return found

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
        self._exchange.close()

    def _carry(self, parcel: _Parcel) -> Answer | None:
        """The answer to a parcel, or None if the process stops first."""
        step, patience, begun = parcel.step, self._patience, self._clock.monotonic()
        tries = 0
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(NoAnswer),
                stop=stop_after_attempt(patience.tries) | stop_when(self._stop),
                wait=_Pause(patience),
                sleep=self._wait_with(parcel),
                reraise=True,
            ):
                with attempt:
                    if parcel.withdrawn.is_set():
                        raise _Withdrawn
                    tries = attempt.retry_state.attempt_number
                    reply = self._ask(parcel, tries)
        except _Withdrawn:
            _log.info("change_withdrawn", control_id=step.control_id, tries=tries)
            return Answer(step=step, kind="withdrawn", tries=tries)
        except NoAnswer:
            if self._stop.is_set():
                return None
            text = f"The hospital's system did not answer {patience.tries} times."
            return Answer(step=step, kind="unanswered", text=text, tries=tries)
        metrics.EXCHANGE_SECONDS.observe(self._clock.monotonic() - begun)
        _log.info("hospital_answered", control_id=step.control_id, code=reply.code, attempt=tries)
        kind = "accepted" if reply.accepted else "refused"
        return Answer(step=step, kind=kind, text=without(reply.text, parcel.secrets), tries=tries)

    def _ask(self, parcel: _Parcel, number: int) -> Reply:
        control_id = parcel.step.control_id
        try:
            return self._exchange.ask(parcel.body, control_id)
        except NoAnswer as error:
            metrics.RETRIES.inc()
            _log.warning("hospital_did_not_answer", control_id=control_id, attempt=number, reason=str(error))
            raise

    def _wait_with(self, parcel: _Parcel) -> "_Sleep":
        return _Sleep(self._stop, parcel.withdrawn)


class _Sleep:
    """Waits between two tries, but not once the process stops or the step was withdrawn."""

    def __init__(self, *ends: threading.Event) -> None:
        self._ends = ends

    def __call__(self, seconds: float) -> None:
        left = seconds
        while left > 0 and not any(end.is_set() for end in self._ends):
            self._ends[0].wait(min(left, 0.1))
            left -= 0.1


class _Pause:
    """Doubles, with jitter, and never shorter than the hospital asked for."""

    def __init__(self, patience: Patience) -> None:
        first = patience.first_pause
        self._wait = wait_exponential_jitter(multiplier=first, max=patience.longest_pause, jitter=first)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, NoAnswer) else 0.0
        return max(self._wait(state), min(asked, 60.0))
