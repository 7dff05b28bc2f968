"""A Task in a hospital's inbox: its no ends the change, its yes is shown, and done is only what the feed echoes."""

import json
import threading

import httpx
import pytest
from writing_back import CANARY, CIPHER, Mesh, a_step, identity, sealed

from orloop_common.messages import WRITEBACK_STATUS
from orloop_common.testing.suite import change, tick
from orloop_writeback.adapters.courier import NoAnswer
from orloop_writeback.adapters.fhir import FhirScribe
from orloop_writeback.adapters.fhir_client import FhirClient
from orloop_writeback.adapters.routes_file import parse_writeback
from orloop_writeback.adapters.task_watch import TaskWatch
from orloop_writeback.domain.routes import Route, Way
from orloop_writeback.domain.tasks import TaskSaid, refusal, remark

INBOX = Route(name="epr", way=Way.FHIR, tasks=True)
A = change("hip", ("1", "10:30"), ("2", "10:30"))
B = change("knee", ("1", "12:30"), ("3", "12:30"))


@pytest.fixture
def mesh():
    """Two changes are approved and the Task of the first is in the inbox."""
    made = Mesh(routes=(INBOX,))
    made.approve(A, B)
    made.run()
    made.courier.answer()
    return made.run()


def text_of(mesh, case="hip"):
    return [s for s in mesh.bus.messages(WRITEBACK_STATUS) if s.case == case][-1].text


def test_only_a_task_that_the_inbox_has_taken_is_looked_after(mesh):
    ((step, _),) = mesh.inboxes.open.values()
    assert (step.case, list(mesh.inboxes.open)) == ("hip", [step.control_id])
    mesh.echo()
    mesh.run()
    assert mesh.inboxes.open == {}


@pytest.mark.parametrize("status", ["rejected", "failed", "cancelled", "entered-in-error"])
def test_a_no_ends_the_change_stops_the_rest_and_is_told_with_its_reason(mesh, status):
    mesh.inboxes.say(status, "No bed on the ward")
    mesh.run()
    assert mesh.answers() == [("hip", "acknowledged"), ("hip", "refused")]
    assert mesh.outcomes() == {"hip": "refused", "knee": "stopped"}
    assert "No bed on the ward" in text_of(mesh)
    assert mesh.inboxes.open == {}
    assert len(mesh.courier.sent) == 1


@pytest.mark.parametrize("status", ["accepted", "in-progress", "completed"])
def test_a_yes_is_shown_and_the_echo_is_awaited_all_the_same(mesh, status):
    mesh.inboxes.say(status)
    mesh.run()
    assert mesh.outcomes()["hip"] == "acknowledged"
    assert mesh.statuses("hip")[-1] == "acknowledged"
    assert "in the hospital's inbox" in text_of(mesh)
    mesh.echo()
    mesh.run()
    assert mesh.outcomes()["hip"] == "applied"
    assert "inbox" not in text_of(mesh)


def test_completed_without_an_echo_is_unconfirmed_in_the_end(mesh):
    mesh.inboxes.say("completed")
    mesh.run()
    mesh.say(tick("09:30"))
    mesh.run()
    assert mesh.outcomes()["hip"] == "unconfirmed"


def test_a_no_that_comes_after_the_echo_changes_nothing(mesh):
    ((step, _),) = mesh.inboxes.open.values()
    mesh.echo()
    mesh.run()
    mesh.inboxes.news.append(TaskSaid(step=step, status="rejected"))
    mesh.run()
    assert ("hip", "refused") not in mesh.answers()
    assert mesh.outcomes()["hip"] == "applied"


def test_after_a_restart_every_open_task_is_looked_after_again(mesh):
    before = list(mesh.inboxes.open)
    mesh.start()
    mesh.run()
    assert list(mesh.inboxes.open) == before


def test_what_is_no_task_is_not_looked_after():
    made = Mesh(routes=(Route(name="epr", way=Way.FHIR),))
    made.approve(A)
    made.run()
    made.courier.answer()
    made.run()
    assert made.outcomes() == {"hip": "acknowledged"}
    assert made.inboxes.open == {}


def test_a_route_that_sends_tasks_says_so():
    fhir = "{base: https://x, case_id: id, send: %s}"
    text = "writeback: {routes: [{name: a, way: fhir, fhir: %s}, {name: b, way: fhir, fhir: %s}]}"
    pairs = parse_writeback(text % (fhir % "task", fhir % "appointment")).pairs()
    assert [route.tasks for route, _ in pairs] == [True, False]


@pytest.mark.parametrize("status", ["requested", "draft", "a word of theirs"])
def test_what_says_nothing_is_not_shown(status):
    said = TaskSaid(step=a_step(), status=status)
    assert (refusal(said), remark(said)) == (None, "")


# --- reading it ---------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self):
        self.told, self.asked = {}, []

    def task(self, control_id):
        self.asked.append(control_id)
        if control_id not in self.told:
            raise NoAnswer("Expected an answer, got none.")
        return self.told[control_id]

    def close(self):
        self.closed = True


def test_a_status_is_told_once_and_without_a_word_of_the_patient():
    reader, stop = Reader(), threading.Event()
    watch, step = TaskWatch(reader, 0.01, stop), a_step()
    watch.watch({step.control_id: (step, ("Zimtstern", "Ottilie"))})
    watch.look()
    assert watch.said() == []
    reader.told[step.control_id] = ("rejected", "Frau Zimtstern 9900171 is not fasted")
    watch.look()
    watch.look()
    (said,) = watch.said()
    assert said.status == "rejected"
    assert "is not fasted" in said.reason
    assert not any(word in said.reason for word in ("Zimtstern", "9900171"))
    stop.set()
    watch.run()
    assert reader.closed


def client(handler):
    return FhirClient(httpx.Client(base_url="https://x/", transport=httpx.MockTransport(handler)))


def test_a_task_is_found_by_the_id_under_which_it_was_created():
    step, held = a_step(), []

    def answer(request):
        if request.method == "POST":
            held.append(json.loads(request.content))
            return httpx.Response(201)
        assert request.url.params["identifier"] == f"urn:orloop:change|{step.control_id}"
        task = held[0] | {"status": "rejected", "statusReason": {"coding": [{"display": "Ward is full"}]}}
        return httpx.Response(200, json={"resourceType": "Bundle", "entry": [{"resource": task}]})

    ours = client(answer)
    scribe = FhirScribe(CIPHER.decrypt, send="task", case_id="id", rooms={})
    body, secrets = scribe.write(step, sealed(step.case, identity()))
    assert set(CANARY) & set(secrets)
    assert ours.ask(body, step.control_id).accepted
    assert ours.task(step.control_id) == ("rejected", "Ward is full")


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(503), httpx.Response(403), httpx.Response(200, json={"resourceType": "OperationOutcome"})],
    ids=["away", "not allowed", "no bundle"],
)
def test_a_server_that_does_not_say_has_not_said_no(answer):
    with pytest.raises(NoAnswer):
        client(lambda request: answer).task("ORL1")


def test_a_task_that_is_not_there_is_told_as_gone_and_not_as_a_no():
    ours = client(lambda request: httpx.Response(200, json={"resourceType": "Bundle", "total": 0}))
    assert ours.task("ORL1") == ("", "")
    said = TaskSaid(step=a_step(), status="")
    assert refusal(said) is None
    assert "no longer" in remark(said)
