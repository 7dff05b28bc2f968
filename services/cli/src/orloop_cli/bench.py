"""`make bench`: the numbers that the project promises something about, measured on this machine.

    python -m orloop_cli.bench [--rooms 10|20] [--hours 3] [--quick] [--storm | --drill] [--json]

Prints n, p50 and p95 of: a trigger on the log to its proposal on the topic; an HL7 message's first byte to its event on
the log; the resident memory of each process; the planner's start to ready; the time from `make demo` to ready, cold (a
fresh clone, empty caches) and warm. With 20 rooms: the planner's figures alone, on a busy day of twice the demo's size.
With `--storm`: how often something valid leaves under a trigger every 400 ms for five minutes. With `--drill`: how long
triggers wait in real time, while one room after the other goes down.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.clock import SystemClock

from . import benchday, benchdrill, benchready, benchstorm
from .errors import LauncherError
from .mesh import Mesh, Options
from .ports import LOOPBACK, free_port
from .reader import TopicReader
from .send import send
from .services import shipped_site

if TYPE_CHECKING:
    import psutil

_HL7_MESSAGES = 200
SPEED = 60.0


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
    hours: Annotated[float | None, typer.Option("--hours", help="How much of the day to play, at 60x.")] = None,
    rooms: Annotated[int, typer.Option("--rooms", help="10: the demo's day, everything; 20: the planner alone.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Which day.")] = 1,
    storm: Annotated[bool, typer.Option("--storm", help="A trigger every 400 ms, nothing else.")] = False,
    minutes: Annotated[float, typer.Option("--minutes", help="Of storm.")] = 5.0,
    drill: Annotated[bool, typer.Option("--drill", help="Every room down twice, in real time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure this checkout on this machine."""
    if rooms not in (10, 20):
        raise LauncherError(f"Expected 10 or 20 rooms, got {rooms}.", "other sizes have no day to play.")
    if storm and drill:
        raise LauncherError("Expected a storm or a drill, got both.", "measure one after the other.")
    if rooms == 20:
        os.environ["ORLOOP_SITE"] = str(shipped_site("twenty-site.yaml"))
    options = Options(speed=SPEED, seed=seed, board_port=free_port(), scenario="demo" if rooms == 10 else "twenty")
    with tempfile.TemporaryDirectory() as scratch:
        if storm:
            measured = _in_a_storm(Path(scratch), options, minutes)
        elif drill:
            measured = _in_a_drill(Path(scratch), options)
        elif rooms == 20:
            measured = _at_twenty(Path(scratch), options, hours or 5.5)
        else:
            measured = _everything(Path(scratch), options, hours or 3.0, quick)
        rows = list(measured)
    command = " ".join(["python -m orloop_cli.bench", *sys.argv[1:]])
    print(json.dumps([asdict(row) for row in rows], indent=1) if as_json else f"{command}\n{table(rows)}")


def _everything(scratch: Path, options: Options, hours: float, quick: bool) -> Iterator[Row]:
    _progress("playing a day at 60x: triggers, memory, HL7")
    with _playing(scratch, options) as mesh:
        yield from _answers(benchday.triggers(mesh, mesh.starts_at + timedelta(hours=hours)), "p95 < 5")
        yield from _memory(mesh)
        yield Row.of("planner's start to ready", "s", benchready.planner_seconds_to_ready(mesh, 3), "< 5")
        yield Row.of("MLLP byte in to event on the log", "ms", _hl7(mesh))
    _progress("starting again from this checkout")
    warm = [benchready.seconds_to_ready(Path.cwd()) for _ in range(1 if quick else 3)]
    yield Row.of("make demo to ready, warm", "s", warm, "< 20")
    if not quick:
        _progress("cloning and starting from nothing")
        cold = [benchready.cold_seconds_to_ready(Path.cwd(), scratch / "clone")]
        yield Row.of("make demo to ready, cold", "s", cold, "< 240")


def _at_twenty(scratch: Path, options: Options, hours: float) -> Iterator[Row]:
    _progress(f"playing {hours:g} hours of a day of twenty rooms at 60x")
    with _playing(scratch, options) as mesh:
        played = benchday.triggers(mesh, mesh.starts_at + timedelta(hours=hours))
        yield from _answers(played, "p95 < 2")
        yield Row.of("cases that may still move", "", [float(n) for n in played.movable])
        yield from _memory(mesh, ("replan",))
        _progress("starting the planner again")
        yield Row.of("planner's start to ready", "s", benchready.planner_seconds_to_ready(mesh, 3), "< 5")


