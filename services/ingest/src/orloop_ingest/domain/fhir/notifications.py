"""Subscription notifications: what a server says in R4 (backport Parameters) or R4B (SubscriptionStatus) form.

Source: Subscriptions R5 Backport 1.1 (hl7.org/fhir/uv/subscriptions-backport), FHIR R4B SubscriptionStatus.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .elements import local
from .issues import Issue

KINDS = ("handshake", "heartbeat", "event-notification", "query-status", "query-event")


class NotANotification(ValueError):
    """The Bundle is no notification of R4 or R4B; `issue` tells its sender why."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.text)
        self.issue = issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification.

    Parameters
    ----------
    total
        Events since the subscription's start, as the server counts; None if it does not say.
    numbers
        The numbers of the events in it.
    focuses
        What the events are about, as `Type/id`; those without a resource in the Bundle are to be asked for.
    resources
        Full resources, in the order of the Bundle.
    """

    subscription: str
    kind: str
    status: str
    total: int | None
    numbers: tuple[int, ...]
    focuses: tuple[str, ...]
    resources: tuple[dict[str, Any], ...]

    @property
    def wanted(self) -> bool:
        """Whether an event came by id alone, so that its resource must be asked for."""
        return len(self.resources) < len(set(self.focuses)) or (bool(self.numbers) and not self.resources)


def is_notification(bundle: dict[str, Any]) -> bool:
    """Whether the first entry is a status, in whatever release's form."""
    first = _first(bundle)
    if bundle.get("type") == "subscription-notification":
        return True
    return first.get("resourceType") == "SubscriptionStatus" or _is_backport(first)


def read_notification(bundle: dict[str, Any]) -> Notification:
    """The notification that a Bundle is.

    Raises
    ------
    NotANotification
        For R5's own form, or a status that cannot be read.
    """
    if bundle.get("type") == "subscription-notification":
        raise NotANotification(
            Issue(
                code="not-supported",
                expression="Bundle.type",
                text="Expected a notification of R4 or R4B (Bundle.type history), got R5's subscription-notification.",
            )
        )
    first = _first(bundle)
    told = _parameters(first) if first.get("resourceType") == "Parameters" else _status(first)
    subscription, kind, status, total, events = told
    if kind not in KINDS:
        raise _wrong("type", "Expected one of " + ", ".join(KINDS) + ", got another type of notification.")
    if not subscription:
        raise _wrong("subscription", "Expected a reference to the Subscription, got none.")
    entries = bundle.get("entry")
    rest = entries[1:] if isinstance(entries, list) else []
    resources = [e["resource"] for e in rest if isinstance(e, dict) and isinstance(e.get("resource"), dict)]
    return Notification(
        subscription=local(subscription) or subscription[:200],
        kind=kind,
        status=status,
        total=total,
        numbers=tuple(number for number, _ in events if number is not None),
        focuses=tuple(focus for _, focus in events if focus),
        resources=tuple(resources),
    )


_Told = tuple[str, str, str, int | None, list[tuple[int | None, str]]]


def _status(status: dict[str, Any]) -> _Told:
    events = [
        (_number(each.get("eventNumber")), local(_reference(each.get("focus"))))
        for each in _objects(status.get("notificationEvent"))
    ]
    total = _number(status.get("eventsSinceSubscriptionStart"))
    return _reference(status.get("subscription")), _word(status.get("type")), _word(status.get("status")), total, events


def _parameters(parameters: dict[str, Any]) -> _Told:
    found = dict(_parts(parameters.get("parameter")))
    events = []
    for each in _objects(parameters.get("parameter")):
        if each.get("name") == "notification-event":
            parts = dict(_parts(each.get("part")))
            events.append((_number(parts.get("event-number")), local(_reference(parts.get("focus")))))
    return (
        _reference(found.get("subscription")),
        _word(found.get("type")),
        _word(found.get("status")),
        _number(found.get("events-since-subscription-start")),
        events,
    )


def _parts(parameters: Any) -> Iterator[tuple[str, Any]]:
    for each in _objects(parameters):
        value = next((v for k, v in each.items() if k.startswith("value")), None)
        yield _word(each.get("name")), value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    """`integer64` travels as a string in R4B, as a string or a number in R4."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None


def _reference(value: Any) -> str:
    found = value.get("reference") if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _first(bundle: dict[str, Any]) -> dict[str, Any]:
    entries = _objects(bundle.get("entry"))
    found = entries[0].get("resource") if entries else None
    return found if isinstance(found, dict) else {}


def _is_backport(first: dict[str, Any]) -> bool:
    names = {name for name, _ in _parts(first.get("parameter"))}
    return first.get("resourceType") == "Parameters" and {"subscription", "type"} <= names


def _wrong(name: str, text: str) -> NotANotification:
    return NotANotification(Issue(code="structure", expression=f"Bundle.entry[0].resource.{name}", text=text))
