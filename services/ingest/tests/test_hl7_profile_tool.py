"""`orloop profile check` and `suggest`: what an analyst sees, and what nobody sees without asking for it."""

import json
import subprocess
import sys

import pytest

from orloop_ingest.message_files import MessageFileError, read_messages
from orloop_ingest.profile_tool import main

PROFILE = """
profile: mine
timezone: Europe/Berlin
fields: {asa: "OBX[ASA]-5", room: [AIL-3]}
default_service: general
tables: {rooms: {OR3: "3"}}
milestones: {WHEELS_IN: patient_in_room}
"""


@pytest.fixture
def files(tmp_path, siu):
    """A profile, and three messages: booked, moved into an unknown room, and one with a start that is none."""
    (tmp_path / "mine.yaml").write_text(PROFILE)
    messages = [
        siu(obx=("NM|ASA||3", "DTM|WHEELS_IN||20260302090500+0000")),
        siu("S13", control="M2", version="V2", room="OR77"),
        siu("S14", control="M3", version="V3", start="soon"),
    ]
    (tmp_path / "day.hl7").write_bytes(b"".join(b"\x0b" + m + b"\x1c\r" for m in messages))
    (tmp_path / "good.hl7").write_bytes(messages[0].replace(b"\r", b"\n"))
    return tmp_path


def check(files, capsys, messages="day.hl7", *more: str) -> tuple[int, str]:
    code = main(["check", str(files / "mine.yaml"), "--messages", str(files / messages), *more])
    return code, capsys.readouterr().out


def test_each_field_says_where_it_was_read_what_it_became_and_why(files, capsys):
    code, text = check(files, capsys, "good.hl7")
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "case_id SCH-2 9999 candidate 1 of 6" not in lines, "a case id is masked"
    assert any(line.startswith("case_id SCH-2 x999 ") for line in lines)
    assert "start TQ1-7 20260302090000+0000 2026-03-02T09:00+00:00 candidate 1 of 4" in lines
    assert "room AIL-3 OR3 3 the only candidate" in lines
    assert "asa OBX[ASA]-5 3 3 the only candidate" in lines
    assert "earliest - empty: OBX[EARLIEST_START]-5" in lines
    assert "says: patient_in_room at 2026-03-02T09:05:00+00:00" in lines


def test_what_nothing_ever_read_is_listed(files, capsys):
    _, text = check(files, capsys, "good.hl7")
    (never,) = [line for line in text.splitlines() if line.strip().startswith("never read:")]
    assert "PID-11" in never
    assert "NTE-3" in never
    assert "SCH-25" not in never


def test_a_message_that_would_be_quarantined_says_so_and_makes_exit_code_1(files, capsys):
    code, text = check(files, capsys)
    assert code == 1
    assert "QUARANTINED" in text
    assert "bad_time: A time cannot be read" in text
    assert "flag: unknown_room OR77 at AIL-3" in text
    assert "3 messages by profile mine: 1 quarantined, 2 read" in text


def test_nothing_that_names_a_patient_is_shown_unless_asked_for(files, capsys, canaries):
    for more in ([], ["--json"], ["--each"]):
        _, text = check(files, capsys, "day.hl7", *more)
        assert [word for word in canaries if word in text] == []
        assert "VNA100" not in text
    _, text = check(files, capsys, "day.hl7", "--show-phi", "--json")
    assert "CANARYMRN77" in text


def test_json_holds_every_message_and_the_sums(files, capsys):
    code, text = check(files, capsys, "day.hl7", "--json")
    told = json.loads(text)
    assert code == 1
    assert told["summary"]["outcomes"] == {"read": 2, "quarantined": 1}
    assert told["summary"]["reasons"] == {"bad_time": 1}
    assert told["summary"]["fields"]["room"]["AIL-3"] >= 2
    assert [m["outcome"] for m in told["messages"]] == ["read", "read", "quarantined"]


def test_a_message_for_someone_else_shows_its_refusal_and_what_it_would_say(files, capsys):
    (files / "mine.yaml").write_text(PROFILE + "expect: {receiving_application: OTHER}\n")
    code, text = check(files, capsys, "good.hl7")
    assert code == 0
    assert "REFUSED" in text
    assert "(MSH-5)" in text
    assert "says: case booked" in text


def test_many_messages_are_summed_up_and_only_the_bad_ones_are_shown(files, capsys, siu):
    many = [siu(control=f"M{n}", case=f"A{n}") for n in range(30)] + [siu(control="X", start="soon")]
    (files / "many.hl7").write_bytes(b"\n\n".join(m.replace(b"\r", b"\n") for m in many))
    _, text = check(files, capsys, "many.hl7")
    assert "30 more messages are not shown one by one: --each shows them." in text
    assert text.count("QUARANTINED") == 1
    assert "30 read" in text


def test_a_wrong_profile_is_exit_code_2_with_its_path(files, capsys):
    (files / "mine.yaml").write_text("profile: x\nmode: both\n")
    code = main(["check", str(files / "mine.yaml"), "--messages", str(files / "good.hl7")])
    told = capsys.readouterr().err
    assert code == 2
    assert "mine.yaml: Expected one of snapshot, action_code at mode" in told


