"""Nothing acknowledged is lost and nothing is told twice, whatever is killed: `make soak`.

Twenty sources send a day with 1 % resends and 1 % cut connections while ingest is killed (SIGKILL) every 5,000
acknowledgements (started again at once, whether the broker is there or not) and the broker is killed once and stays
away for a minute, while senders go on. Then every acknowledged message is looked for in the raw topic, byte for byte,
by decrypting it; and the log is compared, event by event and by its fold, with that of an undisturbed run of the day.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from orloop_common import messages
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.digest import digest
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages.sitefile import parse_site

from .reading import Lying, bodies, read
from .senders import Sender, Step, plan
from .stand import Stand, a_broker
from .traffic import CANARIES, Said, site_file

UNTOLD = {"orloop.ClockTicked", "orloop.FeedWentSilent", "orloop.FeedReturned"}  # not from what a sender says


@dataclass
class Outcome:
    """What a run left behind. `told` says of each event what it is, and which MSH-10 led to it."""

    sent: int
    raw: set[tuple[str, str]]
    ids: Counter[str]
    folds: dict[str, str]
    leaks: list[str]
    told: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    kills: int = 0
    broker_restarts: int = 0
    cuts: int = 0
    connections: int = 0
    while_away: int = 0
    acknowledged: list[Said] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Verdict:
    """What must be empty, and what was done to make it otherwise."""

    messages: int
    acknowledged: int
    resends: int
    cuts: int
    kills: int
    broker_restarts: int
    while_away: int
    seconds: float
    events: int
    lost: list[str]
    doubled: list[str]
    missing: list[str]
    unexpected: list[str]
    suites_that_differ: list[str]
    leaks: list[str]
    wrong_answers: list[str]

    @property
    def good(self) -> bool:
        found = (self.lost, self.doubled, self.missing, self.unexpected, self.suites_that_differ, self.leaks)
        return not any(found) and not self.wrong_answers and self.acknowledged == self.messages

    def text(self) -> str:
        """For people."""
        found = {
            "acknowledged messages lost": self.lost,
            "events doubled": self.doubled,
            "events of the undisturbed run that are missing": self.missing,
            "events that the undisturbed run has not": self.unexpected,
            "suites whose fold differs": self.suites_that_differ,
            "names and notes in clear": self.leaks,
            "answers that were wrong": self.wrong_answers,
        }
        lines = [
            f"{self.acknowledged:,} of {self.messages:,} messages acknowledged in {self.seconds:.0f} s, of which "
            f"{self.resends:,} resends; {self.cuts:,} connections cut, ingest killed {self.kills} times, "
            f"the broker {self.broker_restarts} times ({self.while_away:,} messages acknowledged while it was away); "
            f"{self.events:,} events"
        ]
        lines += [f"{len(what):>7,} {name}{': ' if what else ''}{', '.join(what[:5])}" for name, what in found.items()]
        return "\n".join([*lines, "PROVEN" if self.good else "BROKEN"])


def judge(disturbed: Outcome, calm: Outcome, steps: list[Step]) -> Verdict:
    """Compare a disturbed run with an undisturbed one of the same day."""
    lost = [said.control for said in disturbed.acknowledged if _key(said) not in disturbed.raw]
    return Verdict(
        messages=disturbed.sent,
        acknowledged=len(disturbed.acknowledged),
        resends=sum(1 for step in steps if step.resent),
        cuts=disturbed.cuts,
        kills=disturbed.kills,
        broker_restarts=disturbed.broker_restarts,
        while_away=disturbed.while_away,
        seconds=disturbed.seconds,
        events=len(disturbed.ids),
        lost=lost,
        doubled=sorted(disturbed.told[id] for id, times in disturbed.ids.items() if times > 1),
        missing=sorted(calm.told[id] for id in set(calm.ids) - set(disturbed.ids)),
        unexpected=sorted(disturbed.told[id] for id in set(disturbed.ids) - set(calm.ids)),
        suites_that_differ=sorted(s for s in calm.folds if calm.folds[s] != disturbed.folds.get(s)),
        leaks=disturbed.leaks + calm.leaks,
        wrong_answers=disturbed.wrong + calm.wrong,
    )


@dataclass
class Run:
    """All sources sending to one stand. `kill_every` acknowledgements ingest is killed, `restart_at` the broker.

    Parameters
    ----------
    away
        Seconds until the broker is started again.
    """

    stand: Stand
    plans: dict[str, list[Step]]
    kill_every: int = 0
    restart_at: int = 0
    show: bool = False
    title: str = ""
    away: float = 0.0
    _while_away: int = 0
    _done: int = 0
    _kills: int = 0
    _restarts: int = 0
    _over: bool = False

    def __call__(self, within: float = 3600) -> Outcome:
        """Send all, wait until the topics hold it, read them."""
        before = self.stand.held(messages.HL7_RAW)
        began = time.monotonic()
        senders = asyncio.run(self._send(within))
        seconds = time.monotonic() - began
        undelivered: list[str] = []
        try:
            self.stand.drained(max(90, 10 * self.away))
        except AssertionError as error:
            undelivered.append(str(error))
        acknowledged = [said for sender in senders for said in sender.acknowledged]
        least = before + len({_key(said) for said in acknowledged})
        self.stand.settle(lambda: self.stand.held(messages.HL7_RAW), least, within=90, quiet=1)
        self.stand.settle(lambda: self.stand.held(messages.SUITE_EVENTS), 0, within=90, quiet=1)
        outcome = look(self.stand)
        outcome.sent = sum(len(steps) for steps in self.plans.values())
        outcome.seconds, outcome.acknowledged = seconds, acknowledged
        outcome.while_away = self._while_away
        outcome.kills, outcome.broker_restarts = self._kills, self._restarts
        outcome.cuts = sum(sender.cuts for sender in senders)
        outcome.connections = sum(sender.connections for sender in senders)
        outcome.wrong = [said for sender in senders for said in sender.wrong] + undelivered
        return outcome

    async def _send(self, within: float) -> list[Sender]:
        senders = [Sender(self.stand.port, steps, self._heard) for steps in self.plans.values()]
        helpers = [asyncio.create_task(each) for each in (self._kill(), self._restart(), self._tell())]
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(*(sender.run() for sender in senders))
        except TimeoutError:
            senders[0].wrong.append(f"Expected all to be acknowledged within {within:g} s.")
        self._over = True
        for helper in helpers:
            with contextlib.suppress(asyncio.CancelledError):
                await helper
        return senders

    def _heard(self) -> None:
        self._done += 1

    async def _kill(self) -> None:
        while not self._over and self.kill_every:
            if self._done >= (self._kills + 1) * self.kill_every:
                self._kills += 1
                await asyncio.to_thread(self._kill_ingest)
            await asyncio.sleep(0.005)

    async def _restart(self) -> None:
        while not self._over and self.restart_at:
            if not self._restarts and self._done >= self.restart_at:
                self._restarts += 1
                await asyncio.to_thread(self._kill_broker)
            await asyncio.sleep(0.005)

    def _kill_ingest(self) -> None:
        self.stand.kill()
        self.stand.start(wait=False)

    def _kill_broker(self) -> None:
        self.stand.broker.kill()
        before = self._done
        time.sleep(self.away)
        self._while_away = self._done - before
        self.stand.broker.start().wait_ready()

    async def _tell(self) -> None:
        total, began, told = sum(len(steps) for steps in self.plans.values()), time.monotonic(), -1
        while self.show and not self._over:
            share, rate = self._done / total, self._done / max(0.001, time.monotonic() - began)
            bar = "#" * int(30 * share) + "." * (30 - int(30 * share))
            line = f"{self.title} [{bar}] {self._done:,} of {total:,}, {rate:,.0f} msg/s, ingest killed {self._kills}"
            if sys.stderr.isatty():
                print(f"\r{line} ", end="", file=sys.stderr, flush=True)
            elif int(10 * share) > told:
                told = int(10 * share)
                print(line, file=sys.stderr, flush=True)
            await asyncio.sleep(0.5)
        if self.show:
            took = time.monotonic() - began
            print(f"\r{self.title} [{'#' * 30}] {self._done:,} in {took:.0f} s{' ' * 40}", file=sys.stderr, flush=True)


def look(stand: Stand) -> Outcome:
    """Read what a stand's suites have on the topics, and look for names where none may be."""
    site = parse_site(stand.site)
    bootstrap = stand.broker.bootstrap
    ours = {suite.id for suite in site.suites}
    ids: Counter[str] = Counter()
    days = {s: SuiteDay(suite=s, calendar=OperationalCalendar(site.timezone, site.day_boundary)) for s in sorted(ours)}
    leaks: set[str] = set()
    controls = {record.headers["ce_id"]: record.message.control_id for record in read(bootstrap, messages.HL7_RAW)}
    told: dict[str, str] = {}
    for record in read(bootstrap, messages.SUITE_EVENTS):
        suite = record.headers.get("ce_subject", "")
        if suite in ours and record.headers["ce_type"] not in UNTOLD:
            id, kind = record.headers["ce_id"], record.headers["ce_type"].removeprefix("orloop.")
            ids[id] += 1
            told[id] = f"{kind} {id[:8]} by {controls.get(record.headers.get('ce_causationid', ''), 'nobody')}"
            days[suite] = days[suite].apply(record.message)
            leaks |= _leaks(record, messages.SUITE_EVENTS)
    sources = site.hl7.sources if site.hl7 else {}
    raw = {(c, sha256(b).hexdigest()) for c, b in bodies(bootstrap, stand.key, set(sources))}
    for topic in (messages.HL7_RAW, messages.CASE_IDENTITY, f"{messages.HL7_RAW}.dlq"):
        for record in read(bootstrap, topic):
            leaks |= _leaks(record, topic)
    leaks |= {f"{word} in ingest's log" for word in CANARIES if word in stand.log}
    leaks |= {f"{word} in ingest's metrics" for word in CANARIES if word in stand.metrics()}
    return Outcome(0, raw, ids, {suite: digest(day) for suite, day in days.items()}, sorted(leaks), told)


