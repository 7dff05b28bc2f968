"""ADT A20: single beds become what a unit can take."""

from dataclasses import replace

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import BedsChanged
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.told import BedTold

from .weighing import TICK, Weighing

CLOSED, FREE = "C", "U"


def tell_bed(w: Weighing, told: BedTold) -> None:
    """Count the unit's beds anew if this one changed; what is not free and not closed cannot be given away.

    While fewer beds are known than the unit's stated capacity, the stated one stands.
    """
    at = told.at or w.told.at
    held = w.identities.beds.get((w.told.suite, told.unit)) or i.BedsRecord(unit=told.unit, beds={}, at={})
    known, since = held.beds.get(told.bed), held.at.get(told.bed)
    words = held.words.get(told.bed, ()) if since == at else ()
    if since is not None and (at < since or (at == since and known != told.status and told.status in words)):
        return
    beds = {**held.beds, told.bed: told.status}
    if known != told.status or since != at:
        new = {**held.words, told.bed: (*words, told.status)}
        w.keep(i.BEDS, told.unit.value, replace(held, beds=beds, at={**held.at, told.bed: at}, words=new))
    if since is not None and at > since and known == told.status:
        return
    stated = w.known.day.beds.get(told.unit)
    if stated is not None and stated.at >= at:
        if stated.reported_by != w.told.source:
            return
        at = stated.at + TICK
    open_beds = sum(1 for status in beds.values() if status != CLOSED)
    capacity = open_beds
    if stated is not None and stated.capacity > len(beds):
        capacity = stated.capacity
    occupied = sum(1 for status in beds.values() if status not in (CLOSED, FREE))
    if stated is not None and (stated.capacity, stated.occupied) == (capacity, occupied):
        return
    id = derived_id("BedsChanged", w.told.suite, told.unit, told.bed, told.status, str(told.at or w.told.at))
    w.others.append(
        BedsChanged(
            id=id,
            suite=w.told.suite,
            at=at,
            unit=told.unit,
            capacity=capacity,
            occupied=occupied,
            expected_discharges=stated.expected_discharges if stated else (),
            reported_by=w.told.source,
        )
    )
