"""From a resource's bytes to the intake: durable first, then settled; the same content is the same record."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from orloop_common.domain.site import Site
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.fhir import FhirProfile, Issue, findings, tell
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Told
from orloop_ingest.intake import Taken, raw_id

from .fhir_models import ModelCheck

_log = get_logger("fhir")
KIND = "fhir"


class Taking(Protocol):
    """The intake, as far as FHIR needs it."""

    async def take(self, told: Told, body: bytes, kind: str) -> Taken:
        """Durable when it returns, or `NotDurable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one resource; `problem` says why it is in quarantine, `issues` tell its sender."""

    id: str
    events: int = 0
    problem: Quarantined | None = None
    issues: tuple[Issue, ...] = ()


class FhirTaking:
    """Reads resources of known sources and hands them to the intake."""

    def __init__(
        self,
        intake: Taking,
        site: Site,
        clock: Clock,
        models: ModelCheck | None = None,
        hear: Callable[[str], None] = lambda source: None,
    ) -> None:
        self._intake, self._site, self._clock, self._models, self._hear = intake, site, clock, models, hear

    async def take(self, profile: FhirProfile, resource: Any, body: bytes | None = None) -> Outcome:
        """Durable when it returns.

        Parameters
        ----------
        body
            The resource's own bytes, where it came alone; else its canonical JSON is kept.

        Raises
        ------
        NotDurable
            The sender keeps it; told again it doubles nothing.
        """
        body = canonical(resource) if body is None else body
        id = raw_id(kind_of(profile), profile.source, body)
        self._hear(profile.source)
        told = read_body(resource, profile, self._site, self._clock.now(), id)
        taken = await self._intake.take(told, body, kind_of(profile))
        problem = told.problem or taken.problem
        kind = type_of(resource)
        result = "quarantined" if problem is not None else "mapped" if taken.events else "nothing"
        metrics.FHIR.labels(profile.source, kind, result).inc()
        if problem is not None:
            _log.warning("resource_quarantined", source=profile.source, type=kind, raw=id, reason=problem.reason.value,
                         place=problem.field)  # fmt: skip
        if self._models is not None and kind != "other":
            self._models.later(profile.source, resource, id)
        issues = tuple(findings(problem, resource)) if problem is not None else ()
        return Outcome(id=id, events=len(taken.events), problem=problem, issues=issues)


def read_body(resource: Any, profile: FhirProfile, site: Site, received: datetime, raw: str) -> Told:
    """What a body says; one that is no JSON object is a problem, too."""
    if isinstance(resource, dict):
        return tell(resource, profile, site, received, raw)
    return Told(
        source=profile.source,
        suite=profile.suite,
        namespace=profile.namespace,
        at=received,
        received=received,
        raw=raw,
        problem=Quarantined(Reason.WRONG_BODY, "resourceType"),
    )


def reader(profiles: Mapping[str, FhirProfile], site: Site) -> Callable[[Any], Told]:
    """Reads an arrival again that the journal or the raw store kept (`Intake.readers["fhir"]`)."""

    def read(arrival: Any) -> Told:
        profile = profiles[arrival.kind.partition(":")[2]]
        return read_body(parse(arrival.body), profile, site, arrival.received, arrival.id)

    return read


def parse(body: bytes) -> Any:
    """The JSON value, or None for what is none (deeply nested input included)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def canonical(resource: Any) -> bytes:
    """One rendering of a resource that came inside of another."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def kind_of(profile: FhirProfile) -> str:
    """The kind of raw records of this source."""
    return f"{KIND}:{profile.source}"


def type_of(resource: Any) -> str:
    """The resource's type as a metric's label: one that is read, or `other`."""
    from orloop_ingest.domain.fhir.profile import READ

    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if kind in READ else "other"
