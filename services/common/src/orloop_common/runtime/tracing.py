"""W3C trace context: an output continues the trace of the record that caused it.

Span ids, and the trace id at a source, are derived from the record's id: a fact that is sent again
carries the same header.
"""

from hashlib import sha256

from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def traceparent_for(id: str, parent: str | None = None) -> str:
    """The `traceparent` of the record with this id: in its parent's trace, or in a new one."""
    digest = sha256(id.encode()).digest()
    if not parent:  # the road of every message at the door: no detour through contexts
        text = digest.hex()
        return f"00-{text[:32]}-{text[32:48]}-01"
    context = span_context(parent)
    trace_id = context.trace_id if context is not None else int.from_bytes(digest[:16], "big")
    span = SpanContext(
        trace_id=trace_id or 1,
        span_id=int.from_bytes(digest[16:24], "big") or 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(NonRecordingSpan(span)))
    return carrier["traceparent"]


def span_context(traceparent: str | None) -> SpanContext | None:
    """The span that a header names; None for an absent or malformed one."""
    if not traceparent:
        return None
    context = get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return context if context.is_valid else None


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id as 32 hexadecimal digits."""
    context = span_context(traceparent)
    return None if context is None else f"{context.trace_id:032x}"
