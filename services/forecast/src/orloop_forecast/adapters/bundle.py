"""A bundle on disk: models as LightGBM text, encoder, residuals, card, and a manifest that names their digest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from orloop_common.domain.features import SCHEMA
from orloop_forecast.domain.encoding import Encoder
from orloop_forecast.domain.forecasting import IN_ROOM, Forecaster, Part
from orloop_forecast.domain.residuals import Residuals

from .boosters import LightGbm

MANIFEST = "manifest.json"
PARTS: tuple[str, ...] = ("duration", *(f"remaining-{stage}" for stage in IN_ROOM))


class BundleRefused(ValueError):
    """The folder holds no bundle that this release can serve; the fallback answers instead."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A forecaster and what it calls itself."""

    digest: str
    forecaster: Forecaster
    manifest: Mapping[str, Any]


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises
    ------
    BundleRefused
        If it is missing or damaged, or was trained on another feature list.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {name: (folder / name).read_bytes() for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleRefused(
            f"Expected a bundle in {folder.name}/, got {type(error).__name__}.\nMaybe train one: make train"
        ) from None
    if digest_of(files) != manifest.get("digest"):
        raise BundleRefused(
            f"Expected the files of bundle {str(manifest.get('digest'))[:12]}, got others.\n"
            "Maybe a file was edited or torn: make train, or check the bundle out again."
        )
    if manifest.get("schema") != SCHEMA:
        raise BundleRefused(
            f"Expected a bundle for feature list {SCHEMA[:12]}, got {str(manifest.get('schema'))[:12]}.\n"
            "Maybe the features changed since it was trained: make train"
        )
    try:
        return Bundle(manifest["digest"], _forecaster(files), manifest)
    except (KeyError, ValueError, TypeError) as error:
        raise BundleRefused(f"Expected a complete bundle, got {type(error).__name__}: {error}.") from None


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and contents of all files but the manifest."""
    whole = sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def write_bundle(folder: Path, forecaster: Forecaster, card: str, facts: Mapping[str, Any]) -> str:
    """Write a bundle and return its digest; what was in the folder before is replaced."""
    residuals: dict[str, Any] = {}
    files: dict[str, bytes] = {"card.md": card.encode()}
    parts = {"duration": forecaster.duration} | {f"remaining-{s}": p for s, p in forecaster.remaining.items()}
    for name, part in parts.items():
        for role, booster in (("centre", part.centre), ("scale", part.scale)):
            assert isinstance(booster, LightGbm)
            files[f"{name}.{role}.txt"] = booster.text.encode()
        residuals[name] = part.residuals.to_plain()
    files["encoder.json"] = _json(forecaster.encoder.to_plain())
    files["residuals.json"] = _json(residuals)
    digest = digest_of(files)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.suffix in {".txt", ".json", ".md"}:
            old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {"digest": digest, "schema": SCHEMA, "files": sorted(files), **facts}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return digest


def _forecaster(files: Mapping[str, bytes]) -> Forecaster:
    residuals = json.loads(files["residuals.json"])

    def part(name: str) -> Part:
        centre, scale = (LightGbm(files[f"{name}.{role}.txt"].decode()) for role in ("centre", "scale"))
        return Part(centre, scale, Residuals.from_plain(residuals[name]))

    encoder = Encoder.from_plain(json.loads(files["encoder.json"]))
    return Forecaster(encoder, part("duration"), {stage: part(f"remaining-{stage}") for stage in IN_ROOM})


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
