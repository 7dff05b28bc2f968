"""What write-back says in a site's style is what ingest reads by that site's profile: the same case, room and times."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from writing_back import CIPHER, a_step, identity, sealed

from orloop_common.testing.suite import clock, small_site
from orloop_ingest.adapters.profiles import load_profile
from orloop_ingest.domain.hl7 import read_header, read_message
from orloop_ingest.domain.told import Act, CaseTold
from orloop_writeback.adapters.siu import SiuScribe
from orloop_writeback.domain.routes import Postponements, Route, Style

pytestmark = pytest.mark.contract
PROFILES = Path(__file__).parents[2] / "contracts" / "profiles"
STYLES: dict[str, dict[str, Any]] = {
    "siu-2.5.1": {},
    "siu-2.3": {"version": "2.3", "times": ("sch11",), "room": "aig", "offsets": False},
    "siu-action-code": {"version": "2.4", "times": ("sch11", "resource")},
}
ZONES = {"siu-2.5.1": "America/Chicago", "siu-2.3": "Europe/London", "siu-action-code": "Europe/Berlin"}


def read_back(name: str, target: tuple[str, str] | None) -> CaseTold:
    site = small_site()
    assert site.hl7 is not None
    profile = load_profile(PROFILES / f"{name}.yaml", "TWIN", "main", site)
    route = Route(style=Style(**STYLES[name]), postponements=Postponements.CANCEL)
    offset = f"{clock('09:00').astimezone(ZoneInfo(ZONES[name])):%z}"
    who = identity(aliases=dict(profile.aliases), zone=offset, visit="")
    scribe = SiuScribe(site.hl7, CIPHER.decrypt, timezone=ZONES[name])
    body, _ = scribe.write(a_step(target, route=route), sealed(who=who))
    header, message = read_header(body)
    told = read_message(message, header, profile, site, clock("09:00"), "raw")
    (found,) = [one for one in told.statements if isinstance(one, CaseTold)]
    assert not [flag.kind for flag in told.flags if flag.kind != "unknown_surgeon"]
    return found


@pytest.mark.parametrize("name", STYLES)
def test_a_change_is_read_back_as_it_was_meant(name: str) -> None:
    told = read_back(name, ("3", "11:00"))
    rooms = [action.room for action in told.actions if action.room] or [told.fields.get("room")]
    assert told.ref.ids[0] == "C1"
    assert (told.act, rooms) == (Act.BOOKED, ["3"])
    assert (told.start, told.booked) == (clock("11:00"), timedelta(minutes=60))


@pytest.mark.parametrize("name", STYLES)
def test_a_cancellation_is_read_back_as_one(name: str) -> None:
    assert read_back(name, None).act is Act.CANCELLED
