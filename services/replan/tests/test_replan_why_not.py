"""A wish is forced and solved again: which rule forbids it, or what it costs at least and at most."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from replan_call import Call, Refused
from test_replan_reasons import SOLVER_WORDS, at, case, go, held, problem, room

from orloop.replan.v1 import replan_pb2 as pb
from orloop.replan.v1 import replan_pb2_grpc
from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_common.domain.derived import Alternative, Price, Proposal
from orloop_common.domain.plan import Assignment, Interval, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import from_json
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.grpcserve import connect, serve
from orloop_replan.adapters.price_and_fix import solve
from orloop_replan.adapters.resolving import PriceAndFixAgain, say
from orloop_replan.adapters.servicer import ReplanServicer, mounted
from orloop_replan.adapters.workers import ChildWorkers
from orloop_replan.domain.answers import pack
from orloop_replan.domain.granting import granted, keeping, split, starting, wished
from orloop_replan.domain.slots import Ints, Slots, build
from orloop_replan.domain.why_not import Resolved, why_not
from orloop_replan.domain.wishes import Wish, WishAnswer, WishError, parse_wish
from orloop_replan.generate import generate
from orloop_replan.ports import Job, Solved

MADE = generate(6, "down", 4)
BEST = solve(MADE, 1)
DOWN = room("4", down=(Interval(start=at("10:00"), end=at("13:00")),))
RESOLVE = PriceAndFixAgain()


def ask(one: PlanProblem, plan: dict[str, Place], text: str) -> WishAnswer:
    return why_not(one, plan, parse_wish(text, one), RESOLVE)


def brute(one: PlanProblem, wish: Wish) -> int | None:
    """The cheapest plan of two cases that grants the wish, every pair of places tried."""
    slots = build(one)
    best = None
    for first in [-1, *np.nonzero(slots.case == 0)[0]]:
        for second in [-1, *np.nonzero(slots.case == 1)[0]]:
            plan = slots.plan(int(p) for p in (first, second) if p >= 0)
            if granted(one, plan, wish) and not check(one, plan):
                cost = price(one, plan).total
                best = cost if best is None or cost < best else best
    return best


def two(**weights: Any) -> PlanProblem:
    """Two short cases and two rooms that close at 13:00."""
    rooms = [room("4", closes=at("13:00")), room("8", closes=at("13:00"))]
    one = problem(rooms, [case("hip", "4", "11:00", 30), case("knee", "4", "11:50", 30)])
    return replace(one, horizon=at("13:00"), weights=replace(one.weights, **weights))


def test_a_room_that_is_down_forbids_what_would_be_there() -> None:
    one = problem([DOWN, room("8")], [case("hip", "4", "11:00")])
    answer = ask(one, {"hip": go("8", "11:00")}, "case=hip leave")
    assert answer.question == "Why not leave the hip where it is?"
    assert answer.sentence == "The hip cannot stay in room 4 at 11:00: room 4 is down until 13:00."
    assert (answer.rules, answer.at_least, answer.plan) == (("room-usable",), None, None)


def test_a_room_for_another_service_is_forbidden_at_any_time() -> None:
    one = problem([room("4"), room("8", services=("eye",))], [case("hip", "4", "11:00")])
    answer = ask(one, {"hip": go("4", "11:00")}, "case=hip room=8")
    assert answer.sentence == "The hip cannot go to room 8: room 8 does not take urology."
    assert answer.rules == ("room-eligible",)


def test_a_case_in_the_room_is_not_overtaken() -> None:
    one = problem([room("4")], [case("hip", "4", "11:00")], held("knee", "4", "10:40", "10:50"))
    answer = ask(one, {"hip": go("4", "11:00")}, "case=hip before=knee")
    assert answer.sentence == "The hip cannot come before the knee: the knee has begun already."
    assert answer.rules == ("frozen-window",)


def test_too_early_is_told_by_the_notice() -> None:
    one = problem([room("4"), room("8")], [case("hip", "4", "11:00")])
    answer = ask(one, {"hip": go("4", "11:00")}, "case=hip start=10:15")
    assert answer.sentence == "The hip cannot start at 10:15: it is too late to move it to before 10:30."
    assert answer.rules == ("frozen-window",)


def test_two_parts_of_the_day_may_have_two_reasons() -> None:
    early = replace(DOWN, closes=at("13:30"))
    one = problem([early, room("8")], [case("hip", "8", "11:00")])
    answer = ask(one, {"hip": go("8", "11:00")}, "case=hip room=4")
    assert set(answer.rules) == {"room-usable", "room-open"}
    assert "room 4 is down until 13:00; otherwise room 4 closes at 13:30" in answer.sentence


def test_what_is_granted_already_is_said_to_be() -> None:
    one = two()
    answer = ask(one, {"hip": go("4", "11:00"), "knee": go("4", "11:50")}, "case=hip before=knee")
    assert answer.sentence == "The hip is planned that way already: in room 4 at 11:00."
    assert (answer.at_least, answer.at_most, answer.better) == (0, 0, False)


@pytest.mark.parametrize(
    "text", ["case=hip room=8", "case=hip start=12:00", "case=knee before=hip", "case=knee start=11:00"]
)
def test_the_price_of_a_wish_is_that_of_the_best_plan_that_grants_it(text: str) -> None:
    one = two()
    plan = {"hip": go("4", "11:00"), "knee": go("4", "11:50")}
    answer = ask(one, plan, text)
    cheapest = brute(one, answer.wish)
    assert cheapest is not None
    assert answer.plan is not None
    assert granted(one, answer.plan, answer.wish)
    assert not check(one, answer.plan)
    assert answer.at_most == price(one, answer.plan).total - price(one, plan).total == cheapest - price(one, plan).total
    assert answer.at_least is not None
    assert answer.at_least <= answer.at_most
    assert sum((answer.terms or {}).values()) == answer.at_most


def test_the_sentence_names_the_price_and_who_pays_it() -> None:
    one = two()
    answer = ask(one, {"hip": go("4", "11:00"), "knee": go("4", "11:50")}, "case=hip room=8")
    assert answer.sentence == (
        "The hip can go to room 8 at 11:00. It costs 16 points more, as much as 40 min of one patient's waiting: "
        "1 more case changes rooms; 1 more case is moved."
    )


def test_a_cheaper_answer_is_offered_as_a_proposal() -> None:
    one = two()
    late = {"hip": go("8", "12:10"), "knee": go("4", "11:50")}
    answer = ask(one, late, "case=hip leave")
    assert answer.better
    assert answer.at_most == price(one, {**late, "hip": one.cases[0].current}).total - price(one, late).total < 0
    assert answer.plan == {c.id: c.current for c in one.cases}
    assert answer.sentence.startswith("The hip can stay in room 4 at 11:00, and the plan gets better by 44 points")
    assert answer.sentence.endswith("It is offered as a proposal.")


def test_an_answer_that_postpones_somebody_says_whom_first() -> None:
    one = replace(two(strict=True), rooms=(room("4", closes=at("12:40")),))
    plan = {"hip": go("4", "11:00"), "knee": go("4", "11:50")}
    answer = ask(one, plan, "case=hip start=11:25")
    assert answer.postponed == 1
    assert not answer.better
    assert "points more, as much as" in answer.sentence
    assert ": the knee goes to another day" in answer.sentence


def _pairs(one: PlanProblem, plan: dict[str, Place]) -> Iterator[str]:
    """Wishes of every kind about a made-up suite."""
    for movable in one.cases[::4]:
        yield f"case={movable.id} leave"
        for other in one.rooms[::3]:
            yield f"case={movable.id} room={other.id}"
    placed = sorted((c.id for c in one.cases if plan[c.id].start), key=lambda c: str(plan[c].start))
    yield f"case={placed[-1]} before={placed[0]}"


def test_answers_on_a_made_up_suite_hold_and_use_no_solvers_words() -> None:
    now = price(MADE, BEST.plan).total
    for text in _pairs(MADE, BEST.plan):
        answer = why_not(MADE, BEST.plan, parse_wish(text, MADE), RESOLVE, known=BEST.bound)
        assert not any(word in answer.sentence.casefold() for word in SOLVER_WORDS), answer.sentence
        assert "  " not in answer.sentence
        if answer.plan is None:
            assert answer.rules, answer.sentence
            continue
        assert granted(MADE, answer.plan, answer.wish)
        assert not check(MADE, answer.plan)
        assert price(MADE, answer.plan).total - now == answer.at_most
        assert answer.at_least is not None
        assert answer.at_most is not None
        assert BEST.bound - now <= answer.at_least <= answer.at_most
        if BEST.proven:
            assert answer.at_most >= 0


def test_the_same_question_has_the_same_answer() -> None:
    text = f"case={MADE.cases[2].id} room={MADE.rooms[0].id}"
    assert ask(MADE, BEST.plan, text) == ask(MADE, BEST.plan, text)


def test_when_time_is_up_a_quick_plan_answers_and_nothing_is_claimed_of_the_best() -> None:
    one = two()
    answer = why_not(
        one,
        {"hip": go("4", "11:00"), "knee": go("4", "11:50")},
        Wish(case="hip", room="8"),
        PriceAndFixAgain(stop=lambda: True),
    )
    assert answer.plan is not None
    assert answer.at_least is None
    assert "It costs at most" in answer.sentence


def test_without_a_plan_and_without_a_rule_nobody_is_told_that_it_cannot_be() -> None:
    one = two()

    def nothing(slots: Slots, start: Ints | None, parts: int) -> Resolved:
        return Resolved(None, bound=price(one, {"hip": go("4", "11:00"), "knee": go("4", "11:50")}).total + 7)

    answer = why_not(one, {"hip": go("4", "11:00"), "knee": go("4", "11:50")}, Wish(case="hip", room="8"), nothing)
    assert not answer.forbidden
    assert answer.at_least == 7
    assert answer.sentence.startswith("No way was found in time for the hip to go to room 8")


def test_fewer_places_are_the_same_places() -> None:
    slots = build(MADE)
    wish = Wish(case=MADE.cases[1].id, start=at("12:00"))
    keep = wished(slots, wish)
    fewer = keeping(slots, keep, [1])
    assert fewer.must[1] == 1
    assert set(fewer.start[fewer.case == 1]) <= {-((slots.origin - at("12:00")) // slots.tick)}
    for i, r, s in zip(*np.nonzero(fewer.table >= 0), strict=True):
        assert fewer.place(int(fewer.table[i, r, s])) == slots.place(int(slots.table[i, r, s]))


def test_halves_of_one_before_the_other_leave_out_nothing_but_what_was_found() -> None:
    from orloop_replan.domain.granting import Branch

    whole = Branch(2, 9, 3)
    for x in range(2, 9):
        for y in range(3, 12):
            if x >= y:
                halves = split(whole, y)
                assert not any(h.low <= x < h.high and y >= h.after for h in halves)
                good = [(a, b) for a in range(2, 9) for b in range(3, 12) if a < b]
                assert all(any(h.low <= a < h.high and b >= h.after for h in halves) for a, b in good)
    assert not starting(build(MADE), 0, 0, 0)[build(MADE).case == 0].any()


def test_wishes_are_read_as_people_write_them() -> None:
    one = two()
    assert parse_wish("case=hip room=4", one) == Wish(case="hip", room="4")
    assert parse_wish("case=Hip leave", one) == Wish(case="hip", leave=True)
    assert parse_wish("case=hip before=Knee", one) == Wish(case="hip", before="knee")
    assert parse_wish("case=kne start=9:05", one).start == at("09:05")
    zoned = replace(one, timezone="Europe/Berlin")
    assert parse_wish("case=hip start=11:00", zoned).start == at("10:00")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("room=4", "Expected case=X"),
        ("case=hip", "Expected one wish"),
        ("case=hip room=4 leave", "Expected one wish"),
        ("case=hip room=99", "Expected a room of main"),
        ("case=elbow leave", "not among today's open cases"),
        ("case=hip start=noon", "Expected a time"),
        ("case=hip colour=red", "misspelt"),
        ("case='hip", "quotes"),
        ("case=hip before=hip", "got the same"),
    ],
)
def test_what_is_no_wish_is_named(text: str, said: str) -> None:
    with pytest.raises(WishError, match=said):
        parse_wish(text, two())


def test_a_bound_for_plans_that_postpone_no_more_says_nothing_of_one_that_does() -> None:
    one = two()
    plan = {"hip": go("8", "12:10"), "knee": go("4", "11:50")}

    def postpones(slots: Slots, start: Ints | None, parts: int) -> Resolved:
        chosen = np.full(slots.n, -1, np.int64)
        hip = next(i for i, c in enumerate(slots.problem.cases) if c.id == "hip")
        chosen[hip] = np.nonzero(slots.case == hip)[0][0]
        return Resolved(chosen)

    priced = why_not(one, plan, parse_wish("case=hip leave", one), postpones, known=5)
    strict = replace(one, weights=replace(one.weights, strict=True))
    ranked = why_not(strict, plan, parse_wish("case=hip leave", strict), postpones, known=5)
    assert priced.postponed == ranked.postponed == 1
    assert priced.at_least == 5 - price(one, plan).total
    assert ranked.at_least is None


# --- the call ----------------------------------------------------------------------------------------


class Desk:
    """Workers that answer a wish when polled, in this process."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def start(self, job: Job) -> None:
        self.jobs.append(job)

    def poll(self) -> Solved | None:
        return say(self.jobs[-1], lambda: False)

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def proposal(one: PlanProblem, plan: dict[str, Place]) -> Proposal:
    nothing = timedelta(0)
    paid = Price(patients_waiting=nothing, surgeons_idle=nothing, staff_overtime=nothing, postponed=0, rooms_changed=0)
    alternative = Alternative(
        id="a",
        kind="lowest_cost",
        title="",
        summary="",
        changes=(),
        plan=tuple(Assignment(case=name, place=place) for name, place in plan.items()),
        cost=price(one, plan).total,
        price=paid,
        bound=0,
    )
    fields: dict[str, Any] = dict.fromkeys(Proposal.__dataclass_fields__)
    return Proposal(**{**fields, "id": "p", "alternatives": (alternative,), "problem": pack(one)})


