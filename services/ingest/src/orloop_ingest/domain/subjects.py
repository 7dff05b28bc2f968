"""Which certificate speaks for which source."""

from collections.abc import Callable, Mapping
from typing import Any


def sources_of(certificate: Mapping[str, Any] | None, subjects: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The sources that a connection may speak for; none for a certificate that no subject names.

    Parameters
    ----------
    subjects
        From a subject's common name, or one of its DNS names, to sources (MSH-3).
    """
    allowed: frozenset[str] = frozenset()
    for name in names_of(certificate):
        allowed |= subjects.get(name, frozenset())
    return allowed


def speaks_for(certificate: Mapping[str, Any] | None, subjects: Mapping[str, frozenset[str]]) -> Callable[[str], bool]:
    """Whether a connection may speak for a source.

    A certificate that is named speaks for its own sources alone, any other for those that are bound to no name.
    """
    allowed = sources_of(certificate, subjects)
    if allowed:
        return allowed.__contains__
    bound = frozenset().union(*subjects.values()) if subjects else frozenset()
    return lambda source: source not in bound


def names_of(certificate: Mapping[str, Any] | None) -> list[str]:
    """The common names and DNS names of a certificate as `ssl` shows it."""
    if not certificate:
        return []
    common = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return [*common, *(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")]


def parse_subjects(text: str) -> dict[str, frozenset[str]]:
    """`engine-1=EPIC+LAB,engine-2=CERNER`: common name to sources.

    Raises
    ------
    ValueError
        If a part is not of this form.
    """
    found: dict[str, frozenset[str]] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, sources = part.rpartition("=")
        if not equals or not name or not sources:
            raise ValueError(f"Expected NAME=SOURCE, got {part!r}.\nMaybe several sources are joined by +.")
        found[name] = found.get(name, frozenset()) | frozenset(sources.split("+"))
    return found
