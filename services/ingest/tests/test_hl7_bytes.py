"""Whatever bytes come: the same bytes go out, and characters whose bytes equal delimiters cut no field."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orloop_ingest.domain.hl7 import header_of_head, read_header, tokenize
from orloop_ingest.domain.hl7.batches import is_batch, split_batch
from orloop_ingest.domain.hl7.tokens import NotHl7
from orloop_ingest.domain.quarantine import Quarantined, Reason

HEAD = b"MSH|^~\\&|EHR|D|||20260302||SIU^S12|M1|P|2.5.1||||||%s\r"
PIECES = st.sampled_from(
    [
        b"MSH|^~\\&|",
        b"PID|1||x^^^y~z",
        b"\r",
        b"\n",
        b"\r\n",
        b"\x0b",
        b"\x1c",
        b"\x00",
        b"|",
        b"^",
        b"\\",
        b"\xff",
        b"\x1b$B|^\x1b(B",
    ]
)
SETS = [
    b"",
    b"ASCII",
    b"UNICODE UTF-8",
    b"8859/1",
    b"GB 18030-2000",
    b"BIG-5",
    b"ASCII~ISO IR87",
    b"NOBODY'S",
    b"KS X 1001",
]


@given(st.lists(PIECES | st.binary(max_size=12), max_size=30).map(b"".join), st.sampled_from(SETS))
def test_any_bytes_after_a_header_come_out_as_they_went_in(rest, charset):
    body = HEAD % charset + rest
    message = tokenize(body)
    assert message.encode() == body
    for segment in message.segments:
        held = [f for n, f in enumerate(segment.fields) if not (segment.name == b"MSH" and n == 1)]
        assert segment.separator.join(held) == segment.line


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_named_as_not_hl7(body):
    with contextlib.suppress(NotHl7):
        assert tokenize(body).encode() == body
    read_header(body)
    header_of_head(body)


@given(st.binary(max_size=80).map(lambda rest: b"MSH|^~\\&" + rest))
def test_any_header_gives_a_header_or_a_fault(body):
    header, message = read_header(body)
    assert header.fault is not None or message is not None


TRICKY = "倝乗侓偆侊"  # in Big5 and GB 18030 their second bytes include @ to ~, delimiters among them
NAMES = {
    b"GB 18030-2000": ("gb18030", "𠀋锿镁乗倈縗"),
    b"BIG-5": ("big5hkscs", "功蓋餐許育開鞛"),
    b"ASCII~ISO IR87": ("iso2022_jp_2", "日本太郎山田一"),
    b"KS X 1001": ("euc_kr", "홍길동"),
    b"UNICODE UTF-8": ("utf-8", "Müller 山田"),
    b"8859/1": ("latin-1", "Müller"),
    b"8859/5": ("iso8859-5", "Иванов"),
    b"8859/15": ("iso8859-15", "Œuvre €"),
}


@pytest.mark.parametrize("charset", NAMES)
def test_characters_are_read_in_the_set_that_msh_18_names(charset):
    codec, name = NAMES[charset]
    body = HEAD % charset + b"PID|1||4711||" + name.encode(codec) + b"^Ada||1951\rPV1|1|I|W1\r"
    message = tokenize(body)
    pid = message.first(b"PID")
    assert (message.text(pid, 5), message.text(pid, 5, 2), message.text(pid, 7)) == (name, "Ada", "1951")
    assert message.text(message.first(b"PV1"), 3) == "W1"
    assert message.encode() == body


def test_the_trail_bytes_of_the_test_names_do_equal_delimiters():
    """Else the test above would prove nothing."""
    for charset in (b"GB 18030-2000", b"BIG-5", b"ASCII~ISO IR87"):
        codec, name = NAMES[charset]
        found = set(name.encode(codec)) & set(b"|^~\\&")
        assert found, charset


def test_bytes_that_do_not_fit_their_set_leave_the_header_and_nothing_else():
    body = HEAD % b"GB 18030-2000" + b"PID|1||4711||\xff\xff\xff^Ada\r"
    header, message = read_header(body)
    assert (header.control_id, message.encode()) == ("M1", body)
    with pytest.raises(Quarantined) as caught:
        message.text(message.first(b"PID"), 3)
    assert caught.value.reason is Reason.UNREADABLE_CHARACTERS


def test_an_unknown_set_does_no_harm_to_plain_ascii():
    message = tokenize(HEAD % b"NOBODY'S" + b"PID|1||4711\r")
    assert message.text(message.first(b"PID"), 3) == "4711"


# --- batches ---------------------------------------------------------------------------------------------------

ONE, TWO = HEAD % b"" + b"PID|1||1\r", HEAD % b"" + b"PID|1||2\nline two\r"


def test_a_batch_is_its_messages_byte_by_byte():
    body = b"FHS|^~\\&|EHR\rBHS|^~\\&|EHR\r" + ONE + TWO + b"BTS|2\rFTS|1\r"
    assert is_batch(body)
    assert split_batch(body).messages == (ONE, TWO)
    assert split_batch(body).faults == ()


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"BHS|^~\\&\r" + ONE + b"BTS|2\r", ("wrong_count",)),
        (b"FHS|^~\\&\rBHS|^~\\&\r" + ONE + b"BTS|1\rFTS|7\r", ("wrong_count",)),
        (b"BHS|^~\\&\r" + ONE + TWO, ("no_trailer",)),
        (b"FHS|^~\\&\rBHS|^~\\&\r" + ONE + b"BTS|1\r", ("no_trailer",)),
        (b"BHS|^~\\&\rPID|1\r" + ONE + b"BTS|1\r", ("outside",)),
        (b"BHS|^~\\&\r" + ONE + b"BTS\r", ()),
        (b"FHS#^~\\&\rBHS#^~\\&\r" + ONE + b"BTS#1\rFTS#1\r", ()),
        (b"\xef\xbb\xbfBHS|^~\\&\n" + ONE + b"BTS|1\n", ()),
    ],
)
def test_what_is_wrong_with_a_batch_is_told_and_its_messages_come_all_the_same(body, faults):
    assert is_batch(body)
    assert split_batch(body).faults == faults
    assert split_batch(body).messages[0] == ONE


@given(st.binary(max_size=120).map(lambda rest: b"BHS|^~\\&\r" + rest))
def test_any_bytes_after_a_batch_header_are_split_without_a_crash(body):
    for message in split_batch(body).messages:
        assert message.startswith(b"MSH")


def test_a_message_is_no_batch():
    assert not is_batch(ONE)
