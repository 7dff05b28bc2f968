"""The tokenizer: bytes in, the same bytes out, whatever the sender calls a delimiter."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orloop_ingest.domain.hl7.tokens import Delimiters, NotHl7, escape, tokenize, unescape
from orloop_ingest.domain.quarantine import Quarantined

FIVE = Delimiters(b"|", b"^", b"~", b"\\", b"&", b"#")
MARKS = st.permutations([bytes([c]) for c in b"|^~\\&#!$%*/;<>@_"]).map(lambda marks: Delimiters(*marks[:5]))
LINES = st.lists(st.tuples(st.binary(max_size=40), st.sampled_from([b"\r", b"\n", b"\r\n", b""])), max_size=8)


@given(delimiters=MARKS, lines=LINES, bom=st.booleans())
def test_bytes_in_are_bytes_out(delimiters: Delimiters, lines: list[tuple[bytes, bytes]], bom: bool) -> None:
    head = b"MSH" + delimiters.field + delimiters.declared + delimiters.field + b"A\r"
    body = (b"\xef\xbb\xbf" if bom else b"") + head + b"".join(line + end for line, end in lines)
    assert tokenize(body).encode() == body


@given(st.binary(max_size=60))
def test_any_bytes_are_tokens_or_named_as_not_hl7(body: bytes) -> None:
    with contextlib.suppress(NotHl7):
        assert tokenize(body).encode() == body


@given(value=st.binary(max_size=60), delimiters=MARKS)
def test_what_is_escaped_comes_back(value: bytes, delimiters: Delimiters) -> None:
    assert unescape(escape(value, delimiters), delimiters) == value


@given(value=st.binary(max_size=60), delimiters=MARKS)
def test_escaped_values_hold_no_delimiter(value: bytes, delimiters: Delimiters) -> None:
    escaped = escape(value, delimiters)
    for mark in (delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent, b"\r", b"\n"):
        assert mark not in escaped


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (rb"a\T\b", b"a&b"),
        (rb"\X41\\X4142\ ", b"AAB "),
        (rb"one\.br\two", b"one\ntwo"),
        (rb"\H\bold\N\ ", b"bold "),
        (rb"never ended \F", rb"never ended \F"),
        (rb"unknown \Zfoo\ kept", rb"unknown \Zfoo\ kept"),
        (rb"\X4\ ", rb"\X4\ "),
        (rb"\\F\ ", rb"\| "),
    ],
)
def test_escapes_that_are_unknown_or_never_end_stay_as_they_are(value: bytes, meaning: bytes) -> None:
    assert unescape(value, Delimiters()) == meaning


def test_fields_are_counted_as_hl7_counts_them() -> None:
    message = tokenize(b"MSH|^~\\&|APP^1.2^ISO|FAC\rPID|1||123^^^H&1.2&ISO^MR~456|\r")
    assert message.text(message.msh, 3) == "APP"
    assert message.text(message.msh, 3, 2) == "1.2"
    pid = message.first(b"PID")
    assert [message.text(pid, 3, n) for n in (1, 4, 5, 6)] == ["123", "H&1.2&ISO", "MR", ""]
    assert message.text(pid, 3, 4, 2) == "1.2"
    assert message.text(pid, 99) == ""


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_segments_end_with_cr_lf_or_both(end: bytes) -> None:
    message = tokenize(end.join([b"MSH|^~\\&|A", b"ZXY|1", b"PID|2", b""]))
    assert [s.name for s in message.segments] == [b"MSH", b"ZXY", b"PID"]


def test_a_line_feed_inside_of_a_field_is_no_segment_end() -> None:
    message = tokenize(b"MSH|^~\\&|A\rNTE|1||first line\nsecond line\rPID|1\r")
    assert [s.name for s in message.segments] == [b"MSH", b"NTE", b"PID"]


def test_a_fifth_delimiter_is_the_truncation_character() -> None:
    message = tokenize(b"MSH|^~\\&#|A\r")
    assert message.delimiters == FIVE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"msh|^~\\&|",
        b"FHS|^~\\&|",
        b"MSH",
        b"MSH|",
        b"MSH|^^\\&|A",
        b"MSH|^~|A",
        b"MSHA^~\\&A",
        b'MSH|^~\\"|A',
        b"\x00MSH|^~\\&|",
        b"MSH|||A",
    ],
)
def test_what_is_no_message_is_named_so(body: bytes) -> None:
    with pytest.raises(NotHl7, match="Expected"):
        tokenize(body)


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        (b"UNICODE UTF-8", "Müller".encode(), "Müller"),
        (b"8859/1", "Müller".encode("latin-1"), "Müller"),
        (b"8859/15", "5 €".encode("iso8859-15"), "5 €"),
        (b"", "Müller".encode(), "Müller"),
        (b"", "Müller".encode("latin-1"), "Müller"),
    ],
)
def test_characters_are_read_in_the_set_of_msh_18(charset: bytes, raw: bytes, text: str) -> None:
    message = tokenize(b"MSH|^~\\&" + b"|" * 16 + charset + b"\rPID|" + raw + b"\r")
    assert message.text(message.first(b"PID"), 1) == text


@pytest.mark.parametrize("charset", [b"UNICODE UTF-8", b"ASCII", b"KLINGON"])
def test_characters_that_do_not_fit_the_declared_set_are_quarantined(charset: bytes) -> None:
    message = tokenize(b"MSH|^~\\&" + b"|" * 16 + charset + b"\rPID|M\xfcller\r")
    with pytest.raises(Quarantined, match="MSH-18"):
        message.text(message.first(b"PID"), 1)


def test_a_broken_name_does_not_make_a_room_unreadable() -> None:
    message = tokenize(b"MSH|^~\\&" + b"|" * 16 + b"UNICODE UTF-8\rPID|M\xfcller\rAIL|1||OR3\r")
    assert message.text(message.first(b"AIL"), 3) == "OR3"
