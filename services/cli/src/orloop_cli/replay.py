"""Recompute a proposal from its own record, in a child process of the planner."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError
from .parts import module_command
from .reader import Seen


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the planner says of a recomputed proposal."""

    ok: bool
    said: str


def find_proposal(name: str, records: list[Seen]) -> bytes:
    """Return the record of the proposal whose id is, or starts with, `name`; the newest for `last`."""
    if name == "last" and records:
        return records[-1].value
    found = {seen.id: seen.value for seen in records if _names(seen).startswith(name) or seen.id.startswith(name)}
    if len(found) != 1:
        raise LauncherError(
            f"Expected one proposal {name!r} on the log, got {len(found) or 'none'}.",
            "take an id from the board, or say `last`.",
        )
    return next(iter(found.values()))


def _names(seen: Seen) -> str:
    return str(getattr(seen.message(), "id", ""))


def recompute(proposal: bytes, timeout: float = 120) -> Replayed:
    """Run `python -m orloop_replan.replay FILE` and return its verdict.

    Raises
    ------
    LauncherError
        If it could not be run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "proposal.json"
        path.write_bytes(proposal)
        command = [*module_command("orloop_replan.replay"), str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise LauncherError(
                f"Expected the planner to recompute within {timeout:.0f} s, got nothing.",
                "the machine is very busy: try again.",
            ) from error
    if done.returncode not in (0, 1):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LauncherError(
            f"Expected the planner to recompute the proposal, got exit code {done.returncode}: {last}",
            "the proposal is damaged, or another version made it.",
        )
    return Replayed(done.returncode == 0, done.stdout.strip())