def _in_a_storm(scratch: Path, options: Options, minutes: float) -> Iterator[Row]:
    _progress(f"playing until 10:00, then {minutes:g} minutes of a trigger every 400 ms")
    with _playing(scratch, options) as mesh:
        benchday.triggers(mesh, mesh.starts_at + timedelta(hours=3))
        told = benchstorm.storm(mesh, minutes * 60)
    yield Row.of("seconds between valid answers", "s", told.pauses, "max <= 5")
    yield Row.of("longest of them", "s", [max(told.pauses, default=math.nan)], "<= 5")
    yield Row.of("triggers told", "", [float(told.triggers)])
    yield Row.of("answers", "", [float(told.answers)])
    yield Row.of("  of them, proposals", "", [float(told.proposals)])
    yield Row.of("answers that no longer held", "", [float(told.invalid)], "0")


def _in_a_drill(scratch: Path, options: Options) -> Iterator[Row]:
    _progress("playing until 10:00, then each room goes down twice, in real time")
    with _playing(scratch, options) as mesh:
        benchday.triggers(mesh, mesh.starts_at + timedelta(hours=3))
        played, unanswered = benchdrill.drill(mesh)
        looks = benchdrill.rechecks(mesh)
    yield from _answers(played, "p95 < 2")
    yield Row.of("cases that may still move", "", [float(n) for n in played.movable])
    yield Row.of("the gate's look at an alternative, at most", "ms", looks, "< 50")
    yield Row.of("triggers without an answer", "", [float(unanswered)], "0")


def _answers(played: benchday.Day, goal: str) -> Iterator[Row]:
    yield Row.of("trigger on the log to proposal", "s", played.seconds["proposal"], goal)
    yield Row.of("  of it, solving", "s", played.solving)
    yield Row.of("trigger on the log to 'no change'", "s", played.seconds["no_change"])
    yield Row.of("decision's trigger to applied", "s", played.seconds["applied"])
    if played.swaps:
        yield Row.of("approved plans that swap cases", "", [float(played.swaps)])
        yield Row.of("  of them, applied to the last change", "", [float(played.swapped)])


@contextmanager
def _playing(scratch: Path, options: Options) -> Iterator[Mesh]:
    with Mesh.new(scratch, options) as mesh:
        mesh.start()
        yield mesh


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    head = f"{'':<34} {'n':>5} {'p50':>9} {'p95':>9}  {'unit':<4} goal"
    lines = [f"{r.what:<34} {r.n:>5} {r.p50:>9.3g} {r.p95:>9.3g}  {r.unit:<4} {r.goal}".rstrip() for r in rows]
    return "\n".join([head, *lines])


def _progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _memory(mesh: Mesh, names: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Resident memory by process, with what it started itself, and of all together; the planner's also by share.

    Resident sizes count a page once for each process that has it; the shares (PSS) count it once.
    """
    import psutil

    total = 0.0
    for name, watched in mesh.supervisor.watched.items():
        process = psutil.Process(watched.part.pid())
        family = [process, *process.children(recursive=True)]
        size = sum(member.memory_info().rss for member in family) / 1e6
        total += size
        if names is None or name in names:
            yield Row.of(f"resident memory of {name}", "MB", [size])
        if name == "replan":
            yield from _shares(family)
    if names is None:
        own = psutil.Process().memory_info().rss / 1e6
        yield Row.of("resident memory of the launcher", "MB", [own])
        yield Row.of("resident memory of the mesh", "MB", [total + own], "< 2500")


def _shares(family: list[psutil.Process]) -> Iterator[Row]:
    """What each of the planner's processes has for itself, and all together without counting a page twice."""
    held = [(member, member.memory_full_info()) for member in family]
    for member, info in held:
        template = "orloop_replan.template" in member.cmdline()
        role = "service" if not template else "solver" if member.ppid() != family[0].pid else "template"
        yield Row.of(f"  {role}: for itself (USS)", "MB", [info.uss / 1e6])
        yield Row.of(f"  {role}: resident (RSS)", "MB", [info.rss / 1e6])
    yield Row.of("  replan, shared pages once (PSS)", "MB", [sum(i.pss for _, i in held) / 1e6], "< 400")


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
