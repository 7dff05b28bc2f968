"""FHIR R4 over HTTP: creates a Task once, changes an Appointment only in the version that was read."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from orloop_common.runtime.smart import SmartRefused
from orloop_writeback.domain.appointments import (
    CannotChange,
    Resource,
    cancelled,
    concept_text,
    is_at,
    moved,
    outcome_text,
)
from orloop_writeback.domain.message import Reply

from .courier import NoAnswer
from .fhir import CHANGE

JSON = "application/fhir+json"
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_ROUNDS = 3  # of reading anew after a 412, when only something else has changed


class _Refused(Exception):
    """The server said no; text and status are for a person."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FhirClient:
    """Belongs to one thread; `client` has the base address, the time-out, TLS and the SMART token."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, body: bytes, control_id: str) -> Reply:
        """Carry out an order of `FhirScribe`; asked again it finds what it did and changes nothing.

        Raises
        ------
        NoAnswer
            If the server is away, busy or broken: ask again.
        """
        order = json.loads(body)
        try:
            if order["send"] == "task":
                return self._create(order)
            return self._change(order)
        except CannotChange as error:
            return Reply(False, "409", str(error))
        except _Refused as error:
            return Reply(False, str(error.status), str(error) or HTTPStatus(error.status).phrase)
        except SmartRefused as error:
            raise NoAnswer(error.problem) from error
        except httpx.HTTPError as error:
            raise NoAnswer(f"Expected an answer of the FHIR server, got {type(error).__name__}.") from error

    def task(self, control_id: str) -> tuple[str, str]:
        """The status of the Task that was created under this id, and its reason; both empty if it is not there.

        Raises
        ------
        NoAnswer
            If the server does not say: look again later.
        """
        query = {"identifier": f"{CHANGE}|{control_id}", "_count": "2"}
        try:
            bundle = self._json(self._request("GET", "Task", params=query))
        except _Refused as error:
            raise NoAnswer(f"Expected to be let read a Task, got {error.status}.") from None
        except SmartRefused as error:
            raise NoAnswer(error.problem) from error
        except httpx.HTTPError as error:
            raise NoAnswer(f"Expected an answer of the FHIR server, got {type(error).__name__}.") from error
        if bundle.get("resourceType") != "Bundle":
            raise NoAnswer("Expected a Bundle of the FHIR server, got something else.")
        resources = [entry.get("resource") or {} for entry in bundle.get("entry") or () if isinstance(entry, dict)]
        found = next((one for one in resources if one.get("resourceType") == "Task"), {})
        return str(found.get("status") or ""), concept_text(found.get("statusReason"))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _create(self, order: Mapping[str, Any]) -> Reply:
        headers = {"If-None-Exist": order["if_none_exist"], "Prefer": "return=minimal"}
        answer = self._request("POST", "Task", headers, order["resource"])
        return Reply(True, str(answer.status_code))

    def _change(self, order: Mapping[str, Any]) -> Reply:
        rooms = frozenset(order["rooms"])
        for _ in range(_ROUNDS):
            resource, version = self._read(order)
            changed = self._changed(order, resource, rooms)
            if changed is None:
                return Reply(True, "200", "The hospital's system had it so already.")
            headers = {"If-Match": version, "Prefer": "return=minimal"}
            try:
                answer = self._request("PUT", f"Appointment/{resource['id']}", headers, changed)
            except _Refused as error:
                if error.status != HTTPStatus.PRECONDITION_FAILED:
                    raise
                continue
            return Reply(True, str(answer.status_code))
        return Reply(False, "412", "The hospital keeps changing this appointment: it has to be planned anew.")

    def _changed(self, order: Mapping[str, Any], resource: Resource, rooms: frozenset[str]) -> Resource | None:
        """What to put, or None if it is so already."""
        if "cancel" in order:
            if resource.get("status") == "cancelled":
                return None
            self._expect(order, resource, rooms)
            return cancelled(resource, order["cancel"])
        if is_at(resource, order["place"], rooms):
            return None
        self._expect(order, resource, rooms)
        return moved(resource, order["place"], rooms)

    def _expect(self, order: Mapping[str, Any], resource: Resource, rooms: frozenset[str]) -> None:
        if not any(is_at(resource, place, rooms) for place in order["expect"]):
            raise CannotChange("The hospital has changed this appointment meanwhile: it has to be planned anew.")

    def _read(self, order: Mapping[str, Any]) -> tuple[Resource, str]:
        """The Appointment as it is now, and its version for `If-Match`."""
        if order["case_id"] == "id":
            answer = self._request("GET", f"Appointment/{order['value']}")
            found = self._json(answer)
        else:
            query = {"identifier": f"{order['case_id']}|{order['value']}", "_count": "2"}
            bundle = self._json(self._request("GET", "Appointment", params=query))
            resources = [entry.get("resource") or {} for entry in bundle.get("entry") or ()]
            matches = [one for one in resources if one.get("resourceType") == "Appointment"]
            if len(matches) != 1:
                many = "several appointments" if matches else "no appointment"
                raise CannotChange(f"The hospital's system has {many} under this case's id: change it by hand.")
            answer, found = None, matches[0]
        version = (answer.headers.get("ETag") if answer is not None else None) or _etag(found)
        if version is None or not isinstance(found.get("id"), str):
            raise CannotChange("The hospital's system does not say which version this is: change it by hand.")
        return found, version

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        resource: Resource | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        content = None if resource is None else json.dumps(resource, ensure_ascii=False).encode()
        kind = {} if content is None else {"Content-Type": JSON}
        answer = self._client.request(
            method, url, headers={"Accept": JSON, **kind, **(headers or {})}, content=content, params=params
        )
        if answer.status_code in _AGAIN:
            asked = answer.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdigit() else 0.0
            raise NoAnswer(f"Expected an answer of the FHIR server, got {answer.status_code}.", wait)
        if not answer.is_success:
            raise _Refused(answer.status_code, outcome_text(self._json(answer)))
        return answer

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        try:
            told = answer.json()
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}


def _etag(resource: Resource) -> str | None:
    version = (resource.get("meta") or {}).get("versionId")
    return f'W/"{version}"' if version else None
