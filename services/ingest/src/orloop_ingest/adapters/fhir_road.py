"""All of FHIR in one place: a door and a poller for each source that the profiles name."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from orloop_common.domain.reading import entered
from orloop_common.domain.site import Site
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.logs import get_logger
from orloop_ingest.domain.fhir import FhirProfile
from orloop_ingest.domain.known import Known
from orloop_ingest.domain.told import Told

from . import doorkit, fhir_door
from .fhir_client import FhirClient
from .fhir_cursors import Cursors
from .fhir_models import ModelCheck
from .fhir_poller import FhirPoller
from .fhir_rechecker import FhirRechecker, OpenCase
from .fhir_sources import FhirSource, load_sources
from .fhir_taking import FhirTaking, Taking, reader
from .fhir_tokens import DoorTokens

_log = get_logger("fhir")
_PAST = timedelta(hours=12)


class FhirRoad:
    """Off unless profiles are named; configured wrongly it says so before anything starts."""

    def __init__(
        self, paths: tuple[Path, ...], site: Site, data: Path, clock: Clock, served: Collection[str], port: bool
    ) -> None:
        named = load_sources(paths)
        self.sources = {name: source for name, source in named.items() if source.profile.suite in served}
        self._site, self._data, self._clock = site, data / "fhir", clock
        suites = {suite.id for suite in site.suites}
        hl7 = site.hl7.sources if site.hl7 else {}
        for name, source in named.items():
            if source.profile.suite not in suites:
                raise _wrong(name, f"a suite of the site, got {source.profile.suite}", "it is misspelt")
            if name in hl7:
                raise _wrong(name, "a source of its own, got one of HL7", "share its namespace instead of its name")
        if port and not any(source.door for source in named.values()):
            raise ConfigurationError(
                "ORLOOP_FHIR_PORT: Expected a profile with a section fhir.door, got none.\n"
                "Maybe name it in ORLOOP_FHIR_PROFILES."
            )

    @property
    def suites(self) -> dict[str, str]:
        """The suite that each source speaks for."""
        return {name: source.profile.suite for name, source in self.sources.items()}

    @property
    def profiles(self) -> dict[str, FhirProfile]:
        """How each source is read."""
        return {name: source.profile for name, source in self.sources.items()}

    def reader(self) -> Callable[[Any], Told]:
        """Reads again what the journal or the raw store kept."""
        return reader(self.profiles, self._site)

    async def run(
        self,
        intake: Taking,
        listener: socket.socket | None,
        hear: Callable[[str], None],
        known: Callable[[str], Known],
    ) -> None:
        """Serve and poll until cancelled; `known` says what is known of a suite."""
        if not self.sources:
            return
        models = ModelCheck()
        taking = FhirTaking(intake, self._site, self._clock, models, hear)
        doors: dict[str, fhir_door.SourceDoor] = {}
        async with AsyncExitStack() as stack:
            stack.callback(models.close)
            jobs: list[Awaitable[None]] = []
            for name, source in self.sources.items():
                cursors = Cursors(self._data, name)
                ask = _nobody_to_ask(name)
                if source.server is not None:
                    client = FhirClient(source.server, self._clock)
                    stack.push_async_callback(client.close)
                    poller = FhirPoller(source, source.server, client, taking, cursors, self._clock, hear)
                    ask = poller.ask
                    jobs.append(poller.run())
                    cases = partial(self.open_cases, source, known)
                    recheck = FhirRechecker(source, source.server, client, taking, cases, poller.tells_deletions)
                    jobs.append(recheck.run())
                if source.door is not None:
                    tokens = DoorTokens(source.door, self._clock)
                    doors[name] = fhir_door.SourceDoor(source, tokens, taking, cursors, ask)
                if cursors.owed:
                    ask()
            if listener is not None:
                jobs.append(doorkit.serve(fhir_door.build_app(doors), listener))
            await asyncio.gather(*jobs)

    def open_cases(self, source: FhirSource, known: Callable[[str], Known]) -> list[OpenCase]:
        """Cases that are booked, have not begun and have an Appointment on the source's server.

        Where several servers speak in one namespace, only those that this source was the first to tell.
        """
        profile = source.profile
        several = sum(each.profile.namespace == profile.namespace for each in self.sources.values()) > 1
        now, found = known(profile.suite), []
        for case, record in now.day.cases.items():
            identity = now.identities.by_case.get(case)
            if not record.active or record.schedule is None or identity is None or entered(record) is not None:
                continue
            if now.day.now is not None and record.schedule.start + record.schedule.booked < now.day.now - _PAST:
                continue  # a server may clear away what has been
            if identity.namespace != profile.namespace or (several and identity.source != profile.source):
                continue
            names = [id.partition("/")[2] for id in identity.ids if id.startswith("Appointment/")]
            found += [
                OpenCase(name, record.schedule.id) for name in names[-1:]
            ]  # cancelled and booked anew: the newest
        return found


def _nobody_to_ask(source: str) -> Callable[[], None]:
    def ask() -> None:
        _log.error("events_missing_and_no_server", source=source)

    return ask


def _wrong(source: str, expected: str, maybe: str) -> ConfigurationError:
    return ConfigurationError(f"ORLOOP_FHIR_PROFILES: {source}: Expected {expected}.\nMaybe {maybe}.")
