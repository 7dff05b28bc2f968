"""Services read and write just the topics that they declare."""

import re
from pathlib import Path

import pytest
import yaml

from orloop_common import messages

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
CONSTANTS = {value: name for name, value in vars(messages).items() if isinstance(value, str) and name.isupper()}
TOPICS = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "contracts" / "topics").glob("*.yaml"))]
SERVICES = sorted(
    p.name for p in (ROOT / "services").iterdir() if (p / "pyproject.toml").exists() and p.name != "common"
)


def source(service: str) -> str:
    return "\n".join(path.read_text() for path in (ROOT / "services" / service / "src").rglob("*.py"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_just_the_topics_it_declares(service: str) -> None:
    code = source(service)
    named = {topic for topic, name in CONSTANTS.items() if re.search(rf"\b{name}\b", code) or f'"{topic}"' in code}
    declared = {t["topic"] for t in TOPICS if service in (*t["producers"], *t["consumers"])}
    if service == "cli":
        return  # its tools read every topic there is
    assert named == declared