def test_the_call_answers_in_words_numbers_and_places() -> None:
    one, desk = two(), Desk()
    known = proposal(one, {"hip": go("8", "12:10"), "knee": go("4", "11:50")})
    servicer = ReplanServicer(lambda: desk, {"p": known}.get)
    answer = servicer.WhyNot(pb.WhyNotRequest(proposal="p", case_uid="hip", leave=True), Call())  # type: ignore[arg-type]
    assert answer.question == "Why not leave the hip where it is?"
    assert answer.better
    assert answer.at_most == -44
    plan = from_json(tuple[Assignment, ...], answer.plan)  # type: ignore[arg-type]
    assert {a.case: a.place for a in plan} == {c.id: c.current for c in one.cases}
    assert (desk.jobs[0].within or 9) < 2.0
    assert desk.jobs[0].known == known.alternatives[0].bound == 0, "what is known need not be found again"
    with pytest.raises(Refused, match="INVALID_ARGUMENT: Expected a room of main"):
        servicer.WhyNot(pb.WhyNotRequest(proposal="p", case_uid="hip", room="99"), Call())  # type: ignore[arg-type]
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        servicer.WhyNot(pb.WhyNotRequest(proposal="p", case_uid="hip"), Call())  # type: ignore[arg-type]
    with pytest.raises(Refused, match="NOT_FOUND"):
        servicer.WhyNot(pb.WhyNotRequest(proposal="q", case_uid="hip", leave=True), Call())  # type: ignore[arg-type]


