"""ServiceRequest: the order behind a case: what is to be done, how urgent, since when it waits."""

from typing import Any

from orloop_ingest.domain.told import Act, CaseTold, Statement

from . import elements as e
from .context import Context

_ACTS = {"revoked": Act.CANCELLED, "entered-in-error": Act.ENTERED_IN_ERROR, "active": Act.BOOKED}
_SIDES = {"7771000": "left", "24028007": "right", "51440002": "bilateral"}  # SNOMED CT


def read(c: Context) -> list[Statement]:
    """Attributes of a case that its Appointment books; an order alone creates none."""
    concepts = [*e.elements(c.resource, "category", c.kind), ("ServiceRequest.code", c.reference("code"))]
    if not c.is_ours(*concepts):
        c.notes.append("not_surgical")
        return []
    act = _ACTS.get(c.text("status"))
    if act is None or c.text("intent") in ("proposal", "plan", "option") or c.resource.get("doNotPerform") is True:
        c.notes.append("not_ordered")
        return []
    fields = _fields(c) if act is Act.BOOKED else {}
    return [CaseTold(ref=c.ref(), identity=c.identity(), act=act, creates=False, fields=fields)]


def _fields(c: Context) -> dict[str, Any]:
    told: dict[str, Any] = {}
    procedure = c.procedure(c.reference("code"), "ServiceRequest.code")
    if procedure is not None:
        side = _side(c)
        told["procedures"] = (
            type(procedure)(code=procedure.code, text=procedure.text, system=procedure.system, laterality=side),
        )
    if urgency := c.profile.orders.get(c.text("priority")):
        told["urgency"] = urgency
    authored = c.text("authoredOn")
    if "T" in authored and (since := c.moment("authoredOn")) is not None:
        told["waiting_since"] = since
    earliest, latest = c.period("occurrencePeriod")
    told |= {name: at for name, at in (("earliest", earliest), ("latest", latest)) if at is not None}
    return told


def _side(c: Context) -> str | None:
    for place, site in e.elements(c.resource, "bodySite", c.kind):
        if (side := c.coded(_SIDES, site, place)) is not None:
            return side
    return None
