"""The `orloop` command: every sub-command's arguments, help and exit codes; what they do is in their modules."""

from __future__ import annotations

import errno
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from . import identity, load, quarantine, sources, worklist
from .errors import LauncherError
from .plan import plan_app
from .profile import profile_app

CODES = "Exit codes: 0 done, 1 the answer is no, 2 something outside must be mended first."

app = typer.Typer(
    help=f"A live control loop for a hospital's operating rooms.\n\n{CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
topics_app = typer.Typer(help="Compare a Kafka's topics with contracts/, or bring them in line.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(plan_app, name="plan")
app.add_typer(profile_app, name="profile")
load.register(app)
identity.register(app)
worklist.register(app)
quarantine.register(app)
sources.register(app)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Kafka = Annotated[str | None, typer.Option("--kafka", help="HOST:PORT; default ORLOOP_KAFKA, else the mesh that runs.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="The board's port on 127.0.0.1.")]
Speed = Annotated[float, typer.Option("--speed", min=0.1, max=600, help="Seconds of the day in one second.")]


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, default=str))


@app.command(epilog='Example: [bold]orloop demo --headless --speed 120 --until applied[/] (or make demo ARGS="...")')
def demo(
    headless: Annotated[bool | None, typer.Option(help="Approve as the user demo; default where no terminal.")] = None,
    speed: Speed = 60.0,
    until: Annotated[Literal["applied", "end"] | None, typer.Option(help="When to end by itself.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which day; the same seed plays the same.")] = None,
    limit: Annotated[float | None, typer.Option(min=1, help="Seconds until --until has failed.")] = None,
    port: Port = 8077,
    scenario: Annotated[str, typer.Option(help="What the twin plays.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Play one day of a ten-room suite on a whole mesh of its own; Ctrl-C stops everything.

    With --headless, or where standard output is no terminal, it approves as the user demo, prints the seconds from each
    trigger to its proposal and to its application, and exits 0 once a plan that answers the room going down and moves a
    case out of that room has been applied, else 1 with the reason at its limit.
    """
    from .console import is_terminal
    from .demo import Play
    from .mesh import Options

    by_itself = not is_terminal() if headless is None else headless
    ends = until or ("applied" if by_itself else None)
    kafka = os.environ.get("ORLOOP_KAFKA") or None
    options = Options(speed=speed, seed=seed, board_port=port, scenario=scenario, kafka=kafka)
    _play(Play(options, by_itself, ends, limit or 36000 / speed + 120), as_json)


@app.command(
    epilog="Example: [bold]orloop up 0003[/], or [bold]ORLOOP_KAFKA=kafka:9092 ORLOOP_SITE=site.yaml orloop up[/]"
)
def up(
    run: Annotated[
        str | None, typer.Argument(help="Which run of .orloop/runs to continue; default the newest.")
    ] = None,
    speed: Annotated[float | None, typer.Option(min=0.1, max=600, help="Default: the run's.")] = None,
    port: Port = 8077,
    as_json: AsJson = False,
) -> None:
    """Continue a demo's run; where ORLOOP_KAFKA names a cluster, serve it without the twin, on the wall's clock."""
    from .demo import Play
    from .mesh import Options
    from .run import runs_dir

    kafka = os.environ.get("ORLOOP_KAFKA") or None
    root = runs_dir()
    options = Options(speed=speed or 0.0, board_port=port, kafka=kafka, twin=kafka is None)
    if kafka is not None:
        root = root.with_name("clusters") / "".join(c if c.isalnum() else "-" for c in kafka)
    fresh = kafka is not None and not any(root.glob("[0-9]*"))
    _play(Play(options, False, None, 0.0), as_json, root=root, resume=run, again=not fresh)


def _play(
    play: Any, as_json: bool, *, root: Path | None = None, resume: str | None = None, again: bool = False
) -> None:
    from .console import screen
    from .demo import play_demo
    from .run import runs_dir

    with screen(quiet=as_json) as shown:
        outcome = play_demo(root or runs_dir(), play, shown, resume, again)
    if as_json:
        _print_json(asdict(outcome))
    elif not outcome.ok:
        typer.echo(f"Failed: {outcome.reason}", err=True)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command(epilog="Example: [bold]orloop doctor[/]")
def doctor(as_json: AsJson = False) -> None:
    """Say what is missing on this machine and how to get it; exit code 1 if a demo could not run."""
    from .doctor import examine

    findings = examine()
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "ok     " if finding.ok else "MISSING" if finding.needed else "absent "
            typer.echo(f"{mark} {finding.what:<18} {finding.found}")
            if not finding.ok and finding.hint:
                typer.echo(f"        {'':<18} {finding.hint}")
    raise typer.Exit(0 if all(finding.ok or not finding.needed for finding in findings) else 1)


@topics_app.command("apply", epilog="Example: [bold]orloop topics apply --kafka kafka:9092 --replication 3[/]")
def topics_apply(
    kafka: Kafka = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Instead of the declared counts.")] = None,
    replication: Annotated[int, typer.Option(min=1, help="Replicas of topics that are created.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Create the topics of contracts/ that are missing and mend settings; partition counts never change in place."""
    from . import found, topics

    with found.kafka(kafka) as bootstrap:
        changed = topics.Cluster(bootstrap).apply(topics.declared(partitions=partitions), replication)
    if as_json:
        _print_json([asdict(difference) for difference in changed])
    else:
        for difference in changed:
            typer.echo(f"mended {difference}")
        typer.echo(f"{len(changed)} differences mended")


@topics_app.command("diff", epilog="Example: [bold]orloop topics diff --kafka kafka:9092[/]")
def topics_diff(
    kafka: Kafka = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Instead of the declared counts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how a Kafka's topics differ from contracts/; exit code 1 if they do."""
    from . import found, topics

    with found.kafka(kafka) as bootstrap:
        differences = topics.Cluster(bootstrap).differences(topics.declared(partitions=partitions))
    if as_json:
        _print_json([asdict(difference) for difference in differences])
    else:
        for difference in differences:
            typer.echo(str(difference))
        if not differences:
            typer.echo("no difference")
    raise typer.Exit(1 if differences else 0)


@app.command(
    epilog="Example: [bold]orloop replay last[/], or [bold]orloop replay 3f9a2c[/], or a file with a proposal's JSON"
)
def replay(
    proposal: Annotated[str, typer.Argument(help="A proposal's id, the start of one, `last`, or a JSON file.")],
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Recompute a proposal from its own record; exit code 1 if the plan does not come out the same."""
    from orloop_common.messages import PLAN_PROPOSALS

    from . import found
    from .reader import TopicReader
    from .replay import find_proposal, recompute

    if Path(proposal).is_file():
        record = Path(proposal).read_bytes()
    else:
        with found.kafka(kafka) as bootstrap, TopicReader(bootstrap, [PLAN_PROPOSALS]) as reader:
            record = find_proposal(proposal, list(reader.to_end()))
    replayed = recompute(record)
    if as_json:
        _print_json(asdict(replayed))
    else:
        typer.echo(replayed.said)
    raise typer.Exit(0 if replayed.ok else 1)


@app.command(epilog="Example: [bold]orloop trace 6b1f0c[/]")
def trace(
    event: Annotated[str, typer.Argument(help="An event's id, or the start of one.")],
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Follow one event through the mesh: what led to it, what followed, where it lies and when."""
    from orloop_common.messages import TOPICS

    from . import found
    from .reader import TopicReader
    from .trace import follow, lines, tree

    with found.kafka(kafka) as bootstrap, TopicReader(bootstrap, TOPICS) as reader:
        steps = follow(event, reader.to_end())
    if as_json:
        _print_json([step.as_json(depth, steps[0].received) for depth, step in tree(steps)])
    else:
        for line in lines(steps):
            typer.echo(line)


@app.command(epilog="Example: [bold]orloop send booking.hl7 --to 127.0.0.1:2575[/]")
def send(
    file: Annotated[Path, typer.Argument(help="HL7 v2 messages, any line ends.")],
    to: Annotated[str | None, typer.Option(help="HOST:PORT; default the ingest of the mesh that runs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a file of HL7 messages over MLLP and print what ingest answers; exit code 1 if it refuses one."""
    from . import found
    from .send import read_messages, send

    host, port = found.mllp_address(to)
    answers = []
    for answer in send(read_messages(file), host, port):
        answers.append(answer)
        if not as_json:
            typer.echo(f"{answer.code} {answer.control_id} {answer.text}".rstrip())
    if as_json:
        _print_json([asdict(answer) for answer in answers])
    raise typer.Exit(0 if all(answer.accepted for answer in answers) else 1)


def main() -> None:
    """Run the command; what a person can mend is told in two lines, without a traceback."""
    try:
        app()
    except LauncherError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _refuse(
            f"Expected room on the disk, got: {error.strerror} ({error.filename or 'under .orloop/'}).\n"
            "Maybe remove old runs under .orloop/runs, or set ORLOOP_HOME to a directory on another disk."
        )


def _refuse(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    sys.exit(2)
