"""The demo's suite, its scenarios, a hospital to advance, and doors that answer without a network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import orloop_twin
from orloop_common.domain.site import Site
from orloop_common.messages.sitefile import parse_site
from orloop_twin.adapters.data import load_scenario
from orloop_twin.adapters.hl7 import Speaker
from orloop_twin.adapters.journal import Journal
from orloop_twin.domain.feed import ManualReport
from orloop_twin.domain.generator import draw_day
from orloop_twin.domain.hospital import Hospital
from orloop_twin.domain.scenario import Scenario
from orloop_twin.flow import Twin
from orloop_twin.ports import LinkLost

DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
SITE = Path(orloop_twin.__file__).parent / "data" / "demo-site.yaml"
Build = Callable[..., Hospital]


@dataclass
class StillClock:
    """Event time that moves when a test says so."""

    seconds: float = 7 * 3600
    speed: float = 60.0

    def now(self) -> datetime:
        return MIDNIGHT + timedelta(seconds=self.seconds)

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def rate(self) -> float:
        return self.speed


@dataclass
class FakeIngest:
    """Acknowledges what it gets; `away` of the next questions get no answer, though it took them."""

    taken: list[bytes] = field(default_factory=list)
    away: int = 0
    code: bytes = b"AA"

    async def ask(self, body: bytes) -> bytes:
        self.taken.append(body)
        if self.away:
            self.away -= 1
            raise LinkLost("away")
        control = body.split(b"\r")[0].split(b"|")[9]
        return (
            b"MSH|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|20260302070000+0000||ACK|A1|P|2.5.1\r"
            b"MSA|" + self.code + b"|" + control + b"\r"
        )

    def controls(self) -> list[str]:
        return [body.split(b"\r")[0].split(b"|")[9].decode() for body in self.taken]


@dataclass
class FakeDoor:
    """Takes reports."""

    taken: list[ManualReport] = field(default_factory=list)

    async def report(self, report: ManualReport) -> bool:
        self.taken.append(report)
        return True


@pytest.fixture(scope="session")
def site() -> Site:
    return parse_site(SITE.read_text("utf-8"))


@pytest.fixture(scope="session")
def twenty() -> Site:
    return parse_site(SITE.with_name("twenty-site.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def speaker(site: Site) -> Speaker:
    assert site.hl7 is not None
    return Speaker(MIDNIGHT, site.hl7)


@pytest.fixture(scope="session")
def hospital(site: Site) -> Build:
    """Build one: `hospital("demo", seed=7)`, or from a Scenario."""

    def build(scenario: str | Scenario = "demo", seed: int = 7) -> Hospital:
        suite = site.suites[0]
        script = load_scenario(scenario, suite) if isinstance(scenario, str) else scenario
        return Hospital(draw_day(DAY, seed, suite, script), script, suite)

    return build


@dataclass
class Ward:
    """A twin with everything around it that a test looks at."""

    twin: Twin
    clock: StillClock
    ingest: FakeIngest
    door: FakeDoor
    said: int = 0


@pytest.fixture
def ward(hospital: Build, speaker: Speaker, tmp_path: Path) -> Iterator[Callable[..., Ward]]:
    """Start a twin on the journal in the test's folder; call again to start it after a kill."""
    journals: list[Journal] = []

    def start(scenario: str | Scenario = "demo", seed: int = 7, at: float = 7 * 3600) -> Ward:
        clock, ingest, door = StillClock(at), FakeIngest(), FakeDoor()
        built = hospital(scenario, seed)
        journal = Journal(tmp_path / "journal.jsonl", {"seed": seed, "scenario": built.scenario.name})
        journals.append(journal)
        return Ward(Twin(built, speaker, journal, clock, ingest, door), clock, ingest, door)

    yield start
    for journal in journals:
        journal.close()
