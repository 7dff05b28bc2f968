"""What R4 demands of a resource beyond its types: bindings, cardinalities, start and end. Pure and quick.

Runs before a plain POST is answered; fhir.resources checks the types afterwards.
"""

from collections.abc import Iterator
from typing import Any

from .bindings import CODES, LISTS, NEEDED, R5_ONLY
from .elements import parse_moment
from .issues import Issue
from .profile import READ

_UNTIMED = frozenset({"proposed", "cancelled", "waitlist"})  # app-3 of R4


def check(resource: Any) -> list[Issue]:
    """Every finding about one resource, in the order of the rules.

    Elements of R5 come first and alone: what else is odd about the resource follows from them.
    """
    if not isinstance(resource, dict):
        return [Issue(code="structure", expression="", text="Expected a JSON object, got another JSON value.")]
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not kind:
        return [Issue(code="structure", expression="resourceType", text="Expected a resourceType, got none.")]
    if kind not in READ:
        return []
    return list(_releases(kind, resource)) or [
        *_lists(kind, resource),
        *_needed(kind, resource),
        *_bound(kind, resource),
        *_TIMES.get(kind, _no_rule)(resource),
    ]


def is_later_release(issues: list[Issue]) -> bool:
    """Whether the findings say that the resource is of R5 or later."""
    return any(issue.code == "not-supported" for issue in issues)


def _releases(kind: str, resource: dict[str, Any]) -> Iterator[Issue]:
    for name, instead in R5_ONLY[kind].items():
        if name in resource:
            yield _later(f"{kind}.{name}", instead)
    for name in ("serviceType", "basedOn", "code", "bodySite"):
        if _has_reference_concept(resource.get(name)):
            yield _later(f"{kind}.{name}", "a CodeableConcept or a Reference")
    if kind == "Encounter" and isinstance(resource.get("class"), list):
        yield _later("Encounter.class", "one Coding")
    if kind == "Procedure" and isinstance(resource.get("category"), list):
        yield _later("Procedure.category", "one CodeableConcept")
    if kind in ("Appointment", "Encounter") and isinstance(resource.get("priority"), dict) and kind == "Appointment":
        yield _later("Appointment.priority", "a number")


def _later(expression: str, instead: str) -> Issue:
    return Issue(
        code="not-supported",
        expression=expression,
        text=f"Expected FHIR R4 (4.0.1), got an element of R5. Maybe R4 has it as: {instead}.",
    )


def _has_reference_concept(value: Any) -> bool:
    """CodeableReference is R5's: `concept` or `reference` as objects."""
    found = value if isinstance(value, list) else [value]
    return any(
        isinstance(each, dict) and (isinstance(each.get("concept"), dict) or isinstance(each.get("reference"), dict))
        for each in found
    )


def _lists(kind: str, resource: dict[str, Any]) -> Iterator[Issue]:
    for name in LISTS[kind]:
        if name in resource and not isinstance(resource[name], list):
            yield Issue(code="structure", expression=f"{kind}.{name}", text="Expected a list, got one value.")
        elif resource.get(name) == []:
            yield Issue(code="structure", expression=f"{kind}.{name}", text="Expected no list or one with elements.")


def _needed(kind: str, resource: dict[str, Any]) -> Iterator[Issue]:
    for path in NEEDED[kind]:
        for place, value in _at(kind, resource, path):
            if value in (None, "", [], {}):
                yield Issue(code="required", expression=place, text="Expected at least one value, got none.")


def _bound(kind: str, resource: dict[str, Any]) -> Iterator[Issue]:
    for path, allowed in CODES[kind].items():
        for place, value in _at(kind, resource, path):
            if value is not None and (not isinstance(value, str) or value not in allowed):
                words = ", ".join(sorted(allowed))
                yield Issue(code="code-invalid", expression=place, text=f"Expected one of {words}, got another code.")


