"""All of FHIR in one place: a door and a poller for each source that the profiles name."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from orloop_common.domain.site import Site
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.logs import get_logger
from orloop_ingest.domain.fhir import FhirProfile
from orloop_ingest.domain.told import Told

from . import doorkit, fhir_door
from .fhir_client import FhirClient
from .fhir_cursors import Cursors
from .fhir_models import ModelCheck
from .fhir_poller import FhirPoller
from .fhir_sources import load_sources
from .fhir_taking import FhirTaking, Taking, reader
from .fhir_tokens import DoorTokens

_log = get_logger("fhir")


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

    async def run(self, intake: Taking, listener: socket.socket | None, hear: Callable[[str], None]) -> None:
        """Serve and poll until cancelled."""
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
                if source.door is not None:
                    tokens = DoorTokens(source.door, self._clock)
                    doors[name] = fhir_door.SourceDoor(source, tokens, taking, cursors, ask)
                if cursors.owed:
                    ask()
            if listener is not None:
                jobs.append(doorkit.serve(fhir_door.build_app(doors), listener))
            await asyncio.gather(*jobs)


def _nobody_to_ask(source: str) -> Callable[[], None]:
    def ask() -> None:
        _log.error("events_missing_and_no_server", source=source)

    return ask


def _wrong(source: str, expected: str, maybe: str) -> ConfigurationError:
    return ConfigurationError(f"ORLOOP_FHIR_PROFILES: {source}: Expected {expected}.\nMaybe {maybe}.")
