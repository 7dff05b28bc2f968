"""Polling a server that we did not write, Medplum's router: created, changed, restarted, nothing lost or doubled."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fhir_parts as f
import pytest
from fhir_peers import Medplum, medplum_home

from orloop_common.domain.events import CaseDoubted, CaseScheduled
from orloop_common.runtime.clock import SystemClock
from orloop_ingest.adapters.fhir_client import FhirClient
from orloop_ingest.adapters.fhir_cursors import Cursors
from orloop_ingest.adapters.fhir_poller import FhirPoller
from orloop_ingest.adapters.fhir_rechecker import FhirRechecker, OpenCase
from orloop_ingest.adapters.fhir_road import FhirRoad
from orloop_ingest.adapters.fhir_sources import FhirSource, ServerRules
from orloop_ingest.adapters.fhir_taking import FhirTaking

pytestmark = pytest.mark.slow
CASES = 40


@pytest.fixture(scope="module")
def server() -> Iterator[Medplum]:
    made = Medplum(medplum_home())
    yield made
    made.close()


class Polling:
    """A poller of this server before the real settling, on real time; `restart` forgets all but the cursor file."""

    def __init__(self, desk: Any, server: Medplum, folder: Path) -> None:
        self.desk, self.server, self.folder = desk, server, folder
        desk.clock.set(datetime.now(UTC))
        self.intake = f.FoldingIntake(desk.reception, desk.ledger)
        self.taken: list[str] = []
        self.restart()

    def restart(self) -> None:
        rules = ServerRules(base=self.server.base, page=7, overlap_seconds=2)
        self.source = FhirSource(profile=f.profile(deleted="cancelled"), server=rules)
        self.cursors = Cursors(self.folder, "EHR-FHIR")

    def rounds(self, count: int = 1) -> None:
        async def go() -> None:
            rules = self.source.server
            assert rules is not None
            client = FhirClient(rules, SystemClock())
            taking = FhirTaking(self, self.desk.site, self.desk.clock)
            poller = FhirPoller(self.source, rules, client, taking, self.cursors, SystemClock())
            for _ in range(count):
                self.desk.clock.set(datetime.now(UTC))
                while await poller.round():
                    pass
            await client.close()

        asyncio.run(go())

    def open_cases(self) -> list[OpenCase]:
        road = FhirRoad((), self.desk.site, self.folder, self.desk.clock, (), False)
        road.sources = {"EHR-FHIR": self.source}
        return road.open_cases(self.source, self.desk.ledger.known)

    def recheck(self) -> None:
        """One round over what is open."""

        async def go() -> None:
            rules = self.source.server
            assert rules is not None
            client = FhirClient(rules, SystemClock())
            taking = FhirTaking(self, self.desk.site, self.desk.clock)
            poller = FhirPoller(self.source, rules, client, taking, self.cursors, SystemClock())
            cases, tells = self.open_cases, poller.tells_deletions
            await FhirRechecker(self.source, rules, client, taking, cases, tells).round()
            await client.close()

        self.desk.clock.set(datetime.now(UTC))
        asyncio.run(go())

    async def take(self, told: Any, body: bytes, kind: str) -> Any:
        self.taken.append(json.loads(body).get("id", "gone"))
        return await self.intake.take(told, body, kind)

    def starts(self) -> dict[str, int]:
        """Start hour by case, as the log has it."""
        cases = self.desk.ledger.day("main").cases.values()
        return {record.case: record.schedule.start.hour for record in cases if record.schedule}


def numbered(number: int, **more: Any) -> dict[str, Any]:
    return f.appointment(f"M{number}", id=None, meta=None, contained=None, participant=[
        {"actor": {"reference": "Location/or-3"}, "status": "accepted"},
    ], **more)  # fmt: skip


def test_what_medplum_holds_is_polled_once_through_changes_and_restarts(
    desk: Any, server: Medplum, tmp_path: Path
) -> None:
    polling = Polling(desk, server, tmp_path)
    ids = [server.create(numbered(n)) for n in range(CASES)]
    polling.rounds(2)
    assert sorted(set(polling.taken)) == sorted(ids), "nothing is lost"
    scheduled = [e for e in polling.intake.events if isinstance(e, CaseScheduled)]
    assert len(scheduled) == CASES, "nothing is doubled"

    polling.restart()
    polling.rounds(2)
    assert len([e for e in polling.intake.events if isinstance(e, CaseScheduled)]) == CASES

    later = {"start": "2026-03-02T13:00:00Z", "end": "2026-03-02T14:30:00Z"}
    for number, id in enumerate(ids[:10]):
        server.update("Appointment", id, numbered(number, **later))
    server.update("Appointment", ids[10], numbered(10, status="cancelled"))
    polling.restart()
    polling.rounds(2)
    assert sorted(polling.starts().values()) == [9] * (CASES - 10) + [13] * 10
    statuses = [record.status for record in desk.ledger.day("main").cases.values()]
    assert statuses.count("cancelled") == 1
    assert polling.intake.problems == []


def test_an_appointment_deleted_in_medplum_is_missed_by_its_id_and_doubted(
    desk: Any, server: Medplum, tmp_path: Path
) -> None:
    """Its router lists no history and answers 404, not 410: whoever is not found may have been deleted."""
    polling = Polling(desk, server, tmp_path)
    ids = [server.create(f.changed(numbered(90 + n), start=later(1), end=later(2))) for n in range(3)]
    polling.rounds()
    assert server.client.delete(f"/Appointment/{ids[1]}").is_success
    for _ in range(2):
        polling.recheck()
        (doubt,) = [event for event in polling.intake.events if isinstance(event, CaseDoubted)]
    (gone,) = [case for case, record in desk.ledger.day("main").cases.items() if record.doubts]
    assert doubt.case == gone
    assert f"Appointment/{ids[1]}" in desk.ledger.known("main").identities.by_case[gone].ids


def later(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds").replace("+00:00", "Z")
