"""Headers, traces, tokens and keys."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from orloop_common.runtime import CannotDecrypt, ConfigurationError, MissingHeaders, TokenRefused
from orloop_common.runtime.auth import EVERY_SUITE, Principal, Role, Tokens, bearer
from orloop_common.runtime.cloudevents import decode_headers, encode_headers, require_headers
from orloop_common.runtime.crypto import PayloadCipher, generate_key
from orloop_common.runtime.tracing import span_context, trace_id, traceparent_for
from orloop_common.testing import NINE, ManualClock

SECRET = "s" * 32


def headers(**more: object) -> dict[str, str]:
    values = {"id": "e1", "service": "gate", "type": "orloop.PlanDecided", "subject": "main", "time": NINE}
    values |= dict(dataschema="plan-decided.v1", traceparent=traceparent_for("e1"), **more)
    return decode_headers(encode_headers(**values))  # type: ignore[arg-type]


def test_headers_follow_the_binary_mode_of_cloudevents() -> None:
    told = headers(cause="e0")
    assert told.pop("traceparent").startswith("00-")
    assert told == {
        "ce_specversion": "1.0",
        "ce_id": "e1",
        "ce_source": "/orloop/gate",
        "ce_type": "orloop.PlanDecided",
        "ce_time": "2026-03-02T09:00:00Z",
        "ce_subject": "main",
        "ce_dataschema": "plan-decided.v1",
        "content-type": "application/json",
        "ce_causationid": "e0",
    }


def test_each_missing_header_is_named() -> None:
    told = headers()
    require_headers(told)
    del told["ce_id"], told["ce_type"]
    with pytest.raises(MissingHeaders, match="Expected CloudEvents headers ce_id, ce_type"):
        require_headers(told)


def test_a_newer_cloudevents_is_refused() -> None:
    with pytest.raises(MissingHeaders, match=r"ce_specversion 1\.0"):
        require_headers(headers() | {"ce_specversion": "2.0"})


def test_a_naive_event_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware event time"):
        headers(time=NINE.replace(tzinfo=None))


def test_headers_that_are_not_text_do_not_stop_the_reader() -> None:
    assert decode_headers([("a", b"\xff"), ("b", None)]) == {"a": "�"}
    assert decode_headers(None) == {}


def test_an_effect_is_in_its_causes_trace_with_a_span_of_its_own() -> None:
    cause = traceparent_for("cause")
    effect = traceparent_for("effect", cause)
    assert trace_id(effect) == trace_id(cause)
    assert effect != cause
    assert traceparent_for("effect", cause) == effect


@pytest.mark.parametrize("header", [None, "", "rubbish", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"])
def test_a_malformed_trace_begins_a_new_one(header: str | None) -> None:
    assert span_context(header) is None
    assert traceparent_for("effect", header) == traceparent_for("effect")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_token_says_who_acts_in_which_role_for_which_suite(clock: ManualClock) -> None:
    tokens = Tokens(SECRET, clock)
    token = tokens.mint("ada", Role.BOARD_RUNNER, "main")
    assert tokens.verify(token, roles={Role.BOARD_RUNNER}, suite="main") == Principal("ada", Role.BOARD_RUNNER, "main")


def test_a_service_token_is_for_every_suite(clock: ManualClock) -> None:
    tokens = Tokens(SECRET, clock)
    assert tokens.verify(tokens.mint("replan", Role.SERVICE, EVERY_SUITE), suite="day").user == "replan"


def test_a_viewer_may_not_do_what_a_board_runner_does(clock: ManualClock) -> None:
    tokens = Tokens(SECRET, clock)
    with pytest.raises(TokenRefused, match="Expected a token of a board_runner, got one of a viewer"):
        tokens.verify(tokens.mint("ada", Role.VIEWER, "main"), roles={Role.BOARD_RUNNER})


def test_a_token_is_for_one_suite(clock: ManualClock) -> None:
    tokens = Tokens(SECRET, clock)
    with pytest.raises(TokenRefused, match="for suite day, got one for suite main"):
        tokens.verify(tokens.mint("ada", Role.VIEWER, "main"), suite="day")


def test_a_token_ends(clock: ManualClock) -> None:
    tokens = Tokens(SECRET, clock)
    token = tokens.mint("ada", Role.VIEWER, "main", ttl=timedelta(minutes=1))
    clock.advance(timedelta(seconds=65))
    tokens.verify(token)
    clock.advance(timedelta(seconds=10))
    with pytest.raises(TokenRefused, match="ended at 09:01:00Z"):
        tokens.verify(token)


def test_a_token_from_the_future_is_refused(clock: ManualClock) -> None:
    later = ManualClock(NINE + timedelta(hours=1))
    with pytest.raises(TokenRefused, match="from the past"):
        Tokens(SECRET, clock).verify(Tokens(SECRET, later).mint("ada", Role.VIEWER, "main"))


def forged(**changes: object) -> str:
    claims = {"sub": "eve", "role": "viewer", "suite": "main", "iat": 1, "exp": 2**40, "aud": "orloop"} | changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        jwt.encode({"sub": "eve"}, "x" * 32, algorithm="HS256"),
        jwt.encode({"sub": "eve", "aud": "orloop", "exp": 2**33}, "", algorithm="none"),
        forged(aud="other"),
        forged(role="root"),
        forged(exp=None),
        forged(sub=None),
        forged(exp=2**60),
    ],
)
def test_a_token_that_is_not_ours_is_refused_in_words(clock: ManualClock, token: str) -> None:
    with pytest.raises(TokenRefused, match="Expected a token that this mesh signed") as refusal:
        Tokens(SECRET, clock).verify(token)
    assert refusal.value.hint.startswith("Maybe")


def test_a_short_secret_is_a_configuration_error(clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="ORLOOP_TOKEN_SECRET: Expected at least 32 bytes, got 5"):
        Tokens("short", clock)


def test_the_bearer_header_is_read() -> None:
    assert bearer("Bearer abc") == "abc"
    for header in (None, "", "Basic abc", "Bearer  "):
        with pytest.raises(TokenRefused, match="Authorization: Bearer TOKEN"):
            bearer(header)


def test_a_payload_is_opened_with_its_key_and_after_a_rotation() -> None:
    old, new = generate_key(), generate_key()
    token = PayloadCipher(old).encrypt(b"MSH|")
    assert b"MSH" not in token
    assert PayloadCipher(f"{new},{old}").decrypt(token) == b"MSH|"
    rotated = PayloadCipher(f"{new},{old}").rotate(token)
    assert PayloadCipher(new).decrypt(rotated) == b"MSH|"


def test_a_payload_under_an_unknown_key_is_not_opened() -> None:
    with pytest.raises(CannotDecrypt, match="Maybe the key was rotated"):
        PayloadCipher(generate_key()).decrypt(PayloadCipher(generate_key()).encrypt(b"x"))
    with pytest.raises(CannotDecrypt):
        PayloadCipher(generate_key()).decrypt(b"rubbish")


@pytest.mark.parametrize("keys", ["", "short", " , "])
def test_a_wrong_key_is_named_and_not_shown(keys: str) -> None:
    with pytest.raises(ConfigurationError, match="ORLOOP_PAYLOAD_KEY: Expected url-safe base64 of 32 bytes") as error:
        PayloadCipher(keys)
    assert "short" not in str(error.value)


def test_times_of_tokens_are_on_the_injected_clock(clock: ManualClock) -> None:
    claims = jwt.decode(Tokens(SECRET, clock).mint("ada", Role.VIEWER, "main"), options={"verify_signature": False})
    assert datetime.fromtimestamp(claims["iat"], UTC) == NINE
