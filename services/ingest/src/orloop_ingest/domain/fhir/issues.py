"""What is wrong with a resource, and the OperationOutcome that tells its sender."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding: the `expression` names the element (FHIRPath), the `text` never holds a value of the resource.

    `code` is of http://hl7.org/fhir/issue-type.
    """

    code: str
    expression: str
    text: str
    severity: str = "error"

    @property
    def is_error(self) -> bool:
        return self.severity in ("error", "fatal")


def outcome(issues: Iterable[Issue], otherwise: str = "All OK.") -> dict[str, Any]:
    """An OperationOutcome of these findings, or of none."""
    told = [_issue(issue) for issue in issues]
    if not told:
        told = [_issue(Issue(severity="information", code="informational", expression="", text=otherwise))]
    return {"resourceType": "OperationOutcome", "issue": told}


def _issue(issue: Issue) -> dict[str, Any]:
    told: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.text}
    if issue.expression:
        told["expression"] = [issue.expression]
    return told
