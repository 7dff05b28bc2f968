"""The audit chain: every decision and what became of it, in log order, each entry sealed over the one before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from orloop_common.domain import events as e
from orloop_common.domain.derived import AuditEntry
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.suite_day import SuiteDay

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What an entry says, before it is sealed."""

    id: str
    who: str
    what: str
    subject: str
    why: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain: how many entries, and the digest of the last."""

    sequence: int = 0
    hash: str = GENESIS


def seal(entry: AuditEntry) -> str:
    """The digest over everything in the entry but the digest itself."""
    return digest({f.name: getattr(entry, f.name) for f in fields(entry) if f.name != "hash"})


def chain(head: Head, fact: Fact, event: e.Event, as_of: int) -> AuditEntry:
    """The entry that follows `head`."""
    entry = AuditEntry(
        suite=event.suite,
        as_of=as_of,
        at=event.at,
        id=derived_id("audit", fact.id),
        sequence=head.sequence + 1,
        who=fact.who,
        what=fact.what,
        subject=fact.subject,
        why=fact.why,
        outcome=fact.outcome,
        previous=head.hash,
        hash="",
    )
    return replace(entry, hash=seal(entry))


def facts_of(before: SuiteDay, event: e.Event, after: SuiteDay) -> tuple[Fact, ...]:
    """What there is to audit in an event: a decision, a mode, or a change that came one step further."""
    if event.id in before.seen or event.id in after.refused:
        return ()
    return (*_decided(before, event, after), *_carried(before, event, after))


def _decided(before: SuiteDay, event: e.Event, after: SuiteDay) -> Iterable[Fact]:
    if isinstance(event, e.PlanDecided):
        record = after.decisions.get(event.proposal)
        late = event.proposal in before.decisions
        voided = f", void: {', '.join(record.voided)}" if record and record.voided and not late else ""
        outcome = "late: an earlier decision holds" if late else f"{event.verdict}{voided}"
        why = ": ".join(part for part in (event.reason_code, event.reason) if part)
        yield Fact(
            id=event.id, who=event.decided_by, what="plan_decided", subject=event.proposal, why=why, outcome=outcome
        )
    elif isinstance(event, e.ModeChanged):
        yield Fact(
            id=event.id,
            who=event.decided_by,
            what="mode_changed",
            subject=event.suite,
            why=event.reason,
            outcome=str(event.mode),
        )
    elif isinstance(event, e.RulesChanged | e.WeightsChanged):
        what = "rules_changed" if isinstance(event, e.RulesChanged) else "weights_changed"
        yield Fact(
            id=event.id,
            who=event.decided_by,
            what=what,
            subject=event.suite,
            why=event.reason,
            outcome=event.digest,
        )


def _carried(before: SuiteDay, event: e.Event, after: SuiteDay) -> Iterable[Fact]:
    if before.decisions is after.decisions:
        return
    for proposal, record in sorted(after.decisions.items()):
        held = before.decisions.get(proposal)
        if held is None or held is record:
            continue
        for case, outcome in sorted(record.outcomes.items()):
            if held.outcomes.get(case) != outcome:
                yield Fact(
                    id=derived_id(event.id, proposal, case),
                    who="hospital",
                    what="change_carried",
                    subject=f"{proposal}/{case}",
                    why=event.text if isinstance(event, e.ChangeAnswered) else type(event).__name__,
                    outcome=outcome,
                )


def verify(entries: Sequence[AuditEntry], head: Head | None = None, decisions: Iterable[str] = ()) -> str | None:
    """The first thing that is wrong with a suite's chain, or None.

    An entry that stands there twice, byte for byte, is one entry (the topic is at-least-once).

    Parameters
    ----------
    head
        The end of the chain as published elsewhere (gate status, SQL): its absence is a truncation.
    decisions
        Ids of the decision events on the log: each must have its entry.
    """
    known: dict[int, AuditEntry] = {}
    end = Head()
    for entry in entries:
        if known.get(entry.sequence) == entry:
            continue
        problem = _follows(entry, end, known)
        if problem:
            return problem
        known[entry.sequence] = entry
        end = Head(sequence=entry.sequence, hash=entry.hash)
    if head is not None and head.sequence:
        last = known.get(head.sequence)
        if last is None:
            return f"Expected {head.sequence} entries, got {end.sequence}: the end of the chain was cut off."
        if last.hash != head.hash:
            return f"Expected entry {head.sequence} to have the published digest, got another: the chain was rewritten."
    ids = {entry.id for entry in known.values()}
    missing = [event for event in decisions if derived_id("audit", event) not in ids]
    return f"Expected an entry for decision {missing[0]}, got none." if missing else None


def _follows(entry: AuditEntry, end: Head, known: dict[int, AuditEntry]) -> str | None:
    if seal(entry) != entry.hash:
        return f"Expected entry {entry.sequence} as it was sealed, got one that was edited."
    if entry.sequence in known:
        return f"Expected one entry {entry.sequence}, got two that differ: the chain was forked."
    if entry.sequence != end.sequence + 1:
        return f"Expected entry {end.sequence + 1}, got entry {entry.sequence}: an entry was removed or reordered."
    if entry.previous != end.hash:
        return f"Expected entry {entry.sequence} to follow entry {end.sequence}, got one that follows another."
    return None
