"""Every alert can be evaluated: its expression parses, and what it asks for is in the register of metrics."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
REGISTER = {metric["name"]: metric for metric in yaml.safe_load((ROOT / "contracts/metrics.yaml").read_text())}
OF_THE_SCRAPE = {"instance", "job"}

pytestmark = pytest.mark.contract


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of an expression, wherever they stand."""
    if isinstance(node, promql.VectorSelector):
        yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, part, None)
        for each in inner if isinstance(inner, list) else [inner] if inner is not None else []:
            yield from selectors(each)


def registered(name: str) -> dict[str, Any]:
    """The metric that a series belongs to."""
    found = REGISTER.get(name) or REGISTER[re.sub("_(count|sum|bucket)$", "", name)]
    assert name in REGISTER or found["kind"] == "histogram", name
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_the_services_tell(rule: dict[str, Any]) -> None:
    found = list(selectors(promql.parse(rule["expr"])))
    assert found
    known = set(OF_THE_SCRAPE)
    for selector in found:
        labels = set(registered(selector.name)["labels"])
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels
        known |= labels
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_in_words_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "what_to_do"}
    assert all(len(words) > 20 and words.endswith(".") for words in map(str.strip, rule["annotations"].values()))


def test_what_the_register_calls_an_alert_has_one() -> None:
    asked = {selector.name for rule in RULES for selector in selectors(promql.parse(rule["expr"]))}
    promised = {name for name, metric in REGISTER.items() if "is an alert" in metric["help"]}
    assert promised
    assert promised <= asked
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
