"""Logs and metrics: JSON, named, and nobody's data."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry

from orloop_common.domain.events import ClockTicked
from orloop_common.runtime import NotDurable
from orloop_common.runtime.logs import configure_logging, get_logger
from orloop_common.runtime.metrics import counter, gauge, histogram
from orloop_common.testing import NINE, ManualClock

CANARY = "Zaphod^Canary"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_service_instance_and_the_clocks_wall_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gate", "gate-0", clock=ManualClock())
    get_logger("flow").info("plan_published", suite="main", changes=3)
    assert lines(capsys) == [
        {
            "at": "2026-03-02T09:00:00.000Z",
            "event": "plan_published",
            "level": "info",
            "service": "gate",
            "instance": "gate-0",
            "suite": "main",
            "changes": 3,
        }
    ]


def test_the_standard_librarys_logging_comes_out_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gate", "gate-0", clock=ManualClock())
    logging.getLogger("somebody.else").warning("disk %s", "full")
    assert lines(capsys)[0]["event"] == "disk full"


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gate", "gate-0", "warning")
    get_logger("flow").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": CANARY},
        {"raw": CANARY.encode()},
        {"told": f"MSH|^~\\&|TWIN\rPID|1||{CANARY}"},
        {"told": f"got PID|1||{CANARY}"},
        {"told": CANARY.encode()},
        {"told": ClockTicked(id=CANARY, suite="main", at=NINE)},
        {"told": {"name": CANARY, "inner": [{"mrn": CANARY}]}},
    ],
)
def test_nothing_of_a_message_leaves_in_a_log_line(
    capsys: pytest.CaptureFixture[str], fields: dict[str, object]
) -> None:
    configure_logging("ingest", "ingest-0", clock=ManualClock())
    get_logger("door").info("received", **fields)
    text = capsys.readouterr().err
    assert text
    assert "Canary" not in text


def test_a_long_text_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("ingest", "ingest-0", clock=ManualClock())
    get_logger("door").info("received", told="x" * 5000)
    assert len(str(lines(capsys)[0]["told"])) < 700


def fail(error: Exception) -> None:
    try:
        raise error
    except type(error):
        get_logger("door").exception("failed")


def test_an_unexpected_exception_at_a_door_leaves_its_place_but_not_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("ingest", "ingest-0", clock=ManualClock(), sensitive=True)
    fail(KeyError(CANARY))
    (line,) = lines(capsys)
    assert line["error"] == "KeyError"
    assert "Canary" not in json.dumps(line)
    assert "test_runtime_logs.py" in json.dumps(line["where"])


def test_our_own_exceptions_say_their_text_even_at_a_door(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("ingest", "ingest-0", clock=ManualClock(), sensitive=True)
    fail(NotDurable("Expected an acknowledgement, got none."))
    assert lines(capsys)[0]["reason"] == "Expected an acknowledgement, got none."


def test_metrics_are_declared_with_the_prefix_a_help_text_and_bounded_labels() -> None:
    registry = CollectorRegistry()
    counter("orloop_trials_total", "Trials that were made.", ["suite"], registry=registry).labels("main").inc()
    assert registry.get_sample_value("orloop_trials_total", {"suite": "main"}) == 1
    for declare in (
        lambda: counter("trials_total", "Trials that were made.", registry=registry),
        lambda: counter("orloop_trials", "Trials that were made.", registry=registry),
        lambda: gauge("orloop_trials_now_total", "Trials that are made.", registry=registry),
        lambda: gauge("orloop_trials_now", "", registry=registry),
        lambda: histogram("orloop_trial_seconds", "How long a trial took.", ["case"], registry=registry),
    ):
        with pytest.raises(ValueError, match=r"Expected .*\nMaybe"):
            declare()
