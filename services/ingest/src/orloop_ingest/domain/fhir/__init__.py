"""FHIR R4: resources of a scheduling system become what a sender told. Pure."""

from .issues import Issue, outcome
from .profile import FhirProfile
from .profile_file import ProfileError, parse_fhir_profile
from .reading import read_resource, refs
from .rules import check

__all__ = [
    "FhirProfile",
    "Issue",
    "ProfileError",
    "check",
    "outcome",
    "parse_fhir_profile",
    "read_resource",
    "refs",
]
