"""The site file: YAML in, a `Site` out, with errors that name the line of thought to mend."""

from datetime import time, timedelta
from typing import Any

import yaml

from orloop_common.domain.site import Hl7Profile, RoomLayout, Site, SuiteLayout, Truth


class SiteFileError(ValueError):
    """The site file does not say what a site file must say."""


def parse_site(text: str) -> Site:
    """Read a site file (contracts/schemas/site-profile.v1).

    Raises
    ------
    SiteFileError
        With the path of the first field that is missing or wrong.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SiteFileError(f"Expected YAML, got {error}.\nMaybe a quote or an indent is missing.") from None
    try:
        return Site(
            site=str(raw["site"]),
            timezone=str(raw["timezone"]),
            day_boundary=_time(raw.get("day_boundary", "04:00")),
            suites=tuple(_suite(s) for s in raw["suites"]),
            hl7=_hl7(raw["hl7"]) if raw.get("hl7") else None,
            truth=_truth(raw.get("truth") or {}),
        )
    except KeyError as error:
        raise SiteFileError(f"Expected the field {error} in the site file.\nMaybe it is misspelt.") from None
    except (TypeError, ValueError) as error:
        raise SiteFileError(f"Expected another value in the site file: {error}.") from None


def _truth(raw: dict[str, Any]) -> Truth:
    unknown = ", ".join(raw.keys() - {"cases", "rooms", "staffing"})
    if unknown:
        raise ValueError(f"truth takes cases, rooms and staffing, not {unknown}")
    return Truth(**{key: _sources(raw, key) for key in ("cases", "rooms", "staffing")})


def _sources(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    named = raw.get(key) or ()
    if isinstance(named, str) or len(set(named)) != len(named):
        raise ValueError(f"truth.{key} is a list of sources, each once")
    return tuple(str(source) for source in named)


def _time(value: Any) -> time:
    return time.fromisoformat(str(value))


def _minutes(raw: dict[str, Any], key: str, default: int) -> timedelta:
    return timedelta(minutes=float(raw.get(key, default)))


def _suite(raw: dict[str, Any]) -> SuiteLayout:
    rooms = tuple(_room(r) for r in raw["rooms"])
    if len({r.id for r in rooms}) != len(rooms):
        raise ValueError(f"two rooms of suite {raw['id']} have the same id")
    return SuiteLayout(
        id=str(raw["id"]),
        name=str(raw.get("name", raw["id"])),
        rooms=rooms,
        notice=_minutes(raw, "notice_minutes", 30),
        decide_within=_minutes(raw, "decide_within_minutes", 15),
        materiality=_minutes(raw, "materiality_minutes", 15),
        add_ons=_add_ons(raw.get("add_ons") or {}),
    )


def _add_ons(raw: dict[Any, Any]) -> dict[int, timedelta]:
    minutes = {int(hour): float(usual) for hour, usual in raw.items()}
    if not all(0 <= hour < 24 and usual >= 0 for hour, usual in minutes.items()):
        raise ValueError("add_ons takes hours from 0 to 23 and room minutes in each of them")
    return {hour: timedelta(minutes=usual) for hour, usual in sorted(minutes.items())}


def _room(raw: dict[str, Any]) -> RoomLayout:
    return RoomLayout(
        id=str(raw["id"]),
        name=str(raw.get("name", raw["id"])),
        service=str(raw["service"]),
        services=tuple(str(s) for s in raw.get("services", [raw["service"]])),
        block_start=_time(raw["block_start"]),
        block_end=_time(raw["block_end"]),
        closes=_time(raw["closes"]),
        capabilities=tuple(str(c) for c in raw.get("capabilities", ())),
    )


def _by_hour(raw: dict[Any, Any]) -> dict[int, float]:
    rates = {int(hour): float(rate) for hour, rate in raw.items()}
    if not all(0 <= hour < 24 and rate >= 0 for hour, rate in rates.items()):
        raise ValueError("expected takes hours from 0 to 23 and messages in each of them")
    return rates


def _hl7(raw: dict[str, Any]) -> Hl7Profile:
    return Hl7Profile(
        sources={str(k): str(v["suite"]) for k, v in raw["sources"].items()},
        profiles={str(k): str(v["profile"]) for k, v in raw["sources"].items() if v.get("profile")},
        rooms={str(k): str(v) for k, v in raw["rooms"].items()},
        services={str(k): str(v) for k, v in raw["services"].items()},
        milestones={str(k): str(v) for k, v in raw["milestones"].items()},
        pacu_locations=tuple(str(p) for p in raw.get("pacu_locations", ())),
        facility=raw.get("facility"),
        receiving_application=str(raw.get("receiving_application", "ORLOOP")),
        receiving_facility=str(raw.get("receiving_facility", "ORLOOP")),
        expected={str(k): _by_hour(v["expected"]) for k, v in raw["sources"].items() if v.get("expected")},
    )
