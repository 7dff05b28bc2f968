"""Topics, schemas and examples agree with each other and with the payload types."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orloop_common import messages
from orloop_common.messages.registry import SCHEMAS
from orloop_common.messages.schemas import DOCUMENTS, rendered

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
TOPIC_FILES = sorted((CONTRACTS / "topics").glob("*.yaml"))
SERVICES = {p.name for p in (ROOT / "services").iterdir() if p.is_dir()}
PLANNED_OWNERS = {"edge"}


def topic_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


TOPICS = {t["topic"]: t for t in map(topic_of, TOPIC_FILES)}


def schema_file(name: str) -> Path:
    return CONTRACTS / "schemas" / f"{name}.schema.json"


def example_file(topic: str, name: str) -> Path:
    return CONTRACTS / "examples" / topic.removesuffix(".v1") / "v1" / f"{name.removesuffix('.v1')}.json"


def test_every_topic_of_the_code_has_a_file_and_every_file_a_topic_in_the_code() -> None:
    assert set(TOPICS) == set(messages.TOPICS)


@pytest.mark.parametrize("path", TOPIC_FILES, ids=lambda p: p.stem)
def test_a_topic_names_who_owns_writes_and_reads_it(path: Path) -> None:
    topic = topic_of(path)
    assert path.stem == topic["topic"].removeprefix("orloop.").removesuffix(".v1")
    named = {topic["owner"], *topic["producers"], *topic["consumers"]}
    assert named <= SERVICES | PLANNED_OWNERS
    assert topic["cleanup"] in ("delete", "compact")
    assert ("retention" in topic) == (topic["cleanup"] == "delete")
    if topic["status"] == "active":
        assert topic["producers"], "an active topic without a producer is an orphan"
        assert topic["owner"] in topic["producers"]
    assert topic["dlq"] is False or topic["dlq"] in (*topic["producers"], *topic["consumers"])


@pytest.mark.parametrize("path", TOPIC_FILES, ids=lambda p: p.stem)
def test_a_topic_lists_just_the_schemas_that_travel_on_it(path: Path) -> None:
    topic = topic_of(path)
    listed = [*topic["schemas"], *topic.get("planned", ())]
    assert sorted(listed) == sorted(s.name for s in SCHEMAS if s.topic == topic["topic"])


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_published_schema_says_what_the_type_says(name: str) -> None:
    published = schema_file(name).read_text()
    assert published == rendered(name), "run `make contracts`, then read the difference as a consumer would"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_an_example_is_valid_and_is_what_the_codec_reads_and_writes(schema: messages.Schema) -> None:
    topic = "dead-letters" if schema.topic.startswith("*") else schema.topic
    text = example_file(topic, schema.name).read_text()
    validator = jsonschema.Draft202012Validator(
        json.loads(schema_file(schema.name).read_text()),
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )
    validator.validate(json.loads(text))
    message = messages.decode(schema.ce_type, schema.name, text.encode())
    assert json.loads(messages.encode(message)) == json.loads(text)


def test_no_schema_and_no_example_is_left_over() -> None:
    schemas = {p.name.removesuffix(".schema.json") for p in (CONTRACTS / "schemas").glob("*.json")}
    assert schemas == {*DOCUMENTS, "site-profile.v1", "source-profile.v1"}
    examples = set((CONTRACTS / "examples").rglob("*.json"))
    wanted = {example_file("dead-letters" if s.topic.startswith("*") else s.topic, s.name) for s in SCHEMAS}
    assert examples == wanted


def test_an_example_with_a_missing_field_is_refused_by_schema_and_codec() -> None:
    schema = json.loads(schema_file("room-went-down.v1").read_text())
    broken = json.loads(example_file(messages.SUITE_EVENTS, "room-went-down.v1").read_text())
    del broken["room"]
    with pytest.raises(jsonschema.ValidationError, match="'room' is a required property"):
        jsonschema.Draft202012Validator(schema).validate(broken)
    with pytest.raises(messages.UnreadableMessage, match="missing required field `room`"):
        messages.decode("orloop.RoomWentDown", "room-went-down.v1", json.dumps(broken).encode())
