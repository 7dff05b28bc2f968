"""Profile files beside the site file: read once at start, every source with its own."""

from pathlib import Path
from typing import Any

import yaml

from orloop_common.domain.site import Site
from orloop_ingest.domain.hl7.profile import SourceProfile, default_profile
from orloop_ingest.domain.hl7.profile_file import ProfileError, parse_profile


def load_profile(path: Path, source: str, suite: str, site: Site | None = None) -> SourceProfile:
    """The profile in a file.

    Raises
    ------
    ProfileError
        With the file, the path inside of it, and what was expected there.
    """
    try:
        return parse_profile(read_yaml(path), source, suite, site)
    except ProfileError as error:
        raise error.of(str(path)) from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError("", f"a file {path} that can be read", str(error.strerror), "its path is relative") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "an unknown line"
        raise ProfileError("", "YAML", f"a mistake in {line}", "a quote or an indent is missing") from None


def load_profiles(site: Site, folder: Path) -> dict[str, SourceProfile]:
    """Every source of the site with its profile; `folder` is where the site file lies.

    Raises
    ------
    ProfileError
        With the file, the path inside of it, and what was expected there.
    """
    if site.hl7 is None:
        return {}
    found = {}
    for source, suite in site.hl7.sources.items():
        name = site.hl7.profiles.get(source)
        found[source] = (
            load_profile(folder / name, source, suite, site) if name is not None else default_profile(site, source)
        )
    return found
