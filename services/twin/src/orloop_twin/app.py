"""The wiring: settings, the day, the hospital, its doors."""

import asyncio
from datetime import UTC, datetime, time
from typing import Any

from orloop_common.domain.site import Hl7Profile, SuiteLayout
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.health import bind
from orloop_common.runtime.service import Runtime, run_service

from .adapters.data import load_scenario
from .adapters.hl7 import Speaker
from .adapters.journal import Journal
from .adapters.manual import ManualDoor
from .adapters.mllp import MllpClient, serve
from .domain.generator import draw_day
from .domain.hospital import Hospital
from .flow import Twin
from .settings import Settings

_APPLICATION = "TWIN"


def main() -> None:
    """Run the twin until it is told to stop."""
    run_service(Settings, run, sensitive=True, broker=False)


def run(runtime: Runtime[Settings]) -> None:
    """Build the hospital and play its day."""
    try:
        twin, link, door = build(runtime)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    asyncio.run(_play(runtime, twin, link, door))


def build(runtime: Runtime[Settings]) -> tuple[Twin, MllpClient, ManualDoor]:
    """All parts of the twin, its journal read."""
    settings, clock = runtime.settings, runtime.clock
    suite, profile = _speaks_of(settings)
    scenario = load_scenario(settings.scenario, suite)
    day = draw_day(settings.day, settings.seed, suite, scenario)
    midnight = datetime.combine(settings.day, time(), UTC)
    run = {"day": str(settings.day), "seed": settings.seed, "scenario": scenario.name, "suite": suite.id}
    link = MllpClient(settings.mllp_host, settings.mllp_port)
    door = ManualDoor(settings.manual_url, suite.id, settings.secret(), clock, midnight)
    journal = Journal(settings.data / "journal.jsonl", run)
    speaker = Speaker(midnight, profile, _APPLICATION)
    return Twin(Hospital(day, scenario, suite), speaker, journal, clock, link, door), link, door


def _speaks_of(settings: Settings) -> tuple[SuiteLayout, Hl7Profile]:
    site = parse_site(settings.site.read_text("utf-8"))
    suite = site.hl7.sources.get(_APPLICATION) if site.hl7 else None
    if site.hl7 is None or suite is None:
        raise ValueError(
            f"Expected an HL7 source {_APPLICATION} in {settings.site}, got none.\n"
            "Maybe ORLOOP_SITE should name the demo's demo-site.yaml."
        )
    return site.suite(suite), site.hl7


async def _play(runtime: Runtime[Settings], twin: Twin, link: MllpClient, door: ManualDoor) -> None:
    listener = bind(runtime.settings.hospital_port, "ORLOOP_HOSPITAL_PORT")
    server = await serve(listener, twin.hear)
    suite = twin.hospital.suite.id

    def state() -> dict[str, Any]:
        told = {"digest": twin.hospital.digest(), "waiting": twin.waiting, **twin.hospital.state()}
        return {"offsets": {}, "suites": {suite: told}}

    def beat() -> None:
        runtime.loop.beat()
        runtime.loop.settle(True, state)

    try:
        await twin.play(runtime.stop.is_set, beat)
    finally:
        server.close()
        await link.close()
        await door.close()
        twin.journal.close()
