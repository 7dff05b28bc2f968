"""Scenario files: YAML in, checked values out."""

from importlib import resources
from pathlib import Path

import msgspec
import yaml

from orloop_common.domain.site import SuiteLayout
from orloop_twin.domain.scenario import Scenario, check_scenario


def load_scenario(name: str, suite: SuiteLayout) -> Scenario:
    """A scenario by its shipped name (`demo`) or by the path of a YAML file.

    Raises
    ------
    ValueError
        If there is none, or it does not fit the schema or the suite.
    """
    shipped = resources.files("orloop_twin") / "data" / "scenarios"
    path = Path(name) if name.endswith((".yaml", ".yml")) else shipped / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(f.name.removesuffix(".yaml") for f in shipped.iterdir() if f.name.endswith(".yaml")))
        raise ValueError(f"Expected a scenario, got {name!r}.\nMaybe one of {known}, or the path of a .yaml file.")
    try:
        scenario = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Scenario)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"Expected scenario {name} to fit its schema, got: {error}\nMaybe quote times.") from error
    check_scenario(scenario, tuple(room.id for room in suite.rooms))
    return scenario
