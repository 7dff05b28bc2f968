"""Features in, forecasts out: on the loop in memory, on a real Kafka, and over gRPC."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from orloop.forecast.v1 import forecast_pb2, forecast_pb2_grpc
from orloop_cli.broker import Broker
from orloop_cli.ports import free_port
from orloop_cli.testing import create_topics
from orloop_common.domain.derived import CaseFeatures, CaseForecast
from orloop_common.domain.features import FEATURES, SCHEMA
from orloop_common.messages import CASE_FEATURES, CASE_FORECASTS
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.grpcserve import connect, failure, serve
from orloop_common.runtime.reader import RecordReader
from orloop_common.runtime.records import Output, Record
from orloop_common.testing.kafkabench import KafkaBench
from orloop_forecast.adapters.bundle import Bundle
from orloop_forecast.adapters.servicer import mounted
from orloop_forecast.flow import ForecastFlow
from orloop_forecast.predicting import Predictor

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def features(case: str, as_of: int, stage: str = "scheduled", **more: float | str | None) -> CaseFeatures:
    values: dict[str, float | str | None] = dict.fromkeys(f.name for f in FEATURES)
    values |= {"service": "urology", "procedure": "5-562", "booked_minutes": 60.0, "asa": 2.0} | more
    return CaseFeatures(
        suite="main",
        as_of=as_of,
        at=EIGHT + timedelta(seconds=as_of),
        case=case,
        schema=SCHEMA,
        stage=stage,
        values=values,
    )


def record(message: CaseFeatures | None, offset: int = 0) -> Record:
    key = f"main/{message.case if message else 'c1'}"
    return Record(CASE_FEATURES, 0, offset, key, "main", message, {"ce_id": f"f{offset}"}, EIGHT)


@pytest.fixture
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle.digest, bundle.forecaster)


def test_each_features_record_gets_one_forecast_with_its_offset_and_event_time(predictor: Predictor) -> None:
    flow = ForecastFlow(predictor)
    told = record(features("c1", 41, "after_incision", elapsed_minutes=30.0, since_incision_minutes=12.0))
    flow.fold(told)
    (output,) = flow.outputs(told)
    forecast = output.message
    assert (forecast.as_of, forecast.at, forecast.stage) == (41, EIGHT + timedelta(seconds=41), "after_incision")
    assert (forecast.model, forecast.low_confidence) == (predictor.model, False)
    assert forecast.duration.p50 == timedelta(minutes=30) + forecast.remaining.p50
    assert (output.topic, output.key, output.cause) == (CASE_FORECASTS, "main/c1", "f0")


def test_a_forecast_made_again_is_the_same_fact(predictor: Predictor) -> None:
    told = record(features("c1", 41))
    (first,), (second,) = ForecastFlow(predictor).outputs(told), ForecastFlow(predictor).outputs(told)
    assert (first.id, first.message) == (second.id, second.message)
    (later,) = ForecastFlow(predictor).outputs(record(features("c1", 42)))
    assert later.id != first.id


def test_a_tombstone_of_features_becomes_one_of_forecasts(predictor: Predictor) -> None:
    flow = ForecastFlow(predictor)
    flow.fold(record(features("c1", 41)))
    flow.fold(record(None, 9))
    (output,) = flow.outputs(record(None, 9))
    assert (output.message, output.key) == (None, "main/c1")
    assert flow.state()["main"]["cases"] == 0


def test_an_older_record_does_not_replace_a_newer_one(predictor: Predictor) -> None:
    flow = ForecastFlow(predictor)
    flow.fold(record(features("c1", 41)))
    before = flow.state()
    flow.fold(record(features("c1", 40)))
    assert flow.state() == before
    flow.revoked([(CASE_FEATURES, 0)])
    assert flow.state() == {}


def test_the_state_names_the_model(predictor: Predictor) -> None:
    flow = ForecastFlow(Predictor())
    flow.fold(record(features("c1", 41)))
    assert flow.state()["main"]["model"] == "fallback"


@pytest.mark.broker
def test_predict_answers_for_features_and_refuses_what_it_does_not_know(predictor: Predictor) -> None:
    server = serve([mounted(predictor)], 0)
    try:
        stub = forecast_pb2_grpc.ForecastServiceStub(connect(f"127.0.0.1:{server.port}"))
        numbers, words = {"booked_minutes": 60.0}, {"service": "urology", "procedure": "5-562"}
        asked = forecast_pb2.CaseFeatures(case_uid="c1", stage="scheduled", numbers=numbers, words=words)
        running = forecast_pb2.CaseFeatures(
            case_uid="c2", stage="in_room", numbers=numbers | {"elapsed_minutes": 3.0}, words=words
        )
        first, second = stub.Predict(forecast_pb2.PredictRequest(cases=[asked, running]), timeout=5).forecasts
        assert first.duration.p50.ToTimedelta() <= first.duration.p95.ToTimedelta()
        assert not first.HasField("remaining")
        assert second.HasField("remaining")
        assert second.model == predictor.model
        for wrong in (
            forecast_pb2.CaseFeatures(case_uid="c1", stage="asleep"),
            forecast_pb2.CaseFeatures(case_uid="c1", stage="scheduled", numbers={"shoe_size": 44.0}),
            forecast_pb2.CaseFeatures(case_uid="c1", stage="closing", numbers=numbers),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(forecast_pb2.PredictRequest(cases=[wrong]), timeout=5)
            assert failure(caught.value).status == "INVALID_ARGUMENT"
            assert failure(caught.value).problem.startswith("Expected")
    finally:
        server.stop()


def wait_ready(port: int, process: "subprocess.Popen[bytes]", within: float = 60) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        assert process.poll() is None, f"forecast ended with {process.returncode}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("forecast did not become ready")


@pytest.mark.broker
@pytest.mark.timeout(150)
def test_the_service_answers_every_features_record_through_a_sigkill(own_broker: Broker, tmp_path: Path) -> None:
    compact = {"cleanup.policy": "compact"}
    create_topics(own_broker.bootstrap, {CASE_FEATURES: compact, CASE_FORECASTS: compact})
    bench = KafkaBench(own_broker.bootstrap, lambda *_, **__: "")
    site = tmp_path / "site.yaml"
    site.write_text("site: t\ntimezone: UTC\nsuites: []\n")
    port = free_port()
    environment = os.environ | {
        "ORLOOP_KAFKA": own_broker.bootstrap,
        "ORLOOP_SITE": str(site),
        "ORLOOP_DATA": str(tmp_path / "data"),
        "ORLOOP_HEALTH_PORT": str(port),
        "ORLOOP_PARENT_PIPE": "1",
    }

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-m", "orloop_forecast"], env=environment, stdin=subprocess.PIPE)

    def publish(first: int, last: int) -> None:
        told = (features(f"c{n % 7}", n, "in_room", elapsed_minutes=float(n % 7)) for n in range(first, last))
        bench.publish(*(Output(CASE_FEATURES, f"main/{f.case}", "main", f, f"f{f.as_of}", at=f.at) for f in told))

    process = start()
    try:
        publish(0, 150)
        wait_ready(port, process)
        publish(150, 200)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert process.stdin is not None
        process.stdin.close()
        process = start()
        publish(200, 300)
        wait_ready(port, process)
        newest = _until(bench, lambda got: len(got) == 300)
        assert set(newest) == set(range(300))
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        if process.poll() is None:
            process.kill()
        if process.stdin:
            process.stdin.close()
        bench.close()


def _until(bench: KafkaBench, true: Any, within: float = 40) -> dict[int, CaseForecast]:
    deadline = time.monotonic() + within
    got: dict[int, CaseForecast] = {}
    read = RecordReader(default_codec())
    while time.monotonic() < deadline:
        got = {read(raw).message.as_of: read(raw).message for raw in bench.read(CASE_FORECASTS)}
        if true(got):
            return got
        time.sleep(0.3)
    raise AssertionError(f"Expected more forecasts, got {len(got)}")
