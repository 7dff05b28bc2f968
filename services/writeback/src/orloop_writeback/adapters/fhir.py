"""A step in FHIR R4: a Task for the hospital's inbox, or the order to change an Appointment."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from orloop_common.domain.plan import Place
from orloop_common.messages.identity import SenderIdentity
from orloop_writeback.domain.appointments import local_reference
from orloop_writeback.domain.message import Step

from .siu import secrets_of, sender_zone, unseal

CHANGE, PROPOSAL = "urn:orloop:change", "urn:orloop:proposal"
POSTPONED = "Postponed when the day was planned anew"


class FhirScribe:
    """Writes an order for `FhirClient`; the same step gives the same bytes.

    Parameters
    ----------
    send
        `task` puts the proposal into an inbox, `appointment` changes the Appointment itself.
    case_id
        The identifier system under which an Appointment carries the sender's case id, or `id` for its own id.
    rooms
        Our rooms to references such as `Location/or3`; else the sender's own words for them.
    """

    def __init__(
        self,
        decrypt: Callable[[bytes], bytes],
        *,
        send: Literal["task", "appointment"],
        case_id: str,
        rooms: Mapping[str, str],
    ) -> None:
        self._decrypt, self._send, self._case_id = decrypt, send, case_id
        self._rooms = rooms

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The order as JSON, and the words that identify the patient (none of them is in it)."""
        identity = unseal(step.case, step.suite, step.said_at, sealed, self._decrypt)
        order = self._task(step, identity) if self._send == "task" else self._change(step, identity)
        return json.dumps(order, ensure_ascii=False, sort_keys=True).encode(), secrets_of(identity)

    def _change(self, step: Step, identity: SenderIdentity) -> dict[str, Any]:
        change = step.pending.change
        places = [p for p in (step.origin, change.origin, change.via) if p is not None and p.room and p.start]
        expect = [self._place(step, identity, place) for place in places]
        to = {"cancel": POSTPONED} if step.cancels else {"place": self._place(step, identity, step.place)}
        rooms = sorted({self._room(identity, room) for room in {**identity.aliases, **self._rooms}})
        return {
            "send": "appointment",
            "case_id": self._case_id,
            "value": identity.filler,
            "expect": expect,
            "rooms": rooms,
            **to,
        }

    def _task(self, step: Step, identity: SenderIdentity) -> dict[str, Any]:
        said = _instant(step.said_at, identity)
        held = self._place(step, identity, step.origin)
        inputs = [_input("room now", held["room"]), _input("start now", held["start"])]
        if not step.cancels:
            to = self._place(step, identity, step.place)
            inputs += [_input("room", to["room"]), _input("start", to["start"]), _input("end", to["end"])]
        focus: dict[str, Any] = {"type": "Appointment"}
        if self._case_id == "id":
            focus["reference"] = f"Appointment/{identity.filler}"
        else:
            focus["identifier"] = {"system": self._case_id, "value": identity.filler}
        task: dict[str, Any] = {
            "resourceType": "Task",
            "identifier": [{"system": CHANGE, "value": step.control_id}],
            "groupIdentifier": {"system": PROPOSAL, "value": step.proposal},
            "status": "requested",
            "intent": "proposal",
            "code": {"text": "Postpone a case" if step.cancels else "Move a case"},
            "focus": focus,
            "authoredOn": said,
            "lastModified": said,
            "requester": {"display": "ORLoop"},
            "input": inputs,
        }
        if step.pending.change.reason:
            task["description"] = step.pending.change.reason
        if not step.cancels:
            task["restriction"] = {"period": {"end": to["start"]}}
        return {"send": "task", "if_none_exist": f"identifier={CHANGE}|{step.control_id}", "resource": task}

    def _place(self, step: Step, identity: SenderIdentity, place: Place) -> dict[str, str]:
        assert place.start is not None
        end = _instant(place.start + step.booked, identity)
        return {"room": self._room(identity, place.room or ""), "start": _instant(place.start, identity), "end": end}

    def _room(self, identity: SenderIdentity, room: str) -> str:
        said = self._rooms.get(room) or identity.aliases.get(room) or room
        return local_reference(said) if "/" in said else said if self._send == "task" else f"Location/{said}"


def _input(name: str, value: str) -> dict[str, Any]:
    kind = "valueDateTime" if name in ("start", "end", "start now") else "valueString"
    if value.startswith("Location/"):
        return {"type": {"text": name}, "valueReference": {"reference": value}}
    return {"type": {"text": name}, kind: value}


def _instant(moment: datetime, identity: SenderIdentity) -> str:
    return moment.astimezone(sender_zone(identity.zone)).isoformat(timespec="seconds")
