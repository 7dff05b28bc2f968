"""Careful access to a resource that nobody has validated yet: another type than expected is a quarantine.

Every function takes the place (a FHIRPath expression) for the error; a value never gets into one.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from orloop_ingest.domain.quarantine import Quarantined, Reason

Element = Mapping[str, Any]
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::[0-5]\d)?)(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_NO_OFFSET = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:[0-5]\d)?", re.ASCII)
_LOCAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z")
_EMPTY: Element = {}
LONGEST = 500


def element(owner: Element, name: str, place: str) -> Element:
    """A child object; empty if it is absent."""
    found = owner.get(name)
    if found is None:
        return _EMPTY
    if not isinstance(found, dict):
        raise Quarantined(Reason.WRONG_BODY, f"{place}.{name}")
    return found


def elements(owner: Element, name: str, place: str) -> list[tuple[str, Element]]:
    """The objects of a list, each with its place."""
    found = owner.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Quarantined(Reason.WRONG_BODY, f"{place}.{name}")
    return [(f"{place}.{name}[{index}]", each) for index, each in enumerate(found)]


def text(owner: Element, name: str, place: str) -> str:
    """A string (or a whole number as one); empty if it is absent."""
    found = owner.get(name)
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        raise Quarantined(Reason.WRONG_BODY, f"{place}.{name}")
    value = str(found).strip()
    if len(value) > LONGEST:
        raise Quarantined(Reason.FIELD_TOO_LONG, f"{place}.{name}")
    return value


def code(value: str) -> str | None:
    """A coded value: short, without spaces; None for anything that might be free text."""
    return value if _CODE.fullmatch(value) else None


def codings(concept: Element, place: str) -> Iterator[tuple[str, str, str]]:
    """System, code and display of a CodeableConcept, in the sender's order."""
    for where, coding in elements(concept, "coding", place):
        value = text(coding, "code", where)
        if value:
            yield text(coding, "system", where), value, text(coding, "display", where)


def identifiers(owner: Element, place: str) -> Iterator[tuple[str, str]]:
    """System and value of each identifier; `identifier` may be one or a list (Task, Bundle)."""
    found = owner.get("identifier")
    if isinstance(found, dict):
        yield text(found, "system", f"{place}.identifier"), text(found, "value", f"{place}.identifier")
        return
    for where, each in elements(owner, "identifier", place):
        if value := text(each, "value", where):
            yield text(each, "system", where), value


def local(reference: str) -> str:
    """`Location/or1` of a relative, absolute or versioned reference; empty for a contained or logical one."""
    found = _LOCAL.search(reference)
    return f"{found[1]}/{found[2]}" if found else ""


def words(reference: Element, place: str) -> Iterator[str]:
    """The words by which a table may know what a Reference points to: `system|value`, value, `Type/id`, id."""
    for system, value in identifiers(reference, place):
        if value:
            if system:
                yield f"{system}|{value}"
            yield value
    if name := local(text(reference, "reference", place)):
        yield name
        yield name.partition("/")[2]


def moment(owner: Element, name: str, place: str, zone: tzinfo) -> datetime | None:
    """An instant or dateTime with a time of day, in UTC; None if absent.

    Raises
    ------
    Quarantined
        BAD_TIME for a mere day, or one that no clock shows.
    """
    value = text(owner, name, place)
    if not value:
        return None
    where = f"{place}.{name}"
    if (told := parse_moment(value)) is not None:
        return told
    if _NO_OFFSET.fullmatch(value) is None:
        raise Quarantined(Reason.BAD_TIME, where)
    try:
        return _of_zone(datetime.fromisoformat(value), zone, where)
    except (ValueError, OverflowError):
        raise Quarantined(Reason.BAD_TIME, where) from None


def parse_moment(value: str) -> datetime | None:
    """An instant in UTC; None for anything without day, time of day and offset, or that no clock shows."""
    found = _TIME.fullmatch(value)
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    try:
        told = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset == 'Z' else offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return told + timedelta(microseconds=int(fraction[1:7].ljust(6, "0"))) if fraction else told


def _of_zone(plain: datetime, zone: tzinfo, place: str) -> datetime:
    """FHIR asks for an offset with every time; without one the site's clock must leave no doubt."""
    first, second = (plain.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise Quarantined(Reason.BAD_TIME, place)
    return first.astimezone(UTC)


def period(owner: Element, name: str, place: str, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """Start and end of a Period; both None if it is absent."""
    found = element(owner, name, place)
    where = f"{place}.{name}"
    return moment(found, "start", where, zone), moment(found, "end", where, zone)
