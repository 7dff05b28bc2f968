"""Every kind of fact that ingest owns has a way in, and its topic says so."""

import re
from pathlib import Path

import pytest
import yaml

import orloop_ingest
from orloop_common.domain import events as e

ROOT = Path(__file__).resolve().parents[3]
OURS = (
    e.CaseScheduled,
    e.CaseCancelled,
    e.CaseNoShow,
    e.CaseEnteredInError,
    e.CaseLinked,
    e.CaseDoubted,
    e.MilestoneRecorded,
    e.ReadinessChanged,
    e.RoomWentDown,
    e.RoomRestored,
    e.CleaningStatusChanged,
    e.RosterChanged,
    e.StaffShort,
    e.BedsChanged,
    e.EquipmentChanged,
    e.ImplantExpected,
    e.BlockChanged,
    e.ExceptionRequested,
    e.ReplanRequested,
    e.FeedWentSilent,
    e.FeedReturned,
    e.SourceDisagreed,
    e.ClockTicked,
)


@pytest.mark.parametrize("kind", OURS)
def test_every_type_that_ingest_owns_is_made_somewhere_and_published(kind):
    source = Path(orloop_ingest.__file__).parent
    made = re.compile(rf"\b{kind.__name__}\b[(,)]")
    assert any(made.search(path.read_text()) for path in source.rglob("*.py"))
    topic = yaml.safe_load((ROOT / "contracts/topics/suite-events.yaml").read_text())
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("-") + ".v1"
    assert name in topic["schemas"]
