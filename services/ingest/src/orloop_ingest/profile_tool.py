"""Check a source profile against real messages, or propose one: `python -m orloop_ingest.profile_tool COMMAND ...`.

What `orloop profile` runs. Exit code 0: every message would be read; 1: some would be quarantined; 2: something cannot
be read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from orloop_common.domain.site import Site
from orloop_common.messages.sitefile import SiteFileError, parse_site

from .adapters.profiles import load_profile
from .domain.hl7.batches import is_batch, split_batch
from .domain.hl7.explain import Explained, explain
from .domain.hl7.profile_file import ProfileError
from .domain.hl7.suggest import newest, suggest
from .message_files import MessageFileError, read_messages
from .profile_tables import Report, as_json, proposal

_NO_SITE = "site: none\ntimezone: UTC\nsuites: [{id: main, rooms: [{id: '1', service: none, block_start: '08:00', "
_NO_SITE += "block_end: '16:00', closes: '17:00'}]}]\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what a person can mend is told in two lines."""
    given = _parser().parse_args(arguments)
    try:
        return _check(given) if given.command == "check" else _suggest(given)
    except (ProfileError, MessageFileError, SiteFileError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orloop profile", description="Source profiles of HL7 v2.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what each message resolves to, and why")
    check.add_argument("profile", type=Path)
    check.add_argument("--messages", type=Path, action="append", required=True)
    check.add_argument("--site", type=Path, help="the site file, for its zone and tables")
    check.add_argument("--each", action="store_true", help="show every message, however many there are")
    propose = commands.add_parser("suggest", help="a profile proposed from messages")
    propose.add_argument("files", type=Path, nargs="+")
    for each in (check, propose):
        each.add_argument("--show-phi", action="store_true", help="show identifying values too")
        each.add_argument("--json", action="store_true", dest="as_json")
    return parser


def _messages(paths: Sequence[Path]) -> list[bytes]:
    found: list[bytes] = []
    for body in (body for path in paths for body in read_messages(path)):
        found += split_batch(body).messages if is_batch(body) else [body]
    return found


def _check(given: argparse.Namespace) -> int:
    site = _site(given.site)
    source, suite = _source(site, given.profile)
    profile = load_profile(given.profile, source, suite, site if given.site else None)
    bodies = _messages(given.messages)
    received = (newest(suggest(bodies)[0]) or datetime(2100, 1, 1, tzinfo=UTC)) + timedelta(days=1)
    found = [explain(body, profile, site, received, number) for number, body in enumerate(bodies, 1)]
    if given.as_json:
        print(as_json(found, given.show_phi))
    else:
        Report(Console(), given.show_phi).check(found, profile.name, given.each, _samples(found))
    return 1 if any(each.outcome == "quarantined" for each in found) else 0


def _samples(found: list[Explained]) -> dict[str, str]:
    return {u.place: u.value for each in reversed(found) for u in each.unread}


def _site(path: Path | None) -> Site:
    if path is None:
        return parse_site(_NO_SITE)
    try:
        return parse_site(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteFileError(f"Expected to read {path}, got: {error.strerror}.\nMaybe its path is wrong.") from None


def _source(site: Site, profile: Path) -> tuple[str, str]:
    """The source that the site file gives this profile to; any, if none."""
    if site.hl7 is not None:
        for source, name in site.hl7.profiles.items():
            if Path(name).name == profile.name:
                return source, site.hl7.sources[source]
    return "ANY", site.suites[0].id


def _suggest(given: argparse.Namespace) -> int:
    evidence, profile = suggest(_messages(given.files))
    if given.as_json:
        guesses = [
            {"key": g.key, "value": g.value, "count": g.count, "of": g.of, "note": g.note} for g in evidence.guesses
        ]
        print(json.dumps({"profile": profile, "evidence": guesses}, indent=1, ensure_ascii=False))
    else:
        sys.stdout.write(proposal(evidence, profile))
    return 0


if __name__ == "__main__":
    sys.exit(main())
