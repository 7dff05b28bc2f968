"""The case was cancelled, did not come, or was never real."""

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseCancelled, CaseEnteredInError, CaseNoShow
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, CaseTold
from orloop_ingest.domain.truth import outranks

from .versions import EPOCH_VERSIONS, is_told_by_several
from .weighing import Weighing

KINDS: dict[Act, type[CaseCancelled | CaseNoShow | CaseEnteredInError]] = {
    Act.CANCELLED: CaseCancelled,
    Act.NO_SHOW: CaseNoShow,
    Act.ENTERED_IN_ERROR: CaseEnteredInError,
}


def end_case(w: Weighing, case: str, told: CaseTold) -> bool:
    """Whether the case ends by this statement; the same end told again is none.

    Raises
    ------
    Quarantined
        BAD_VERSION if the source counted before and tells a time now, or the other way round.
    """
    record, past = w.known.case(case), w.known.past(case)
    held = record.schedule
    version = told.version if told.version is not None else int(w.told.at.timestamp())
    if held is not None and is_told_by_several(w, case, held):
        if record.status == told.act.value:
            return False
        if outranks(w.known.truth.cases, held.source, w.told.source):
            first, second = f"{held.source}: {record.status}", f"{w.told.source}: {told.act.value}"
            w.disagree(f"case:{case}", first, second, "believed after", case=case)
            w.notes.append("believed_less")
            return False
        version = max(held.version, record.ended_version or 0)
    else:
        ours = [v for v in (record.ended_version, held.version if held else None) if v is not None]
        if any((v < EPOCH_VERSIONS) != (version < EPOCH_VERSIONS) for v in ours):
            raise Quarantined(Reason.BAD_VERSION, "SCH-5")
        for end in past.ends:
            if end.status != told.act.value:
                continue
            if version <= end.version or not told.counted:
                return False
        if record.ended_version is not None and record.status == told.act.value and version <= record.ended_version:
            return False
    kind = KINDS[told.act]
    id = derived_id(kind.__name__, w.told.suite, case, str(version), told.reason_code or "")
    w.schedules.append(
        kind(id=id, suite=w.told.suite, at=w.told.at, case=case, version=version, reason_code=told.reason_code)
    )
    return True