def _leaks(record: Lying, topic: str) -> set[str]:
    text = record.value.decode("utf-8", "replace") + " ".join(record.headers.values())
    return {f"{word} in {topic}" for word in CANARIES if word in text}


def _key(said: Said) -> tuple[str, str]:
    return said.control, sha256(said.body).hexdigest()


def plans(sources: dict[str, str], total: int, seed: int, resends: float, cuts: float) -> dict[str, list[Step]]:
    """What each source will send."""
    each = -(-total // len(sources))
    return {source: plan(source, each, seed, resends, cuts) for source in sources}


def undisturbed(day: dict[str, list[Step]]) -> dict[str, list[Step]]:
    """The same day as it would be without faults: no resends, no cuts."""
    return {source: [Step(step.said) for step in steps if not step.resent] for source, steps in day.items()}


def named_sources(sources: int, suites: int, prefix: str = "suite") -> dict[str, str]:
    """Sources and the suite that each speaks for."""
    return {f"SOAK{k:02d}": f"{prefix}{k % suites}" for k in range(sources)}


def soak(total: int, sources: int, kill_every: int, away: float, seed: int, home: Path, show: bool) -> Verdict:
    """Both runs, each on a broker of its own."""
    names = named_sources(sources, max(1, sources // 4))
    site = site_file(names=names)
    day = plans(names, total, seed, 0.01, 0.01)
    outcomes = []
    for title, steps, every in (("undisturbed", undisturbed(day), 0), ("disturbed  ", day, kill_every)):
        with a_broker(home / title.strip() / "kafka") as broker:
            stand = Stand(home / title.strip() / "ingest", site, broker, rate=0).start()
            try:
                restart = total // 2 + kill_every // 2 if every else 0
                outcomes.append(Run(stand, steps, every, restart, show, title, away)())
            finally:
                stand.stop()
    return judge(outcomes[1], outcomes[0], [step for steps in day.values() for step in steps])


def main() -> None:
    """Run it, say what was proven."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--kill-every", type=int, default=5_000, help="acknowledged messages between two SIGKILLs")
    parser.add_argument("--away", type=float, default=60, help="seconds for which the broker is away")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-ingest-") as home:
        verdict = soak(
            given.messages,
            given.sources,
            given.kill_every,
            given.away,
            given.seed,
            Path(home),
            show=not given.json,
        )
    print(json.dumps(asdict(verdict), indent=1) if given.json else verdict.text())
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()
