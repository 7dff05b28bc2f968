"""Play a day: start the mesh, slow down while people think (or approve for them), and say how it went."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from .approve import Approver
from .console import Screen
from .errors import LauncherError
from .mesh import Mesh, Options
from .ports import LOOPBACK
from .services import ORDER, demo_site
from .story import Line
from .watch import Watch

THINKING_SPEED = 5.0
_AFTER_HOURS = 1.0  # once the day is over the clock runs as the wall does
_QUIET = 0.1


class Interrupted(BaseException):
    """A person or a supervisor asked the launcher to stop."""


@dataclass(frozen=True, slots=True)
class Play:
    """How a demo is played.

    Parameters
    ----------
    headless
        Approve as the user `demo` instead of waiting for a click.
    until
        `applied`, `end`, or None: until it is interrupted.
    limit
        Seconds of wall time after which `until` has failed.
    """

    options: Options
    headless: bool
    until: str | None
    limit: float


@dataclass
class Outcome:
    """How a demo went, for the last line and for `--json`."""

    ok: bool = True
    reason: str = ""
    ready_after: float = 0.0
    board: str = ""
    run: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)


def play_demo(root: Path, play: Play, shown: Screen, resume: str | None = None, again: bool = False) -> Outcome:
    """Play a demo to its end and stop everything.

    Raises
    ------
    LauncherError
        If something cannot be started or kept running.
    """
    outcome = Outcome()
    began = time.monotonic()
    with interruptible():
        mesh = Mesh.again(root, resume, play.options, shown.say) if again else Mesh.new(root, play.options, shown.say)
        outcome.run = mesh.run.id
        try:
            _start(mesh, shown)
            outcome.ready_after, outcome.board = time.monotonic() - began, mesh.board_url
            _welcome(mesh, play, shown, outcome)
            _Player(mesh, play, shown, outcome).play()
        except (Interrupted, KeyboardInterrupt):
            outcome.ok, outcome.reason = not play.until, "interrupted"
        finally:
            shown.started()
            _stop(mesh, shown)
    return outcome


def _start(mesh: Mesh, shown: Screen) -> None:
    mesh.on_happening = shown.happening
    if mesh.broker is not None:
        shown.expect(["kafka"])
    shown.expect(name for name in ORDER if mesh.options.twin or name != "twin")
    mesh.start()
    shown.started()


def _welcome(mesh: Mesh, play: Play, shown: Screen, outcome: Outcome) -> None:
    shown.say(f"Ready after {outcome.ready_after:.1f} s; run {mesh.run.id} in {mesh.run.path}")
    shown.say(f"The board: {mesh.board_url}")
    shown.say(f"HL7 over MLLP: {LOOPBACK}:{mesh.addresses.mllp}; the manual door: {mesh.addresses.manual_url}")
    if mesh.day is not None:
        speed = f"{mesh.options.speed:g}x"
        think = "" if play.headless else f", {THINKING_SPEED:g}x while a proposal waits for an answer"
        shown.say(f"The day begins at {mesh.day.now():%H:%M} and plays at {speed}{think}. Ctrl-C stops everything.")


def _stop(mesh: Mesh, shown: Screen) -> None:
    shown.say("Stopping")
    try:
        mesh.stop()
    except (Interrupted, KeyboardInterrupt):
        mesh.kill()


class _Player:
    """The loop of a demo once the mesh is ready."""

    def __init__(self, mesh: Mesh, play: Play, shown: Screen, outcome: Outcome) -> None:
        self.mesh, self.how, self.shown, self.outcome = mesh, play, shown, outcome
        self.watch = Watch(mesh.bootstrap, demo_site())
        gate = f"{LOOPBACK}:{mesh.addresses.gate}"
        self.approver = Approver(gate, mesh.run.secrets.token_secret) if play.headless else None
        self.over = False
        self._refusal = ""

    def play(self) -> None:
        deadline = time.monotonic() + self.how.limit
        try:
            self.mesh.play()
            while not self._done():
                self.mesh.tick()
                for line in self.watch.poll():
                    self._tell(line)
                self._pace()
                if self.how.until and time.monotonic() > deadline:
                    self._fail(f"the limit of {self.how.limit:.0f} s passed: {self.watch.why_not()}")
                    return
                time.sleep(_QUIET)
        finally:
            self.watch.close()
            if self.approver is not None:
                self.approver.close()

    def _pace(self) -> None:
        waiting = self.watch.waiting
        if self.approver is not None:
            for refusal in self.approver.answer(waiting):
                if refusal != self._refusal:  # said once, though it is tried again
                    self.shown.say(refusal)
                self._refusal = refusal
        slow = bool(waiting) and self.approver is None
        speed = self.mesh.options.speed
        self.mesh.play(_AFTER_HOURS if self.over else min(THINKING_SPEED, speed) if slow else speed)
        if not self.over and self.mesh.day is not None and self.mesh.day.now() >= self.mesh.ends_at:
            self.over = True
            self.shown.say("The day is over." + ("" if self.how.until else " The board stays until Ctrl-C."))

    def _done(self) -> bool:
        if self.how.until == "applied" and self.watch.room_down_answered:
            self.shown.say("A plan that moves a case out of the room that went down has been applied.")
            return True
        if self.how.until and self.over:
            if not self.watch.room_down_answered:
                self._fail(f"the day is over: {self.watch.why_not()}")
            return True
        return False

    def _fail(self, reason: str) -> None:
        self.outcome.ok, self.outcome.reason = False, reason

    def _tell(self, line: Line) -> None:
        self.shown.say(f"{line.at:%H:%M}  {line.text}")
        self.outcome.lines.append(
            {
                "at": line.at.isoformat(),
                "kind": line.kind,
                "text": line.text,
                "trigger": line.trigger,
                "seconds": line.seconds,
            }
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into what Ctrl-C does: an orderly stop."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    before = {name: signal.signal(name, interrupt) for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


__all__ = ["LauncherError", "Outcome", "Play", "play_demo"]
