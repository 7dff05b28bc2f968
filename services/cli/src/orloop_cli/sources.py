"""`orloop sources`: how each source of the live ingest does."""

from __future__ import annotations

from typing import Any

import typer

from .desk import AsJson, At, Desk, User, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: [bold]orloop sources --json[/]")(sources)


def sources(at: At = None, user: User = None, as_json: AsJson = False) -> None:
    """Per source: age of the last message, what is usual at this hour, clock, gaps, quarantine, parked items.

    Clock is the median of what lies between MSH-7 and our door: a clock that is off, or a slow way. Gaps are numbers
    that MSH-13 left out. Exit code 1 if a source is silent, or anything waits for a person.
    """
    told = Desk(at, None, user).ask("GET", "/v1/sources").body
    if as_json:
        print_json(told)
    else:
        _show(told)
    bad = any(line["silent_since"] or line["quarantined"] or line["parked"] for line in told["sources"])
    raise typer.Exit(1 if bad else 0)


def _show(told: dict[str, Any]) -> None:
    heads = ["source", "last", "this hour", "messages", "clock", "gaps", "quarantined", "parked", "state"]
    rows = [
        [
            line["source"],
            _age(line["age_seconds"]),
            "not known" if line["usual_this_hour"] is None else f"{line['usual_this_hour']:g} usual",
            str(line["messages"]),
            "-" if line["clock_skew_seconds"] is None else f"{line['clock_skew_seconds']:+g} s",
            str(line["sequence_gaps"]),
            _waiting(line["quarantined"], line["quarantined_oldest_seconds"]),
            _waiting(line["parked"], line["parked_oldest_seconds"]),
            f"silent since {line['silent_since'][11:16]}Z" if line["silent_since"] else "speaks",
        ]
        for line in told["sources"]
    ]
    print_table(heads, rows)
    journal = told["journal"]
    typer.echo(f"journal: {_waiting(journal['waiting'], journal['oldest_seconds'])} not on the broker yet")


def _waiting(count: int, oldest: int | None) -> str:
    return str(count) if not count or oldest is None else f"{count} ({_age(oldest)})"


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
