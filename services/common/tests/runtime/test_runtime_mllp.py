"""MLLP framing: nothing merged, nothing lost, the same however the bytes were split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orloop_common.runtime.mllp import CR, FS, LF, VT, Fault, FaultKind, Frame, MllpDecoder, encode_frame


def decoded(data: bytes, limit: int = 1000) -> list[Frame | Fault]:
    decoder = MllpDecoder(limit)
    return [*decoder.feed(data), *decoder.close()]


def test_a_frame_is_decoded_to_its_payload() -> None:
    assert decoded(encode_frame(b"MSH|^~\\&|")) == [Frame(b"MSH|^~\\&|")]


def test_fifty_frames_in_one_packet_are_fifty_messages() -> None:
    payloads = [b"MSH|%d" % n for n in range(50)]
    assert decoded(b"".join(map(encode_frame, payloads))) == [Frame(p) for p in payloads]


def test_a_missing_cr_before_the_next_frame_leaves_both_whole() -> None:
    assert decoded(VT + b"one" + FS + VT + b"two" + FS + CR) == [Frame(b"one", (FaultKind.NO_CR,)), Frame(b"two")]


def test_a_line_feed_instead_of_the_cr_ends_the_frame() -> None:
    assert decoded(VT + b"one" + FS + LF + encode_frame(b"two")) == [Frame(b"one", (FaultKind.NO_CR,)), Frame(b"two")]


def test_a_frame_whose_cr_never_comes_is_taken_after_silence() -> None:
    decoder = MllpDecoder()
    assert decoder.feed(VT + b"one" + FS) == []
    assert decoder.in_frame
    assert decoder.settle() == [Frame(b"one", (FaultKind.NO_CR,))]
    assert not decoder.in_frame
    assert decoder.feed(CR + encode_frame(b"two")) == [Frame(b"two")], "the late CR is no junk"


def test_an_fs_inside_a_payload_is_kept_and_marked() -> None:
    assert decoded(VT + b"a" + FS + b"b" + FS + CR) == [Frame(b"a" + FS + b"b", (FaultKind.FS_INSIDE,))]


def test_a_vt_inside_a_frame_cuts_the_first_short_and_keeps_the_second() -> None:
    assert decoded(VT + b"half" + encode_frame(b"whole")) == [Fault(FaultKind.CUT_SHORT, b"half", 4), Frame(b"whole")]


def test_a_double_vt_is_one_start() -> None:
    assert decoded(VT + encode_frame(b"one")) == [Frame(b"one")]


def test_half_a_frame_and_the_end_of_the_connection_is_never_a_message() -> None:
    assert decoded(VT + b"half") == [Fault(FaultKind.CUT_SHORT, b"half", 4)]


def test_silence_within_a_frame_does_not_end_it() -> None:
    decoder = MllpDecoder()
    assert decoder.feed(VT + b"ha") == []
    assert decoder.settle() == []
    assert decoder.feed(b"lf" + FS + CR) == [Frame(b"half")]


def test_junk_before_a_frame_is_counted_and_the_frame_kept() -> None:
    assert decoded(b"GET /\r\n" + encode_frame(b"one")) == [Fault(FaultKind.JUNK, b"GET /", 5), Frame(b"one")]


def test_junk_is_kept_to_the_byte_but_for_the_line_ends_around_it() -> None:
    lines = b"GET / HTTP/1.1\r\nHost: x"
    expected = [Frame(b"one"), Fault(FaultKind.JUNK, lines, len(lines)), Frame(b"two")]
    data = encode_frame(b"one") + b"\r\n" + lines + b"\r\n\r\n" + encode_frame(b"two")
    assert decoded(data) == expected
    decoder = MllpDecoder()
    assert [item for n in range(len(data)) for item in decoder.feed(data[n : n + 1])] == expected


def test_a_payload_over_the_limit_is_dropped_up_to_the_next_frame() -> None:
    long = VT + b"x" * 1001 + FS + CR
    fault = Fault(FaultKind.TOO_LONG, b"x" * 1000, 1001)
    assert decoded(long + encode_frame(b"two")) == [fault, Frame(b"two")]
    assert decoded(VT + b"x" * 5000 + encode_frame(b"two")) == [fault, Frame(b"two")]
    assert decoded(encode_frame(b"x" * 1000)) == [Frame(b"x" * 1000)]


def test_nine_mebibytes_do_not_stay_in_memory() -> None:
    decoder = MllpDecoder()
    decoder.feed(VT)
    for _ in range(9 * 16):
        decoder.feed(b"x" * 65536)
    assert len(decoder._payload) == 0


def test_a_payload_with_framing_bytes_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="payload without VT and FS"):
        encode_frame(b"a" + FS)


PIECES = st.lists(
    st.sampled_from([VT, FS, CR, LF, b"a", b"MSH|", b"\x00", b"x" * 7, encode_frame(b"ok"), FS + CR, b"\xc3\xa4"]),
    max_size=25,
)


@given(PIECES, st.data())
def test_any_split_of_the_bytes_yields_the_same_frames(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = MllpDecoder(limit=20)
    out: list[Frame | Fault] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += decoder.feed(stream[begin:end])
    assert [*out, *decoder.close()] == decoded(stream, limit=20)


@given(PIECES, st.data())
def test_whatever_came_before_a_whole_frame_after_a_frames_end_is_read(
    pieces: list[bytes], data: st.DataObject
) -> None:
    out = decoded(b"".join(pieces) + FS + CR + encode_frame(b"the last"), limit=20)
    assert out[-1] == Frame(b"the last")


@given(st.lists(st.binary(max_size=30).filter(lambda b: VT not in b and FS not in b), max_size=10))
def test_what_was_encoded_is_decoded(payloads: list[bytes]) -> None:
    assert decoded(b"".join(map(encode_frame, payloads))) == [Frame(p) for p in payloads]
