"""Files in through ingest's desk: `orloop load`, `orloop backload`, `orloop reconcile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .desk import AsJson, At, Desk, Suite, User, print_json, print_table, progress, refuse, refuse_body
from .errors import LauncherError

COLUMNS = """Columns; those after a plus may be left out.

roster: team_id, role (anaesthesia, cleaning, nursing, surgeon), shift_start, shift_end
+ skills, break_start, break_end

beds: unit (pacu, icu, ward), capacity + occupied, expected_discharges

equipment: kind, free + unit, in_use, reprocessing_until

blocks: room, owner, status (allocated, released), start, end

milestones: case_id (the sender's), milestone, at + room; kept back by a downtime

Example: [bold]orloop load roster monday.csv --source kronos --dry-run[/]"""
BOOKED = """Columns of CSV or JSON; those after a plus may be left out.

case_id, start, end or minutes, service + room, procedure_code, procedure_text, procedure_system, laterality,
surgeon_id, urgency, status, reason_code, add_on, patient_class, anaesthesia, asa, setup_minutes, cleanup_minutes,
recovery_minutes, bed, equipment, waiting_since, earliest, latest, visit, patient_id, patient_assigner,
patient_id_type, patient_name, birth_date, sex

"""


def register(app: typer.Typer) -> None:
    """Add the commands that take files."""
    app.command(epilog=COLUMNS)(load)
    app.command(epilog=BOOKED + "Example: [bold]orloop backload booked.csv --feed EPIC --dry-run[/]")(backload)
    app.command(epilog=BOOKED + "Example: [bold]orloop reconcile --day extract.csv[/]")(reconcile)


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")]
Feed = Annotated[str | None, typer.Option(help="The sending application (MSH-3) whose case ids these are.")]


def load(
    kind: Annotated[
        Literal["roster", "beds", "equipment", "blocks", "milestones"], typer.Argument(help="What the rows are about.")
    ],
    file: Annotated[Path, typer.Argument(help="CSV with a header line, or JSON: a list of objects.")],
    source: Annotated[
        str, typer.Option(help="Who made the file: a name of the site file's `truth`, if ranked.")
    ] = "file",
    as_of: Annotated[str | None, typer.Option(help="When it was true, with offset; default now.")] = None,
    feed: Feed = None,
    back_entry: Annotated[
        bool, typer.Option("--back-entry", help="Milestones may be older than a day, by thirty days at most.")
    ] = False,
    dry_run: DryRun = False,
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
    if kind == "milestones":
        body |= {"feed": feed, "back_entry": back_entry}
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


def backload(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, HL7 messages (SIU), or a FHIR Bundle of Appointments.")],
    feed: Feed = None,
    source: Annotated[str, typer.Option(help="What this file is called as a source of its own.")] = "backload",
    as_of: Annotated[str | None, typer.Option(help="When it was true, with offset; default now.")] = None,
    dry_run: DryRun = False,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Load the booked schedule at go-live: all rows must be good, or none is taken.

    It goes the way that messages go, so that the feed's later messages find the same cases. What the feed has spoken
    of already is left to the feed. Exit code 1 if a row is wrong or goes to quarantine.
    """
    body = {"content": read_text(file), "feed": feed, "source": source, "as_of": as_of, "dry_run": dry_run}
    summary, refused = None, None
    with progress("loading", as_json) as show:
        for line in Desk(at, suite, user).follow("files/backload", body):
            if "summary" in line:
                summary = line
            elif "refused" in line:
                refused = line["refused"]
            else:
                show(line["done"], line["of"])
    if summary is None:
        refuse_body(refused)
        raise typer.Exit(1)
    if as_json:
        print_json(summary)
    else:
        for problem in summary["problems"]:
            typer.echo(problem)
        told = summary["summary"]
        done = "would be loaded (dry run)" if dry_run else "loaded"
        typer.echo(
            f"{told['read']} cases read: {told['loaded']} {done}, {told['unchanged']} unchanged, "
            f"{told['left_to_feed']} left to the feed, {told['quarantined']} in quarantine; {told['events']} events"
        )
    raise typer.Exit(1 if summary["summary"]["quarantined"] else 0)


def reconcile(
    day: Annotated[Path, typer.Option("--day", help="The hospital's own extract of one day: CSV or JSON.")],
    on: Annotated[str | None, typer.Option(help="Which day, YYYY-MM-DD; default the extract's.")] = None,
    feed: Feed = None,
    suite: Suite = None,
    at: At = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Compare a hospital's extract of a day with what is known here: missing, extra, different.

    Only columns that the extract fills are compared. Exit code 1 if there is any difference.
    """
    body = {"content": read_text(day), "feed": feed, "on": on}
    answer = Desk(at, suite, user).about("POST", "files/reconcile", body)
    if as_json:
        print_json(answer.body)
    elif not answer.ok:
        refuse(answer)
    else:
        told = answer.body
        rows = [[f["kind"], f["place"], f["case"] or "", f["field"], f["theirs"], f["ours"]] for f in told["findings"]]
        if rows:
            print_table(["what", "extract", "case", "field", "theirs", "ours"], rows)
        kinds = [row[0] for row in rows]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("missing", "extra", "different"))
        typer.echo(f"{told['day']}: {told['compared']} cases compared, {told['agreeing']} agree; {counts}")
    raise typer.Exit(0 if answer.ok and not answer.body["findings"] else 1)


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