def test_it_runs_as_a_process_of_its_own(files):
    command = [sys.executable, "-m", "orloop_ingest.profile_tool", "check", str(files / "mine.yaml")]
    done = subprocess.run(
        [*command, "--messages", str(files / "good.hl7")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout, "no colours where no terminal is"


# --- suggest -----------------------------------------------------------------------------------------------------


def suggest(capsys, *paths) -> dict:
    assert main(["suggest", "--json", *map(str, paths)]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_proposal_reads_the_messages_that_it_was_made_from(files, capsys, siu):
    days = [
        siu(control=f"M{n}", case=f"A{n}", room=f"OR{n % 3}", obx=("NM|ASA||2", "DTM|WHEELS_IN||20260302090500"))
        for n in range(9)
    ]
    (files / "days.hl7").write_bytes(b"".join(days))
    main(["suggest", str(files / "days.hl7")])
    (files / "mine.yaml").write_text(capsys.readouterr().out + "default_service: general\n")
    code, text = check(files, capsys, "days.hl7")
    assert code == 0
    assert "9 read" in text


def test_each_guess_has_its_count(files, capsys, siu):
    (files / "one.hl7").write_bytes(siu() + siu("S13", control="M2", version="V2", replace={"TQ1": "TQ1|1"}))
    told = suggest(capsys, files / "one.hl7")
    guesses = {(g["key"], str(g["value"])): (g["count"], g["of"]) for g in told["evidence"]}
    assert guesses["fields.start", "TQ1-7"] == (1, 2)
    assert guesses["fields.start", "AIL-6"] == (2, 2)
    assert guesses["version_form", "V<n>"] == (2, 2)
    assert told["profile"]["fields"]["case_id"] == ["SCH-2"]
    assert told["profile"]["tables"]["rooms"] == {"OR3": "3"}


def test_action_codes_in_changes_speak_for_that_mode(files, capsys, siu):
    gone = {"AIP": "AIP|1|D|S017^Meyer^Anna|SURGEON"}
    (files / "acts.hl7").write_bytes(siu() + siu("S14", control="M2", version="V2", replace=gone))
    assert suggest(capsys, files / "acts.hl7")["profile"]["mode"] == "action_code"
    (files / "snap.hl7").write_bytes(siu() + siu("S14", control="M2", version="V2"))
    assert suggest(capsys, files / "snap.hl7")["profile"]["mode"] == "snapshot"


def test_a_feed_of_z_segments_is_recognised(files, capsys):
    lines = [
        "MSH|^~\\&|SR|500|||20260302||ZIU^S12|1|P|2.2",
        "ZCH|1|7788||||EL|120||^^^20260302100000^20260302120000",
        "PID|1||4711",
        "ZIS|27130^HIP^C4",
        "ZIL|OR3",
    ]
    (files / "ziu.hl7").write_text("\r".join(lines))
    told = suggest(capsys, files / "ziu.hl7")["profile"]
    assert told["message_types"] == {"ZIU": "SIU"}
    assert told["segments"] == {"SCH": "ZCH", "AIS": "ZIS", "AIL": "ZIL"}
    assert told["fields"]["case_id"][0] == "ZCH-2"


def test_a_place_that_contradicts_the_best_one_is_no_candidate(files, capsys, siu):
    """As in the corpora: SCH-11 holds another time than TQ1."""
    sch = "SCH||A100|||V1||ELECTIVE||90|min|^^^20200101110000^20200101120000||||||||||||||Booked"
    (files / "one.hl7").write_bytes(siu(replace={"SCH": sch}))
    assert "SCH-11.4" not in suggest(capsys, files / "one.hl7")["profile"]["fields"]["start"]


def test_a_proposal_shows_nothing_that_names_a_patient(files, capsys, canaries):
    main(["suggest", str(files / "day.hl7")])
    text = capsys.readouterr().out
    assert [word for word in canaries if word in text] == []


# --- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["frames.hl7", "lines.hl7", "blank.hl7", "bom.hl7", "day.jsonl"])
def test_messages_are_read_however_they_are_kept(tmp_path, siu, name):
    one, two = siu(), siu(control="M2")
    forms = {
        "frames.hl7": b"\x0b" + one + b"\x1c\r\x0b" + two + b"\x1c\r",
        "lines.hl7": (one + two).replace(b"\r", b"\n"),
        "blank.hl7": one.replace(b"\r", b"\r\n") + b"\r\n" + two.replace(b"\r", b"\r\n"),
        "bom.hl7": one + b"\xef\xbb\xbf" + two,
        "day.jsonl": b"".join(json.dumps({"msg": m.decode()}).encode() + b"\n" for m in (one, two)),
    }
    (tmp_path / name).write_bytes(forms[name])
    found = [m.removeprefix(b"\xef\xbb\xbf") for m in read_messages(tmp_path / name)]
    assert found == [one, two]


@pytest.mark.parametrize(("name", "content"), [("no.hl7", None), ("empty.hl7", b""), ("a.jsonl", b'{"body": 1}\n')])
def test_a_file_without_messages_is_told(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MessageFileError, match=r"^Expected .*\nMaybe "):
        read_messages(tmp_path / name)
