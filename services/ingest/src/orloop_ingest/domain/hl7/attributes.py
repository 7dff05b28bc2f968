"""What has no standard field in SIU: ASA, anaesthesia, setup and clean-up, bed, windows; by the profile's places."""

import re
from typing import Any

from orloop_ingest.domain.quarantine import Quarantined, Reason

from .reading import Reading
from .times import parse_length

TIMES = ("waiting_since", "earliest", "latest")
MINUTES = ("setup", "cleanup", "recovery")
_CLEARS = {"waiting_since", "earliest", "latest", "recovery", "asa", "anaesthesia"}
_ASA = re.compile(r"(?:ASA\s*)?(?:(?P<number>[1-6])|(?P<roman>I{1,3}|IV|VI?))\s*E?", re.IGNORECASE)
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}


def attributes(r: Reading) -> dict[str, Any]:
    """Attributes of `CaseScheduled` that the message tells; None where two quotes clear one."""
    told: dict[str, Any] = {}
    if r.profile.attributes_in_obx and b"OBX" not in r.message.index:
        return told
    for name, places in r.profile.attributes:
        for place in places:
            segment = r.find(place)
            if segment is None:
                continue
            if r.clears(segment, place.field):
                if name in _CLEARS:
                    told[name] = None
                break
            if value := r.value(segment, place):
                told[name] = _read(r, name, value, place.text)
                break
    return told


def _read(r: Reading, name: str, value: str, place: str) -> Any:
    if name in TIMES:
        return r.instant(value, place, day=name == "waiting_since")
    if name in MINUTES:
        return parse_length(value, "min", place)
    if name == "asa":
        return asa(value, place)
    if name == "anaesthesia":
        known = r.profile.tables.anaesthesia.get(value.lower())
        if known is None:
            r.notes.append("unknown_anaesthesia")
        return known
    if value.lower() not in r.profile.tables.beds:
        raise Quarantined(Reason.UNKNOWN_CODE, place)
    return r.profile.tables.beds[value.lower()]


def asa(value: str, place: str) -> int:
    """ASA 1 to 6, in digits or Roman numerals, with or without the E of an emergency.

    Raises
    ------
    Quarantined
        UNKNOWN_CODE for anything else.
    """
    found = _ASA.fullmatch(value)
    if found is None:
        raise Quarantined(Reason.UNKNOWN_CODE, place)
    return int(found["number"]) if found["number"] else _ROMAN[found["roman"].upper()]
