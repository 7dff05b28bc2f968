"""An Appointment as the hospital has it, compared with what was approved, and changed in nothing else."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

Resource = dict[str, Any]


class CannotChange(Exception):
    """The Appointment is not what the change was made for; the text names no patient."""


def start_of(resource: Mapping[str, Any]) -> datetime | None:
    """When it begins; None if it does not say, or not with its offset."""
    try:
        start = datetime.fromisoformat(str(resource.get("start", "")))
    except ValueError:
        return None
    return start if start.tzinfo is not None else None


def location_of(resource: Mapping[str, Any], rooms: Collection[str]) -> str | None:
    """The reference of its room: the one participant that is one of our `rooms`, or else its only Location."""
    found = [reference for reference, _ in _locations(resource)]
    ours = [reference for reference in found if reference in rooms] or found
    if len(ours) > 1:
        raise CannotChange("The appointment names several rooms: change it by hand.")
    return ours[0] if ours else None


def is_at(resource: Mapping[str, Any], place: Mapping[str, str], rooms: Collection[str]) -> bool:
    """Whether it is booked for this start and room."""
    start = datetime.fromisoformat(place["start"])
    booked = str(resource.get("status", "")) in ("booked", "pending", "proposed", "waitlist", "arrived", "checked-in")
    return booked and start_of(resource) == start and location_of(resource, rooms) == place["room"]


def moved(resource: Resource, to: Mapping[str, str], rooms: Collection[str]) -> Resource:
    """The same Appointment at another start and room; all else as the hospital said it."""
    held = location_of(resource, rooms)
    people = [dict(one) for one in resource.get("participant") or ()]
    for reference, index in _locations(resource):
        if reference == held:
            people[index]["actor"] = {"reference": to["room"]}
    if held is None:
        people.append({"actor": {"reference": to["room"]}, "required": "required", "status": "accepted"})
    return {**resource, "start": to["start"], "end": to["end"], "participant": people}


def cancelled(resource: Resource, why: str) -> Resource:
    """The same Appointment, cancelled."""
    return {**resource, "status": "cancelled", "cancelationReason": {"text": why}}


def local_reference(reference: str) -> str:
    """`Type/id`, without the server's address and without a version."""
    parts = reference.split("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else reference


def outcome_text(body: object) -> str:
    """What an OperationOutcome says, for people; empty for what is none."""
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return ""
    texts = []
    for issue in body.get("issue") or ():
        details = issue.get("details") or {}
        said = details.get("text") or issue.get("diagnostics") or _display(details) or issue.get("code")
        if said:
            texts.append(" ".join(str(said).split()))
    return "; ".join(dict.fromkeys(texts))


def concept_text(concept: object) -> str:
    """What a CodeableConcept says, for people; empty for what is none."""
    if not isinstance(concept, dict):
        return ""
    return " ".join(str(concept.get("text") or _display(concept)).split())


def _display(details: Mapping[str, Any]) -> str:
    return str(next((c.get("display") or c.get("code") for c in details.get("coding") or ()), "") or "")


def _locations(resource: Mapping[str, Any]) -> list[tuple[str, int]]:
    """References to Locations among the participants, with their place in the list."""
    found = []
    for index, one in enumerate(resource.get("participant") or ()):
        reference = local_reference(str((one.get("actor") or {}).get("reference", "")))
        if reference.startswith("Location/"):
            found.append((reference, index))
    return found
