"""`orloop identity`: merged patients by their keys, and a merge undone."""

from __future__ import annotations

from typing import Annotated

import typer

from .desk import CODES, AsJson, At, Desk, Suite, User, print_json, print_table, refuse

identity_app = typer.Typer(
    help=f"Patients that senders have merged; keys alone, never numbers.\n\n{CODES}",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(identity_app, name="identity")


@identity_app.command(epilog="Example: [bold]orloop identity merges[/]")
def merges(suite: Suite = None, at: At = None, user: User = None, as_json: AsJson = False) -> None:
    """Every merge of two patients that a sender has told (ADT A40 and its kin), newest first."""
    found = Desk(at, suite, user).about("GET", "identity/merges").body["merges"]
    if as_json:
        print_json(found)
    elif found:
        rows = [[m["retired"], m["survivor"], m["since"][:16], m["raw"][:12], m["undone"] or "-"] for m in found]
        print_table(["retired", "survivor", "since", "message", "undone by"], rows)
    else:
        typer.echo("no merges")


@identity_app.command(epilog='Example: [bold]orloop identity unmerge p3f9a2c --reason "ticket 4711"[/]')
def unmerge(
    patient_key: Annotated[str, typer.Argument(help="The retired patient's key as `merges` shows it.")],
    why: Annotated[str, typer.Option("--reason", help="Why: a ticket or a few words; it is kept.")],
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Part two patients again: each case gets its own patient's key back; a resend does not merge them anew."""
    answer = Desk(at, suite, user).about("POST", "identity/unmerge", {"patient_key": patient_key, "why": why})
    if not answer.ok:
        refuse(answer)
        raise typer.Exit(1)
    if as_json:
        print_json(answer.body)
    else:
        typer.echo(f"parted {answer.body['patient_key']}; cases with another key: {len(answer.body['cases'])}")
