"""A published schema version never changes under its consumers' feet."""

import copy
import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("breaking", Path(__file__).with_name("breaking.py"))
assert _spec is not None and _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
breaking_changes = _module.breaking_changes

SCHEMAS = sorted((ROOT / "contracts" / "schemas").glob("*.json"))


def published(path: Path) -> str | None:
    """The schema as it was last released: the newest release tag's, else the first commit's that held it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout

    name = str(path.relative_to(ROOT))
    tags = git("tag", "--list", "v*", "--sort=-version:refname").split()
    return git("show", f"{tags[0]}:{name}") or None if tags else None


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.name)
def test_no_published_schema_breaks(path: Path) -> None:
    before = published(path)
    if before is None:
        return  # nothing is released yet: the first tag freezes what it holds
    assert breaking_changes(json.loads(before), json.loads(path.read_text())) == []


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
