"""A source profile's file becomes a `FhirProfile`: shared keys, and the section `fhir`."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus, Urgency
from orloop_ingest.domain.told import Act

from . import profile as p

T = TypeVar("T")
_CLEANING = ("routine", "terminal")
KEYS = frozenset(
    {
        "case_id", "visit", "patients", "staff", "facility", "version", "code_systems", "codes", "surgical",
        "priorities", "orders", "roles", "patient_classes", "add_on", "statuses", "arrived", "deleted",
        "places", "beds", "procedures", "tasks", "task_statuses", "own_tasks", "door", "server",
    }
)  # fmt: skip
"""Of the section `fhir`; `door` and `server` are read by the adapters."""


class ProfileError(ValueError):
    """The profile does not say what it must; the text names the path."""


def parse_fhir_profile(raw: Mapping[str, Any]) -> p.FhirProfile | None:
    """The profile that a parsed YAML file holds (contracts/schemas/source-profile.v1); None without section `fhir`.

    Raises
    ------
    ProfileError
        With the path of the first field that is missing or wrong.
    """
    section = raw.get("fhir")
    if section is None:
        return None
    if not isinstance(section, Mapping):
        raise ProfileError("fhir: Expected a mapping, got another value.\nMaybe an indent is missing.")
    if unknown := sorted(map(str, section.keys() - KEYS)):
        near = get_close_matches(unknown[0], KEYS, 1)
        maybe = f"{near[0]} was meant" if near else "it stands one level too deep"
        raise ProfileError(f"fhir.{unknown[0]}: Expected a key of the section fhir, got another.\nMaybe {maybe}.")
    tables = _mapping(raw, "tables", "")
    source = _needed(raw, "source", "")
    case_id = _words(section, "case_id", "fhir.")
    if not case_id:
        raise ProfileError(
            "fhir.case_id: Expected at least one identifier system (or `id`), got none.\n"
            "Maybe ask the sender which identifier equals the case id of its HL7."
        )
    version = str(section.get("version", "lastUpdated"))
    if version not in ("lastUpdated", "versionId"):
        raise ProfileError("fhir.version: Expected lastUpdated or versionId, got another word.\nMaybe leave it out.")
    staff = raw.get("staff")
    codes = section.get("codes")
    given: dict[str, Any] = {
        "source": source,
        "suite": _needed(raw, "suite", ""),
        "namespace": str(raw.get("namespace") or source),
        "case_id": case_id,
        "visit": _words(section, "visit", "fhir."),
        "staff": _words(section, "staff", "fhir."),
        "known_staff": frozenset(map(str, staff)) if staff is not None else None,
        "facility": str(section.get("facility", "")),
        "zone": str(raw["timezone"]) if raw.get("timezone") else None,
        "version": version,
        "rooms": {k: str(v) for k, v in _mapping(tables, "rooms", "tables.").items()},
        "services": {k: str(v) for k, v in _mapping(tables, "services", "tables.").items()},
        "code_systems": {k: str(v) for k, v in _mapping(section, "code_systems", "fhir.").items()},
        "codes": frozenset(map(str, codes)) if codes is not None else None,
        "surgical": frozenset(_words(section, "surgical", "fhir.")),
        "patients": _table(section, "patients", lambda v: p.PatientNumbers(**{k: str(w) for k, w in v.items()})),
        "urgencies": _table(section, "priorities", Urgency),
        "units": _table(section, "beds", lambda v: (BedUnit(v["unit"]), str(v["bed"]))),
        "encounter_places": _table(section, "places", _pair),
        "procedure_milestones": _table(section, "procedures", _pair),
        "tasks": _table(section, "tasks", _task),
        "arrived": _one(section, "arrived", Milestone),
        "deleted": _one(section, "deleted", Act),
    }
    given |= _changed(section, "statuses", p.STATUSES, lambda v: Act(v) if v is not None else None)
    given |= _changed(section, "orders", p.ORDERS, Urgency)
    given |= _changed(section, "roles", p.ROLES, str)
    given |= _changed(section, "patient_classes", p.CLASSES, str)
    given |= _changed(section, "task_statuses", p.TASK_STATUSES, ReadinessStatus)
    if "own_tasks" in section:
        given["own_tasks"] = frozenset(_words(section, "own_tasks", "fhir."))
    if "add_on" in section:
        given["add_on"] = frozenset(_words(section, "add_on", "fhir."))
    return p.FhirProfile(**given)


def _changed(
    section: Mapping[str, Any], name: str, default: Mapping[str, T], read: Callable[[Any], T]
) -> dict[str, Any]:
    """The default table with what the profile says otherwise."""
    return {name: {**default, **_table(section, name, read)}} if name in section else {}


def _table(section: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for key, value in _mapping(section, name, "fhir.").items():
        try:
            found[key] = read(value)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ProfileError(
                f"fhir.{name}.{key}: Expected a word of ours, got another.\nMaybe see the schema of profiles."
            ) from None
    return found


def _one(section: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T | None:
    return _table({name: {"": section[name]}}, name, read)[""] if section.get(name) else None


def _pair(value: Any) -> tuple[Milestone | None, Milestone | None]:
    first, last = value.get("enter", value.get("start")), value.get("leave", value.get("end"))
    if first is None and last is None:
        raise ValueError
    return Milestone(first) if first else None, Milestone(last) if last else None


def _task(value: Any) -> p.TaskWord:
    if "readiness" in value:
        return p.TaskWord(item=ReadinessItem(value["readiness"]))
    if "milestone" in value:
        return p.TaskWord(milestone=Milestone(value["milestone"]))
    if value["cleaning"] not in _CLEANING:
        raise ValueError
    return p.TaskWord(cleaning=value["cleaning"])


def _needed(raw: Mapping[str, Any], name: str, path: str) -> str:
    if not raw.get(name):
        raise ProfileError(f"{path}{name}: Expected a value, got none.\nMaybe compare with contracts/profiles.")
    return str(raw[name])


def _mapping(raw: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ProfileError(f"{path}{name}: Expected a mapping, got another value.\nMaybe an indent is missing.")
    return {str(key): value for key, value in found.items()}


def _words(raw: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    found = raw.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise ProfileError(f"{path}{name}: Expected a list, got another value.\nMaybe put it into [ ].")
    return tuple(str(word) for word in found)
