"""The twin's memory on disk: which run this is, what it received and answered, what was acknowledged.

One JSON object a line. What was received is on disk (fsync) before it is answered. No patient's name,
number or raw message is kept: a day follows from its seed, and a change needs only case and place.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orloop_twin.domain.feed import ChangeDecision, ChangeRequest
from orloop_twin.ports import Received


@dataclass
class Journal:
    """Append-only; `received` in order, `delivered` as a set of ids."""

    path: Path
    run: dict[str, Any]
    received: list[Received] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._read()
        self._file = self.path.open("ab")
        if self._file.tell() > kept:  # a line torn by a kill
            self._file.truncate(kept)
        if kept == 0:
            self._write({"kind": "run", **self.run}, durable=True)

    def receive(self, entry: Received) -> None:
        """Keep a received message for ever; returns once it is on disk."""
        self._write({"kind": "received", **asdict(entry)}, durable=True)
        self.received.append(entry)

    def deliver(self, id: str) -> None:
        """Note that ingest has it; if that is lost, the same bytes go out once more."""
        self._write({"kind": "delivered", "id": id}, durable=False)
        self.delivered.add(id)

    def answer_to(self, control: str) -> str | None:
        """What was answered to this control id before."""
        return next((entry.answer for entry in self.received if entry.control == control), None)

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: dict[str, Any], *, durable: bool) -> None:
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())

    def _read(self) -> int:
        """Take in the whole lines; return where they end."""
        if not self.path.exists():
            return 0
        data = self.path.read_bytes()
        end = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:end].splitlines(), 1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"Expected a journal entry in line {number} of {self.path}, got {type(error).__name__}: {error}.\n"
                    "Maybe the file was edited, or belongs to another run: start with an empty ORLOOP_DATA."
                ) from error
        return end

    def _take(self, entry: dict[str, Any]) -> None:
        kind = entry.pop("kind")
        if kind == "run":
            if entry != self.run:
                raise ValueError(f"Expected the journal of {self.run}, got that of {entry}")
        elif kind == "delivered":
            self.delivered.add(entry["id"])
        elif kind == "received":
            change, decision = entry.pop("change"), entry.pop("decision")
            self.received.append(
                Received(
                    **entry,
                    change=ChangeRequest(**change) if change else None,
                    decision=ChangeDecision(**decision) if decision else None,
                )
            )
        else:
            raise ValueError(f"Expected run, received or delivered, got {kind!r}")
