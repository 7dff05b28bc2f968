"""A published schema version never changes under its consumers' feet."""

import copy
import json
import shutil
import sys
from pathlib import Path

import pytest
from breaking import breaking_changes

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted((ROOT / "contracts" / "schemas").glob("*.json"))


PUBLISHED = json.loads((ROOT / "contracts" / "published.json").read_text())


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_no_published_schema_breaks(name: str) -> None:
    now = ROOT / "contracts" / "schemas" / f"{name}.schema.json"
    assert now.exists(), "a published version stays"
    assert breaking_changes(PUBLISHED[name], json.loads(now.read_text())) == []


def test_every_schema_is_published() -> None:
    assert {path.name.removesuffix(".schema.json") for path in SCHEMAS} == set(PUBLISHED), "run `make publish`"


def example() -> dict[str, object]:
    loaded: dict[str, object] = json.loads((ROOT / "contracts/schemas/case-scheduled.v1.schema.json").read_text())
    return loaded


def test_a_removed_field_a_new_duty_and_a_narrowed_word_list_are_breaking() -> None:
    schema = copy.deepcopy(example())
    del schema["properties"]["room"]  # type: ignore[index]
    schema["required"].append("asa")  # type: ignore[attr-defined]
    schema["properties"]["booked"]["format"] = "date-time"  # type: ignore[index]
    schema["$defs"]["Urgency"]["enum"].remove("urgent")  # type: ignore[index]
    found = " ".join(breaking_changes(example(), schema))
    assert "room was removed" in found
    assert "asa became required" in found
    assert "booked changed" in found
    assert "lost the values ['urgent']" in found


def test_a_new_optional_field_breaks_nobody() -> None:
    schema = copy.deepcopy(example())
    schema["properties"]["robot"] = {"type": "string", "default": ""}  # type: ignore[index]
    assert breaking_changes(example(), schema) == []


def test_no_published_grpc_contract_breaks() -> None:
    assert grpc_breaking(ROOT / "proto") == ""


@pytest.mark.parametrize("gone", ["rpc Solve", "  string path = 2;"])
def test_a_removed_call_or_field_of_a_published_grpc_contract_is_breaking(gone: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "proto", tmp_path / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    planner = tmp_path / "proto/orloop/replan/v1/replan.proto"
    kept = [line for line in planner.read_text().splitlines() if gone not in line]
    assert len(kept) < len(planner.read_text().splitlines())
    planner.write_text("\n".join(kept) + "\n")
    assert "Previously present" in grpc_breaking(tmp_path / "proto")


def grpc_breaking(protos: Path) -> str:
    sys.path.insert(0, str(ROOT / "proto"))
    try:
        from generate import breaking
    finally:
        sys.path.pop(0)
    found: str = breaking(protos)
    return found
