"""`python -m orloop_writeback.dry_run`: the exact bytes that a proposal would send; what `orloop writeback` runs.

Reads the log and the identities from ORLOOP_KAFKA, the proposal as JSON from standard input. Nothing is sent and
nothing is written. Exit code 0: shown; 1: something speaks against a step; 2: something cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import Alternative, CaseIdentity, Proposal
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import SUITE_EVENTS, from_json
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime import ConfigurationError, LoopSettings, OrloopError, Record
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.kafkalog import KafkaLog
from orloop_common.runtime.reader import RecordReader
from orloop_common.runtime.records import Partition
from orloop_common.runtime.settings import load

from .adapters.routes_file import parse_writeback
from .app import scribe_of
from .domain.message import Step
from .domain.routes import Routes, Way
from .flow import TOPICS
from .rehearsal import Shown, rehearse
from .settings import Settings


class _Listener:
    """Waits until the log was read to its end."""

    def __init__(self) -> None:
        self.ready = False

    def assigned(self, committed: Mapping[Partition, int | None]) -> None:
        self.ready = True

    def revoked(self, partitions: Any, *, lost: bool) -> None:
        self.ready = False

    def beat(self) -> None:
        """Nothing waits for us."""


def read_suite(settings: Settings, site: Site, suite: str) -> tuple[SuiteDay, dict[str, CaseIdentity]]:
    """The suite's day and the sealed identities, from the log."""
    loop = LoopSettings(topics=TOPICS, group=None)
    log, read, listener = KafkaLog(settings.kafka, f"{settings.instance}-dry-run", loop), _reader(), _Listener()
    day = SuiteDay(suite=suite, calendar=OperationalCalendar(site.timezone, site.day_boundary))
    identities: dict[str, CaseIdentity] = {}
    log.open(listener)
    try:
        while True:
            raws = log.poll(2000, 0.1)
            for record in map(read, raws):
                if record.suite == suite:
                    day = _take(record, day, identities)
            if listener.ready and not raws and not log.behind():
                return day, identities
    finally:
        log.close()


def _take(record: Record, day: SuiteDay, identities: dict[str, CaseIdentity]) -> SuiteDay:
    message = record.message
    if record.topic == SUITE_EVENTS and isinstance(message, e.Event):
        return day.apply(message)
    if isinstance(message, CaseIdentity) and message.kind == "case":
        identities[message.case] = message
    elif message is None:
        identities.pop((record.key or "").removeprefix(f"{record.suite}/"), None)
    return day


def _reader() -> RecordReader:
    return RecordReader(default_codec())


def show(settings: Settings, proposal: Proposal, named: str | None, show_phi: bool) -> list[Shown]:
    """Every step of one alternative."""
    text = settings.site.read_text()
    site, pairs = parse_site(text), parse_writeback(text).pairs()
    if settings.payload_key is None:
        raise ConfigurationError("ORLOOP_PAYLOAD_KEY: Expected the key of the identities, got none.\nMaybe ingest's.")
    decrypt = PayloadCipher(settings.payload_key.get_secret_value()).decrypt
    scribes = {
        route.name: scribe_of(site, entry, decrypt, masked=not show_phi)
        for route, entry in pairs
        if route.way is not Way.MANUAL
    }

    def write(step: Step, sealed: str) -> bytes:
        return scribes[step.route.name].write(step, sealed)[0]

    day, identities = read_suite(settings, site, proposal.suite)
    alternative, layout = _alternative(proposal, named), site.suite(proposal.suite)
    routes = Routes(tuple(route for route, _ in pairs))
    return list(rehearse(day, identities, proposal, alternative, layout, routes, write))


def _alternative(proposal: Proposal, named: str | None) -> Alternative:
    for number, one in enumerate(proposal.alternatives, start=1):
        if named in (None, str(number), one.id):
            return one
    known = ", ".join(f"{n} ({a.id})" for n, a in enumerate(proposal.alternatives, start=1)) or "none"
    raise ConfigurationError(f"Expected an alternative of this proposal, got {named}.\nMaybe one of {known}.")


def lines(shown: Sequence[Shown]) -> Iterator[str]:
    """For people: a head line per step, then its bytes, a segment a line."""
    for number, one in enumerate(shown, start=1):
        to = f"room {one.room} at {one.start}" if one.room else "off the day"
        kind = f"SIU^{one.trigger}" if one.way is Way.MLLP else str(one.way)
        yield f"--- {number} of {len(shown)}: case {one.case} to {to}, by {one.route} ({kind})"
        if one.note:
            yield f"    ! {one.note}"
        if one.body:
            yield from one.body.decode().rstrip("\r").split("\r")
    yield f"Nothing was sent. {len(shown)} steps; segments end with CR, a message with FS CR after a leading VT."


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it; the exit code."""
    parser = argparse.ArgumentParser(prog="orloop writeback dry-run", description=__doc__)
    parser.add_argument("--alternative", help="its number or id; the recommended one by default")
    parser.add_argument("--show-phi", action="store_true", help="show the patient's name, numbers and birth date")
    parser.add_argument("--json", action="store_true", help="one JSON document; `body` holds the exact text")
    given = parser.parse_args(arguments)
    try:
        proposal = from_json(Proposal, sys.stdin.buffer.read())
        shown = show(load(Settings), proposal, given.alternative, given.show_phi)
    except (OrloopError, SiteFileError, ValueError) as error:
        print(str(error) if isinstance(error, OrloopError | SiteFileError) else type(error).__name__, file=sys.stderr)
        return 2
    if given.json:
        told = [asdict(one) | {"body": one.body.decode() if one.body is not None else None} for one in shown]
        print(json.dumps({"proposal": proposal.id, "steps": told}, indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(shown)))
    return 1 if any(one.note for one in shown) else 0


if __name__ == "__main__":
    sys.exit(main())
