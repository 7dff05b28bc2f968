"""`make bench`: the four numbers that the project promises something about, measured on this machine.

    python -m orloop_cli.bench [--hours 3] [--quick] [--json]

Prints n, p50 and p95 of: a trigger on the log to its proposal on the topic; an HL7 message's first byte to its event on
the log; the resident memory of each process; the time from `make demo` to ready, cold (a fresh clone, empty caches) and
warm.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.clock import SystemClock

from . import benchready
from .approve import Approver
from .errors import LauncherError
from .mesh import Mesh, Options
from .ports import LOOPBACK, free_port
from .reader import TopicReader
from .send import send
from .services import demo_site
from .watch import Watch

_HL7_MESSAGES = 200
_SPEED = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    unit: str
    n: int
    p50: float
    p95: float
    goal: str = ""

    @classmethod
    def of(cls, what: str, unit: str, values: list[float], goal: str = "") -> Row:
        """Summarise values by nearest-rank percentiles; of a single value both are that value."""
        return cls(what, unit, len(values), percentile(values, 0.5), percentile(values, 0.95), goal)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above; not a number where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One warm start, no cold start.")] = False,
    hours: Annotated[float, typer.Option("--hours", help="How much of the day to play, at 60x; it has ten.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure this checkout on this machine."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        _progress("playing a day at 60x: triggers, memory, HL7")
        rows += list(_on_a_mesh(Path(scratch), hours=hours))
        _progress("starting again from this checkout")
        warm = [benchready.seconds_to_ready(Path.cwd()) for _ in range(1 if quick else 3)]
        rows.append(Row.of("make demo to ready, warm", "s", warm, "< 20"))
        if not quick:
            _progress("cloning and starting from nothing")
            cold = [benchready.cold_seconds_to_ready(Path.cwd(), Path(scratch) / "clone")]
            rows.append(Row.of("make demo to ready, cold", "s", cold, "< 240"))
    print(json.dumps([asdict(row) for row in rows], indent=1) if as_json else table(rows))


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    head = f"{'':<34} {'n':>5} {'p50':>9} {'p95':>9}  {'unit':<4} goal"
    lines = [f"{r.what:<34} {r.n:>5} {r.p50:>9.3g} {r.p95:>9.3g}  {r.unit:<4} {r.goal}".rstrip() for r in rows]
    return "\n".join([head, *lines])


def _progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _on_a_mesh(root: Path, hours: float) -> Iterator[Row]:
    with Mesh.new(root, Options(speed=_SPEED, seed=1, board_port=free_port())) as mesh:
        mesh.start()
        answers = _triggers(mesh, mesh.starts_at + timedelta(hours=hours))
        yield Row.of("trigger on the log to proposal", "s", answers["proposal"], "p95 < 5")
        yield Row.of("trigger on the log to 'no change'", "s", answers["no_change"])
        yield Row.of("decision's trigger to applied", "s", answers["applied"])
        yield from _memory(mesh)
        yield Row.of("MLLP byte in to event on the log", "ms", _hl7(mesh))


def _triggers(mesh: Mesh, until: datetime) -> dict[str, list[float]]:
    """Play the day, approving; the seconds from each trigger to what became of it."""
    seconds: dict[str, list[float]] = {"proposal": [], "no_change": [], "applied": []}
    with _eyes(mesh) as (watch, approver):
        mesh.play()
        while mesh.day is not None and mesh.day.now() < until:
            mesh.tick()
            for line in watch.poll():
                if line.seconds is not None and line.kind in seconds:
                    seconds[line.kind].append(line.seconds)
            approver.answer(watch.waiting)
            time.sleep(0.1)
        mesh.play(0.0)
    return seconds


@contextmanager
def _eyes(mesh: Mesh) -> Iterator[tuple[Watch, Approver]]:
    watch = Watch(mesh.bootstrap, demo_site())
    approver = Approver(f"{LOOPBACK}:{mesh.addresses.gate}", mesh.run.secrets.token_secret)
    try:
        yield watch, approver
    finally:
        approver.close()
        watch.close()


def _memory(mesh: Mesh) -> Iterator[Row]:
    """Resident memory by process, with what it started itself, and of all together."""
    import psutil

    total = 0.0
    for name, watched in mesh.supervisor.watched.items():
        process = psutil.Process(watched.part.pid())
        family = [process, *process.children(recursive=True)]
        size = sum(member.memory_info().rss for member in family) / 1e6
        total += size
        yield Row.of(f"resident memory of {name}", "MB", [size])
    own = psutil.Process().memory_info().rss / 1e6
    yield Row.of("resident memory of the launcher", "MB", [own])
    yield Row.of("resident memory of the mesh", "MB", [total + own], "< 2500")


def _hl7(mesh: Mesh) -> list[float]:
    """Send bookings for the next day one by one; milliseconds from the first byte to the log's append time."""
    clock, waited = SystemClock(), []
    with TopicReader(mesh.bootstrap, [SUITE_EVENTS]) as reader:
        for _ in reader.to_end():
            pass
        for number in range(_HL7_MESSAGES):
            started = clock.wall()
            [answer] = send([booking(number, mesh.starts_at + timedelta(days=1))], LOOPBACK, mesh.addresses.mllp)
            if not answer.accepted:
                raise LauncherError(f"Expected ingest to take a booking, got {answer.code}: {answer.text}")
            waited.append(_until_scheduled(reader, started))
            mesh.tick()
    return waited


def _until_scheduled(reader: TopicReader, started: datetime) -> float:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for seen in reader.poll(0.2):
            if seen.headers.get("ce_type") == "orloop.CaseScheduled":
                return max(0.0, (seen.received - started).total_seconds() * 1000)
    raise LauncherError("Expected the event of an acknowledged message on the log, got none within 10 s.")


def booking(number: int, day: datetime) -> bytes:
    """A booking in the default profile, of a case that no twin knows."""
    start = day + timedelta(minutes=number % 300)
    stamp, end = f"{start:%Y%m%d%H%M%S}+0000", f"{start + timedelta(hours=1):%Y%m%d%H%M%S}+0000"
    case = f"BENCH{number:04d}"
    segments = [
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|{stamp}||SIU^S12^SIU_S12|{case}-1|P|2.5.1",
        segment("SCH", {2: case, 5: "V1", 7: "ELECTIVE", 9: "60", 10: "min", 25: "Booked"}),
        segment("TQ1", {1: "1", 7: stamp, 8: end, 9: "4^Elective"}),
        segment("PID", {1: "1", 3: f"{case}^^^DEMO^MR", 5: "Bench^Test", 7: "19700101", 8: "F"}),
        segment("PV1", {1: "1", 2: "I", 10: "ORT", 19: f"V{case}"}),
        segment("RGS", {1: "1"}),
        segment("AIS", {1: "1", 3: "5-820.00^Hip replacement^OPS"}),
        segment("AIL", {1: "1", 3: "OR1^^^DEMO", 6: stamp, 9: "60", 10: "min"}),
        segment("AIP", {1: "1", 3: "S001^Bench^Surgeon", 4: "SURGEON"}),
    ]
    return ("\r".join(segments) + "\r").encode()


def segment(name: str, fields: dict[int, str]) -> str:
    """A segment by the numbers of its fields."""
    return "|".join([name, *(fields.get(position, "") for position in range(1, max(fields) + 1))])


if __name__ == "__main__":
    try:
        typer.run(main)
    except LauncherError as problem:
        sys.exit(str(problem))
