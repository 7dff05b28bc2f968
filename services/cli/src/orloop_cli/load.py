"""`orloop load`: rosters, beds, equipment and blocks from a CSV or JSON file, through ingest's desk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .desk import AsJson, At, Desk, Suite, User, print_json, print_table, refuse
from .errors import LauncherError

COLUMNS = """Columns; those after a plus may be left out.

roster: team_id, role (anaesthesia, cleaning, nursing, surgeon), shift_start, shift_end
+ skills, break_start, break_end

beds: unit (pacu, icu, ward), capacity + occupied, expected_discharges

equipment: kind, free + unit, in_use, reprocessing_until

blocks: room, owner, status (allocated, released), start, end

Example: [bold]orloop load roster monday.csv --source kronos --dry-run[/]"""


def register(app: typer.Typer) -> None:
    """Add the commands that take files."""
    app.command(epilog=COLUMNS)(load)


def load(
    kind: Annotated[Literal["roster", "beds", "equipment", "blocks"], typer.Argument(help="What the rows are about.")],
    file: Annotated[Path, typer.Argument(help="CSV with a header line, or JSON: a list of objects.")],
    source: Annotated[
        str, typer.Option(help="Who made the file: a name of the site file's `truth`, if ranked.")
    ] = "file",
    as_of: Annotated[str | None, typer.Option(help="When it was true, with offset; default now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")] = False,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Load a file through ingest: all rows or none; the same file again changes nothing.

    Times are ISO 8601; without an offset they are site time. Several words or times in one cell have semicolons
    between. A word of a source that the site believes less than the one that is held is noted, not applied.
    """
    body = {"content": read_text(file), "source": source, "as_of": as_of, "dry_run": dry_run}
    answer = Desk(at, suite, user).about("POST", f"files/{kind}", body)
    if as_json:
        print_json(answer.body)
    elif not answer.ok:
        refuse(answer)
    else:
        _show(answer.body)
    raise typer.Exit(0 if answer.ok else 1)


def _show(body: dict[str, Any]) -> None:
    rows = [[line["outcome"], line["type"], line["subject"], line["event"]["id"][:12]] for line in body["lines"]]
    print_table(["outcome", "event", "about", "id"], rows)
    for warning in body["warnings"]:
        typer.echo(f"Warning: {warning}")
    done = "nothing is written (dry run)" if body["dry_run"] else f"{body['written']} events written"
    typer.echo(f"{done}, {body['unchanged']} unchanged; {body['source']} {body['version'][:12]} as of {body['as_of']}")


def read_text(path: Path) -> str:
    """A file's text; UTF-8, with or without a mark."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LauncherError(
            f"Expected UTF-8 in {path}, got another byte at {error.start}.", "save it as UTF-8."
        ) from None
    except OSError as error:
        raise LauncherError(f"Expected a file at {path}, got: {error.strerror}.") from error
