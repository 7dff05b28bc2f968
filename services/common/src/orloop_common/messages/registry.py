"""Which payload types travel on which topic, and under which schema name and version."""

from dataclasses import dataclass

from orloop_common.domain import derived as d
from orloop_common.domain.events import EVENT_TYPES

SUITE_EVENTS = "orloop.suite-events.v1"
HL7_RAW = "orloop.hl7-raw.v1"
CASE_IDENTITY = "orloop.case-identity.v1"
INGEST_JOURNALS = "orloop.ingest-journals.v1"
ROOM_OBSERVATIONS = "orloop.room-observations.v1"
ROOM_STATE = "orloop.room-state.v1"
CASE_STATE = "orloop.case-state.v1"
CASE_FEATURES = "orloop.case-features.v1"
CASE_FORECASTS = "orloop.case-forecasts.v1"
PLAN_PROPOSALS = "orloop.plan-proposals.v1"
PLAN_CURRENT = "orloop.plan-current.v1"
GATE_STATUS = "orloop.gate-status.v1"
MODEL_REGISTRY = "orloop.model-registry.v1"
WRITEBACK_STATUS = "orloop.writeback-status.v1"
AUDIT = "orloop.audit.v1"


@dataclass(frozen=True, slots=True)
class Schema:
    """One payload type under its published name, such as `case-scheduled.v1`."""

    type: type
    name: str
    topic: str

    @property
    def ce_type(self) -> str:
        return f"orloop.{self.type.__name__}"


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _schemas() -> tuple[Schema, ...]:
    by_topic: dict[str, tuple[type, ...]] = {
        SUITE_EVENTS: EVENT_TYPES,
        HL7_RAW: (d.RawMessage,),
        CASE_IDENTITY: (d.CaseIdentity,),
        INGEST_JOURNALS: (d.IngestJournal,),
        ROOM_OBSERVATIONS: (d.RoomObservation,),
        ROOM_STATE: (d.RoomStatus,),
        CASE_STATE: (d.CaseStatus,),
        CASE_FEATURES: (d.CaseFeatures,),
        CASE_FORECASTS: (d.CaseForecast,),
        PLAN_PROPOSALS: (d.Proposal,),
        PLAN_CURRENT: (d.PlanCurrent,),
        GATE_STATUS: (d.GateStatus,),
        MODEL_REGISTRY: (d.ModelAlias,),
        WRITEBACK_STATUS: (d.WritebackStatus,),
        AUDIT: (d.AuditEntry,),
    }
    pairs = [Schema(t, f"{_kebab(t.__name__)}.v1", topic) for topic, types in by_topic.items() for t in types]
    return (*pairs, Schema(d.DeadLetter, "dead-letter.v1", "*.dlq"))


SCHEMAS: tuple[Schema, ...] = _schemas()
BY_TYPE: dict[type, Schema] = {s.type: s for s in SCHEMAS}
BY_CE_TYPE: dict[str, Schema] = {s.ce_type: s for s in SCHEMAS}
TOPICS: tuple[str, ...] = tuple(dict.fromkeys(s.topic for s in SCHEMAS if not s.topic.startswith("*")))
