"""The site file's section `writeback`: defaults, each kind of route, and errors that name their place."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orloop_common.runtime import ConfigurationError
from orloop_common.testing.suite import SITE_FILE
from orloop_writeback.adapters.routes_file import parse_writeback
from orloop_writeback.domain.routes import Postponements, Way

SCHEMA = json.loads((Path(__file__).parents[3] / "contracts/schemas/site-profile.v1.schema.json").read_text())
WHOLE = """
writeback:
  postponements: worklist
  routes:
    - name: orms
      sources: [ORMS]
      host: 10.0.0.5
      port: 2576
      confirm_within_minutes: 20
      tls: {ca: ca.pem, certificate: us.pem, key: us.key, server_name: engine.example}
      message: {version: "2.3", times: [sch11], room: aig, room_only: S14, offsets: false, acknowledgements: enhanced}
    - name: epr
      way: fhir
      suites: [main]
      postponements: cancel
      fhir:
        base: https://fhir.example/r4
        send: appointment
        case_id: urn:epr:case
        rooms: {"1": Location/or1}
        smart: {token_url: https://login.example/token, client_id: orloop, key: us.key}
    - {name: desk, way: manual}
"""


def test_without_the_section_everything_leaves_over_mllp_and_postponements_stay_with_people() -> None:
    ((route, entry),) = parse_writeback(SITE_FILE).pairs()
    assert (route.way, route.postponements, entry.port) == (Way.MLLP, Postponements.BY_HAND, None)


def test_every_kind_of_route_is_read() -> None:
    (orms, _), (epr, address), (desk, _) = parse_writeback(SITE_FILE + WHOLE).pairs()
    assert orms.style.enhanced
    assert (orms.style.times, orms.style.room, orms.confirm_within) == (("sch11",), "aig", timedelta(minutes=20))
    assert orms.postponements is Postponements.WORKLIST
    assert (epr.way, epr.postponements) == (Way.FHIR, Postponements.CANCEL)
    assert address.fhir is not None
    assert address.fhir.rooms == {"1": "Location/or1"}
    assert desk.way is Way.MANUAL


def test_the_schema_in_contracts_takes_what_is_read_here() -> None:
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(SITE_FILE + WHOLE))


WRONG = {
    "writeback: {postponements: maybe}": "writeback.postponements",
    "writeback: {routes: []}": "writeback.routes",
    "writeback: {routes: [{port: 99999}]}": "writeback.routes.0.port",
    "writeback: {routes: [{prot: 2575}]}": "writeback.routes.0.prot",
    "writeback: {routes: [{way: fhir}]}": "section fhir",
    "writeback: {routes: [{}, {}]}": "name of its own",
    'writeback: {routes: [{message: {version: "2.3", times: [tq1]}}]}': "times",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_by_its_place(text: str) -> None:
    with pytest.raises(ConfigurationError, match=WRONG[text].replace(".", r"\.")):
        parse_writeback(SITE_FILE + text)


@pytest.mark.parametrize("text", [t for t in WRONG if "fhir" not in t and "{}" not in t and "tq1" not in t])
def test_the_schema_refuses_what_is_refused_here(text: str) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(SITE_FILE + text))
