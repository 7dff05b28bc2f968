"""A profile file's content becomes a `SourceProfile`; whatever is wrong is told with its path and what was expected."""

from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar
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
from .times import zone_of

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
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class ProfileError(ValueError):
    """A profile file does not say what a profile must say; the text names the path."""

    def __init__(self, path: str, expected: str, got: Any, maybe: str = "it is misspelt or one level too deep") -> None:
        shown = "nothing" if got is None else f"a {_kind(got)}" if isinstance(got, list | dict) else repr(got)
        super().__init__(f"Expected {expected} at {path or 'the top'}, got {shown}.\nMaybe {maybe}.")
        self.path = path

    def of(self, file: str) -> "ProfileError":
        """The same, said of a file."""
        self.args = (f"{file}: {self}",)
        return self


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
    top = _keys(_map(raw, ""), KEYS, "")
    if not isinstance(top.get("profile"), str):
        raise ProfileError("profile", "the profile's name", top.get("profile"), "the file is not a profile")
    given: dict[str, Any] = {
        "name": top["profile"],
        "source": source,
        "suite": suite,
        "namespace": _text(top.get("namespace", source), "namespace"),
        "mode": _word(top.get("mode", "snapshot"), Mode, "mode"),
        "zone": _zone(top, site),
        "kinds": _table(top.get("message_types"), "message_types", _kind_read),
        "segments": _segments(top.get("segments")),
        "candidates": _candidates(top.get("fields")),
        "version_form": _word(top.get("version_form", "V<n>"), VersionForm, "version_form"),
        "length_unit": _UNITS[_one_of(top.get("length_unit", "minutes"), _UNITS, "length_unit")],
        "any_case_id": _one_of(top.get("case_id_match", "first"), ("first", "any"), "case_id_match") == "any",
        "trigger_decides": _one_of(top.get("status_decides", "trigger"), ("trigger", "field"), "status_decides")
        == "trigger",
        "add_on_words": frozenset(w.upper() for w in _texts(top.get("add_on_words", ["ADDON"]), "add_on_words")),
        "patient_number": _number(top.get("patient_number")),
        "milestone_fields": _milestone_fields(top.get("milestone_fields")),
        "milestone_time": _milestone_time(top.get("milestone_time", ["OBX-5"])),
        "tables": _tables(top, site),
        "default_service": _text(top["default_service"], "default_service") if "default_service" in top else None,
        "staff": frozenset(_texts(top["staff"], "staff")) if top.get("staff") is not None else None,
        "expected": _expected(top.get("expect")),
        "tls_subject": _text(_keys(_map(top["tls"], "tls"), ("subject",), "tls").get("subject"), "tls.subject")
        if "tls" in top
        else None,
    }
    return SourceProfile(**finish(**given))


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "map" if isinstance(value, dict) else type(value).__name__


def _map(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProfileError(path, "a map", value)
    return {str(key): each for key, each in value.items()}


def _keys(value: dict[str, Any], known: tuple[str, ...], path: str) -> dict[str, Any]:
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, 1)
            where = f"{path}.{key}" if path else key
            raise ProfileError(
                where, "one of " + ", ".join(known), key, f"{near[0]} is meant" if near else "it is not read"
            )
    return value


def _text(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value):
        raise ProfileError(path, "a word", value, "a quote is missing")
    return str(value)


def _texts(value: Any, path: str) -> tuple[str, ...]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return (str(value),)
    if not isinstance(value, list):
        raise ProfileError(path, "a list of words", value)
    return tuple(_text(each, f"{path}[{n}]") for n, each in enumerate(value))


def _one_of(value: Any, known: Any, path: str) -> str:
    if value not in known:
        near = get_close_matches(str(value), list(known), 1)
        raise ProfileError(
            path, "one of " + ", ".join(known), value, f"{near[0]} is meant" if near else "it is misspelt"
        )
    return str(value)


def _word(value: Any, kind: type[E], path: str) -> E:
    return kind(_one_of(value, [each.value for each in kind], path))


def _table(value: Any, path: str, read: Callable[[Any, str], T], change: Callable[[str], str] = str) -> dict[str, T]:
    if value is None:
        return {}
    return {change(key): read(each, f"{path}.{key}") for key, each in _map(value, path).items()}


def _zone(top: Mapping[str, Any], site: Site | None) -> Any:
    name = _text(top.get("timezone") or (site.timezone if site else "UTC"), "timezone")
    try:
        return zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ProfileError("timezone", "an IANA name such as Europe/Berlin", name) from None


def _kind_read(value: Any, path: str) -> str:
    return _one_of(value, ("SIU", "ORU", "ADT"), path)


def _segments(value: Any) -> dict[str, bytes]:
    found = _keys(_map(value or {}, "segments"), _PARTS, "segments")
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
    return tuple(_place(text, f"{path}[{n}]") for n, text in enumerate(_texts(value, path)))


