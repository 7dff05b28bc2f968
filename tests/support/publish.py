"""`make publish`: freeze schemas and gRPC contracts as they are; refuses what would break their consumers."""

import json
import sys
from pathlib import Path

from breaking import breaking_changes

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"


def publish_grpc() -> None:
    """Freeze the .proto files; exits where they break what was published."""
    sys.path.insert(0, str(ROOT / "proto"))
    from generate import publish

    publish()


def main() -> int:
    path = CONTRACTS / "published.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    schemas = {p.name.removesuffix(".schema.json"): json.loads(p.read_text()) for p in CONTRACTS.glob("schemas/*.json")}
    broken = [f"{name}: {what}" for name, old in held.items() for what in breaking_changes(old, schemas.get(name, {}))]
    if broken:
        print("Expected no breaking change of a published version, got:", *broken, sep="\n  ", file=sys.stderr)
        print("Maybe make a new version of the schema, with an upcaster for the old one.", file=sys.stderr)
        return 1
    path.write_text(json.dumps(schemas, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
    publish_grpc()
    print(f"published {len(schemas)} schemas and the gRPC contracts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
