"""What a hospital says of a Task in its inbox: a no ends the change, a yes is a remark, and only the echo is done."""

from dataclasses import dataclass

from .message import Step

_NO = {
    "rejected": "The hospital rejected this in its inbox",
    "failed": "The hospital could not do this",
    "cancelled": "The hospital cancelled the task in its inbox",
    "entered-in-error": "The hospital withdrew the task in its inbox",
}
_REMARKS = {
    "received": "Received in the hospital's inbox.",
    "accepted": "Accepted in the hospital's inbox; its own feed has not shown it yet.",
    "ready": "Accepted in the hospital's inbox; its own feed has not shown it yet.",
    "in-progress": "Somebody works on it in the hospital's inbox.",
    "on-hold": "On hold in the hospital's inbox.",
    "completed": "Marked as done in the hospital's inbox; its own feed has not shown it yet.",
    "": "The task is no longer in the hospital's inbox.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSaid:
    """A Task's status as it was read last, empty if it is not there; `reason` is scrubbed of what names a patient."""

    step: Step
    status: str
    reason: str = ""


def refusal(said: TaskSaid) -> str | None:
    """What a person is told if this is a no; None if it is none."""
    no = _NO.get(said.status)
    if no is None:
        return None
    return f"{no}: {said.reason}" if said.reason else f"{no}."


def remark(said: TaskSaid) -> str:
    """What a person is told meanwhile; empty for what says nothing, such as requested."""
    told = _REMARKS.get(said.status, "")
    return f"{told} {said.reason}".strip() if told and said.reason else told
