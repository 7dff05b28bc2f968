"""The rules catalogue `contracts/rules.yaml`: sentences for people, one id for everything else."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orloop_common.domain.digest import digest

KINDS = ("hard", "soft", "never_automate")
STATUSES = ("enforced", "monitored", "advisory")
SEVERITIES = ("critical", "major", "minor")


class RulesFileError(ValueError):
    """The catalogue does not say what a catalogue must say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Who may decide against a rule, and under which approval."""

    who: str
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; its scope leaves out what is meant everywhere."""

    id: str
    sentence: str
    kind: str
    status: str
    severity: str
    owner: str
    evidence: str
    override: Override | None
    scope: dict[str, str]
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rules in the file's order."""

    rules: tuple[Rule, ...]

    @property
    def digest(self) -> str:
        """Names this catalogue: part of every proposal's record."""
        return digest(self.rules)

    def ids(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.rules)

    def sentence(self, rule: str) -> str:
        """The rule's sentence, or its id where the catalogue does not know it."""
        return next((r.sentence for r in self.rules if r.id == rule), rule)


def parse_rules(text: str) -> Catalogue:
    """Read a catalogue.

    Raises
    ------
    RulesFileError
        With the id of the first rule that lacks a field or has a word that is not in the lists.
    """
    try:
        raw = yaml.safe_load(text)["rules"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise RulesFileError(f"Expected YAML with a list `rules`, got {error}.\nMaybe an indent is missing.") from None
    rules = tuple(_rule(entry) for entry in raw)
    if len({rule.id for rule in rules}) != len(rules):
        raise RulesFileError("Expected each rule once, got one id twice.\nMaybe give the second one its own id.")
    return Catalogue(rules)


@cache
def load_rules(path: Path | None = None) -> Catalogue:
    """The catalogue at `path`, else the one found by `find_rules`."""
    return parse_rules((path or find_rules()).read_text())


def find_rules() -> Path:
    """Where the catalogue lies: beside this package once installed, in `contracts/` of a checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parent.parent, *here.parents):
        if (found := folder / "contracts" / "rules.yaml").is_file():
            return found
    raise RulesFileError(
        "Expected contracts/rules.yaml above this package, got none.\nMaybe pass the path of the catalogue."
    )


def _rule(entry: dict[str, Any]) -> Rule:
    name = str(entry.get("id", "?"))
    try:
        override = entry["override"]
        rule = Rule(
            id=name,
            sentence=str(entry["sentence"]),
            kind=_one_of(KINDS, entry["kind"]),
            status=_one_of(STATUSES, entry["status"]),
            severity=_one_of(SEVERITIES, entry["severity"]),
            owner=str(entry["owner"]),
            evidence=str(entry["evidence"]),
            override=Override(who=str(override["who"]), approval=str(override["approval"])) if override else None,
            scope={str(k): str(v) for k, v in sorted(entry["scope"].items()) if v is not None},
            since=_date(entry["from"]),
            until=_date(entry["until"]) if entry["until"] else None,
        )
    except KeyError as error:
        raise RulesFileError(f"Expected the field {error} of rule {name}.\nMaybe it is misspelt.") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise RulesFileError(f"Expected another value in rule {name}: {error}.") from None
    return rule


def _one_of(words: tuple[str, ...], value: Any) -> str:
    if value not in words:
        raise ValueError(f"one of {', '.join(words)}, got {value!r}")
    return str(value)


def _date(value: Any) -> date:
    if not isinstance(value, date):
        raise ValueError(f"a date such as 2026-01-31, got {value!r}")
    return value
