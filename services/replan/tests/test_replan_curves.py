"""What the bench prints and draws of lines that were measured on different days."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from orloop_replan.bench import __main__ as bench
from orloop_replan.bench import curves, rows
from orloop_replan.bench.sets import names, read_best

KNOWN = read_best()
CHOSEN = names("20", False, KNOWN)
PLANS = ("ours", "right_shift", "greedy", "cpsat", "cpsat_hinted")


def line(name: str, peer: str, times: float, **more: Any) -> dict[str, Any]:
    """What a peer found: a plan so many times as dear as the best known."""
    cost = int(times * (KNOWN[name].cost or 1))
    found = {"instance": name, "peer": peer, "cost": cost, "floor": 0, "cpu_seconds": 0.5, "milliseconds": 0.1}
    if peer in ("ours", "cpsat", "cpsat_hinted"):
        found |= {"bound": cost - 1, "curve": [[0.1, 5 * cost, 0, "right_shift"], [0.4, cost, cost / 2, "fix 4"]]}
    else:
        found["curve"] = []
    return {**found, **more}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Ours, right-shift and coordinator of every problem; CP-SAT of three, measured elsewhere before."""
    rows.write((line(name, peer, 1 + k / 4) for name in CHOSEN for k, peer in enumerate(PLANS[:3])), tmp_path / "b")
    rows.write((line(name, "cpsat", 1.5, **{"with": "ortools 9.15"}) for name in CHOSEN[:3]), tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "planner-bench.jsonl")
    return tmp_path


def test_peers_that_were_measured_apart_stand_in_one_table_and_one_picture(docs: Path) -> None:
    said = bench.report("20", CHOSEN, docs, 60)
    assert "20: 15 problems, 38 to 44 movable cases" in said
    [row] = [x for x in said.splitlines() if x.startswith("our final cost / cpsat ")]
    assert row.split()[5] == "3"
    drawn = (docs / "planner-20.svg").read_text()
    named = [text.text for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"price and fix 1.00", "right-shift 1.25", "CP-SAT, cold (n = 3) 1.50"} <= set(named)


def test_what_is_missing_is_named_with_n_and_the_reason(docs: Path) -> None:
    rows.write([line(CHOSEN[3], "cpsat", 1, cost=None)], docs / "planner-bench.jsonl")
    found = rows.missing("20", rows.read(docs / "planner-bench.jsonl", CHOSEN), CHOSEN, KNOWN)
    again = 'not measured (make bench-replan ARGS="--sizes 20 --peers'
    assert f'CP-SAT from our annealed start: n = 0 of 15, {again} cpsat_hinted").' in found
    assert f'CP-SAT, cold: n = 4 of 15, {again} cpsat").' in found
    assert "CP-SAT, cold: found no plan in 1 of 4 problems in its time." in found
    assert not [one for one in found if one.startswith("price and fix")]
    full = names("20-full", False, KNOWN)
    [why] = [one for one in rows.missing("20-full", [], full, KNOWN) if one.startswith("CP-SAT, cold")]
    assert why == "CP-SAT, cold: n = 0 of 5, its model is the core problem, this set has every rule."


def test_lines_say_with_what_they_were_measured_and_a_line_that_does_not_is_told(docs: Path) -> None:
    told = rows.sources(rows.read(docs / "planner-bench.jsonl", CHOSEN))
    assert "CP-SAT, cold: ortools 9.15" in told
    assert "price and fix: not recorded" in told
    assert "highspy" in rows.measured_with("ours", 60)
    assert "60 wall s" in rows.measured_with("cpsat", 60)


def test_a_line_replaces_the_one_of_its_problem_and_peer_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows.write([line(CHOSEN[0], "ours", 1, cost=10, chosen=[1, 2]), line(CHOSEN[0], "cpsat", 1, cost=12)], path)
    rows.write([line(CHOSEN[0], "ours", 1, cost=9)], path)
    assert [(r["peer"], r["cost"]) for r in map(json.loads, path.read_text().splitlines())] == [
        ("cpsat", 12),
        ("ours", 9),
    ]


def test_the_picture_reads_in_both_themes_and_no_two_names_cover_each_other() -> None:
    lines = [line(name, peer, 1 + k / 1000) for name in CHOSEN for k, peer in enumerate(PLANS)]
    drawn = curves.svg("20", lines, KNOWN, 60)
    assert "prefers-color-scheme: dark" in drawn
    root = ElementTree.fromstring(drawn)
    texts = [t for t in root.iter("{http://www.w3.org/2000/svg}text") if t.get("class", "").endswith("name")]
    heights = sorted(float(t.get("y", "0")) for t in texts)
    assert len(heights) == 8
    assert min(b - a for a, b in pairwise(heights)) >= curves.LINE - 0.1
    assert heights[0] > curves.TOP
    assert heights[-1] <= curves.HEIGHT


def test_no_name_runs_out_of_the_picture() -> None:
    lines = [line(name, peer, 1) for name in CHOSEN for peer in PLANS if peer != "cpsat_hinted" or name in CHOSEN[:3]]
    root = ElementTree.fromstring(curves.svg("20", lines, KNOWN, 60))
    texts = [t for t in root.iter("{http://www.w3.org/2000/svg}text") if t.get("class", "").endswith("name")]
    longest = max(float(t.get("x", "0")) + 7 * len(t.text or "") for t in texts)  # a letter of 13 px is 6.6 px wide
    assert "(n = 3)" in "".join(t.text or "" for t in texts)
    assert longest <= curves.WIDTH


def test_a_plan_that_is_dearer_than_the_picture_is_high_is_not_drawn_along_its_edge() -> None:
    [curve] = curves.curves([line(CHOSEN[0], "ours", 1)], KNOWN, np.array([0.2, 0.5]))
    assert curve.costs.tolist() == pytest.approx([5, 1])
    drawn = curves.svg("20", [line(CHOSEN[0], "ours", 1)], KNOWN, 60)
    [path] = [
        p.get("d", "")
        for p in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}path")
        if p.get("class") == "ours cost"
    ]
    assert path.count("V") == 0
