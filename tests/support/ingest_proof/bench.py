"""Measure the door in against its peers: `make bench-ingest` (or `python -m ingest_proof.bench [--quick] [--json]`).

Every server runs on one core, the generator and the broker on the other; all take the same messages. Ours is the
service as it is started in production: each message encrypted, mapped, journalled and on a real broker. Its CPU is
read when all that it acknowledged is on the topics. The peers parse and acknowledge, and keep nothing.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from orloop_common import messages

from . import servers
from .reading import delays
from .servers import Result, Server, loaded, warm
from .stand import Stand, a_broker, cpu_of
from .traffic import site_file

SOURCES = 50
GOALS = {"hapi": 3.0, "pyhl7": 20.0, "one_rate": 500, "one_p99": 25, "many_rate": 5000, "many_p99": 50, "event": 100}
MEMORY_GOAL = 200


def main() -> None:
    """Measure, print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="make bench-ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer messages: about a minute, rougher figures")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--no-peers", action="store_true", help="only our own figures")
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    bench = Bench(given.quick, not given.no_peers, cores[0], cores[-1])
    found = bench.run()
    print(json.dumps(found, indent=1) if given.json else table(found))


class Bench:
    """One run: everything is started once, measured in turns, and ended."""

    def __init__(self, quick: bool, peers: bool, ours: int, rest: int) -> None:
        self._peers, self._core, self._rest = peers, ours, rest
        self._rounds, self._each, self._warm = (1, 60, 5.0) if quick else (3, 200, 8.0)
        self._alone = 500 if quick else 3000
        self._seconds = 5 if quick else 20
        self._skip = 0
        self._day = 40 + self._rounds * self._each + 4 * self._seconds

    def run(self) -> Result:
        """All figures."""
        os.sched_setaffinity(0, {self._rest})  # the broker inherits it
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as home, ExitStack() as stack:
            broker = stack.enter_context(a_broker(Path(home) / "kafka"))
            stand = Stand(Path(home) / "ingest", site_file(SOURCES + 1), broker, core=self._core)
            stack.callback(stand.stop)
            stand.start()
            ours = Server("ours", stand.port, stand.process)
            self._load_ours(stand, ours, 40)
            peers = dict(self._started(stack))
            found: Result = {"cores": {"servers": self._core, "generator_and_broker": self._rest}}
            found["durable"] = self._durable(stand, ours, broker.pid, peers)
            found["one"] = self._one(stand, ours)
            found["event"] = self._event(stand, ours, Path(home))
            found["memory_mb"] = {"most": _peak(stand.process) / 1e6, "now": stand.process.memory_info().rss / 1e6}
            found["load_average"] = os.getloadavg()
        return found

    def _started(self, stack: ExitStack) -> Any:
        for name, why, start in (
            ("hapi", servers.why_no_hapi(), servers.hapi),
            ("pyhl7", servers.why_no_pyhl7(), servers.pyhl7),
        ):
            if self._peers and why:
                print(f"left out: {name}: {why}", flush=True)
            elif self._peers:
                yield name, stack.enter_context(start(self._core))

    def _load_ours(self, stand: Stand, ours: Server, each: int, connections: int = SOURCES, **more: Any) -> Result:
        """Load our service and wait until what it acknowledged is on the topics, whatever it journals first."""
        before, began, threads = stand.held(messages.HL7_RAW), cpu_of(ours.process), by_thread(ours.process.pid)
        settings = {"connections": connections, "each": each, "skip": self._skip, "day": self._day, **more}
        found = loaded(ours, self._rest, **settings)
        ended = time.monotonic()
        stand.drained()
        late = time.monotonic() - ended
        stand.settle(lambda: stand.held(messages.HL7_RAW), before + found["n"], quiet=0.3)
        found["server_cpu_seconds"] = cpu_of(ours.process) - began
        spent = by_thread(ours.process.pid)
        found["cpu_us"] = {name: 1e6 * (spent[name] - threads[name]) / found["n"] for name in sorted(spent)}
        found["on_topics"] = stand.held(messages.HL7_RAW) - before
        found["drained_after_seconds"] = late
        self._skip += each if connections == SOURCES else 0
        return found

    def _durable(self, stand: Stand, ours: Server, broker: int, peers: dict[str, Server]) -> Result:
        rounds: dict[str, list[Result]] = {}
        kafka = psutil.Process(broker)
        for server in peers.values():
            for connections in (1, 8, SOURCES):
                warm(server, self._rest, self._warm, connections=connections, each=4000 // connections)
        for _ in range(self._rounds):
            before = cpu_of(kafka)
            rounds.setdefault("ours", []).append(self._load_ours(stand, ours, self._each))
            rounds["ours"][-1]["broker_cpu_seconds"] = cpu_of(kafka) - before
            for name, server in peers.items():
                for connections in (1, 8, SOURCES):
                    each = (4 if name == "hapi" else 1) * SOURCES * self._each // 2 // connections
                    told = loaded(server, self._rest, connections=connections, each=each, skip=40, day=each + 40)
                    rounds.setdefault(f"{name}/{connections}", []).append(told)
        return {name: _middle(several) for name, several in rounds.items()}

    def _one(self, stand: Stand, ours: Server) -> Result:
        sync = fdatasync(stand.home / "data", 2.0)
        found = self._load_ours(stand, ours, self._alone, connections=1, first=SOURCES, skip=0, day=self._alone)
        return {"ours": found, "fdatasync": sync, "fdatasync_after": fdatasync(stand.home / "data", 2.0)}

    def _event(self, stand: Stand, ours: Server, home: Path) -> Result:
        times = home / "times.json"
        places = {topic: stand.held(topic) for topic in (messages.HL7_RAW, messages.SUITE_EVENTS)}
        found = self._load_ours(stand, ours, 4 * self._seconds, rate=200, times=times)
        took = delays(stand.broker.bootstrap, json.loads(times.read_text()), places)
        at = [took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.99)]
        return {**found, "events": len(took), "event_p50_ms": 1000 * at[0], "event_p99_ms": 1000 * at[1]}


