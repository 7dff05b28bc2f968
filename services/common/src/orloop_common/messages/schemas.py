"""JSON Schema 2020-12 documents of the payload types, as published in `contracts/schemas`.

`python -m orloop_common.messages.schemas DIRECTORY` writes them; a test compares what is published
with what the types say, and refuses a breaking change of a published version.
"""

import json
import sys
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import PlanSolution

from .registry import SCHEMAS

_DOCUMENTS: dict[str, type] = {"plan-problem.v1": PlanProblem, "plan-solution.v1": PlanSolution}
DOCUMENTS: dict[str, type] = {s.name: s.type for s in SCHEMAS} | _DOCUMENTS


def document(name: str) -> dict[str, Any]:
    """The published schema called `name`, such as `case-scheduled.v1`."""
    kind = DOCUMENTS[name]
    (_,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for found in _dataclasses_of(kind, {}).values():
        _name_formats(found, definitions[found.__name__])
    root = definitions.pop(kind.__name__)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"orloop:{name}",
        **root,
        "description": kind.__doc__ or "",
    }
    if definitions:
        schema["$defs"] = definitions
    for told in (schema, *definitions.values()):
        if "description" in told:
            told["description"] = cleandoc(told["description"])  # before 3.13 it keeps its indentation
    return schema


def _dataclasses_of(kind: Any, found: dict[str, type]) -> dict[str, type]:
    if isinstance(kind, type) and is_dataclass(kind) and kind.__name__ not in found:
        found[kind.__name__] = kind
        for hint in get_type_hints(kind).values():
            _dataclasses_of(hint, found)
    for argument in get_args(kind):
        _dataclasses_of(argument, found)
    return found


_FORMATS = {datetime: "date-time", timedelta: "duration"}


def _name_formats(kind: type, schema: dict[str, Any]) -> None:
    """Say which strings are times and which are durations; msgspec leaves that out."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        for moment, name in _FORMATS.items():
            if hints[field.name] is moment or moment in get_args(hints[field.name]):
                _strings(schema["properties"][field.name], name)


def _strings(schema: dict[str, Any], name: str) -> None:
    if schema.get("type") == "string":
        schema["format"] = name
    for inner in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            _strings(inner, name)


def rendered(name: str) -> str:
    """The file's text."""
    return json.dumps(document(name), indent=2, ensure_ascii=False) + "\n"


def write(directory: Path) -> list[Path]:
    """Write every schema file; returns those that changed."""
    changed = []
    for name in DOCUMENTS:
        path = directory / f"{name}.schema.json"
        if not path.exists() or path.read_text() != rendered(name):
            path.write_text(rendered(name))
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(f"wrote {path}")
