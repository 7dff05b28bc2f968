"""Keep the mesh's programs running: restart with back-off, give up by name, end without leftovers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .errors import LauncherError
from .parts import CONFIGURATION_ERROR, Part

QUICK = 10.0  # a program that lived shorter failed quickly
QUICK_LIMIT = 5
FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0
CHECK_EVERY, UNHEALTHY_LIMIT = 5.0, 3


class PartFailed(LauncherError):
    """A program of the mesh cannot be kept running."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """A program answers; for the first time after `seconds`."""

    name: str
    seconds: float
    again: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A program ended unasked and is started again after `delay` seconds."""

    name: str
    code: int
    why: str
    delay: float


Happening = BecameReady | Ended


@dataclass
class Watched:
    """What the supervisor knows of one part."""

    part: Part
    needs: tuple[str, ...] = ()
    started: float = 0.0
    running: bool = False
    ready: bool = False
    was_ready: bool = False
    waits_for: str = ""
    quick_failures: int = 0
    restarts: int = 0
    start_at: float = 0.0
    checked: float = 0.0
    unhealthy: int = 0


@dataclass
class Supervisor:
    """Looks after parts in their order of adding; `tick` does whatever is due now.

    Parameters
    ----------
    monotonic
        Seconds; injected for the tests.
    """

    monotonic: Callable[[], float] = time.monotonic
    watched: dict[str, Watched] = field(default_factory=dict)

    def add(self, part: Part, needs: Iterable[str] = ()) -> None:
        """Look after `part`; it is (re)started only while the parts that it `needs` are ready."""
        self.watched[part.name] = Watched(part, tuple(needs), start_at=self.monotonic())

    def tick(self) -> list[Happening]:
        """Start what is due, notice what ended or became ready.

        Raises
        ------
        PartFailed
            When a part failed `QUICK_LIMIT` times in a row within `QUICK` seconds of its start, or says that its
            configuration is wrong.
        """
        happened: list[Happening] = []
        for watched in self.watched.values():
            if not watched.running:
                self._start_if_due(watched)
            elif (code := watched.part.exit_code()) is not None:
                happened.append(self._ended(watched, code))
            elif not watched.ready:
                watched.waits_for = watched.part.ready() or ""
                if not watched.waits_for:
                    happened.append(self._became_ready(watched))
            else:
                self._check_health(watched)
        return happened

    @property
    def all_ready(self) -> bool:
        return all(watched.ready for watched in self.watched.values())

    def not_ready(self) -> dict[str, str]:
        """What is missing, by name."""
        return {n: w.waits_for or "not started" for n, w in self.watched.items() if not w.ready}

    def kill(self, name: str) -> None:
        """SIGKILL one part, as a test or a fault would; the next tick sees it and starts it again."""
        self.watched[name].part.kill()

    def stop(self, names: Iterable[str] | None = None, grace: float = 9.0) -> list[str]:
        """Ask parts to stop, all at once, and kill those that have not after `grace` seconds; return their names."""
        stopping = [self.watched[name] for name in (names if names is not None else self.watched)]
        stopping = [watched for watched in stopping if watched.running]
        for watched in stopping:
            watched.part.ask_to_stop()
        deadline = self.monotonic() + grace
        while self.monotonic() < deadline and any(w.part.exit_code() is None for w in stopping):
            time.sleep(0.02)
        late = [watched for watched in stopping if watched.part.exit_code() is None]
        for watched in stopping:
            watched.part.kill()
            watched.running = watched.ready = False
        return [watched.part.name for watched in late]

    def _start_if_due(self, watched: Watched) -> None:
        if self.monotonic() < watched.start_at or not all(self.watched[need].ready for need in watched.needs):
            return
        watched.started = self.monotonic()
        watched.running, watched.ready, watched.unhealthy = True, False, 0
        watched.part.start()

    def _became_ready(self, watched: Watched) -> BecameReady:
        again, watched.ready, watched.was_ready = watched.was_ready, True, True
        watched.checked = self.monotonic()
        return BecameReady(watched.part.name, self.monotonic() - watched.started, again)

    def _ended(self, watched: Watched, code: int) -> Ended:
        watched.running = watched.ready = False
        why = watched.part.last_words()
        lived = self.monotonic() - watched.started
        needed_were_there = all(self.watched[need].ready for need in watched.needs)
        if lived >= QUICK:
            watched.quick_failures = 0
        if needed_were_there:
            watched.quick_failures += 1
        if code == CONFIGURATION_ERROR:
            raise PartFailed(f"{watched.part.name} cannot run with these settings: {why}")
        if watched.quick_failures >= QUICK_LIMIT:
            raise PartFailed(
                f"Expected {watched.part.name} to keep running, got {QUICK_LIMIT} quick failures in a row "
                f"(exit code {code}): {why}",
                "its log says more.",
            )
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** max(0, watched.quick_failures - 1))
        watched.restarts += 1
        watched.start_at = self.monotonic() + delay
        return Ended(watched.part.name, code, why, delay)

    def _check_health(self, watched: Watched) -> None:
        if self.monotonic() - watched.checked < CHECK_EVERY:
            return
        watched.checked = self.monotonic()
        watched.unhealthy = 0 if watched.part.alive() else watched.unhealthy + 1
        if watched.unhealthy >= UNHEALTHY_LIMIT:
            with contextlib.suppress(OSError):
                watched.part.kill()