def by_thread(pid: int) -> dict[str, float]:
    """CPU seconds of a process's threads: the Kafka client's own (librdkafka), and all others, which run Python."""
    spent = {"Kafka client": 0.0, "Python": 0.0}
    ticks = os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
        times = fields.split()[11:13]
        spent["Kafka client" if name.startswith("rdk:") else "Python"] += sum(map(int, times)) / ticks
    return spent


def fdatasync(folder: Path, seconds: float, size: int = 1000) -> Result:
    """Append and sync on this disk, one record at a time, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    path, took = folder / "sync.probe", list[float]()
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        os.write(handle, b"x" * size)
        os.fdatasync(handle)
        took.append(time.perf_counter() - began)
    os.close(handle)
    path.unlink()
    rate = len(took) / sum(took)
    took.sort()
    return {
        "n": len(took),
        "rate": rate,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[-len(took) // 100],
    }


def _middle(several: list[Result]) -> Result:
    """The round in the middle by CPU, with the range of all."""
    rates = sorted((one["n"] / max(1e-9, one["server_cpu_seconds"]), k) for k, one in enumerate(several))
    middle = several[rates[len(rates) // 2][1]]
    return {
        **middle,
        "rounds": len(several),
        "per_cpu_second": statistics.median_high(rate for rate, _ in rates),
        "per_cpu_second_range": (rates[0][0], rates[-1][0]),
        "rate": middle["n"] / middle["seconds"],
    }


def _peak(process: psutil.Process) -> float:
    """The most memory that it ever had resident."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) * 1024
    return float(process.memory_info().rss)


