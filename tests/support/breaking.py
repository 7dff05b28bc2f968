"""What a consumer of a published JSON schema would stumble over in a newer one of the same version."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def breaking_changes(published: Schema, proposed: Schema) -> list[str]:
    """Name each breaking change, by its path: removed or newly required fields, narrowed types or enums."""
    old = {"#": published, **{f"#/$defs/{k}": v for k, v in published.get("$defs", {}).items()}}
    new = {"#": proposed, **{f"#/$defs/{k}": v for k, v in proposed.get("$defs", {}).items()}}
    found: list[str] = []
    for path, schema in old.items():
        if path in new:
            found += _object(path, schema, new[path])
        else:
            found.append(f"{path} was removed")
    return found


def _object(path: str, old: Schema, new: Schema) -> Iterator[str]:
    if "enum" in old and set(old["enum"]) != set(new.get("enum", ())):
        gone = set(old["enum"]) - set(new.get("enum", ()))
        if gone:
            yield f"{path} lost the values {sorted(gone)}"
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name, field in old_fields.items():
        if name not in new_fields:
            yield f"{path}/{name} was removed"
        elif _types(field) != _types(new_fields[name]):
            yield f"{path}/{name} changed from {sorted(_types(field))} to {sorted(_types(new_fields[name]))}"
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{path}/{name} became required"
    for name in set(old.get("required", ())) - set(new.get("required", ())):
        yield f"{path}/{name} is no longer promised"


def _types(field: Schema) -> frozenset[str]:
    """The shapes a value may have, as comparable words."""
    if "anyOf" in field:
        return frozenset(t for inner in field["anyOf"] for t in _types(inner))
    if "$ref" in field:
        return frozenset({str(field["$ref"])})
    if field.get("type") == "array":
        return frozenset({f"array of {'|'.join(sorted(_types(field.get('items', {}))))}"})
    shape = str(field.get("type", "any"))
    return frozenset({f"{shape}:{field['format']}" if "format" in field else shape})