def _at(kind: str, resource: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    head, _, tail = path.partition(".")
    if not tail:
        yield f"{kind}.{head}", resource.get(head)
        return
    found = resource.get(head)
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield f"{kind}.{head}[{index}].{tail}", each.get(tail)


def _appointment(resource: dict[str, Any]) -> Iterator[Issue]:
    start, end, status = resource.get("start"), resource.get("end"), resource.get("status")
    if end is not None and start is None:
        yield Issue(code="invariant", expression="Appointment.start", text="Expected a start beside the end, got none.")
    elif start is not None and end is None and status not in _UNTIMED:
        rank = "warning" if resource.get("minutesDuration") else "error"  # a length says as much
        text = "Expected an end beside the start (app-2), got none."
        yield Issue(severity=rank, code="invariant", expression="Appointment.end", text=text)
    if start is None and end is None and isinstance(status, str) and status not in _UNTIMED:
        text = "Expected start and end unless the status is proposed, cancelled or waitlist (app-3), got neither."
        yield Issue(code="invariant", expression="Appointment.start", text=text)
    yield from _ordered("Appointment", resource)
    found = resource.get("participant")
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict) and not each.get("type") and not each.get("actor"):
            text = "Expected a type or an actor (app-1), got neither."
            yield Issue(code="invariant", expression=f"Appointment.participant[{index}]", text=text)
    found = resource.get("requestedPeriod")
    for index, each in enumerate(found if isinstance(found, list) else ()):
        yield from _period(f"Appointment.requestedPeriod[{index}]", each)


def _encounter(resource: dict[str, Any]) -> Iterator[Issue]:
    yield from _period("Encounter.period", resource.get("period"))
    for name in ("location", "statusHistory"):
        found = resource.get(name)
        for index, each in enumerate(found if isinstance(found, list) else ()):
            if isinstance(each, dict):
                yield from _period(f"Encounter.{name}[{index}].period", each.get("period"))


def _procedure(resource: dict[str, Any]) -> Iterator[Issue]:
    yield from _period("Procedure.performedPeriod", resource.get("performedPeriod"))
    yield from _one_of("Procedure", "performed", resource)


def _request(resource: dict[str, Any]) -> Iterator[Issue]:
    yield from _period("ServiceRequest.occurrencePeriod", resource.get("occurrencePeriod"))
    yield from _one_of("ServiceRequest", "occurrence", resource)


def _task(resource: dict[str, Any]) -> Iterator[Issue]:
    yield from _period("Task.executionPeriod", resource.get("executionPeriod"))
    authored, modified = _shape(resource.get("authoredOn")), _shape(resource.get("lastModified"))
    if authored and modified and modified < authored:
        text = "Expected lastModified after authoredOn (inv-1), got an earlier time."
        yield Issue(code="invariant", expression="Task.lastModified", text=text)


def _no_rule(resource: dict[str, Any]) -> Iterator[Issue]:
    return iter(())


def _one_of(kind: str, prefix: str, resource: dict[str, Any]) -> Iterator[Issue]:
    found = [n for n in resource if n.startswith(prefix) and n[len(prefix) :][:1].isupper() and n != "performer"]
    if len(found) > 1:
        text = f"Expected one type of {prefix}[x], got {len(found)}."
        yield Issue(code="structure", expression=f"{kind}.{prefix}[x]", text=text)


def _period(place: str, found: Any) -> Iterator[Issue]:
    if isinstance(found, dict):
        yield from _ordered(place, found)


def _ordered(place: str, owner: dict[str, Any]) -> Iterator[Issue]:
    start, end = _shape(owner.get("start")), _shape(owner.get("end"))
    if start and end and end < start:
        yield Issue(
            code="invariant", expression=f"{place}.end", text="Expected an end after the start, got an earlier."
        )


def _shape(value: Any) -> Any:
    """The comparable form of a full time; None for a mere date or what is no time (others speak of that)."""
    return parse_moment(value) if isinstance(value, str) else None


_TIMES = {
    "Appointment": _appointment,
    "Encounter": _encounter,
    "Procedure": _procedure,
    "ServiceRequest": _request,
    "Task": _task,
}
