"""Every metric that the code declares, read from its source; run as a script, it writes the register."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
REGISTER = ROOT / "contracts" / "metrics.yaml"
KINDS = ("counter", "gauge", "histogram")


def declared(path: Path, service: str) -> Iterator[dict[str, Any]]:
    """The metrics of one module, in its order."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            if not isinstance(node.args[0], ast.Constant):
                continue
            values = [ast.literal_eval(argument) for argument in node.args[:3]]
            name, meaning, labels = (*values, [])[:3]
            yield {"name": name, "kind": node.func.id, "service": service, "labels": list(labels), "help": meaning}


def all_declared() -> list[dict[str, Any]]:
    """Of all services, by name."""
    found = list(declared(ROOT / "services/common/src/orloop_common/runtime/metrics.py", "every service"))
    for path in sorted(ROOT.glob("services/*/src/orloop_*/metrics.py")):
        found += declared(path, path.parts[-4])
    return sorted(found, key=lambda metric: str(metric["name"]))


if __name__ == "__main__":
    head = "# Every metric: name, kind, who has it, labels, what it says. A test compares this list with the code.\n"
    REGISTER.write_text(head + yaml.safe_dump(all_declared(), sort_keys=False, width=120, allow_unicode=True))
    print(f"wrote {len(all_declared())} metrics")
