"""Nothing acknowledged is lost and nothing is told twice while ingest and the broker are killed: `make soak`, small."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ingest_proof.senders import Step
from ingest_proof.soak import Outcome, Run, judge, named_sources, plans, undisturbed
from ingest_proof.stand import Stand
from ingest_proof.traffic import Said, site_file

from orloop_cli.broker import Broker


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_nothing_acknowledged_is_lost_and_nothing_told_twice(
    broker: Broker, own_broker: Broker, tmp_path: Path
) -> None:
    names = named_sources(8, 2, f"soak{os.getpid()}x")
    site = site_file(names=names)
    day = plans(names, 1500, 1, 0.02, 0.02)
    outcomes = []
    for where, steps, every, restart in ((broker, undisturbed(day), 0, 0), (own_broker, day, 500, 800)):
        more = {"ORLOOP_DOORS_WAIT_SECONDS": "0.5"}
        stand = Stand(tmp_path / f"every{every}", site, where, rate=0, more=more).start()
        try:
            outcomes.append(Run(stand, steps, every, restart, away=4.0)(within=90))
        finally:
            stand.stop()
    verdict = judge(outcomes[1], outcomes[0], [step for steps in day.values() for step in steps])
    assert verdict.kills >= 2
    assert verdict.broker_restarts == 1
    assert verdict.while_away > 50, "senders need not wait for the broker"
    assert verdict.cuts >= 10
    assert verdict.resends >= 10
    assert verdict.good, verdict.text()


def a_run(*messages: Said) -> Outcome:
    """An outcome in which all went well."""
    raw = {(said.control, sha256(said.body).hexdigest()) for said in messages}
    ids = Counter(f"event of {said.control}" for said in messages)
    return Outcome(
        len(messages), raw, ids, {"suite": "digest"}, [], {id: id for id in ids}, acknowledged=list(messages)
    )


ONE, TWO = Said("S", "1", "SIU^S12", b"first"), Said("S", "2", "SIU^S14", b"second")


def test_a_run_without_loss_is_proven() -> None:
    verdict = judge(a_run(ONE, TWO), a_run(ONE, TWO), [Step(ONE), Step(TWO)])
    assert verdict.good
    assert verdict.text().endswith("PROVEN")


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ({"raw": {("1", sha256(b"first").hexdigest())}}, "1 acknowledged messages lost: 2"),
        ({"raw": {(c, sha256(b"first").hexdigest()) for c in "12"}}, "1 acknowledged messages lost: 2"),
        ({"ids": Counter({"event of 1": 2, "event of 2": 1})}, "1 events doubled: event of 1"),
        ({"ids": Counter({"event of 1": 1})}, "1 events of the undisturbed run that are missing: event of 2"),
        ({"folds": {"suite": "another"}}, "1 suites whose fold differs: suite"),
        ({"leaks": ["a name"]}, "1 names and notes in clear: a name"),
        ({"wrong": ["AR"]}, "1 answers that were wrong: AR"),
        ({"acknowledged": [ONE]}, "1 of 2 messages acknowledged"),
    ],
)
def test_each_fault_is_told(fault: dict[str, object], line: str) -> None:
    verdict = judge(replace(a_run(ONE, TWO), **fault), a_run(ONE, TWO), [Step(ONE), Step(TWO)])  # type: ignore[arg-type]
    assert not verdict.good
    assert line in verdict.text()
    assert verdict.text().endswith("BROKEN")
