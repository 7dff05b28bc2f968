"""Compiling ahead of time: what `make install` and a starting child do, so that no emergency waits for it."""

from itertools import product

import pytest

from orloop_replan import warm
from orloop_replan.adapters.price_engine import PriceAndFix
from orloop_replan.adapters.resolving import PriceAndFixAgain
from orloop_replan.domain.alternatives import alternatives
from orloop_replan.domain.search import Limits
from orloop_replan.domain.why_not import why_not
from orloop_replan.domain.wishes import parse_wish
from orloop_replan.generate import generate
from orloop_replan.warm import compiled, warm_up


@pytest.mark.slow
def test_after_the_warm_up_no_problem_and_no_question_needs_another_kernel() -> None:
    limits = Limits(scenarios=20)
    for _ in warm_up(PriceAndFix(limits), limits):
        pass
    ready = compiled()
    assert ready.compiled + ready.loaded >= 12
    for event, kind in product(("down", "staff"), ("core", "full")):
        problem = generate(8, event, 2, kind)
        best = alternatives(problem, PriceAndFix(limits).search(problem, 1), limits)[0][0]
        wish = parse_wish(f"case={problem.cases[0].id} leave", problem)
        why_not(problem, {a.case: a.place for a in best.plan}, wish, PriceAndFixAgain())
    assert compiled() == ready


def test_an_engine_that_does_not_work_here_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(PriceAndFix, "search", broken)
    assert warm.main() == 1
    assert "The solver failed (ImportError)." in capsys.readouterr().out
