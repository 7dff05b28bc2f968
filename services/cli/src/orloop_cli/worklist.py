"""`orloop worklist`: what people key in where no interface takes changes; `orloop writeback`: what would be sent."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .desk import AsJson, Suite, User, _me, _secret, print_json, print_table
from .errors import LauncherError
from .parts import module_command

if TYPE_CHECKING:
    import httpx

worklist_app = typer.Typer(
    help="What people key in at the hospital's own system: in the order in which rooms come free.",
    invoke_without_command=True,
    rich_markup_mode="rich",
)
writeback_app = typer.Typer(help="What goes back to the hospital.", no_args_is_help=True, rich_markup_mode="rich")
At = Annotated[str | None, typer.Option("--at", help="URL of write-back's worklist; default the mesh that runs.")]
LineName = Annotated[str, typer.Argument(help="A line's number, or the sender's id of its case.")]
Text = Annotated[str, typer.Option("--text", help="What to keep with it; no names.", max=200)]


def register(app: typer.Typer) -> None:
    """Add both groups to the `orloop` command."""
    app.add_typer(worklist_app, name="worklist")
    app.add_typer(writeback_app, name="writeback")


@worklist_app.callback(epilog="Example: [bold]orloop worklist[/], then [bold]orloop worklist done 1[/]")
def show(
    context: typer.Context, suite: Suite = None, at: At = None, user: User = None, as_json: AsJson = False
) -> None:
    """Print the worklist; lines marked `now` can be keyed in, the others wait for a room."""
    context.obj = (at, suite, user)
    if context.invoked_subcommand is not None:
        return
    told = _Door(at, suite, user).read()
    if as_json:
        print_json(told)
        return
    rows = [_row(line) for line in told["lines"]]
    if rows:
        print_table(["", "case", "what", "from", "to", "length", "state"], rows)
    else:
        typer.echo("Nothing to key in.")


@worklist_app.command(epilog="Example: [bold]orloop worklist done 1[/]")
def done(context: typer.Context, line: LineName, text: Text = "", as_json: AsJson = False) -> None:
    """Say that a line was keyed in; it counts as applied when the hospital's own feed shows it."""
    _say(context, line, "done", text, as_json)


@worklist_app.command(epilog='Example: [bold]orloop worklist cannot C-1042 --text "the room is taken"[/]')
def cannot(context: typer.Context, line: LineName, text: Text = "", as_json: AsJson = False) -> None:
    """Say that a line cannot be keyed in: the rest of its plan stops, and the day is planned anew."""
    _say(context, line, "cannot", text, as_json)


def _say(context: typer.Context, name: str, word: str, text: str, as_json: bool) -> None:
    door = _Door(*context.obj)
    lines = [one for one in door.read()["lines"] if name in (str(one["number"]), one["case_id"], one["case"])]
    if len(lines) != 1:
        raise LauncherError(f"Expected one line named {name}, got {len(lines)}.", "see `orloop worklist`.")
    line = lines[0]
    told = door.ask("POST", f"worklist/{line['proposal']}/{line['case']}/{word}", {"text": text})
    if as_json:
        print_json(told)
    else:
        typer.echo(f"{line['case_id']}: noted as {'keyed in' if word == 'done' else 'not possible'}")


