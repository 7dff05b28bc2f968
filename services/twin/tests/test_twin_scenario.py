"""Scenarios are data, and wrong data is named before anything runs."""

from pathlib import Path

import pytest

from orloop_common.domain.site import Site
from orloop_twin.adapters.data import load_scenario


@pytest.mark.parametrize("name", ["demo", "quiet", "contrary"])
def test_the_shipped_scenarios_fit_their_schema(site: Site, name: str) -> None:
    assert load_scenario(name, site.suites[0]).name == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name: x\nrooms_down: [{room: '3', at: 9:10, cause: c, expected_until: '15:00'}]", "at"),
        ("name: x\nlight_rooms: ['11']", "Expected a room of the suite"),
        ("name: x\nstrats: '07:00'", "strats"),
        ("name: x\nstarts: '17:00'\nends: '07:00'", "to end after"),
        ("name: x\nadd_ons: [{at: '09:40', service: general, procedure: '9-999', room: '4'}]", "Expected a procedure"),
        ("name: x\nadd_ons: [{at: '09:40', service: dental, procedure: '9-999', room: '4'}]", "known service"),
        ("name: x\nrooms_down: [{room: '3', at: '09:10', cause: c, expected_until: '15:00', restored: '09:00'}]", "be"),
        ("name: [", "Maybe quote times"),
    ],
)  # fmt: skip
def test_a_wrong_scenario_is_refused_with_what_was_expected(tmp_path: Path, site: Site, text: str, what: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=what):
        load_scenario(str(path), site.suites[0])


def test_an_unknown_scenario_names_the_shipped_ones(site: Site) -> None:
    with pytest.raises(ValueError, match="Maybe one of contrary, demo, quiet"):
        load_scenario("demmo", site.suites[0])
