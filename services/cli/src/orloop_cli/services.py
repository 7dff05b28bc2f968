"""The services of the mesh: which there are, and the environment that each is given."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError
from .parts import ServicePart, module_command
from .ports import LOOPBACK, free_port
from .run import Run

# In the order of a case's way through the mesh, which is also the order of the lines on the screen.
ORDER = ("ingest", "features", "forecast", "replan", "gate", "writeback", "board", "twin")
BOARD_PORT = 8077


@dataclass(frozen=True, slots=True)
class Addresses:
    """Every port of one mesh, all on loopback."""

    mllp: int
    manual: int
    forecast: int
    replan: int
    gate: int
    hospital: int
    board: int
    worklist: int
    health: Mapping[str, int]

    @classmethod
    def choose(cls, board: int) -> Addresses:
        """Free ports for everything but the board; those that the environment names stay as they are."""

        def port(variable: str) -> int:
            return int(os.environ[variable]) if os.environ.get(variable, "").isdigit() else free_port()

        return cls(
            mllp=port("ORLOOP_MLLP_PORT"),
            manual=port("ORLOOP_MANUAL_PORT"),
            forecast=free_port(),
            replan=free_port(),
            gate=free_port(),
            hospital=port("ORLOOP_HOSPITAL_PORT"),
            board=board,
            worklist=port("ORLOOP_WORKLIST_PORT"),
            health={name: free_port() for name in ORDER},
        )

    @property
    def manual_url(self) -> str:
        return f"http://{LOOPBACK}:{self.manual}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a mesh is started with.

    Parameters
    ----------
    clock
        `system`, or a clock file.
    twin
        Whether the demo's hospital plays; else HL7 comes from outside and write-back goes where the environment says.
    """

    run: Run
    bootstrap: str
    site: Path
    clock: str
    link_key: str
    addresses: Addresses
    twin: bool = True


def demo_site() -> Path:
    """The site file: ORLOOP_SITE, else the demo's."""
    if given := os.environ.get("ORLOOP_SITE"):
        return _checked(Path(given), "ORLOOP_SITE names another file")
    return shipped_site("demo-site.yaml")


def shipped_site(name: str) -> Path:
    """A site file that comes with the twin."""
    spec = importlib.util.find_spec("orloop_twin")
    if spec is None or not spec.submodule_search_locations:
        raise LauncherError("Expected the package orloop_twin to be installed, got none.", "run `make install`.")
    return _checked(Path(spec.submodule_search_locations[0]) / "data" / name, "the checkout is damaged")


def _checked(path: Path, hint: str) -> Path:
    if not path.is_file():
        raise LauncherError(f"Expected a site file at {path}, got none.", f"{hint}.")
    return path.resolve()


def build(setting: Setting) -> list[ServicePart]:
    """Every service of the mesh as a supervised part, not yet started."""
    names = [name for name in ORDER if setting.twin or name != "twin"]
    return [_part(name, setting) for name in names]


def _part(name: str, setting: Setting) -> ServicePart:
    environment = {**_common(name, setting), **_own(name, setting)}
    return ServicePart(
        name=name,
        command=module_command(f"orloop_{name}"),
        environment=environment,
        log_path=setting.run.logs / f"{name}.log",
        health_port=setting.addresses.health[name],
    )


def _common(name: str, setting: Setting) -> dict[str, str]:
    return {
        "ORLOOP_KAFKA": setting.bootstrap,
        "ORLOOP_SITE": str(setting.site),
        "ORLOOP_INSTANCE": f"{name}-0",
        "ORLOOP_HEALTH_PORT": str(setting.addresses.health[name]),
        "ORLOOP_CLOCK": setting.clock,
        "ORLOOP_TOKEN_SECRET": setting.run.secrets.token_secret,
        "ORLOOP_DATA": str(setting.run.data(name)),
        "ORLOOP_PARENT_PIPE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _own(name: str, setting: Setting) -> dict[str, str]:
    ports, keys = setting.addresses, setting.run.secrets
    hospital = {"ORLOOP_HOSPITAL_PORT": str(ports.hospital)}
    if setting.twin:
        hospital |= {"ORLOOP_HOSPITAL_HOST": LOOPBACK, "ORLOOP_WRITEBACK_ENABLED": "1"}
    about = setting.run.about
    own: dict[str, dict[str, str]] = {
        "ingest": {
            "ORLOOP_MLLP_PORT": str(ports.mllp),
            "ORLOOP_MANUAL_PORT": str(ports.manual),
            "ORLOOP_IDENTITY_SECRET": keys.identity_secret,
            "ORLOOP_PAYLOAD_KEY": keys.payload_key,
        },
        "forecast": {"ORLOOP_GRPC_PORT": str(ports.forecast)},
        "replan": {"ORLOOP_GRPC_PORT": str(ports.replan)},
        "gate": {"ORLOOP_GRPC_PORT": str(ports.gate)},
        "writeback": {
            "ORLOOP_PAYLOAD_KEY": keys.payload_key,
            "ORLOOP_WORKLIST_PORT": str(ports.worklist),
            **hospital,
        },
        "board": {
            "ORLOOP_BOARD_PORT": str(ports.board),
            "ORLOOP_GATE_ADDRESS": f"{LOOPBACK}:{ports.gate}",
            "ORLOOP_REPLAN_ADDRESS": f"{LOOPBACK}:{ports.replan}",
            "ORLOOP_MANUAL_URL": ports.manual_url,
            "ORLOOP_LINK_KEY": setting.link_key,
        },
        "twin": {
            "ORLOOP_MLLP_HOST": LOOPBACK,
            "ORLOOP_MLLP_PORT": str(ports.mllp),
            "ORLOOP_HOSPITAL_PORT": str(ports.hospital),
            "ORLOOP_MANUAL_URL": ports.manual_url,
            "ORLOOP_SEED": str(about.get("seed", 1)),
            "ORLOOP_DAY": str(about.get("day", "2026-03-02")),
            "ORLOOP_SCENARIO": str(about.get("scenario", "demo")),
        },
    }
    return own.get(name, {})