def test_an_explanation_says_kind_size_and_trade() -> None:
    one = two()
    servicer = ReplanServicer(Desk, {"p": proposal(one, {"hip": go("8", "11:00"), "knee": go("4", "11:50")})}.get)
    answer = servicer.Explain(pb.ExplainRequest(proposal="p"), Call())  # type: ignore[arg-type]
    assert (answer.cost, answer.bound) == (price(one, {"hip": go("8", "11:00"), "knee": go("4", "11:50")}).total, 0)
    assert servicer._workers is not None, "a solver gets warm for what is asked next"
    assert answer.trade.startswith("Against the plan as it is published: nothing is better. 1 more case changes rooms")


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_warm_child_answers_within_two_seconds() -> None:
    one = generate(20, "down", 1, kind="full")
    known = proposal(one, solve(one, 1).plan)
    workers = ChildWorkers(SystemClock(), standby=False)
    servicer = ReplanServicer(lambda: workers, {"p": known}.get)
    server = serve([mounted(servicer)], 0)
    try:
        assert workers._active is not None
        assert workers._active.warm.wait(60)
        servicer._workers = workers
        with connect(f"127.0.0.1:{server.port}", deadline=2.5) as channel:
            stub = replan_pb2_grpc.ReplanServiceStub(channel)
            for wished in ({"room": "1"}, {"start": "13:00"}, {"before": one.cases[1].id}):
                begun = time.monotonic()
                answer = stub.WhyNot(pb.WhyNotRequest(proposal="p", case_uid=one.cases[5].id, **wished))
                assert time.monotonic() - begun < 2.4
                assert answer.answer
                assert answer.rules or answer.HasField("at_most") or answer.HasField("at_least")
    finally:
        server.stop()
        servicer.close()
