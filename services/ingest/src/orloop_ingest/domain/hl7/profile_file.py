"""A profile file's content becomes a `SourceProfile`; whatever is wrong is told with its path and what was expected."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import BedUnit, Milestone, Urgency
from orloop_ingest.domain.told import Act

from . import words as w
from .places import Place, parse_place
from .profile import (
    CANDIDATES,
    DEFAULT_CANDIDATES,
    RESOURCES,
    CodeTable,
    Expected,
    Mode,
    PatientNumber,
    SourceProfile,
    Tables,
    VersionForm,
    finish,
)
from .profile_values import ProfileError, a_map, a_table, a_text, a_word, known_keys, one_of, texts
from .times import zone_of

__all__ = ["KEYS", "TABLES", "ProfileError", "parse_profile"]

KEYS = (
    *(
        "profile",
        "description",
        "namespace",
        "mode",
        "timezone",
        "message_types",
        "segments",
        "fields",
        "case_id_match",
    ),
    *("version_form", "length_unit", "status_decides", "add_on_words", "patient_number", "milestones"),
    *("milestone_time", "milestone_fields", "milestone_status", "tables", "default_service", "codes", "adt", "staff"),
    *("expect", "tls"),
)
TABLES = ("rooms", "services", "roles", "urgencies", "patient_classes", "anaesthesia", "beds", "status")
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
_PARTS = ("SCH", "RGS", *RESOURCES)


def parse_profile(raw: Any, source: str, suite: str, site: Site | None = None) -> SourceProfile:
    """A source's profile from its file's content.

    Parameters
    ----------
    source, suite
        MSH-3 and the suite, as the site file has them.
    site
        Gives the zone, and the tables that the profile leaves out.

    Raises
    ------
    ProfileError
        With the path of the first thing that is wrong, and what was expected there.
    """
    top = known_keys(a_map(raw, ""), KEYS, "")
    if not isinstance(top.get("profile"), str):
        raise ProfileError("profile", "the profile's name", top.get("profile"), "the file is not a profile")
    given: dict[str, Any] = {
        "name": top["profile"],
        "source": source,
        "suite": suite,
        "namespace": a_text(top.get("namespace", source), "namespace"),
        "mode": a_word(top.get("mode", "snapshot"), Mode, "mode"),
        "zone": _zone(top, site),
        "kinds": a_table(top.get("message_types"), "message_types", _kind_read),
        "segments": _segments(top.get("segments")),
        "candidates": _candidates(top.get("fields")),
        "version_form": a_word(top.get("version_form", "V<n>"), VersionForm, "version_form"),
        "length_unit": _UNITS[one_of(top.get("length_unit", "minutes"), _UNITS, "length_unit")],
        "any_case_id": one_of(top.get("case_id_match", "first"), ("first", "any"), "case_id_match") == "any",
        "trigger_decides": one_of(top.get("status_decides", "trigger"), ("trigger", "field"), "status_decides")
        == "trigger",
        "add_on_words": frozenset(w.upper() for w in texts(top.get("add_on_words", ["ADDON"]), "add_on_words")),
        "patient_number": _number(top.get("patient_number")),
        "milestone_fields": _milestone_fields(top.get("milestone_fields")),
        "milestone_time": _milestone_time(top.get("milestone_time", ["OBX-5"])),
        "tables": _tables(top, site),
        "default_service": a_text(top["default_service"], "default_service") if "default_service" in top else None,
        "staff": frozenset(texts(top["staff"], "staff")) if top.get("staff") is not None else None,
        "expected": _expected(top.get("expect")),
        "tls_subject": a_text(known_keys(a_map(top["tls"], "tls"), ("subject",), "tls").get("subject"), "tls.subject")
        if "tls" in top
        else None,
    }
    return SourceProfile(**finish(**given))


def _zone(top: Mapping[str, Any], site: Site | None) -> Any:
    name = a_text(top.get("timezone") or (site.timezone if site else "UTC"), "timezone")
    try:
        return zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ProfileError("timezone", "an IANA name such as Europe/Berlin", name) from None


def _kind_read(value: Any, path: str) -> str:
    return one_of(value, ("SIU", "ORU", "ADT"), path)


def _segments(value: Any) -> dict[str, bytes]:
    found = known_keys(a_map(value or {}, "segments"), _PARTS, "segments")
    for key, each in found.items():
        if not (isinstance(each, str) and len(each) == 3 and each.isascii() and each.isalnum() and each.isupper()):
            raise ProfileError(f"segments.{key}", "a segment's name such as ZIS", each)
    return {key: str(each).encode() for key, each in found.items()}


def _place(text: str, path: str) -> Place:
    try:
        return parse_place(text)
    except ValueError as error:
        expected = str(error).removeprefix("Expected ").partition(", got")[0]
        raise ProfileError(path, expected, text) from None


def _places(value: Any, path: str) -> tuple[Place, ...]:
    return tuple(_place(text, f"{path}[{n}]") for n, text in enumerate(texts(value, path)))


def _candidates(value: Any) -> dict[str, tuple[Place, ...]]:
    found = known_keys(a_map(value or {}, "fields"), tuple(CANDIDATES), "fields")
    return {**DEFAULT_CANDIDATES, **{name: _places(each, f"fields.{name}") for name, each in found.items()}}


def _number(value: Any) -> PatientNumber:
    found = known_keys(a_map(value or {}, "patient_number"), ("field", "types"), "patient_number")
    place = _place(a_text(found.get("field", "PID-3"), "patient_number.field"), "patient_number.field")
    if place.segment != b"PID":
        raise ProfileError("patient_number.field", "a field of PID", place.text)
    return PatientNumber(field=place.field, types=texts(found.get("types", []), "patient_number.types"))


def _milestone(value: Any, path: str) -> Milestone:
    return a_word(value, Milestone, path)


def _milestone_fields(value: Any) -> tuple[tuple[Milestone, tuple[Place, ...]], ...]:
    found = a_map(value or {}, "milestone_fields")
    paths = {name: f"milestone_fields.{name}" for name in found}
    return tuple((_milestone(name, paths[name]), _places(each, paths[name])) for name, each in found.items())


def _milestone_time(value: Any) -> tuple[int, ...]:
    found = _places(value, "milestone_time")
    for n, place in enumerate(found):
        if place.segment != b"OBX" or place.word or not found:
            raise ProfileError(f"milestone_time[{n}]", "a field of OBX such as OBX-14", place.text)
    return tuple(place.field for place in found)


def _tables(top: Mapping[str, Any], site: Site | None) -> Tables:
    hl7 = site.hl7 if site else None
    raw = known_keys(a_map(top.get("tables") or {}, "tables"), TABLES, "tables")
    adt = known_keys(a_map(top.get("adt") or {}, "adt"), ("arrivals", "departures", "units"), "adt")
    codes = known_keys(a_map(top.get("codes") or {}, "codes"), ("system", "tables"), "codes")
    pacu = hl7.pacu_locations if hl7 else ()
    given: dict[str, Any] = {
        "rooms": a_table(raw.get("rooms"), "tables.rooms", a_text) or (hl7.rooms if hl7 else {}),
        "services": a_table(raw.get("services"), "tables.services", a_text) or (hl7.services if hl7 else {}),
        "milestones": a_table(top.get("milestones"), "milestones", _milestone, str.upper)
        or {code.upper(): Milestone(name) for code, name in (hl7.milestones if hl7 else {}).items()},
        "status_milestones": a_table(top.get("milestone_status"), "milestone_status", _milestone, str.lower),
        "locations": a_table(adt.get("arrivals"), "adt.arrivals", _milestone) or dict.fromkeys(pacu, Milestone.PACU_IN),
        "departures": a_table(adt.get("departures"), "adt.departures", _milestone),
        "units": a_table(adt.get("units"), "adt.units", lambda v, p: a_word(v, BedUnit, p))
        or dict.fromkeys(pacu, BedUnit.PACU),
        "codes": _codes(codes.get("tables")),
        "code_system": a_text(codes.get("system", "local"), "codes.system"),
    }
    if "roles" in raw:
        given["roles"] = a_table(raw["roles"], "tables.roles", a_text, str.upper)
    if "urgencies" in raw:
        given["urgencies"] = a_table(raw["urgencies"], "tables.urgencies", lambda v, p: a_word(v, Urgency, p))
    if "patient_classes" in raw:
        given["patient_classes"] = a_table(raw["patient_classes"], "tables.patient_classes", a_text)
    if "anaesthesia" in raw:
        given["anaesthesia"] = w.ANAESTHESIA | a_table(
            raw["anaesthesia"], "tables.anaesthesia", _anaesthesia, str.lower
        )
    if "beds" in raw:
        given["beds"] = w.BEDS | a_table(raw["beds"], "tables.beds", _bed, str.lower)
    if "status" in raw:
        given["status"] = w.STATUS_WORDS | a_table(
            raw["status"], "tables.status", lambda v, p: a_word(v, Act, p), str.lower
        )
    return Tables(**given)


def _anaesthesia(value: Any, path: str) -> str:
    return one_of(value, w.ANAESTHESIA, path)


def _bed(value: Any, path: str) -> BedUnit | None:
    return w.BEDS[one_of(value, w.BEDS, path)]


def _codes(value: Any) -> tuple[CodeTable, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ProfileError("codes.tables", "a list of tables", value)
    found = []
    for n, each in enumerate(value):
        path = f"codes.tables[{n}]"
        raw = known_keys(a_map(each, path), ("system", "version", "since", "codes"), path)
        since = raw.get("since")
        try:
            day = since if isinstance(since, date) else date.fromisoformat(str(since))
        except ValueError:
            raise ProfileError(f"{path}.since", "a day such as 2026-01-01", since) from None
        found.append(
            CodeTable(
                system=a_text(raw.get("system"), f"{path}.system"),
                version=a_text(raw.get("version"), f"{path}.version"),
                since=day,
                codes=a_table(raw.get("codes"), f"{path}.codes", a_text),
            )
        )
    return tuple(sorted(found, key=lambda table: table.since))


def _expected(value: Any) -> Expected:
    names = ("receiving_application", "receiving_facility", "processing")
    raw = known_keys(a_map(value or {}, "expect"), names, "expect")
    return Expected(
        application=texts(raw.get("receiving_application", []), "expect.receiving_application"),
        facility=texts(raw.get("receiving_facility", []), "expect.receiving_facility"),
        processing=(*texts(raw["processing"], "expect.processing"),) if "processing" in raw else ("P", ""),
    )
