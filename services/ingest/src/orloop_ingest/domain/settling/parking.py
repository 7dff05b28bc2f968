"""Statements about a case that nobody knows yet wait for it, and are weighed when it comes."""

from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

import msgspec

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseScheduled
from orloop_common.messages.codec import to_json
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.told import CaseTold

from .weighing import Weighing


def park(w: Weighing, case: str, told: CaseTold) -> None:
    """Keep a statement until its case appears."""
    version = told.version if told.version is not None else int(w.told.at.timestamp())
    statement = to_json(told).decode()
    name = f"{case}-{derived_id('parked', statement)[:12]}"
    w.notes.append("parked")
    if name in w.identities.parked:
        return
    w.keep(
        i.PARKED,
        name,
        i.ParkedRecord(
            case=case,
            source=w.told.source,
            namespace=w.told.namespace,
            at=w.told.at,
            received=w.told.received,
            raw=w.told.raw,
            version=version,
            statement=statement,
        ),
    )


def waiting_for(w: Weighing, case: str) -> list[tuple[str, i.ParkedRecord]]:
    """What waits for the case, the oldest version first."""
    found = [(name, record) for name, record in w.identities.parked.items() if record.case == case]
    return sorted(found, key=lambda pair: (pair[1].version, pair[1].at, pair[0]))


def reopen(statement: str) -> CaseTold:
    """A parked statement as it was told."""
    raw: dict[str, Any] = msgspec.json.decode(statement)
    kinds = _kinds()
    told = {name: msgspec.convert(value, kinds[name], strict=False) for name, value in raw.pop("fields").items()}
    bare = msgspec.convert({**raw, "fields": {}}, CaseTold, strict=False)
    return CaseTold(**{f.name: getattr(bare, f.name) for f in fields(CaseTold) if f.name != "fields"}, fields=told)


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(CaseScheduled)
