"""Each sender's own profile of fields: which trigger, where the times stand, where the room, which action."""

from typing import Any

import pytest
from writing_back import CANARY, CIPHER, a_step, identity, sealed

from orloop_common.testing.suite import small_site
from orloop_writeback.adapters.siu import SiuScribe
from orloop_writeback.domain.routes import Postponements, Route, Style

PROFILE = small_site().hl7
ROOM_ONLY = ("3", "10:30")


def segments(target: tuple[str, str] | None = ("3", "11:00"), masked: bool = False, **style: Any) -> dict[str, Any]:
    assert PROFILE is not None
    route = Route(style=Style(**style), postponements=Postponements.CANCEL)
    body, _ = SiuScribe(PROFILE, CIPHER.decrypt, masked=masked).write(a_step(target, route=route), sealed())
    assert body.endswith(b"\r")
    return {line[:3]: line.split("|") for line in body.decode().split("\r") if line}


def test_a_change_of_time_is_a_rescheduling_and_one_of_the_room_too_unless_the_sender_wants_a_modification() -> None:
    assert segments()["MSH"][8] == "SIU^S13^SIU_S12"
    assert segments(ROOM_ONLY)["MSH"][8] == "SIU^S13^SIU_S12"
    modified = segments(ROOM_ONLY, room_only="S14")
    assert (modified["MSH"][8], modified["SCH"][6]) == ("SIU^S14^SIU_S12", "MODIFIED")
    assert segments(room_only="S14")["MSH"][8] == "SIU^S13^SIU_S12"


def test_a_postponement_is_a_cancellation_of_what_is_booked_now() -> None:
    told = segments(None)
    assert (told["MSH"][8], told["SCH"][6], told["SCH"][25]) == ("SIU^S15^SIU_S12", "CANCELLED", "Cancelled")
    assert told["AIL"][2:4] == ["D", "OR1^^^DEMO"]
    assert told["AIL"][6] == told["TQ1"][7] == "20260302103000+0000"


def test_times_stand_where_this_sender_looks_for_them() -> None:
    old = segments(times=("sch11",))
    assert old["SCH"][11] == "^^M60^20260302110000+0000^20260302120000+0000"
    assert "TQ1" not in old
    assert len(old["AIL"]) < 7 or old["AIL"][6] == ""
    assert segments(times=("tq1",))["TQ1"][7] == "20260302110000+0000"


def test_the_room_stands_where_this_sender_looks_for_it() -> None:
    aig = segments(room="aig")
    assert "AIL" not in aig
    assert (aig["AIG"][3], aig["AIG"][8], aig["AIG"][11]) == ("OR3", "20260302110000+0000", "60")
    location = segments(room="pv1", times=("tq1",))
    assert location["PV1"][3] == "OR3^^^DEMO"
    assert "AIL" not in location


def test_action_code_sites_get_a_code_and_others_need_none() -> None:
    assert (segments()["RGS"][2], segments()["AIL"][2]) == ("U", "U")
    bare = segments(actions=False)
    assert (len(bare["RGS"]), bare["AIL"][2]) == (2, "")


def test_version_2_3_has_no_structure_in_its_type_and_no_timing_segment() -> None:
    old = segments(version="2.3", times=("sch11", "tq1"), room="aig")
    assert (old["MSH"][8], old["MSH"][11]) == ("SIU^S13", "2.3")
    assert "TQ1" not in old


def test_an_enhanced_site_is_asked_for_both_acknowledgements() -> None:
    assert segments(enhanced=True)["MSH"][14:16] == ["AL", "AL"]
    assert segments()["MSH"][14:16] == ["", ""]


def test_we_are_called_what_this_site_calls_us() -> None:
    told = segments(receiving_application="ORL", receiving_facility="EAST")
    assert told["MSH"][2:6] == ["ORL", "EAST", "TWIN", "DEMO"]


@pytest.mark.parametrize("style", [{}, {"room": "aig", "times": ("sch11",)}, {"version": "2.3", "times": ("sch11",)}])
def test_what_a_dry_run_shows_hides_the_patient_and_nothing_else(style: dict[str, Any]) -> None:
    plain, hidden = segments(**style), segments(masked=True, **style)
    text = str(hidden)
    assert all(word not in text for canary in CANARY for word in canary.split("^"))
    assert {name for name in plain if plain[name] != hidden[name]} == {"PID", "PV1"}
    assert hidden["SCH"][2] == "C1"
    assert hidden["PID"][5] == "***"


def test_delimiters_in_the_senders_room_are_escaped() -> None:
    assert PROFILE is not None
    who = identity(aliases={"3": "OR^3|a"})
    body, _ = SiuScribe(PROFILE, CIPHER.decrypt).write(a_step(), sealed(who=who))
    assert b"OR\\S\\3\\F\\a^^^DEMO" in body
