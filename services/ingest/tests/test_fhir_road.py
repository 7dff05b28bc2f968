"""FHIR as a whole: configured wrongly it says so before anything starts; what the journal kept is read again."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fhir_parts as f
import pytest
import yaml

from orloop_common.domain.site import Site
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.fhir_road import FhirRoad
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.told import CaseTold

Change = Callable[[dict[str, Any]], Any]


def road(
    site: Site, folder: Path, *changes: Change, port: bool = True, served: tuple[str, ...] = ("main",)
) -> FhirRoad:
    paths = []
    for number, change in enumerate(changes):
        raw = yaml.safe_load(f.EXAMPLE.read_text())
        change(raw)
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(raw))
    return FhirRoad(tuple(paths), site, folder, ManualClock(), served, port)


def as_it_is(raw: dict[str, Any]) -> None:
    """No change."""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "fhir.door"),
        ((lambda raw: raw["fhir"].pop("door"),), "fhir.door"),
        ((lambda raw: raw.update(suite="moon"),), "a suite of the site, got moon"),
        ((lambda raw: raw.update(source="TWIN"),), "got one of HL7"),
        ((as_it_is, as_it_is), "got EHR-FHIR twice"),
        ((lambda raw: raw["fhir"].update(case_id=[]),), "case_id"),
        ((lambda raw: raw["fhir"]["server"].update(types=["Patient"]),), "types has Patient"),
        ((lambda raw: raw["fhir"]["door"].update(issuers="x"),), "issuers"),
        ((lambda raw: raw.pop("fhir"),), "section fhir"),
    ],
)
def test_a_wrong_profile_is_told_before_anything_starts(
    site: Site, tmp_path: Path, changes: tuple[Change, ...], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        road(site, tmp_path, *changes)


def test_a_file_that_is_not_there_or_no_yaml_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "torn.yaml").write_text("a: [")
    for name in ("gone.yaml", "torn.yaml"):
        with pytest.raises(ConfigurationError, match=name):
            FhirRoad((tmp_path / name,), site, tmp_path, ManualClock(), ("main",), False)


def test_a_suite_that_another_process_serves_is_left_to_it(site: Site, tmp_path: Path) -> None:
    assert road(site, tmp_path, as_it_is, served=()).suites == {}
    assert road(site, tmp_path, as_it_is).suites == {"EHR-FHIR": "main"}


def test_files_beside_the_profile_are_found_from_anywhere(site: Site, tmp_path: Path) -> None:
    made = road(site, tmp_path, lambda raw: raw["fhir"]["door"].update(jwks="keys.json"))
    door = made.sources["EHR-FHIR"].door
    assert door is not None
    assert door.jwks == str(tmp_path / "keys.json")


def test_what_the_journal_kept_of_fhir_is_read_again_as_it_was(site: Site, tmp_path: Path) -> None:
    read = road(site, tmp_path, as_it_is).reader()
    kept = SimpleNamespace(
        id="r1", kind="fhir:EHR-FHIR", received=f.RECEIVED, body=json.dumps(f.appointment()).encode()
    )
    told = read(kept)
    assert (told.raw, told.source, told.received) == ("r1", "EHR-FHIR", f.RECEIVED)
    assert isinstance(told.statements[0], CaseTold)
    torn = read(SimpleNamespace(**{**vars(kept), "body": b"{"}))
    assert torn.problem is not None
    assert torn.problem.reason is Reason.WRONG_BODY
