"""One resource becomes what its sender told. Pure; raises `Quarantined` with the element's place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from orloop_common.domain.digest import digest
from orloop_common.domain.site import Site
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef, Statement, Told

from . import appointments, encounters, locations, procedures, requests, tasks
from .context import Context, context_of
from .deletions import deletion
from .issues import Issue
from .profile import READ, FhirProfile
from .rules import check, is_later_release

READERS: dict[str, Callable[[Context], list[Statement]]] = {
    "Appointment": appointments.read,
    "Encounter": encounters.read,
    "Location": locations.read,
    "ServiceRequest": requests.read,
    "Procedure": procedures.read,
    "Task": tasks.read,
}
assert tuple(READERS) == READ


def read_resource(resource: dict[str, Any], profile: FhirProfile, site: Site, received: datetime, raw: str) -> Told:
    """What a resource says.

    Parameters
    ----------
    resource
        R4, as it came; nobody has validated it.
    raw
        The id of its raw record.

    Raises
    ------
    Quarantined
        LATER_RELEASE for R5, WRONG_BODY for a breach of R4's rules, UNKNOWN_TYPE for a type that is not read,
        or why it cannot be mapped; `field` is a FHIRPath expression.
    """
    if (gone := deletion(resource)) is not None:
        return gone.told(profile, received, raw)
    issues = [issue for issue in check(resource) if issue.is_error]
    if issues:
        reason = Reason.LATER_RELEASE if is_later_release(issues) else Reason.WRONG_BODY
        raise Quarantined(reason, issues[0].expression)
    kind = resource["resourceType"]
    if kind not in READERS:
        raise Quarantined(Reason.UNKNOWN_TYPE, "resourceType")
    context = context_of(resource, profile, site, received)
    statements = READERS[kind](context)
    return Told(
        source=profile.source,
        suite=profile.suite,
        namespace=profile.namespace,
        at=context.at,
        received=received,
        raw=raw,
        statements=tuple(statements),
        notes=tuple(context.notes),
        flags=tuple(context.flags),
    )


def tell(resource: dict[str, Any], profile: FhirProfile, site: Site, received: datetime, raw: str) -> Told:
    """As `read_resource`, but what cannot be read is told as a problem, with the case that it names."""
    content = digest({name: value for name, value in resource.items() if name != "meta"})
    try:
        return replace(read_resource(resource, profile, site, received, raw), content=content)
    except Quarantined as problem:
        return Told(
            source=profile.source,
            suite=profile.suite,
            namespace=profile.namespace,
            at=received,
            received=received,
            raw=raw,
            content=content,
            problem=problem,
            about=refs(resource, profile, site, received),
        )


def refs(resource: Any, profile: FhirProfile, site: Site, received: datetime) -> CaseRef | None:
    """The case that a resource names, even if it cannot be read further; None if it names none."""
    if not isinstance(resource, dict):
        return None
    if (gone := deletion(resource)) is not None:
        return gone.ref
    if resource.get("resourceType") not in READERS:
        return None
    try:
        context = context_of(resource, profile, site, received)
        ids = context.case_ids()
        return CaseRef(ids=ids, visit=context.visit()) if ids else None
    except Quarantined:
        return None


def findings(error: Quarantined, resource: Any) -> list[Issue]:
    """Why a resource was not applied, for the OperationOutcome: the rules' findings, else the quarantine's reason."""
    return [i for i in check(resource) if i.is_error] or [
        Issue(severity="warning", code="business-rule", expression=error.field, text=error.reason.sentence)
    ]
