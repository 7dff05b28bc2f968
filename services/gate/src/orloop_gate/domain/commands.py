"""What people ask of the gate, and its answers."""

from dataclasses import dataclass

from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import PlanDecided
from orloop_common.domain.plan import Change
from orloop_common.domain.reasons import reason_problem
from orloop_common.domain.vocabulary import Mode, Verdict

from .sight import MODES

AUTOMATIC = "gate"
"""Who decides when nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Approve, reject or override a proposal. `keep` are the changed cases that an override keeps."""

    suite: str
    proposal: str
    user: str
    verdict: Verdict
    alternative: str = ""
    keep: tuple[str, ...] = ()
    reason_code: str = ""
    reason: str = ""
    key: str = ""

    @property
    def request(self) -> str:
        """The same for the same call told again; without a key, for the same wish of the same person."""
        wish = (self.key,) if self.key else (self.verdict, self.alternative, *sorted(self.keep))
        return derived_id("request", self.suite, self.proposal, self.user, *wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMode:
    """Set the suite's mode."""

    suite: str
    mode: str
    user: str
    reason: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of the proposal; `already` when somebody's earlier decision won."""

    event: str
    verdict: Verdict
    decided_by: str
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSet:
    """The mode is in force."""

    event: str
    mode: Mode


class Refused(Exception):
    """The command is not carried out. `kind` is invalid, unknown, stopped or late; the text is for people."""

    def __init__(self, kind: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.hint = kind, sentence, hint


def decision_id(proposal: str) -> str:
    """One decision, one record: whoever decides, the event has this id."""
    return derived_id("decision", proposal)


def chosen(command: Decide, proposal: Proposal) -> Alternative:
    """The alternative a command names.

    Raises
    ------
    Refused
        If the proposal has no such alternative.
    """
    for alternative in proposal.alternatives:
        if alternative.id == command.alternative:
            return alternative
    names = ", ".join(a.id for a in proposal.alternatives)
    raise Refused(
        "invalid",
        f"Expected an alternative of this proposal ({names}), got {command.alternative or 'none'}.",
        "Maybe the board shows an older proposal: reload it.",
    )


def kept(command: Decide, alternative: Alternative) -> tuple[Change, ...]:
    """The changes of the alternative that the command keeps: all, or an override's.

    Raises
    ------
    Refused
        If an override keeps nothing, or a case that the alternative does not change.
    """
    if command.verdict is not Verdict.OVERRIDDEN:
        return alternative.changes
    changed = {change.case for change in alternative.changes}
    if foreign := sorted(set(command.keep) - changed):
        raise Refused("invalid", f"Expected cases that this alternative changes, got {foreign[0]}.")
    if not command.keep:
        raise Refused("invalid", "Expected at least one change to keep, got none.", "Maybe reject the proposal.")
    return tuple(change for change in alternative.changes if change.case in set(command.keep))


def check_reason(command: Decide) -> None:
    """An override needs a reason code; a rejection may go without.

    Raises
    ------
    Refused
        If the code is not on the list.
    """
    if command.verdict is Verdict.OVERRIDDEN or (command.verdict is Verdict.REJECTED and command.reason_code):
        problem = reason_problem(command.reason_code, command.reason)
        if problem:
            raise Refused("invalid", problem)


def wanted_mode(command: ChangeMode) -> Mode:
    """The mode a command names.

    Raises
    ------
    Refused
        If it does not exist or is not available yet.
    """
    names = ", ".join(MODES)
    if command.mode == Mode.AUTO:
        raise Refused("stopped", "Automatic mode is not available yet: a person decides every plan.", f"Maybe {names}.")
    if command.mode not in set(MODES):
        raise Refused("invalid", f"Expected one of the modes {names}, got {command.mode or 'none'}.")
    return Mode(command.mode)


def answer_for(command: Decide, event: PlanDecided) -> Decided:
    """What to tell the caller of the decision in force."""
    return Decided(
        event=event.id,
        verdict=event.verdict,
        decided_by=event.decided_by,
        already=event.request != command.request,
    )
