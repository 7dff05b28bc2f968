"""Sources of FHIR: their profile files, and what these say of tokens and servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from orloop_common.runtime.errors import ConfigurationError
from orloop_ingest.domain.fhir import FhirProfile, ProfileError, parse_fhir_profile
from orloop_ingest.domain.fhir.profile import READ


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRules:
    """Whose tokens open the door for a source; `reuse` lets one token be used until it ends (no jti is refused)."""

    issuer: str
    audience: str
    jwks: str
    reuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartRules:
    """How we get a token at the source's server."""

    token_url: str
    client_id: str
    key_file: Path
    scope: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRules:
    """The source's server, and how it is asked; `recheck_minutes` 0 looks up no open Appointment again."""

    base: str
    every_seconds: float = 15.0
    overlap_seconds: float = 120.0
    back_days: float = 1.0
    page: int = 200
    types: tuple[str, ...] = READ
    recheck_minutes: float = 10.0
    smart: SmartRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirSource:
    """One source: how it is read, who may notify, where it is asked."""

    profile: FhirProfile
    door: DoorRules | None = None
    server: ServerRules | None = None


def load_sources(paths: Sequence[Path]) -> dict[str, FhirSource]:
    """Every source by name.

    Raises
    ------
    ConfigurationError
        With the file and the path inside of it.
    """
    found: dict[str, FhirSource] = {}
    for path in paths:
        try:
            source = parse_source(yaml.safe_load(path.read_text(encoding="utf-8")), path.parent)
        except (OSError, yaml.YAMLError, ProfileError, UnicodeDecodeError) as error:
            told = str(error) if isinstance(error, ProfileError) else type(error).__name__
            raise ConfigurationError(f"ORLOOP_FHIR_PROFILES: {path}: {told}") from None
        if source.profile.source in found:
            raise ConfigurationError(
                f"ORLOOP_FHIR_PROFILES: {path}: Expected a source of its own, got {source.profile.source} twice.\n"
                "Maybe a file was copied and `source` left as it was."
            )
        found[source.profile.source] = source
    return found


def parse_source(raw: Any, folder: Path) -> FhirSource:
    """The source that a parsed profile file describes; key files lie beside it."""
    profile = parse_fhir_profile(raw) if isinstance(raw, Mapping) else None
    if profile is None:
        raise ProfileError("fhir: Expected a section fhir, got none.\nMaybe this is a profile of HL7.")
    section = raw["fhir"]
    door, server = section.get("door"), section.get("server")
    try:
        return FhirSource(
            profile=profile,
            door=_door(door, folder) if door else None,
            server=_server(server, folder) if server else None,
        )
    except (TypeError, KeyError, ValueError) as error:
        name = str(error.args[0])[:120] if error.args else ""
        raise ProfileError(f"fhir.door or fhir.server: Expected other keys: {name}.\nMaybe see the example.") from None


def _door(raw: Mapping[str, Any], folder: Path) -> DoorRules:
    rules = DoorRules(**raw)
    return rules if "://" in rules.jwks else replace(rules, jwks=str(folder / rules.jwks))


def _server(raw: Mapping[str, Any], folder: Path) -> ServerRules:
    given = dict(raw)
    smart = given.pop("smart", None)
    if smart:
        given["smart"] = SmartRules(**{**smart, "key_file": folder / smart["key_file"]})
    if "types" in given:
        given["types"] = tuple(given["types"])
        if unknown := set(given["types"]) - set(READ):
            raise ValueError(f"types has {', '.join(sorted(unknown))}")
    given["base"] = str(given["base"]).rstrip("/")
    return ServerRules(**given)
