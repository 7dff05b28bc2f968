"""`orloop quarantine` and `orloop raw replay`: what could not be read, looked into, mended, read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from .console import is_terminal
from .desk import CODES, AsJson, At, Desk, Suite, User, print_json, print_table, refuse_body
from .errors import LauncherError

quarantine_app = typer.Typer(
    help=f"Messages that were kept but not applied.\n\n{CODES}", no_args_is_help=True, rich_markup_mode="rich"
)
raw_app = typer.Typer(
    help=f"Raw messages as they were received.\n\n{CODES}", no_args_is_help=True, rich_markup_mode="rich"
)
Raw = Annotated[str, typer.Argument(help="A message's id as `list` shows it, or the start of one.")]
Source = Annotated[str | None, typer.Option(help="Only messages of this sending application (MSH-3).")]
Reason = Annotated[str | None, typer.Option(help="Only messages with this reason, such as unknown_room.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be read now, write nothing.")]
Why = Annotated[str, typer.Option("--reason", help="Why: a ticket or a few words; it is kept. Never a patient's name.")]


def register(app: typer.Typer) -> None:
    """Add both groups of commands."""
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(raw_app, name="raw")


@quarantine_app.command("list", epilog="Example: [bold]orloop quarantine list --reason unknown_room[/]")
def list_entries(
    source: Source = None,
    reason: Reason = None,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """What waits for a person, oldest first; exit code 1 if anything does."""
    entries = Desk(at, suite, user).about("GET", "quarantine", source=source, reason=reason).body["entries"]
    if as_json:
        print_json(entries)
    elif entries:
        rows = [
            [
                e["raw"][:12],
                e["source"],
                e["reason"],
                _age(e["age_seconds"]),
                ", ".join(e["cases"]) or "-",
                e["sentence"],
            ]
            for e in entries
        ]
        print_table(["id", "source", "reason", "age", "doubts", "why"], rows)
    else:
        typer.echo("nothing in quarantine")
    raise typer.Exit(1 if entries else 0)


@quarantine_app.command(epilog='Example: [bold]orloop quarantine show 3f9a2c --reason "ticket 4711"[/]')
def show(
    raw: Raw,
    why: Why,
    show_phi: Annotated[bool, typer.Option("--show-phi", help="With all that names the patient, in clear.")] = False,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """One message, decrypted, for people on the raw access list (ORLOOP_RAW_READERS); each look is on record.

    Letters and digits of what may name a patient are replaced by x and 9 unless --show-phi is given.
    """
    answer = Desk(at, suite, user).about("POST", f"quarantine/{raw}/show", {"why": why, "show_phi": show_phi})
    if not answer.ok:
        refuse_body(answer.body)
        raise typer.Exit(1)
    told = answer.body
    if as_json:
        print_json(told)
        return
    typer.echo(f"{told['raw']}  {told['source']}  {told['message_type']}  {told['control_id']}  {told['received']}")
    typer.echo(f"{told['reason']}: {told['sentence']}{'  (' + told['closed'] + ')' if told['closed'] else ''}")
    typer.echo("")
    typer.echo(told["message"])


@quarantine_app.command(epilog="Example: [bold]orloop quarantine retry --reason unknown_room --dry-run[/]")
def retry(
    raws: Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them; none: all that match.")] = None,
    source: Source = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Read messages again after a profile was mended; what maps now is applied and its doubts are withdrawn.

    Exit code 1 if one of them still cannot be read.
    """
    desk = Desk(at, suite, user)
    body = {"raws": raws or [], "source": source, "reason": reason, "dry_run": dry_run}
    told: list[dict[str, Any]] = []

    def each(line: dict[str, Any]) -> None:
        told.append(line)
        if not as_json:
            typer.echo(f"{line['raw'][:12]}  {line['outcome']:<9}  {line['events']} events  {line['reason']}".rstrip())

    summary = _follow(desk.follow("quarantine/retry", body), each)
    if as_json:
        print_json({"messages": told, **summary})
    else:
        _sum_up(summary, dry_run)
    counts = summary["summary"]
    raise typer.Exit(1 if counts.get("still", 0) + counts.get("skipped", 0) else 0)


@quarantine_app.command(epilog='Example: [bold]orloop quarantine drop 3f9a2c --reason "test message"[/]')
def drop(raw: Raw, why: Why, suite: Suite = None, at: At = None, user: User = None, as_json: AsJson = False) -> None:
    """Say that a message is of no use: it stays stored, and the doubts that it raised are withdrawn in your name."""
    answer = Desk(at, suite, user).about("POST", f"quarantine/{raw}/drop", {"why": why})
    if not answer.ok:
        refuse_body(answer.body)
        raise typer.Exit(1)
    if as_json:
        print_json(answer.body)
    else:
        withdrawn = answer.body["withdrawn"]
        typer.echo(f"dropped {answer.body['raw'][:12]}; doubts withdrawn: {', '.join(withdrawn) or 'none'}")


@raw_app.command(epilog="Example: [bold]orloop raw replay --since 2026-03-02T06:00+01:00 --source EPIC --dry-run[/]")
def replay(
    since: Annotated[str, typer.Option(help="Received from then on: ISO 8601 with an offset, seven days ago at most.")],
    until: Annotated[str | None, typer.Option(help="Received before then; default now.")] = None,
    source: Source = None,
    dry_run: DryRun = False,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Read raw messages again in their original order, after a profile was mended; nothing is doubled.

    A dry run says how many would map now. Exit code 1 if a message that was fine cannot be read any more.
    """
    from rich.console import Console
    from rich.status import Status

    desk = Desk(at, suite, user)
    body = {"since": since, "until": until, "source": source, "dry_run": dry_run}
    status = Status("reading", console=Console(stderr=True)) if is_terminal() and not as_json else None
    if status is not None:
        status.start()
    try:
        summary = _follow(
            desk.follow("replay", body), lambda line: status.update(f"{line['done']} messages") if status else None
        )
    finally:
        if status is not None:
            status.stop()
    if as_json:
        print_json(summary)
    else:
        _sum_up(summary, dry_run)
    raise typer.Exit(1 if summary["summary"].get("worse", 0) else 0)


def _follow(lines: Iterable[dict[str, Any]] | Iterator[dict[str, Any]], each: Any) -> dict[str, Any]:
    """Hand progress on, return the summary."""
    for line in lines:
        if "refused" in line:
            refuse_body(line["refused"])
            raise typer.Exit(1)
        if "summary" in line:
            return line
        each(line)
    raise LauncherError("Expected a summary, got the end of the answer.", "ingest was stopped: run it again.")


def _sum_up(summary: dict[str, Any], dry_run: bool) -> None:
    counts = dict(summary["summary"])
    read, events = counts.pop("read"), counts.pop("events")
    for reason, number in sorted(summary["reasons"].items()):
        typer.echo(f"{number:>6}  {reason}")
    parts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) or "none"
    would = "would be written (dry run)" if dry_run else "written"
    typer.echo(f"{read} messages read: {parts}; {events} events {would}")


def _age(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"
