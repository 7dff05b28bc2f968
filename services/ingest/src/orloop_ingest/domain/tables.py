"""Files of rows, CSV or JSON, read strictly: every fault is told with its line and its column, all at once. Pure."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

MOST_ROWS = 20_000
MOST_FAULTS = 50  # a file of the wrong kind is told once, not ten thousand times
_MISSING = "nothing"
E = TypeVar("E", bound=StrEnum)


class Expected(ValueError):
    """A cell does not hold what its column needs; the text completes 'Expected ...'."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it is called, how a cell is read, and what stands where it is empty.

    The value of a `private` column may name a patient: no fault ever shows it.
    """

    name: str
    read: Callable[[str], Any]
    required: bool = True
    default: Any = None
    private: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One row with its place, such as 'line 7'; `cells` has every column."""

    place: str
    cells: dict[str, Any]


@dataclass(slots=True)
class Table:
    """All rows of a file, and what is wrong with it; rows count only if nothing is."""

    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def wrong(self, place: str, column: str, expected: str, got: str = "") -> None:
        """Note a fault: 'line 7, column shift_end: Expected a time, got 25:00.'"""
        if len(self.faults) < MOST_FAULTS:
            where = f"{place}, column {column}" if column else place
            self.faults.append(f"{where}: Expected {expected}{f', got {got}' if got else ''}.")


def read_table(text: str, columns: Sequence[Column]) -> Table:
    """Read a CSV with a header line (comma, semicolon or tab), or a JSON list of objects."""
    text = text.removeprefix("﻿")
    table = Table()
    raw = _from_json(text, table) if text.lstrip()[:1] in ("[", "{") else _from_csv(text, columns, table)
    if len(raw) > MOST_ROWS:
        table.wrong("the file", "", f"at most {MOST_ROWS} rows", str(len(raw)))
    if not raw and not table.faults:
        table.wrong("the file", "", "at least one row", "none")
    if not table.faults:
        for place, cells in raw:
            _read_row(place, cells, columns, table)
    return table


def _from_csv(text: str, columns: Sequence[Column], table: Table) -> list[tuple[str, dict[str, Any]]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[str, dict[str, Any]]] = []
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        known = {alias: c.name for c in columns for alias in (c.name, *c.aliases)}
        if len(set(header)) != len(header):
            table.wrong("line 1", "", "each column once", "one of them twice")
        if not any(name in known for name in header):
            table.wrong("line 1", "", f"the columns {', '.join(c.name for c in columns if c.required)}", "others")
            return []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                table.wrong(place, "", f"{len(header)} cells", str(len(cells)))
                continue
            rows.append((place, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        table.wrong(f"line {reader.line_num}", "", "well-formed CSV", str(error))
    return rows


def _from_json(text: str, table: Table) -> list[tuple[str, dict[str, Any]]]:
    try:
        told = json.loads(text)
    except json.JSONDecodeError as error:
        table.wrong(f"line {error.lineno}", "", "well-formed JSON", error.msg)
        return []
    rows = told.get("rows") if isinstance(told, dict) else told
    if not isinstance(rows, list):
        table.wrong("the file", "", "a list of objects, or an object with `rows`", type(rows).__name__)
        return []
    found = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            found.append((f"row {number}", {str(k).casefold(): v for k, v in row.items()}))
        else:
            table.wrong(f"row {number}", "", "an object", type(row).__name__)
    return found


def _read_row(place: str, raw: dict[str, Any], columns: Sequence[Column], table: Table) -> None:
    cells: dict[str, Any] = {}
    used: set[str] = set()
    before = len(table.faults)
    for column in columns:
        name = next((n for n in (column.name, *column.aliases) if n in raw), column.name)
        used.add(name)
        given = _text(raw.get(name))
        if not given:
            if column.required:
                table.wrong(place, column.name, "a value", _MISSING)
            cells[column.name] = column.default
            continue
        try:
            cells[column.name] = column.read(given)
        except Expected as error:
            table.wrong(place, column.name, str(error), "another value" if column.private else repr(given[:40]))
    for name in raw.keys() - used:
        table.wrong(place, name, f"one of the columns {', '.join(c.name for c in columns)}", "this one")
    if len(table.faults) == before:
        table.rows.append(Row(place, cells))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(_text(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def word(given: str) -> str:
    """A short word without control characters."""
    if len(given) > 80 or not given.isprintable():
        raise Expected("at most 80 printable characters")
    return given


def words(given: str) -> tuple[str, ...]:
    """Several words with semicolons between."""
    return tuple(word(part.strip()) for part in given.split(";") if part.strip())


def count(most: int = 500, least: int = 0) -> Callable[[str], int]:
    """A whole number within bounds."""

    def read(given: str) -> int:
        if not given.isascii() or not given.isdigit() or not least <= int(given) <= most:
            raise Expected(f"a whole number from {least} to {most}")
        return int(given)

    return read


def one_of(*known: str) -> Callable[[str], str]:
    """One of a closed list, in any case of letters."""

    def read(given: str) -> str:
        if given.casefold() not in known:
            raise Expected(f"one of {', '.join(known)}")
        return given.casefold()

    return read


def member(kind: type[E]) -> Callable[[str], E]:
    """A word of one of our closed word lists."""
    read = one_of(*(each.value for each in kind))
    return lambda given: kind(read(given))


def moment(zone: ZoneInfo) -> Callable[[str], datetime]:
    """ISO 8601; without an offset it is site time, which must exist and be certain."""

    def read(given: str) -> datetime:
        try:
            told = datetime.fromisoformat(given)
        except ValueError:
            raise Expected("a time such as 2026-03-02T07:30 or 2026-03-02T07:30+01:00") from None
        if len(given) <= 10:
            raise Expected("a time of day besides the date")
        if told.tzinfo is not None:
            return told.astimezone(UTC)
        early, late = told.replace(tzinfo=zone), told.replace(tzinfo=zone, fold=1)
        if early.utcoffset() != late.utcoffset():
            raise Expected("a time with its offset (the clocks change at this one)")
        return early.astimezone(UTC)

    return read


def moments(zone: ZoneInfo) -> Callable[[str], tuple[datetime, ...]]:
    """Several times with semicolons between."""
    read = moment(zone)
    return lambda given: tuple(read(part.strip()) for part in given.split(";") if part.strip())
