"""Bodies before they are sealed: any zlib reads them again, whether they were worth deflating or not."""

import zlib

import pytest

from orloop_ingest.bodies import DEFLATED_FROM, pack_body, unpack_body


@pytest.mark.parametrize("length", [0, 1, 734, DEFLATED_FROM - 1, DEFLATED_FROM, 70_000])
def test_a_body_of_any_length_comes_back_to_the_byte(length: int) -> None:
    body = (bytes(range(256)) * (length // 256 + 1))[:length]
    packed = pack_body(body)
    assert unpack_body(packed) == zlib.decompress(packed) == body


def test_what_is_long_shrinks_and_what_is_short_grows_by_eleven_bytes() -> None:
    assert len(pack_body(b"MSH|" * 1000)) < 400
    assert len(pack_body(b"MSH|" * 100)) == 411


def test_a_body_that_is_not_whole_is_told() -> None:
    with pytest.raises(zlib.error):
        unpack_body(pack_body(b"MSH|^~\\&|")[:-1])
