"""Deleted Appointments on servers whose history tells nothing: looked up again, and never guessed."""

import asyncio
from datetime import timedelta

import fhir_parts as f
import httpx
import pytest

from orloop_common.domain.events import CaseCancelled, CaseDoubted, CaseLinked, ClockTicked, MilestoneRecorded
from orloop_common.domain.vocabulary import Milestone
from orloop_ingest.adapters.fhir_client import FhirClient, ServerAway
from orloop_ingest.adapters.fhir_rechecker import AT_ONCE, FhirRechecker
from orloop_ingest.adapters.fhir_road import FhirRoad
from orloop_ingest.adapters.fhir_sources import FhirSource, ServerRules
from orloop_ingest.adapters.fhir_taking import FhirTaking
from orloop_ingest.domain.fhir.deletions import deletion, gone_bundle
from orloop_ingest.domain.told import Act

BASE = "https://ehr.example/fhir/r4"


class Server:
    """What is there by id; `lost` says what a read of anything else is answered."""

    def __init__(self):
        self.held, self.lost, self.requests, self.searches = {}, 410, [], True

    def put(self, resource):
        self.held[resource["id"]] = resource

    def answer(self, request):
        self.requests.append(f"{request.url.path.removeprefix('/fhir/r4/')}?{request.url.query.decode()}")
        if "_id" in request.url.params:
            wanted = request.url.params["_id"].split(",") if self.searches else ()
            entries = [{"resource": self.held[id]} for id in wanted if id in self.held]
            return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entries})
        found = self.held.get(request.url.path.rpartition("/")[2])
        return httpx.Response(200, json=found) if found else httpx.Response(self.lost)


class Round:
    """A rechecker of a server with the real settling behind it."""

    def __init__(self, desk, tmp_path, deleted="cancelled", history=False):
        self.desk, self.server = desk, Server()
        rules = ServerRules(base=BASE)
        self.source = FhirSource(profile=f.profile(deleted=deleted), server=rules)
        self.intake = f.FoldingIntake(desk.reception, desk.ledger)
        client = FhirClient(rules, desk.clock, transport=httpx.MockTransport(self.server.answer))
        self.taking = FhirTaking(self.intake, desk.site, desk.clock)
        road = FhirRoad((), desk.site, tmp_path, desk.clock, (), False)
        road.sources = {"EHR-FHIR": self.source}

        async def tells(kind):
            return history

        self.cases = lambda: road.open_cases(self.source, desk.ledger.known)
        self.rechecker = FhirRechecker(self.source, rules, client, self.taking, self.cases, tells)

    def book(self, *cases, **more):
        for case in cases:
            resource = f.appointment(case, start="2026-03-02T14:00:00Z", end="2026-03-02T15:30:00Z", **more)
            self.server.put(resource)
            asyncio.run(self.taking.take(self.source.profile, resource))

    def go(self):
        before = len(self.intake.events)
        asyncio.run(self.rechecker.round())
        return [event for event in self.intake.events[before:] if not isinstance(event, CaseLinked)]


@pytest.fixture
def make_round(desk, tmp_path):
    return lambda **more: Round(desk, tmp_path, **more)


def test_a_deleted_appointment_ends_its_case_as_the_profile_says(make_round):
    ours = make_round()
    ours.book("A1", "A2")
    assert ours.go() == []
    del ours.server.held["ap-A1"]
    (event,) = ours.go()
    assert isinstance(event, CaseCancelled)
    assert [ours.go(), ours.go()] == [[], []]
    assert [case.id for case in ours.cases()] == ["ap-A2"], "what has ended is not asked for"


def test_where_the_profile_leaves_it_to_a_person_the_case_is_doubted_once(make_round):
    ours = make_round(deleted=None)
    ours.book("A1", "A2")
    del ours.server.held["ap-A1"]
    (event,) = ours.go()
    assert isinstance(event, CaseDoubted)
    assert ours.go() == []


def test_a_server_that_does_not_find_it_has_not_said_that_it_was_deleted(make_round):
    ours = make_round()
    ours.book("A1", "A2")
    ours.server.lost = 404
    del ours.server.held["ap-A1"]
    (event,) = ours.go()
    assert isinstance(event, CaseDoubted), "although the profile says what a deletion means"


def test_a_server_that_finds_none_of_several_is_misunderstood_and_nothing_follows(make_round):
    ours = make_round()
    ours.book("A1", "A2")
    ours.server.lost = 404
    ours.server.held.clear()
    with pytest.raises(ServerAway, match="404 for each"):
        ours.go()
    assert not any(isinstance(event, CaseDoubted | CaseCancelled) for event in ours.intake.events)


def test_what_a_change_query_has_missed_is_taken_when_it_is_looked_up(make_round):
    ours = make_round()
    ours.book("A1", "A2")
    ours.go()
    later = {"meta": {"versionId": "4", "lastUpdated": "2026-03-02T11:00:00Z"}}
    ours.server.put(f.changed(ours.server.held["ap-A1"], status="entered-in-error", **later))
    (event,) = ours.go()
    assert type(event).__name__ == "CaseEnteredInError"


def test_what_is_not_found_then_told_anew_and_not_found_again_is_doubted_again(make_round):
    ours = make_round(deleted=None)
    ours.book("A1", "A2")
    held = ours.server.held.pop("ap-A1")
    assert [event.withdrawn for event in ours.go()] == [False]
    later = {"meta": {"versionId": "5", "lastUpdated": "2026-03-02T12:30:00Z"}}
    ours.desk.clock.advance(timedelta(hours=1))
    back = f.changed(held, start="2026-03-02T16:00:00Z", end="2026-03-02T17:30:00Z", **later)
    asyncio.run(ours.taking.take(ours.source.profile, back))
    assert ours.intake.events[-1].withdrawn
    ours.desk.clock.advance(timedelta(hours=1))
    assert [event.withdrawn for event in ours.go()] == [False]


def test_a_server_without_a_search_by_id_is_asked_one_by_one(make_round):
    ours = make_round()
    ours.book("A1", "A2")
    ours.server.searches = False
    del ours.server.held["ap-A2"]
    assert len(ours.go()) == 1
    assert {"Appointment/ap-A1?", "Appointment/ap-A2?"} <= set(ours.server.requests)


def test_many_are_asked_for_in_few_requests(make_round):
    ours = make_round()
    count = AT_ONCE + 5
    ours.book(*(f"B{n:03}" for n in range(count)))
    assert len(ours.cases()) == count
    ours.go()
    assert len(ours.server.requests) == 2


def test_where_the_history_tells_deletions_nothing_is_asked(make_round):
    ours = make_round(history=True)
    ours.book("A1")
    assert ours.go() == []
    assert ours.server.requests == []


def test_what_has_begun_or_is_long_past_is_left_alone(make_round, desk):
    ours = make_round()
    ours.book("A1", "A2")
    first = next(case for case in desk.ledger.day("main").cases)
    at = desk.clock.now()
    desk.ledger.fold(MilestoneRecorded(id="m", suite="main", at=at, case=first, milestone=Milestone.PATIENT_IN_ROOM))
    assert len(ours.cases()) == 1
    desk.ledger.fold(ClockTicked(id="t", suite="main", at=at + timedelta(days=1, hours=4)))
    assert ours.cases() == []


def test_a_tombstone_of_our_own_making_reads_like_one_of_a_history():
    sure, unsure = (deletion(gone_bundle(BASE, "ap-1", "7", status)) for status in (410, 404))
    assert (sure.name, sure.certain, unsure.certain) == ("Appointment/ap-1", True, False)
    assert f.profile(deleted="cancelled").deleted is Act.CANCELLED
