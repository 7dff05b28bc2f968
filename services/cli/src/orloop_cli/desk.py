"""The live ingest's desk over HTTP: where it is, who asks, and what it answers."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import LauncherError

if TYPE_CHECKING:  # it takes a tenth of a second, and most commands need none of it
    import httpx

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
At = Annotated[str | None, typer.Option("--at", help="URL of ingest's manual door; default the mesh that runs.")]
Suite = Annotated[str | None, typer.Option("--suite", help="Which suite; default the only one.")]
User = Annotated[str | None, typer.Option("--user", help="In whose name; default who you are on this machine.")]
CODES = "Exit codes: 0 done, 1 the answer is no, 2 something outside must be mended first."


@dataclass(frozen=True)
class Answer:
    """What the desk said; `ok` if it did what was asked."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status < 400


class Desk:
    """Asks the live ingest in the name of an interface analyst, with a token that the mesh's secret signs."""

    def __init__(self, at: str | None = None, suite: str | None = None, user: str | None = None) -> None:
        from orloop_common.runtime.auth import EVERY_SUITE, Role, Tokens
        from orloop_common.runtime.clock import SystemClock

        url, secret = _where(at)
        self.url = url
        token = Tokens(secret, SystemClock()).mint(user or _me(), Role.INTERFACE_ANALYST, suite or EVERY_SUITE)
        self._how: dict[str, Any] = {
            "headers": {"Authorization": f"Bearer {token}"},
            "timeout": 120,
            "trust_env": False,
        }
        self._suite = suite

    @property
    def suite(self) -> str:
        """The suite that is asked about."""
        if self._suite is None:
            suites = self.ask("GET", "/v1/suites").body["suites"]
            if len(suites) != 1:
                raise LauncherError(
                    f"Expected one suite, got {', '.join(suites)}.", f"name one with --suite, such as {suites[0]}."
                )
            self._suite = str(suites[0])
        return self._suite

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """One request; what is no answer of the desk's own is told as an error."""
        import httpx

        given = {name: value for name, value in query.items() if value is not None}
        try:
            answer = httpx.request(method, self.url + path, json=body, params=given, **self._how)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return self._read(answer.status_code, answer.content)

    def about(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """A request about the suite."""
        return self.ask(method, f"/v1/suites/{self.suite}/{path}", body, **query)

    def follow(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        """Yield what a long answer says line by line: progress first, a summary last."""
        import httpx

        try:
            url = f"{self.url}/v1/suites/{self.suite}/{path}"
            with httpx.stream("POST", url, json=body, **self._how) as answer:
                if answer.status_code >= 400:
                    refused = self._read(answer.status_code, answer.read())
                    yield {"refused": refused.body}
                    return
                for line in answer.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _read(self, status: int, content: bytes) -> Answer:
        try:
            body = json.loads(content) if content else {}
        except ValueError:
            body = None
        if not isinstance(body, dict | list):
            raise LauncherError(
                f"Expected ingest's desk at {self.url}, got an answer {status} of something else.",
                "another program listens there: look at ORLOOP_MANUAL_PORT.",
            )
        if status in (401, 403, 404, 411, 413, 503) and isinstance(body, dict) and "error" in body:
            raise LauncherError(str(body["error"]), str(body.get("hint", "")).removeprefix("Maybe "))
        return Answer(status, body)

    def _unreachable(self, error: httpx.HTTPError) -> LauncherError:
        return LauncherError(
            f"Expected ingest's desk at {self.url}, got: {error or type(error).__name__}.",
            "ingest is not running there: start `orloop demo`, or name another address with --at.",
        )


def refuse(answer: Answer) -> None:
    """Print why the desk said no."""
    refuse_body(answer.body)


def refuse_body(told: Any) -> None:
    """Print why the desk said no, every fault on a line of its own."""
    body = told if isinstance(told, dict) else {}
    for line in [str(body.get("error", "Expected an answer of the desk, got another.")), *body.get("faults", ())]:
        typer.echo(line, err=True)
    if body.get("hint"):
        typer.echo(str(body["hint"]), err=True)


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing in a pipe, or beside JSON."""
    from .console import is_terminal

    if quiet or not is_terminal():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=1, default=str))


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Columns on a terminal or in a pipe; nothing is cut off in a pipe."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "orloop"


def _where(at: str | None) -> tuple[str, str]:
    """The desk's URL and the secret that signs tokens for it."""
    from . import found
    from .run import runs_dir

    url, secret = at or os.environ.get("ORLOOP_MANUAL_URL"), os.environ.get("ORLOOP_TOKEN_SECRET")
    told = found.running() if url is None or secret is None else None
    if url is None:
        if told is None:
            raise LauncherError("Expected a mesh that runs, got none.", "start `orloop demo`, or name one with --at.")
        url = f"http://127.0.0.1:{told['ports']['manual']}"
    if secret is None:
        secret = _secret(runs_dir(), told)
    return url.rstrip("/"), secret


def _secret(root: Path, told: dict[str, Any] | None) -> str:
    """The token secret of the run that the launcher is in."""
    for path in sorted(root.glob("[0-9]*"), reverse=True) if told is not None and root.exists() else []:
        try:
            if json.loads((path / "processes.json").read_text())["launcher"] == told["launcher"]:  # type: ignore[index]
                return str(json.loads((path / "secrets.json").read_text())["token_secret"])
        except (OSError, ValueError, KeyError):
            continue
    raise LauncherError(
        "Expected the secret that signs the mesh's tokens, got none.", "set ORLOOP_TOKEN_SECRET as ingest has it."
    )