@writeback_app.command("dry-run", epilog="Example: [bold]orloop writeback dry-run last --alternative 2[/]")
def dry_run(
    proposal: Annotated[str, typer.Argument(help="A proposal's id, the start of one, or `last`.")],
    alternative: Annotated[str | None, typer.Option(help="Its number or id; default the recommended one.")] = None,
    show_phi: Annotated[bool, typer.Option("--show-phi", help="Show the patient's name, numbers, birth date.")] = False,
    kafka: Annotated[str | None, typer.Option("--kafka", help="HOST:PORT; default as for `orloop replay`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the exact bytes that an approval would send, step by step; sends nothing.

    Reads ORLOOP_SITE and ORLOOP_PAYLOAD_KEY, by default those of the mesh that runs. Exit code 1 if something speaks
    against a step by now.
    """
    from orloop_common.messages import PLAN_PROPOSALS

    from . import found
    from .reader import TopicReader
    from .replay import find_proposal

    given = ["--alternative", alternative] if alternative else []
    given += ["--show-phi"] if show_phi else []
    given += ["--json"] if as_json else []
    with found.kafka(kafka) as bootstrap:
        with TopicReader(bootstrap, [PLAN_PROPOSALS]) as reader:
            record = find_proposal(proposal, list(reader.to_end()))
        environment = {**os.environ, **_environment(), "ORLOOP_KAFKA": bootstrap}
        command = [*module_command("orloop_writeback.dry_run"), *given]
        code = subprocess.run(command, input=record, env=environment, check=False).returncode
    raise typer.Exit(code if code in (0, 1) else 2)


def _environment() -> dict[str, str]:
    """Site and key, from the environment or from the newest run."""
    from .run import runs_dir
    from .services import demo_site

    told = {"ORLOOP_SITE": os.environ.get("ORLOOP_SITE") or str(demo_site())}
    if "ORLOOP_PAYLOAD_KEY" not in os.environ:
        import json

        for path in sorted(runs_dir().glob("[0-9]*"), reverse=True) if runs_dir().exists() else []:
            try:
                told["ORLOOP_PAYLOAD_KEY"] = str(json.loads((path / "secrets.json").read_text())["payload_key"])
                break
            except (OSError, ValueError, KeyError):
                continue
    return told


class _Door:
    """Write-back's worklist over HTTP, in the name of a board runner."""

    def __init__(self, at: str | None, suite: str | None, user: str | None) -> None:
        import httpx

        from orloop_common.runtime.auth import EVERY_SUITE, Role, Tokens
        from orloop_common.runtime.clock import SystemClock

        self._url, secret = _where(at)
        token = Tokens(secret, SystemClock()).mint(user or _me(), Role.BOARD_RUNNER, suite or EVERY_SUITE)
        headers = {"Authorization": f"Bearer {token}"}
        self._client: httpx.Client = httpx.Client(base_url=self._url, headers=headers, timeout=30, trust_env=False)
        self._suite = suite

    def read(self) -> Any:
        """The worklist of the suite."""
        return self.ask("GET", "worklist")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request about the suite; what the door refuses is told as an error."""
        import httpx

        if self._suite is None:
            suites = self._request(method="GET", path="/v1/suites")["suites"]
            if len(suites) != 1:
                raise LauncherError(f"Expected one suite, got {', '.join(suites)}.", "name one with --suite.")
            self._suite = str(suites[0])
        try:
            return self._request(method, f"/v1/suites/{self._suite}/{path}", body)
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        import httpx

        try:
            answer = self._client.request(method, path, json=body)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from error
        if answer.status_code >= 400:
            hint = str(told.get("hint", "")).removeprefix("Maybe ")
            raise LauncherError(str(told.get("error", f"Expected a worklist, got {answer.status_code}.")), hint)
        return told

    def _away(self, error: Exception) -> LauncherError:
        return LauncherError(
            f"Expected write-back's worklist at {self._url}, got {type(error).__name__}.",
            "write-back is not running there, or ORLOOP_WORKLIST_PORT is not set.",
        )


def _where(at: str | None) -> tuple[str, str]:
    from . import found
    from .run import runs_dir

    url, secret = at or os.environ.get("ORLOOP_WORKLIST_URL"), os.environ.get("ORLOOP_TOKEN_SECRET")
    told = found.running() if url is None or secret is None else None
    if url is None:
        if told is None or "worklist" not in told["ports"]:
            raise LauncherError("Expected a mesh that runs, got none.", "start `orloop demo`, or name one with --at.")
        url = f"http://127.0.0.1:{told['ports']['worklist']}"
    return url.rstrip("/"), secret or _secret(runs_dir(), told)


def _row(line: Any) -> list[str]:
    state = line["state"] if not line["behind"] else "after " + ", ".join(str(n) for n in line["behind"])
    if line["first"]:
        state += f" (first to {_spot(line['first'])})"
    where = [_spot(line["now"]), _spot(line["to"]), f"{line['minutes']} min"]
    return [str(line["number"]), line["case_id"] or line["case"], line["what"], *where, state]


def _spot(spot: Any) -> str:
    if spot["room"] is None:
        return "another day"
    return f"{spot['room']} {datetime.fromisoformat(spot['start']):%H:%M}"
