"""Profile files: examples and schema agree with the reader; mistakes are told with their path."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orloop_common.domain.vocabulary import Milestone
from orloop_common.messages.sitefile import parse_site
from orloop_ingest.adapters.profiles import load_profile, load_profiles
from orloop_ingest.domain.hl7 import default_profile
from orloop_ingest.domain.hl7.places import Place, parse_place
from orloop_ingest.domain.hl7.profile import CANDIDATES, Mode
from orloop_ingest.domain.hl7.profile_file import KEYS, TABLES, ProfileError, parse_profile

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"
SCHEMA = json.loads((CONTRACTS / "schemas/source-profile.v1.schema.json").read_text())
EXAMPLES = [CONTRACTS / "profiles" / f"{name}.yaml" for name in ("siu-2.5.1", "siu-2.3", "ziu", "siu-action-code")]
SITE = """
site: test
timezone: Europe/Berlin
suites:
  - {{id: main, rooms: [{{id: "1", service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}}]}}
hl7:
  sources: {{EHR: {{suite: main{profile}}}, OLD: {{suite: main}}}}
  rooms: {{OR1: "1"}}
  services: {{GEN: general}}
  milestones: {{IN: patient_in_room}}
"""


def as_json(path: Path) -> Any:
    return json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_fits_the_schema_and_is_read(path):
    jsonschema.Draft202012Validator(SCHEMA).validate(as_json(path))
    assert load_profile(path, "EHR", "main").name == path.stem


def test_the_examples_show_every_key_at_least_once():
    shown = {key for path in EXAMPLES for key in as_json(path)}
    assert set(KEYS) - shown <= {"description"}


def test_the_schema_knows_what_the_reader_knows():
    properties = SCHEMA["properties"]
    assert set(properties) == {*KEYS, "fhir", "source", "suite"}  # these three belong to FHIR's reader
    assert set(properties["fields"]["properties"]) == set(CANDIDATES)
    assert set(properties["tables"]["properties"]) == set(TABLES)
    assert SCHEMA["$defs"]["milestone"]["enum"] == [str(m) for m in Milestone]
    assert properties["mode"]["enum"] == [str(m) for m in Mode]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SCH-2", Place("SCH-2", b"SCH", 2)),
        ("SCH-11.4", Place("SCH-11.4", b"SCH", 11, 4)),
        ("PID-3.4.1", Place("PID-3.4.1", b"PID", 3, 4, 1)),
        ("OBX[ASA]-5", Place("OBX[ASA]-5", b"OBX", 5, 1, 0, 3, "ASA")),
        ("NTE[asa]-3", Place("NTE[asa]-3", b"NTE", 3, 1, 0, 3, "ASA")),
        ("AIG[4=Room]-3.2", Place("AIG[4=Room]-3.2", b"AIG", 3, 2, 0, 4, "ROOM")),
        ("ZCH-3", Place("ZCH-3", b"ZCH", 3)),
    ],
)
def test_a_field_path_is_read_in_hl7s_own_notation(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["SCH", "SCH2", "sch-2", "SCH-0", "SCH-2.", "OBX[]-5", "OBX[A-5", "SCH-1.2.3.4", ""])
def test_what_is_no_field_path_is_told_with_an_example(text):
    with pytest.raises(ValueError, match=r"Expected a field path such as SCH-11\.4"):
        parse_place(text)
    assert not _schema_says({"profile": "x", "fields": {"start": "SCH-2"}})
    if text not in ("SCH-0",):
        assert _schema_says({"profile": "x", "fields": {"start": text}})


def _schema_says(raw: Any) -> list[Any]:
    return list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(raw))


WRONG = [
    ([], "the top", "a map"),
    ({}, "profile", "the profile's name"),
    ({"profile": "x", "mod": "snapshot"}, "mod", "Maybe mode is meant"),
    ({"profile": "x", "mode": "actions"}, "mode", "snapshot, action_code"),
    ({"profile": "x", "timezone": "Berlin"}, "timezone", "Europe/Berlin"),
    ({"profile": "x", "fields": {"strat": "SCH-1"}}, "fields.strat", "Maybe start is meant"),
    ({"profile": "x", "fields": {"start": ["TQ1-7", "SCH11"]}}, "fields.start[1]", "SCH-11.4"),
    ({"profile": "x", "fields": {"start": {"a": 1}}}, "fields.start", "a list of words"),
    ({"profile": "x", "milestones": {"IN": "wheels_in"}}, "milestones.IN", "patient_in_room"),
    ({"profile": "x", "milestone_fields": {"wheels": "ZCH-1"}}, "milestone_fields.wheels", "patient_in_room"),
    ({"profile": "x", "milestone_time": ["SCH-5"]}, "milestone_time[0]", "OBX-14"),
    ({"profile": "x", "segments": {"SCH": "Zch"}}, "segments.SCH", "ZIS"),
    ({"profile": "x", "segments": {"PID": "ZPI"}}, "segments.PID", "one of SCH"),
    ({"profile": "x", "message_types": {"ZIU": "ZIU"}}, "message_types.ZIU", "SIU, ORU, ADT"),
    ({"profile": "x", "version_form": "n"}, "version_form", "V<n>"),
    ({"profile": "x", "length_unit": "days"}, "length_unit", "minutes"),
    ({"profile": "x", "tables": {"rooms": ["OR1"]}}, "tables.rooms", "a map"),
    ({"profile": "x", "tables": {"rooms": {"OR1": None}}}, "tables.rooms.OR1", "a word"),
    ({"profile": "x", "tables": {"urgencies": {"1": "now"}}}, "tables.urgencies.1", "immediate"),
    ({"profile": "x", "tables": {"beds": {"P": "bed"}}}, "tables.beds.P", "pacu"),
    ({"profile": "x", "adt": {"units": {"P": "bed"}}}, "adt.units.P", "pacu"),
    ({"profile": "x", "codes": {"tables": {}}}, "codes.tables", "a list of tables"),
    ({"profile": "x", "codes": {"tables": [{"system": "CPT"}]}}, "codes.tables[0].since", "2026-01-01"),
    ({"profile": "x", "patient_number": {"field": "PV1-19"}}, "patient_number.field", "a field of PID"),
    ({"profile": "x", "expect": {"msh5": "X"}}, "expect.msh5", "receiving_application"),
    ({"profile": "x", "staff": {"a": 1}}, "staff", "a list of words"),
    ({"profile": "x", "tls": {}}, "tls.subject", "a word"),
]


@pytest.mark.parametrize(("raw", "path", "expected"), WRONG)
def test_a_mistake_is_told_with_its_path_and_what_was_expected(raw, path, expected):
    with pytest.raises(ProfileError) as caught:
        parse_profile(raw, "EHR", "main")
    text = str(caught.value)
    assert path in text
    assert expected in text
    assert text.startswith("Expected ")
    assert "\nMaybe " in text


def test_the_schema_refuses_what_the_reader_refuses_but_for_what_a_schema_cannot_say():
    beyond = {"timezone", "segments.PID"}
    assert [path for raw, path, _ in WRONG if not _schema_says(raw) and path not in beyond] == []


def test_a_site_file_names_a_profile_per_source_and_the_others_are_read_as_ever(tmp_path):
    (tmp_path / "ehr.yaml").write_text("profile: ours\nmode: action_code\ntables: {rooms: {A: '1'}}\n")
    site = parse_site(SITE.format(profile=", profile: ehr.yaml"))
    profiles = load_profiles(site, tmp_path)
    assert (profiles["EHR"].name, profiles["EHR"].mode, dict(profiles["EHR"].tables.rooms)) == (
        "ours",
        Mode.ACTION_CODE,
        {"A": "1"},
    )
    assert dict(profiles["EHR"].tables.services) == {"GEN": "general"}, "what it leaves out is the site file's"
    assert profiles["OLD"] == default_profile(site, "OLD")


@pytest.mark.parametrize(
    ("content", "told"), [(None, "can be read"), ("profile: [", "line 1"), ("profile: x\nmode: y\n", "mode")]
)
def test_a_profile_file_that_cannot_be_read_is_named(tmp_path, content, told):
    if content is not None:
        (tmp_path / "ehr.yaml").write_text(content)
    with pytest.raises(ProfileError, match=told) as caught:
        load_profiles(parse_site(SITE.format(profile=", profile: ehr.yaml")), tmp_path)
    assert "ehr.yaml" in str(caught.value)
