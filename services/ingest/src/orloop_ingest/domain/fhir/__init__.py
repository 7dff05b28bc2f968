"""FHIR R4: resources of a scheduling system become what a sender told. Pure."""

from .issues import Issue, outcome
from .profile import FhirProfile
from .profile_file import ProfileError, parse_fhir_profile
from .reading import findings, read_resource, refs, tell
from .rules import check

__all__ = [
    "FhirProfile",
    "Issue",
    "ProfileError",
    "check",
    "findings",
    "outcome",
    "parse_fhir_profile",
    "read_resource",
    "refs",
    "tell",
]
