"""What came lately: bounded, the newest half always there."""

from orloop_ingest.remembered import Remembered


def test_the_newest_half_is_always_remembered_and_never_more_than_all() -> None:
    table = Remembered[int](100)
    for number in range(1000):
        table.set(f"{number:032x}", number)
        assert len(table) <= 100
        assert all(table.get(f"{kept:032x}") == kept for kept in range(max(0, number - 48), number + 1))
    assert f"{0:032x}" not in table


def test_the_newest_word_counts_and_what_is_popped_is_gone() -> None:
    table = Remembered[str](4)
    table.set("a" * 32, "first")
    table.set("b" * 32, "other")
    table.set("a" * 32, "second")
    assert table.get("a" * 32) == "second"
    assert table.pop("a" * 32) == "second"
    assert table.get("a" * 32) is None
    assert "b" * 32 in table


def test_an_id_that_is_no_digest_is_kept_as_it_is() -> None:
    table = Remembered[int](10)
    for id in ("not hexadecimal, 32 characters..", "1", "0x1", 1):
        table.set(id, len(table))
    assert [table.get(id) for id in ("not hexadecimal, 32 characters..", "1", "0x1", 1)] == [0, 1, 2, 3]
