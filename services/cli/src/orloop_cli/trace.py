"""Follow one event through the mesh: what led to it, and what followed from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import LauncherError
from .reader import Seen

_SHOWN_ID = 16


@dataclass(frozen=True, slots=True)
class Step:
    """One record on the way of an event."""

    id: str
    cause: str | None
    trace: str
    topic: str
    partition: int
    offset: int
    type: str
    source: str
    at: str
    received: datetime

    @classmethod
    def of(cls, seen: Seen) -> Step:
        headers = seen.headers
        return cls(
            id=seen.id,
            cause=headers.get("ce_causationid"),
            trace=headers.get("traceparent", "").split("-")[1] if "-" in headers.get("traceparent", "") else "",
            topic=seen.topic,
            partition=seen.partition,
            offset=seen.offset,
            type=headers.get("ce_type", "").removeprefix("orloop."),
            source=headers.get("ce_source", "").removeprefix("/orloop/"),
            at=headers.get("ce_time", ""),
            received=seen.received,
        )

    def as_json(self, depth: int, start: datetime) -> dict[str, Any]:
        """The step as plain values; `after` is in seconds since the first step."""
        return {
            "depth": depth,
            "id": self.id,
            "cause": self.cause,
            "trace": self.trace,
            "type": self.type,
            "source": self.source,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "at": self.at,
            "received": self.received.isoformat(),
            "after": (self.received - start).total_seconds(),
        }


def follow(event: str, records: Iterable[Seen]) -> list[Step]:
    """Return all records of the chain that `event` (an id, or the start of one) belongs to, in the broker's order.

    The chain is every record with the same trace, every cause up to the first, and all that followed.

    Raises
    ------
    LauncherError
        If no record, or more than one event, has that id.
    """
    steps = [Step.of(seen) for seen in records if seen.id]
    ids = {step.id for step in steps if step.id == event} or {s.id for s in steps if s.id.startswith(event)}
    if len(ids) != 1:
        some = ", ".join(sorted(ids)[:4])
        raise LauncherError(
            f"Expected one event {event!r} on the log, got {'none' if not ids else f'{len(ids)}: {some} ...'}.",
            "take an id from the board, a log line or `orloop demo --json`.",
        )
    found = ids.pop()
    chain = _closure(found, steps)
    return sorted((s for s in steps if s.id in chain), key=lambda s: (s.received, s.topic, s.offset))


def _closure(found: str, steps: list[Step]) -> set[str]:
    by_id = {step.id: step for step in steps}
    effects: dict[str, set[str]] = {}
    traces: dict[str, set[str]] = {}
    for step in steps:
        if step.cause:
            effects.setdefault(step.cause, set()).add(step.id)
        if step.trace:
            traces.setdefault(step.trace, set()).add(step.id)
    chain = set(traces.get(by_id[found].trace, ())) | {found}
    ancestor = by_id[found].cause
    while ancestor is not None and ancestor in by_id and ancestor not in chain:
        chain.add(ancestor)
        ancestor = by_id[ancestor].cause
    ahead = list(chain)
    while ahead:
        new = effects.get(ahead.pop(), set()) - chain
        chain |= new
        ahead += new
    return chain


def tree(steps: list[Step]) -> Iterator[tuple[int, Step]]:
    """Yield each step with its depth, effects below their cause."""
    ids = {step.id for step in steps}
    children: dict[str | None, list[Step]] = {}
    for step in steps:
        parent = step.cause if step.cause in ids and step.cause != step.id else None
        children.setdefault(parent, []).append(step)
    shown: set[str] = set()

    def below(parent: str | None, depth: int) -> Iterator[tuple[int, Step]]:
        for step in children.get(parent, ()):
            yield depth, step
            if step.id not in shown:
                shown.add(step.id)
                yield from below(step.id, depth + 1)

    yield from below(None, 0)


def lines(steps: list[Step]) -> Iterator[str]:
    """The tree as text: wall time, seconds since the first record, what it is and where it lies."""
    start = steps[0].received
    for depth, step in tree(steps):
        after = (step.received - start).total_seconds()
        what = f"{'  ' * depth}{step.type or 'record'} {step.id[:_SHOWN_ID]}"
        place = f"{step.topic}[{step.partition}]@{step.offset}"
        yield f"{step.received:%H:%M:%S.%f}"[:12] + f" {after:+8.3f} s  {what:<52} {step.source:<10} {place}"
