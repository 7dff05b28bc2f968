"""Merged patients at the desk: which there are, by keys alone, and a merge that a person undoes."""

from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from orloop_common.runtime.auth import Principal, Role
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_ingest.domain import parting
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.intake import Intake, raw_id

from .desk import may
from .doorkit import from_text, refused
from .manual import ManualDoor
from .raw_desk import Why

_log = get_logger("identity_desk")
_ANALYSTS = (Role.INTERFACE_ANALYST, Role.SERVICE)


class Unmerge(BaseModel):
    """Which patient is one of its own again, by its key, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_key: Annotated[str, Field(min_length=4, max_length=40, pattern=r"^p[0-9a-f]+$")]
    why: Why


def add_identity(app: FastAPI, door: ManualDoor, intake: Intake, pseudonyms: Pseudonyms) -> None:
    """`/v1/suites/{suite}/identity/merges` and `.../unmerge`."""
    Who = Annotated[Principal, may(door, _ANALYSTS)]

    @app.get("/v1/suites/{suite}/identity/merges")
    async def merges(suite: str, who: Who) -> dict[str, Any]:
        """Every merge that is known, newest first; keys, never numbers."""
        identities = door.ledger.known(suite).identities
        found = [parting.describe(record, identities, pseudonyms) for record in identities.merges.values()]
        return {"merges": sorted(found, key=lambda merge: str(merge["since"]), reverse=True)}

    @app.post("/v1/suites/{suite}/identity/unmerge", status_code=202)
    async def unmerge(suite: str, told: Unmerge, who: Who) -> dict[str, Any]:
        """Part two patients again: every case of the retired one gets its own key back."""
        identities = door.ledger.known(suite).identities
        found = [r for r in parting.merges_named(identities, pseudonyms, told.patient_key) if not r.undone]
        if len(found) != 1:
            error = f"Expected one merge of patient {told.patient_key}, got {len(found)}."
            raise refused(404, error, "Maybe list them: orloop identity merges.")
        now = door.clock.now()
        body = parting.body_of(found[0], suite, f"{who.user}: {told.why}", now)
        said = parting.told_by(body, now, raw_id(parting.KIND, parting.SOURCE, body))
        try:
            taken = await intake.take(said, body, parting.KIND)
        except NotDurable as error:
            raise from_text(503, str(error)) from None
        if taken.problem is not None:
            raise refused(409, f"Expected to part these patients, got: {taken.problem}", "Maybe look at the merges.")
        _log.warning("patients_unmerged", user=who.user, patient_key=told.patient_key, raw=taken.id)
        cases = sorted({event.case for event in taken.events if hasattr(event, "case")})
        return {"patient_key": told.patient_key, "cases": cases, "events": len(taken.events)}
