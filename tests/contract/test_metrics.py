"""The register of metrics is what the code declares."""

import pytest
import yaml
from declared_metrics import REGISTER, all_declared

pytestmark = pytest.mark.contract


def test_the_register_lists_every_metric_of_the_code_and_no_other() -> None:
    assert yaml.safe_load(REGISTER.read_text()) == all_declared(), "run tests/support/declared_metrics.py"


def test_no_metric_is_declared_twice() -> None:
    names = [metric["name"] for metric in all_declared()]
    assert sorted(set(names)) == names
