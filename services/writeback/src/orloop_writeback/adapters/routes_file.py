"""The section `writeback` of the site file: routes, their addresses and how each hospital system wants to be told."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orloop_common.runtime import ConfigurationError
from orloop_writeback.domain.routes import Postponements, Route, Style, Way


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Section):
    """PEM files; `server_name` is the name in the hospital's certificate, if it is not the host."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None


class Message(_Section):
    """`domain.routes.Style` as a person writes it."""

    version: Literal["2.3", "2.3.1", "2.4", "2.5", "2.5.1"] = "2.5.1"
    times: tuple[Literal["tq1", "sch11", "resource"], ...] = ("tq1", "resource")
    room: Literal["ail", "aig", "pv1"] = "ail"
    room_only: Literal["S13", "S14"] = "S13"
    actions: bool = True
    offsets: bool = True
    acknowledgements: Literal["original", "enhanced"] = "original"
    receiving_application: str | None = None
    receiving_facility: str | None = None

    def style(self) -> Style:
        """The same for the domain."""
        said = self.model_dump(exclude={"acknowledgements"})
        return Style(**said, enhanced=self.acknowledgements == "enhanced")


class Smart(_Section):
    """SMART backend services: where the token comes from, and the file with our private key."""

    token_url: str
    client_id: str
    key: Path
    key_id: str | None = None
    scope: str = "system/Appointment.rsu system/Task.crs"


class Fhir(_Section):
    """`case_id` is the identifier system of the sender's case id, or `id`; `rooms` leads from ours to references."""

    base: str
    send: Literal["task", "appointment"]
    case_id: str
    rooms: dict[str, str] = {}
    smart: Smart | None = None


class RouteEntry(_Section):
    """One route with its address."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = "hospital"
    way: Way = Way.MLLP
    suites: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    postponements: Postponements | None = None
    confirm_within_minutes: Annotated[float, Field(gt=0)] | None = None
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Tls | None = None
    message: Message = Message()
    fhir: Fhir | None = None

    @model_validator(mode="after")
    def is_whole(self) -> "RouteEntry":
        """FHIR needs to know where, and a message its time and room."""
        if (self.way is Way.FHIR) != (self.fhir is not None):
            raise ValueError("Expected the section fhir for the way fhir, and for no other")
        if not set(self.message.times) - ({"tq1"} if self.message.version < "2.5" else set()):
            raise ValueError(f"Expected a field for the times that version {self.message.version} has")
        if self.message.room == "pv1" and "resource" in self.message.times and len(self.message.times) == 1:
            raise ValueError("Expected tq1 or sch11 in the times where the room stands in PV1-3")
        return self

    def route(self, default: Postponements) -> Route:
        """The same for the domain."""
        minutes = self.confirm_within_minutes
        return Route(
            name=self.name,
            way=self.way,
            suites=self.suites,
            sources=self.sources,
            postponements=self.postponements or default,
            confirm_within=timedelta(minutes=minutes) if minutes is not None else None,
            tasks=self.fhir is not None and self.fhir.send == "task",
            style=self.message.style(),
        )


class Writeback(_Section):
    """The whole section; without routes all changes leave over MLLP to the address in the environment."""

    postponements: Postponements = Postponements.BY_HAND
    routes: Annotated[tuple[RouteEntry, ...], Field(min_length=1)] = (RouteEntry(),)

    @model_validator(mode="after")
    def names_differ(self) -> "Writeback":
        """A name stands for one route in logs and metrics."""
        names = [entry.name for entry in self.routes]
        if len(set(names)) != len(names):
            raise ValueError("Expected a name of its own for each route")
        return self

    def pairs(self) -> tuple[tuple[Route, RouteEntry], ...]:
        """Each route for the domain, with its address."""
        return tuple((entry.route(self.postponements), entry) for entry in self.routes)


def parse_writeback(text: str) -> Writeback:
    """The section of a site file; its defaults if there is none.

    Raises
    ------
    ConfigurationError
        With the path of the first field that is wrong.
    """
    raw: Any = (yaml.safe_load(text) or {}).get("writeback") or {}
    try:
        return Writeback.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["writeback", *(str(part) for part in first["loc"])])
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"ORLOOP_SITE: {place}: {said}.\nMaybe compare it with contracts/schemas/site-profile.v1."
        ) from None
