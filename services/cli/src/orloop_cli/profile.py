"""`orloop profile`: how a source's HL7 is read, checked against its messages by a child process of ingest."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from .errors import LauncherError
from .parts import module_command

profile_app = typer.Typer(
    help="Check or propose how a source's HL7 is read (contracts/schemas/source-profile.v1, contracts/profiles).",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
ShowPhi = Annotated[bool, typer.Option("--show-phi", help="Show identifying values too; else they are masked.")]
FORMS = "MLLP frames, one message after another (.hl7), or JSON lines with a msg (.jsonl)"


@profile_app.command(epilog="Example: [bold]orloop profile check ehr.yaml --messages monday.hl7[/]")
def check(
    profile: Annotated[Path, typer.Argument(help="A profile file.")],
    messages: Annotated[list[Path], typer.Option("--messages", help=f"{FORMS}; may be repeated.")],
    site: Annotated[Path | None, typer.Option(help="The site file, for its time zone and its tables.")] = None,
    each: Annotated[bool, typer.Option("--each", help="Show every message, however many there are.")] = False,
    show_phi: ShowPhi = False,
    as_json: AsJson = False,
) -> None:
    """Show what each field of each message resolves to and why, and what nothing ever read.

    Exit code 1 if any message would be quarantined.
    """
    given = [str(profile), *(word for file in messages for word in ("--messages", str(file)))]
    given += ["--site", str(site)] if site is not None else []
    given += ["--each"] if each else []
    _run("check", given, show_phi, as_json)


@profile_app.command(epilog="Example: [bold]orloop profile suggest monday.hl7 > ehr.yaml[/]")
def suggest(
    files: Annotated[list[Path], typer.Argument(help=f"{FORMS}.")],
    as_json: AsJson = False,
) -> None:
    """Propose a profile from messages: every guess with the count of messages that speak for it."""
    _run("suggest", [str(file) for file in files], False, as_json)


def _run(command: str, given: list[str], show_phi: bool, as_json: bool) -> None:
    """Run `python -m orloop_ingest.profile_tool`, whose words and exit code are ours."""
    given += ["--show-phi"] if show_phi else []
    given += ["--json"] if as_json else []
    code = subprocess.run([*module_command("orloop_ingest.profile_tool"), command, *given], check=False).returncode
    if code not in (0, 1, 2):
        raise LauncherError(f"Expected the check to finish, got exit code {code}.", "the file is too large: split it.")
    raise typer.Exit(code)
