"""fhir.resources (R4B models) over what was taken: off the acknowledging path, in a thread of its own.

The models know every element's type; `domain.fhir.rules` knows what they lack. Speaking R4, we read with R4B models:
fhir.resources has none of R4, and the six resources are the same in both.
"""

import queue
import threading
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.fhir import Issue, check
from orloop_ingest.domain.fhir.profile import READ

_log = get_logger("fhir")
_MOST = 20
_WAITING = 1000


def validate(resource: Any) -> list[Issue]:
    """Every finding: the rules' and the models'. The text never holds a value."""
    issues = check(resource)
    if not isinstance(resource, dict) or resource.get("resourceType") not in READ:
        return issues
    if any(issue.code == "not-supported" for issue in issues):
        return issues  # of another release: the models would name half of its elements
    told = {issue.expression for issue in issues}
    return issues + [issue for issue in _by_model(resource) if issue.expression not in told]


def _by_model(resource: dict[str, Any]) -> list[Issue]:
    kind = resource["resourceType"]
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return [_issue(kind, resource, dict(each)) for each in found[:_MOST]]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:  # a custom check of the library fell over
        text = f"Expected a valid {kind}, got one on which the model fails: {type(error).__name__}."
        return [Issue(code="structure", expression=kind, text=text)]
    return []


def _issue(kind: str, resource: dict[str, Any], problem: dict[str, Any]) -> Issue:
    """The place as FHIRPath; an element that R4 does not have may be a person's words, so it is not named."""
    unknown = problem["type"] == "extra_forbidden"
    location = problem["loc"][:-1] if unknown else problem["loc"]
    expression = kind + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    if unknown:
        return Issue(code="structure", expression=expression, text="Expected no element but those of R4, got another.")
    missing = "missing" in problem["type"]
    text = "Expected a value, got none." if missing else f"Expected another value ({problem['type']})."
    return Issue(code="required" if missing else "value", expression=expression, text=text)


class ModelCheck:
    """Validates what was acknowledged, one after the other; a full queue drops the oldest check, never a resource."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, Any, str] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="fhir-models", daemon=True)
        self._thread.start()

    def later(self, source: str, resource: Any, raw: str) -> None:
        """Check it when there is time."""
        try:
            self._queue.put_nowait((source, resource, raw))
        except queue.Full:
            metrics.FHIR_UNCHECKED.inc()

    def close(self) -> None:
        """Finish what waits, then end."""
        self._queue.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            source, resource, raw = job
            issues = [issue for issue in validate(resource) if issue.is_error]
            if issues:
                kind = resource["resourceType"]
                metrics.FHIR_INVALID.labels(source, kind).inc()
                places = [issue.expression for issue in issues][:_MOST]
                _log.warning("resource_invalid", source=source, type=kind, raw=raw, places=places)
