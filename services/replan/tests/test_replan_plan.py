"""Problems and solutions as files: solve, check and explain, their words and exit codes."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Assignment, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import PlanSolution
from orloop_replan.generate import generate
from orloop_replan.plan import check_solution, main
from orloop_replan.plan_files import PlanFileError, places, read_problem, read_solution, write

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A problem of three rooms and its solution, as `orloop plan` writes them."""
    folder = tmp_path_factory.mktemp("plan")
    problem, solution = folder / "problem.json.gz", folder / "solution.json"
    assert main(["generate", "--rooms", "3", "--seed", "1", "--output", str(problem)]) == 0
    assert main(["solve", str(problem), "--output", str(solution)]) == 0
    return problem, solution


@pytest.fixture
def problem(files: Files) -> PlanProblem:
    return read_problem(files[0])


@pytest.fixture
def solution(files: Files, problem: PlanProblem) -> PlanSolution:
    return read_solution(files[1], problem)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def altered(solution: PlanSolution, case: str, place: Place) -> PlanSolution:
    plan = tuple(Assignment(case=a.case, place=place if a.case == case else a.place) for a in solution.plan)
    return replace(solution, plan=plan)


def test_a_solved_problem_passes_the_checker_and_its_certificate(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "check", *files, "--certificate")
    assert code == 0
    assert "The certificate proves that no plan costs less than" in out
    assert "gap" in out
    assert "CPU s" in out


def test_a_proof_may_take_longer_than_the_plan_and_needs_no_solver_to_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, answer = tmp_path / "problem.json", tmp_path / "solution.json"
    write(generate(8, "storm", 3), given)
    code, out, _ = said(capsys, "solve", given, "--prove", "--output", answer, "--json")
    problem = read_problem(given)
    found = read_solution(answer, problem)
    assert code == 0
    assert json.loads(out)["proven"]
    assert found.proven
    assert found.bound == found.certified == found.cost
    assert len(found.branches) > 1
    assert check_solution(problem, found, certificate=True).ok
    fewer = check_solution(problem, replace(found, branches=()), certificate=True)
    assert any("not the" in wrong for wrong in fewer.wrong)


def test_the_table_names_every_change_and_the_proof(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "solve", files[0])
    solution = read_solution(files[1], read_problem(files[0]))
    moved = [c.id for c in read_problem(files[0]).cases if places(solution)[c.id] != c.current]
    assert code == 0
    assert all(f"{case} " in out for case in moved)
    assert f"cost {solution.cost}, bound {solution.bound}" in out


def test_the_document_says_what_the_table_says(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "solve", files[0], "--json")
    told = json.loads(out)
    assert code == 0
    assert {"cost", "bound", "gap", "cpu_seconds", "plan", "certificate", "proven"} <= told.keys()
    assert told["plan"] == json.loads(files[1].read_text())["plan"]


