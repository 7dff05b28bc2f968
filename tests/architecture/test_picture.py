"""The picture in docs/architecture.md shows the topics as contracts/topics declares them."""

import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
EDGE = re.compile(r"^\s*(\w+) -- ([a-z-]+)(?:: [^-]+)? --> (\w+)\s*$", re.MULTILINE)
PICTURE = (ROOT / "docs" / "architecture.md").read_text().split("```mermaid")[1].split("```")[0]
TOPICS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "contracts" / "topics").glob("*.yaml"))
}
DRAWN = [edge for edge in EDGE.findall(PICTURE) if edge[1] in TOPICS]


def test_the_picture_draws_topics_at_all() -> None:
    assert len(DRAWN) > 10


@pytest.mark.parametrize(("producer", "topic", "consumer"), DRAWN, ids=lambda x: str(x))
def test_a_drawn_edge_is_declared(producer: str, topic: str, consumer: str) -> None:
    assert producer in TOPICS[topic]["producers"]
    assert consumer in TOPICS[topic]["consumers"]


@pytest.mark.parametrize("topic", sorted(t for t, raw in TOPICS.items() if raw["status"] == "active"))
def test_every_consumer_of_another_services_topic_is_drawn(topic: str) -> None:
    if topic == "suite-events":
        return  # the log is drawn from ingest only; the text says so
    drawn = {(producer, consumer) for producer, name, consumer in DRAWN if name == topic}
    declared = {(p, c) for p in TOPICS[topic]["producers"] for c in TOPICS[topic]["consumers"] if c not in (p, "cli")}
    assert drawn == declared
