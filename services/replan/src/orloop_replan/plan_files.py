"""Planning problems and their solutions as files: JSON, or JSON in gzip where the name ends in .gz."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import PlanSolution
from orloop_common.domain.soundness import named_errors
from orloop_common.messages import UnreadableMessage, from_json, to_json

T = TypeVar("T")


class PlanFileError(Exception):
    """A document that cannot be read or written: 'Expected X, got Y', and a line that starts with 'Maybe'."""


def read_problem(path: Path) -> PlanProblem:
    """The planning problem in a file, `-` for standard input.

    Raises
    ------
    PlanFileError
        If there is none, or it is not one that can be planned; every fault is named.
    """
    problem = _read(path, PlanProblem, "a planning problem", "orloop plan generate --output problem.json")
    if faults := _clocks(problem) or named_errors(problem):
        raise PlanFileError(f"Expected a problem that can be planned in {path}, got:\n  " + "\n  ".join(faults))
    return problem


def read_solution(path: Path, problem: PlanProblem) -> PlanSolution:
    """The solution in a file, of this problem and no other.

    Raises
    ------
    PlanFileError
        If there is none, or it solves another problem.
    """
    solution = _read(path, PlanSolution, "a solution", "orloop plan solve problem.json --output solution.json")
    if (known := digest(problem)) != solution.problem_digest:
        raise PlanFileError(
            f"Expected a solution of problem {known[:12]} in {path}, got one of {solution.problem_digest[:12]}.\n"
            "Maybe the problem was changed after it was solved."
        )
    return solution


def places(solution: PlanSolution) -> dict[str, Place]:
    """The plan of a solution, place by case."""
    return {assignment.case: assignment.place for assignment in solution.plan}


def write(value: object, path: Path) -> None:
    """Write a document; the same value gives the same bytes.

    Raises
    ------
    PlanFileError
        If the file cannot be written.
    """
    try:
        path.write_bytes(packed(value) if path.suffix == ".gz" else to_json(value) + b"\n")
    except OSError as error:
        raise PlanFileError(f"Expected to write {path}, got: {error.strerror}.\nMaybe name another file.") from None


def packed(value: object) -> bytes:
    """JSON in gzip, without a name and a time of its own."""
    return gzip.compress(to_json(value), compresslevel=9, mtime=0)


def _read(path: Path, kind: type[T], what: str, hint: str) -> T:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return from_json(kind, content)
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or error
        raise PlanFileError(f"Expected {what} in {path}, got: {said}.\nMaybe: {hint}.") from None
    except (UnreadableMessage, UnicodeDecodeError) as error:
        raise PlanFileError(f"Expected {what} in {path}, got: {error}\nMaybe it is another document.") from None


def _clocks(problem: PlanProblem) -> list[str]:
    """What makes times impossible to compare or to show, one line each."""
    faults = [f"Expected a UTC offset in {where}, got {moment.isoformat()}." for where, moment in _naive("", problem)]
    try:
        ZoneInfo(problem.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.append(f"Expected a time zone such as Europe/Vienna, got {problem.timezone!r}.")
    return faults


def _naive(where: str, value: Any) -> Iterator[tuple[str, datetime]]:
    """Every moment without an offset, and where it is."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            yield where, value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _naive(f"{where}.{field.name}".lstrip("."), getattr(value, field.name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _naive(f"{where}[{number}]", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _naive(f"{where}.{key}", item)