def test_a_broken_rule_is_named_by_its_id_and_the_answer_is_no(
    files: Files, problem: PlanProblem, solution: PlanSolution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = next(c for c in problem.cases if places(solution)[c.id].room is not None)
    early = Place(room=places(solution)[case.id].room, start=problem.now)
    bad = altered(solution, case.id, early)
    write(bad, tmp_path / "bad.json")
    code, out, _ = said(capsys, "check", files[0], tmp_path / "bad.json")
    assert code == 1
    assert out.startswith(("frozen-window: ", "room-one-patient: "))
    assert "frozen-window: " in out
    code, out, _ = said(capsys, "check", files[0], tmp_path / "bad.json", "--json")
    assert code == 1
    assert "frozen-window" in {broken["rule"] for broken in json.loads(out)["broken"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cost": 1, "bound": 1}, "It states a cost of 1; its plan costs"),
        ({"bound": 10**6}, "It states that no plan costs less than 1000000"),
        ({"gap": 0.5}, "It states a gap of 0.5000"),
        ({"proven": True, "bound": 0}, "nothing cheaper exists, but its bound is below"),
    ],
)
def test_figures_that_do_not_come_out_are_named(
    problem: PlanProblem, solution: PlanSolution, change: dict[str, object], sentence: str
) -> None:
    checked = check_solution(problem, replace(solution, **change))  # type: ignore[arg-type]
    assert not checked.ok
    assert any(sentence in wrong for wrong in checked.wrong)


def test_a_certificate_that_proves_less_than_it_states_is_refused(problem: PlanProblem, solution: PlanSolution) -> None:
    claimed = replace(solution, certified=solution.certified + 1)
    assert solution.certificate is not None
    assert check_solution(problem, solution, certificate=True).ok
    assert "proves" in check_solution(problem, claimed, certificate=True).wrong[0]
    assert check_solution(problem, replace(solution, certificate=None), certificate=True).wrong == (
        "It carries no certificate.",
    )


def test_explaining_gives_a_reason_for_every_change(
    files: Files, problem: PlanProblem, solution: PlanSolution, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "explain", *files)
    moved = [c.id for c in problem.cases if places(solution)[c.id] != c.current]
    assert code == 0
    assert moved
    assert all(f"\n{case}: " in out for case in moved)


def test_a_wish_is_answered_and_one_that_is_none_is_named(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    problem = read_problem(files[0])
    case = next(c.id for c in problem.cases if c.current.room is not None)
    code, out, _ = said(capsys, "explain", *files, "--why-not", f"case={case} leave", "--json")
    assert code == 0
    assert json.loads(out)["why_not"][0]["question"].startswith("Why not leave")
    asked = [*files, "--why-not", f"case={case} start=16:00", "--json"]
    (slow,), (soon,) = (json.loads(said(capsys, "explain", *asked, "--within", w)[1])["why_not"] for w in ("60", "0"))
    assert soon["question"] == slow["question"]
    assert slow["at_least"] is not None
    assert soon["at_least"] is None or soon["at_least"] <= slow["at_least"], (
        "no search, but what the certificate proves"
    )
    code, _, err = said(capsys, "explain", *files, "--why-not", "case=nobody leave")
    assert code == 2
    assert err.startswith("Expected")


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (None, "No such file"),
        (b"{", "Expected a PlanProblem"),
        (b"\x1f\x8bnot really", "Expected a planning problem in"),
        (b'{"suite": 3}', "Expected a PlanProblem"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, got: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "problem.json"
    if content is not None:
        path.write_bytes(content)
    code, _, err = said(capsys, "solve", path)
    assert code == 2
    assert got in err
    assert "\nMaybe" in err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"now": datetime(2026, 3, 2, 10)}, "Expected a UTC offset in now, got 2026-03-02T10:00:00."),  # noqa: DTZ001
        ({"timezone": "Mars/Base"}, "Expected a time zone such as Europe/Vienna, got 'Mars/Base'."),
        ({"grid": timedelta(0)}, "Expected a grid of more than 0 min, got 0 min."),
    ],
)
def test_every_fault_of_a_problem_is_named(
    tmp_path: Path, problem: PlanProblem, change: dict[str, object], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(replace(problem, **change), tmp_path / "problem.json")  # type: ignore[arg-type]
    code, _, err = said(capsys, "check", tmp_path / "problem.json", tmp_path / "none.json")
    assert code == 2
    assert line in err


def test_a_solution_of_another_problem_is_refused(files: Files) -> None:
    other = generate(3, "down", 2)
    with pytest.raises(PlanFileError, match=f"Expected a solution of problem {digest(other)[:12]}"):
        read_solution(files[1], other)


def test_packed_and_plain_files_hold_the_same_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    problem = generate(3, "storm", 1, "full")
    for name in ("a.json", "b.json.gz", "c.json.gz"):
        write(problem, tmp_path / name)
    assert read_problem(tmp_path / "a.json") == read_problem(tmp_path / "b.json.gz") == problem
    assert (tmp_path / "b.json.gz").read_bytes() == (tmp_path / "c.json.gz").read_bytes()


def test_arguments_of_the_generator_are_refused_with_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "generate", "--rooms", "500")
    assert code == 2
    assert err.startswith("Expected 1 to 120 rooms, got 500.\nMaybe")
