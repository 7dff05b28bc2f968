"""`orloop plan`: problems and their solutions as files; the work is done by a child process of the planner."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated, Literal

import typer

from .errors import LauncherError
from .parts import module_command

plan_app = typer.Typer(
    help="Generate, solve, check and explain planning problems (contracts/schemas/plan-problem.v1, plan-solution.v1).",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Problem = Annotated[Path, typer.Argument(help="A planning problem: JSON, .gz if packed, - for standard input.")]
Solution = Annotated[Path, typer.Argument(help="What `orloop plan solve --output` wrote.")]
Output = Annotated[Path | None, typer.Option(help="Write the document to this file, packed if it ends in .gz.")]
Event = Literal["down", "overrun", "emergency", "staff", "storm", "none"]


@plan_app.command(epilog="Example: [bold]orloop plan generate --rooms 20 --event down --output problem.json[/]")
def generate(
    rooms: Annotated[int, typer.Option(help="1 to 120 operating rooms.")] = 20,
    event: Annotated[Event, typer.Option(help="What goes wrong; storm is all of it.")] = "down",
    seed: Annotated[int, typer.Option(help="The same seed gives the same morning, whatever the event.")] = 1,
    kind: Annotated[
        Literal["core", "full"], typer.Option(help="core: the study's model; full: every rule and weight.")
    ] = "core",
    now: Annotated[str, typer.Option(help="HH:MM, 07:30 to 20:00 in steps of five minutes.")] = "10:00",
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Make up a planning problem; without --output it is printed."""
    given = ["--rooms", str(rooms), "--event", event, "--seed", str(seed), "--kind", kind, "--now", now]
    _run("generate", given, output, as_json)


@plan_app.command(epilog="Example: [bold]orloop plan solve problem.json --output solution.json[/]")
def solve(
    problem: Problem,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plan.")] = 0,
    room: Annotated[list[str] | None, typer.Option(help="Show changes of this room only; may be repeated.")] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Go on with the proof once there is a plan; a better one takes its place.")
    ] = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Find a plan, and say how far from the best possible it can be at most."""
    words = [word for one in room or () for word in ("--room", one)] + (["--prove"] if prove else [])
    _run("solve", [str(problem), "--seed", str(seed), *words], output, as_json)


@plan_app.command(epilog="Example: [bold]orloop plan check problem.json solution.json --certificate[/]")
def check(
    problem: Problem,
    solution: Solution,
    certificate: Annotated[bool, typer.Option("--certificate", help="Prove the bound again, solver-free.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a solution independently of the solver; exit code 1 names every broken rule by its id."""
    _run("check", [str(problem), str(solution), *(["--certificate"] if certificate else [])], None, as_json)


@plan_app.command(
    epilog='Example: [bold]orloop plan explain problem.json solution.json --why-not "case=m003 room=4"[/]'
)
def explain(
    problem: Problem,
    solution: Solution,
    why_not: Annotated[
        list[str] | None,
        typer.Option(help="case=X and room=4, leave, before=Y or start=11:00; may be repeated."),
    ] = None,
    within: Annotated[float | None, typer.Option(help="Seconds for each wish; then what is known by then.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a plan buys and who pays, why each case moves, and what a wish would break or cost."""
    wishes = [word for wish in why_not or () for word in ("--why-not", wish)]
    guard = ["--within", str(within)] if within is not None else []
    _run("explain", [str(problem), str(solution), *wishes, *guard], None, as_json)


def _run(command: str, given: list[str], output: Path | None, as_json: bool) -> None:
    """Run `python -m orloop_replan.plan`, whose words and exit code are ours."""
    given += ["--output", str(output)] if output is not None else []
    given += ["--json"] if as_json else []
    code = subprocess.run([*module_command("orloop_replan.plan"), command, *given], check=False).returncode
    if code not in (0, 1, 2):
        raise LauncherError(
            f"Expected the planner to finish, got exit code {code}.",
            "it ran out of memory: try fewer rooms, or free some.",
        )
    raise typer.Exit(code)