def table(found: Result) -> str:
    """What was measured, for people: each row with its n, its figure, its goal."""
    durable, one, event = found["durable"], found["one"], found["event"]
    ours = durable["ours"]
    per = ours["per_cpu_second"]
    rows: list[tuple[str, str, str, str]] = [("what", "n", "measured", "goal")]

    def row(what: str, n: Any, measured: str, goal: str = "", met: bool | None = None) -> None:
        rows.append((what, str(n), measured, goal + ("" if met is None else "  met" if met else "  NOT MET")))

    row("durable intake, 50 connections: msg per server CPU s", ours["n"], _spread(ours))
    for name, title in (
        ("hapi", "HAPI 2.6 (parses, acknowledges, keeps nothing)"),
        ("pyhl7", "python-hl7 0.4.5 (same)"),
    ):
        tried = {int(key.partition("/")[2]): told for key, told in durable.items() if key.startswith(f"{name}/")}
        for connections, told in tried.items():
            row(f"  {title}, {connections} conn.", told["n"], _spread(told))
        if tried:
            alike = per / tried[SOURCES]["per_cpu_second"]
            best = max(told["per_cpu_second"] for told in tried.values())
            goal = GOALS[name]
            row("  ours against it, both with 50 connections", "", f"{alike:.2f}x", f">= {goal:g}x", alike >= goal)
            row("  ours (50 conn.) against its best", "", f"{per / best:.2f}x", "", None)
    parts = ", ".join(f"{name} {spent:.0f}" for name, spent in ours["cpu_us"].items())
    row("  where ours goes: CPU us a message, by threads", ours["n"], parts)
    broker = 1e6 * ours["broker_cpu_seconds"] / ours["n"]
    row("  besides: the broker's CPU for ours, us a message", ours["n"], f"{broker:.0f}")
    mine = one["ours"]
    rate = mine["n"] / mine["seconds"]
    row("one connection, durable before each ACK: msg/s", mine["n"], f"{rate:.0f}", ">= 500", rate >= GOALS["one_rate"])
    row("  p50, p99 ms", mine["n"], f"{mine['p50_ms']:.1f}, {mine['p99_ms']:.1f}", "p99 <= 25", mine["p99_ms"] <= 25)
    for sync in (one["fdatasync"], one["fdatasync_after"]):
        said = f"{sync['rate']:.0f}/s; {sync['p50_ms']:.2f}, {sync['p99_ms']:.2f}"
        row("  fdatasync alone, before and after: p50, p99 ms", sync["n"], said)
    met = ours["rate"] >= GOALS["many_rate"]
    row("50 connections on one core: msg/s", ours["n"], f"{ours['rate']:.0f}", ">= 5000", met)
    row("  p50, p99 ms", ours["n"], f"{ours['p50_ms']:.1f}, {ours['p99_ms']:.1f}", "p99 <= 50", ours["p99_ms"] <= 50)
    said = f"{event['event_p50_ms']:.0f}, {event['event_p99_ms']:.0f}"
    met = event["event_p99_ms"] <= GOALS["event"]
    row("frame in to event on the topic at 200 msg/s: p50, p99 ms", event["events"], said, "p99 <= 100", met)
    memory = found["memory_mb"]["most"]
    row("memory at 50 connections, most resident, MB", "", f"{memory:.0f}", "<= 200", memory <= MEMORY_GOAL)
    widths = [max(len(line[column]) for line in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]
    notes = [
        f"messages: {ours['mix']}; {ours['size']}",
        f"ours: all {ours['on_topics']} on the topics {ours['drained_after_seconds']:.1f} s after the last ACK",
        f"servers on core {found['cores']['servers']}, generator and broker on core "
        f"{found['cores']['generator_and_broker']}; {ours['rounds']} rounds, the middle one (range in brackets); "
        f"load average at the end {found['load_average'][0]:.1f}",
    ]
    return "\n".join([*lines, "", *notes])


def _spread(told: Result) -> str:
    low, high = told["per_cpu_second_range"]
    around = f" ({low:.0f} to {high:.0f})" if told["rounds"] > 1 else ""
    return f"{told['per_cpu_second']:.0f}{around}; {told['rate']:.0f} msg/s, {told['server_cpu_seconds']:.1f} CPU s"


if __name__ == "__main__":
    main()