def _candidates(value: Any) -> dict[str, tuple[Place, ...]]:
    found = _keys(_map(value or {}, "fields"), tuple(CANDIDATES), "fields")
    return {**DEFAULT_CANDIDATES, **{name: _places(each, f"fields.{name}") for name, each in found.items()}}


def _number(value: Any) -> PatientNumber:
    found = _keys(_map(value or {}, "patient_number"), ("field", "types"), "patient_number")
    place = _place(_text(found.get("field", "PID-3"), "patient_number.field"), "patient_number.field")
    if place.segment != b"PID":
        raise ProfileError("patient_number.field", "a field of PID", place.text)
    return PatientNumber(field=place.field, types=_texts(found.get("types", []), "patient_number.types"))


def _milestone(value: Any, path: str) -> Milestone:
    return _word(value, Milestone, path)


def _milestone_fields(value: Any) -> tuple[tuple[Milestone, tuple[Place, ...]], ...]:
    found = _map(value or {}, "milestone_fields")
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
    raw = _keys(_map(top.get("tables") or {}, "tables"), TABLES, "tables")
    adt = _keys(_map(top.get("adt") or {}, "adt"), ("arrivals", "departures", "units"), "adt")
    codes = _keys(_map(top.get("codes") or {}, "codes"), ("system", "tables"), "codes")
    pacu = hl7.pacu_locations if hl7 else ()
    given: dict[str, Any] = {
        "rooms": _table(raw.get("rooms"), "tables.rooms", _text) or (hl7.rooms if hl7 else {}),
        "services": _table(raw.get("services"), "tables.services", _text) or (hl7.services if hl7 else {}),
        "milestones": _table(top.get("milestones"), "milestones", _milestone, str.upper)
        or {code.upper(): Milestone(name) for code, name in (hl7.milestones if hl7 else {}).items()},
        "status_milestones": _table(top.get("milestone_status"), "milestone_status", _milestone, str.lower),
        "locations": _table(adt.get("arrivals"), "adt.arrivals", _milestone) or dict.fromkeys(pacu, Milestone.PACU_IN),
        "departures": _table(adt.get("departures"), "adt.departures", _milestone),
        "units": _table(adt.get("units"), "adt.units", lambda v, p: _word(v, BedUnit, p))
        or dict.fromkeys(pacu, BedUnit.PACU),
        "codes": _codes(codes.get("tables")),
        "code_system": _text(codes.get("system", "local"), "codes.system"),
    }
    if "roles" in raw:
        given["roles"] = _table(raw["roles"], "tables.roles", _text, str.upper)
    if "urgencies" in raw:
        given["urgencies"] = _table(raw["urgencies"], "tables.urgencies", lambda v, p: _word(v, Urgency, p))
    if "patient_classes" in raw:
        given["patient_classes"] = _table(raw["patient_classes"], "tables.patient_classes", _text)
    if "anaesthesia" in raw:
        given["anaesthesia"] = w.ANAESTHESIA | _table(raw["anaesthesia"], "tables.anaesthesia", _anaesthesia, str.lower)
    if "beds" in raw:
        given["beds"] = w.BEDS | _table(raw["beds"], "tables.beds", _bed, str.lower)
    if "status" in raw:
        given["status"] = w.STATUS_WORDS | _table(
            raw["status"], "tables.status", lambda v, p: _word(v, Act, p), str.lower
        )
    return Tables(**given)


def _anaesthesia(value: Any, path: str) -> str:
    return _one_of(value, w.ANAESTHESIA, path)


def _bed(value: Any, path: str) -> BedUnit | None:
    return w.BEDS[_one_of(value, w.BEDS, path)]


def _codes(value: Any) -> tuple[CodeTable, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ProfileError("codes.tables", "a list of tables", value)
    found = []
    for n, each in enumerate(value):
        path = f"codes.tables[{n}]"
        raw = _keys(_map(each, path), ("system", "version", "since", "codes"), path)
        since = raw.get("since")
        try:
            day = since if isinstance(since, date) else date.fromisoformat(str(since))
        except ValueError:
            raise ProfileError(f"{path}.since", "a day such as 2026-01-01", since) from None
        found.append(
            CodeTable(
                system=_text(raw.get("system"), f"{path}.system"),
                version=_text(raw.get("version"), f"{path}.version"),
                since=day,
                codes=_table(raw.get("codes"), f"{path}.codes", _text),
            )
        )
    return tuple(sorted(found, key=lambda table: table.since))


def _expected(value: Any) -> Expected:
    names = ("receiving_application", "receiving_facility", "processing")
    raw = _keys(_map(value or {}, "expect"), names, "expect")
    return Expected(
        application=_texts(raw.get("receiving_application", []), "expect.receiving_application"),
        facility=_texts(raw.get("receiving_facility", []), "expect.receiving_facility"),
        processing=(*_texts(raw["processing"], "expect.processing"),) if "processing" in raw else ("P", ""),
    )
