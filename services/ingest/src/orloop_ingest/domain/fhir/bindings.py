"""Required bindings, cardinalities and renamed elements of the six resources that are read (hl7.org/fhir/R4).

fhir.resources 8.3 checks neither bindings nor a list's least length; both stand here, as data.
"""

_PUBLICATION = "entered-in-error"
PARTICIPATION = frozenset({"accepted", "declined", "tentative", "needs-action"})
REQUIRED = frozenset({"required", "optional", "information-only"})
PRIORITY = frozenset({"routine", "urgent", "asap", "stat"})
INTENT = frozenset(
    {
        "proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order",
        "instance-order", "option",
    }
)  # fmt: skip
ENCOUNTER_STATUS = frozenset(
    {
        "planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", _PUBLICATION, "unknown",
    }
)  # fmt: skip

CODES: dict[str, dict[str, frozenset[str]]] = {
    "Appointment": {
        "status": frozenset(
            {
                "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", _PUBLICATION,
                "checked-in", "waitlist",
            }
        ),
        "participant.status": PARTICIPATION,
        "participant.required": REQUIRED,
    },
    "Encounter": {
        "status": ENCOUNTER_STATUS,
        "statusHistory.status": ENCOUNTER_STATUS,
        "location.status": frozenset({"planned", "active", "reserved", "completed"}),
    },
    "Location": {
        "status": frozenset({"active", "suspended", "inactive"}),
        "mode": frozenset({"instance", "kind"}),
    },
    "ServiceRequest": {
        "status": frozenset({"draft", "active", "on-hold", "revoked", "completed", _PUBLICATION, "unknown"}),
        "intent": INTENT,
        "priority": PRIORITY,
    },
    "Procedure": {
        "status": frozenset(
            {
                "preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", _PUBLICATION, "unknown",
            }
        ),
    },
    "Task": {
        "status": frozenset(
            {
                "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress",
                "on-hold", "failed", "completed", _PUBLICATION,
            }
        ),
        "intent": INTENT - {"directive"} | {"unknown"},
        "priority": PRIORITY,
    },
}  # fmt: skip
"""Element to the codes that a required binding allows; a dot goes into each object of a list."""

NEEDED: dict[str, tuple[str, ...]] = {
    "Appointment": ("status", "participant", "participant.status"),
    "Encounter": ("status", "class", "statusHistory.status", "statusHistory.period", "location.location"),
    "Location": (),
    "ServiceRequest": ("status", "intent", "subject"),
    "Procedure": ("status", "subject"),
    "Task": ("status", "intent"),
}
"""Elements with a least cardinality of 1."""

LISTS: dict[str, frozenset[str]] = {
    "Appointment": frozenset(
        {
            "identifier", "serviceCategory", "serviceType", "specialty", "reasonCode", "reasonReference",
            "supportingInformation", "slot", "basedOn", "participant", "requestedPeriod",
        }
    ),
    "Encounter": frozenset(
        {
            "identifier", "statusHistory", "classHistory", "type", "episodeOfCare", "basedOn", "participant",
            "appointment", "reasonCode", "reasonReference", "diagnosis", "account", "location",
        }
    ),
    "Location": frozenset({"identifier", "alias", "type", "telecom", "hoursOfOperation", "endpoint"}),
    "ServiceRequest": frozenset(
        {
            "identifier", "instantiatesCanonical", "instantiatesUri", "basedOn", "replaces", "category",
            "orderDetail", "performer", "locationCode", "locationReference", "reasonCode", "reasonReference",
            "insurance", "supportingInfo", "specimen", "bodySite", "note", "relevantHistory",
        }
    ),
    "Procedure": frozenset(
        {
            "identifier", "instantiatesCanonical", "instantiatesUri", "basedOn", "partOf", "performer",
            "reasonCode", "reasonReference", "bodySite", "report", "complication", "complicationDetail",
            "followUp", "note", "focalDevice", "usedReference", "usedCode",
        }
    ),
    "Task": frozenset(
        {"identifier", "basedOn", "partOf", "performerType", "insurance", "note", "relevantHistory", "input", "output"}
    ),
}  # fmt: skip
"""Elements that are lists in R4; every other one is not."""

R5_ONLY: dict[str, dict[str, str]] = {
    "Appointment": {
        "class": "R4 has no class", "reason": "reasonCode or reasonReference",
        "cancellationReason": "cancelationReason", "cancellationDate": "R4 has no such date",
        "subject": "a participant", "replaces": "R4 has none", "virtualService": "R4 has none",
        "account": "R4 has none",
        "note": "comment", "recurrenceId": "R4 has no recurrence", "recurrenceTemplate": "R4 has no recurrence",
        "occurrenceChanged": "R4 has no recurrence", "previousAppointment": "R4 has none",
        "originatingAppointment": "R4 has none",
    },
    "Encounter": {
        "actualPeriod": "period", "plannedStartDate": "period", "plannedEndDate": "period", "admission":
        "hospitalization", "reason": "reasonCode or reasonReference", "subjectStatus": "R4 has none",
        "careTeam": "participant", "virtualService": "R4 has none", "dietPreference": "hospitalization",
        "specialArrangement": "hospitalization", "specialCourtesy": "hospitalization",
    },
    "Location": {"form": "physicalType", "contact": "telecom", "characteristic": "R4 has none",
                 "virtualService": "R4 has none"},
    "ServiceRequest": {"location": "locationCode or locationReference", "reason": "reasonCode or reasonReference",
                       "bodyStructure": "bodySite", "focus": "supportingInfo"},
    "Procedure": {
        "occurrenceDateTime": "performedDateTime", "occurrencePeriod": "performedPeriod",
        "occurrenceString": "performedString", "occurrenceAge": "performedAge", "occurrenceRange": "performedRange",
        "recorded": "R4 has none", "reportedBoolean": "R4 has none", "reportedReference": "R4 has none",
        "reason": "reasonCode or reasonReference", "used": "usedReference or usedCode", "focus": "subject",
        "supportingInfo": "reasonReference",
    },
    "Task": {"requestedPerformer": "performerType", "requestedPeriod": "restriction", "doNotPerform": "R4 has none"},
}  # fmt: skip
"""Elements of R5 that R4 does not have, and where R4 puts the same."""
