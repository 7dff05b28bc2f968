"""The shipped bundle and cases that it has not seen."""

import pytest

from orloop_forecast.adapters.bundle import Bundle, load_bundle
from orloop_forecast.settings import SHIPPED
from orloop_forecast.training.draw import Case, draw_cases


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """What is shipped."""
    return load_bundle(SHIPPED)


@pytest.fixture(scope="session")
def fresh_cases() -> list[Case]:
    """Cases of another seed than the bundle's training and card."""
    return draw_cases(1200, 77)
