"""Where each source's polling and subscriptions stand: a small file, written whole and synced before it counts."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from orloop_common.runtime.logs import get_logger
from orloop_ingest.domain.fhir.counting import Count

_log = get_logger("fhir")


class Cursors:
    """The standing of one source. Lost or torn, it is begun anew: what is asked twice is doubled nowhere."""

    def __init__(self, folder: Path, source: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in source)
        self._path = folder / f"{safe}.json"
        self.since: dict[str, datetime] = {}
        self.counts: dict[str, Count] = {}
        try:
            raw: Any = json.loads(self._path.read_bytes())
            self.since = {kind: datetime.fromisoformat(at) for kind, at in raw["since"].items()}
            self.counts = {name: Count(**each) for name, each in raw["counts"].items()}
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            _log.warning("cursors_begun_anew", source=source, error=type(error).__name__)

    @property
    def owed(self) -> bool:
        """Whether a catch-up query must be made."""
        return any(each.owed for each in self.counts.values())

    def counted(self, subscription: str, new: Count) -> None:
        """The standing of one subscription; durable when this returns."""
        if self.counts.get(subscription) != new:
            self.counts[subscription] = new
            self.save()

    def paid(self, names: set[str]) -> None:
        """The catch-up query that these subscriptions waited for was made to its end."""
        for name in names & self.counts.keys():
            held = self.counts[name]
            self.counts[name] = Count(done=held.done, owed=False, known=held.known)
        self.save()

    def moved(self, kind: str, at: datetime) -> None:
        """All of a type up to here was taken."""
        if self.since.get(kind) != at:
            self.since[kind] = at
            self.save()

    def save(self) -> None:
        """Write beside, sync, put in place, sync the folder."""
        raw = {
            "since": {kind: at.isoformat() for kind, at in sorted(self.since.items())},
            "counts": {name: asdict(each) for name, each in sorted(self.counts.items())},
        }
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(raw, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
