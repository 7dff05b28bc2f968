"""The shipped model, the fallback and what they promise."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.features import SCHEMA, STAGES, case_features
from orloop_common.domain.plan import Quantiles
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Milestone
from orloop_forecast.adapters.bundle import Bundle, BundleRefused, load_bundle
from orloop_forecast.app import open_predictor
from orloop_forecast.domain.encoding import Encoder
from orloop_forecast.domain.fallback import fallback_duration, fallback_remaining
from orloop_forecast.domain.forecasting import Forecaster, Part
from orloop_forecast.domain.residuals import LEAST, Residuals
from orloop_forecast.predicting import Predictor
from orloop_forecast.settings import SHIPPED
from orloop_forecast.train import asking, main
from orloop_forecast.training.draw import Case
from orloop_forecast.training.measure import Quality, booked_quality, measure

OVERRUN = tuple(f"elapsed{how} of P50" for how in ("<1.0", "<1.25", "<1.5", ">=1.5"))


def ordered(q: Quantiles) -> bool:
    return timedelta(0) <= q.p50 <= q.p80 <= q.p95


@pytest.fixture(scope="module")
def quality(bundle: Bundle, fresh_cases: list[Case]) -> dict[str, Quality]:
    return measure(fresh_cases, asking(bundle.forecaster), every=10.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "state", [*STAGES, "elapsed<1.0 of P50", "elapsed<1.25 of P50", "elapsed<1.5 of P50", "elapsed>=1.5 of P50"]
)
def test_the_shipped_bundle_is_calibrated_in_every_state_and_in_overrun(
    quality: dict[str, Quality], state: str
) -> None:
    q = quality[state]
    room = 0.04 if q.n >= 1000 else 0.07
    assert q.n >= 200
    assert q.coverage_p80 == pytest.approx(0.80, abs=room), q
    assert q.coverage_p95 == pytest.approx(0.95, abs=0.035), q


@pytest.mark.slow
def test_after_procedure_end_nearly_all_forecasts_are_within_a_quarter_of_an_hour(
    quality: dict[str, Quality],
) -> None:
    assert quality["after_procedure_end"].within_15 > 0.95


@pytest.mark.slow
def test_the_bundle_is_better_than_the_booked_length_and_the_fallback(
    quality: dict[str, Quality], fresh_cases: list[Case]
) -> None:
    rule = measure(fresh_cases, lambda s, v: (fallback_duration(v), fallback_remaining(s, v)), every=10.0)
    assert quality["scheduled"].pinball < 0.92 * rule["scheduled"].pinball
    assert quality["after_incision"].pinball < 0.92 * rule["after_incision"].pinball


def test_drawn_bookings_are_as_rough_as_real_ones(fresh_cases: list[Case]) -> None:
    n, _, within = booked_quality(fresh_cases)
    assert n == 1200
    assert 0.25 <= within <= 0.45


def test_the_card_and_the_manifest_say_how_good_it_is(bundle: Bundle) -> None:
    metrics = bundle.manifest["metrics"]
    assert set(STAGES) <= set(metrics)
    assert {"n", "forecast_mae", "within_15", "pinball", "coverage_p80", "coverage_p95"} <= set(metrics["scheduled"])
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) < 1_000_000
    assert "not on patients" in (SHIPPED / "card.md").read_text()


@settings(max_examples=150, deadline=None)
@given(
    stage=st.sampled_from(STAGES),
    booked=st.floats(1, 900),
    elapsed=st.floats(0, 2000),
    since=st.floats(0, 400),
    service=st.sampled_from(["urology", "eye", "unheard of", None]),
    bundled=st.booleans(),
)
def test_quantiles_are_ordered_and_never_negative_however_odd_the_case(
    stage: str, booked: float, elapsed: float, since: float, service: str | None, bundled: bool
) -> None:
    values: dict[str, float | str | None] = {"service": service, "booked_minutes": booked, "asa": 2.0}
    if stage != "scheduled":
        values["elapsed_minutes"] = elapsed
    if stage in ("closing", "after_procedure_end"):
        values |= {"since_closing_minutes": since, "since_procedure_end_minutes": since}
    predictor = _predictors[bundled]
    predicted = predictor.predict(SCHEMA, stage, values)
    assert ordered(predicted.duration)
    assert (predicted.remaining is None) == (stage == "scheduled")
    if predicted.remaining is not None:
        assert ordered(predicted.remaining)
        assert predicted.duration.p50 >= timedelta(minutes=elapsed) - timedelta(seconds=1)


_predictors = {True: open_predictor(SHIPPED), False: Predictor()}


@pytest.mark.parametrize("bundled", [True, False])
def test_a_case_that_overruns_has_time_left(bundled: bool) -> None:
    predictor = _predictors[bundled]
    for elapsed in (90.0, 150.0, 240.0):
        values: dict[str, float | str | None] = {
            "service": "urology",
            "procedure": "5-562",
            "booked_minutes": 60.0,
            "elapsed_minutes": elapsed,
            "since_incision_minutes": elapsed - 15,
            "lead_minutes": 15.0,
        }
        left = predictor.predict(SCHEMA, "after_incision", values).remaining
        assert left is not None
        assert left.p50 > timedelta(minutes=4)
        assert left.p80 > timedelta(minutes=10)


def test_the_fallback_is_the_same_every_time_and_says_not_to_rely_on_it() -> None:
    values: dict[str, float | str | None] = {"service": "eye", "booked_minutes": 40.0, "elapsed_minutes": 50.0}
    first, second = (Predictor().predict(SCHEMA, "in_room", values) for _ in range(2))
    assert first == second
    assert (first.model, first.low_confidence) == ("fallback", True)
    assert fallback_duration(values).p50 == timedelta(minutes=39, seconds=12)


def test_what_is_left_without_a_bundle_is_the_conditional_distribution() -> None:
    values: dict[str, float | str | None] = {"service": "none such", "booked_minutes": 100.0, "elapsed_minutes": 120.0}
    left = fallback_remaining("after_incision", values)
    median, spread = 98.0, 0.48
    survived = 0.5 * math.erfc(math.log(120 / median) / spread / math.sqrt(2))
    at = 120 + left.p80.total_seconds() / 60
    beyond = 0.5 * math.erfc(math.log(at / median) / spread / math.sqrt(2))
    assert beyond / survived == pytest.approx(0.2, abs=0.003)


def test_features_of_another_list_get_the_fallback(bundle: Bundle) -> None:
    predictor = Predictor(bundle.digest, bundle.forecaster)
    values: dict[str, float | str | None] = {"service": "eye", "booked_minutes": 40.0}
    assert predictor.predict(SCHEMA, "scheduled", values).model == bundle.digest
    assert predictor.predict("another", "scheduled", values).model == "fallback"


def test_a_missing_or_edited_bundle_is_refused_and_the_fallback_answers(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="make train"):
        load_bundle(tmp_path)
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert load_bundle(tmp_path).digest == load_bundle(SHIPPED).digest
    (tmp_path / "encoder.json").write_text("{}")
    with pytest.raises(BundleRefused, match="edited or torn"):
        load_bundle(tmp_path)
    assert open_predictor(tmp_path).model == "fallback"


def test_events_give_the_features_that_training_drew(fresh_cases: list[Case]) -> None:
    for case in fresh_cases[:60]:
        for elapsed in (None, 1.0, case.minutes / 2, case.minutes - 0.5):
            assert _from_events(case, elapsed) == case.features(elapsed)[1]


def _from_events(case: Case, elapsed: float | None) -> dict[str, float | str | None] | None:
    """The road of the real service: events into the fold, features out of it."""
    schedule = case.schedule
    day = SuiteDay(suite="drawn", calendar=OperationalCalendar()).apply(schedule)
    now = schedule.start + timedelta(minutes=-60 if elapsed is None else elapsed)
    told = {
        Milestone.PATIENT_IN_ROOM: 0.0,
        Milestone.PROCEDURE_START: case.incision,
        Milestone.CLOSING: case.closing,
        Milestone.PROCEDURE_END: case.end,
    }
    for milestone, at in told.items():
        if elapsed is not None and at <= elapsed:
            moment: datetime = schedule.start + timedelta(minutes=at)
            day = day.apply(
                e.MilestoneRecorded(id=milestone, suite="drawn", at=moment, case=schedule.case, milestone=milestone)
            )
    return case_features(day.apply(e.ClockTicked(id="tick", suite="drawn", at=now)), schedule.case)


def test_an_unknown_procedure_is_forecast_from_its_service() -> None:
    cases = [({"service": "eye", "procedure": "a", "surgeon": "x"}, 30.0)] * 40
    cases += [({"service": "general", "procedure": "b", "surgeon": "y"}, 120.0)] * 40
    encoder = Encoder.fit(cases)
    assert encoder.encode({"service": "eye", "procedure": "new"}).mean < math.log(60)
    assert encoder.encode({"service": "eye", "procedure": "new"}).seen == 0
    assert not encoder.encode({"service": "new"}).service_known
    assert Encoder.from_plain(encoder.to_plain()).encode(cases[0][0]).mean == pytest.approx(
        encoder.encode(cases[0][0]).mean, abs=1e-5
    )


def test_a_thin_bin_takes_the_residuals_of_all() -> None:
    wide = Residuals.fit([-1.0, 1.0] * LEAST + [9.0] * 10, [0.0] * 2 * LEAST + [2.0] * 10, [1.0])
    assert wide.at(0.5, 2.0) == pytest.approx(1.0, abs=2.1)
    assert wide.at(0.8, 2.0) < 9.0
    assert wide.at(0.1) <= wide.at(0.9)
    assert Residuals.from_plain(wide.to_plain()) == wide


class Flat:
    """A booster that always says the same."""

    def __init__(self, number: float) -> None:
        self.number = number

    def predict_one(self, row: Sequence[float]) -> float:
        return self.number


def test_a_case_beyond_its_expected_length_has_residuals_of_its_own() -> None:
    residuals = Residuals.fit([0.0] * 300 + [1.0] * 300, [0.5] * 300 + [2.0] * 300, [1.0])
    whole = Part(Flat(0.0), Flat(0.1), Residuals.fit([0.0] * 300, [0.0] * 300))
    part = Part(Flat(math.log(31.0)), Flat(0.5), residuals)
    forecaster = Forecaster(Encoder(overall=math.log(60.0)), whole, {"after_incision": part})
    left = {}
    for elapsed in (30.0, 90.0):
        answer = forecaster.forecast("after_incision", {"booked_minutes": 60.0, "elapsed_minutes": elapsed})
        assert answer.remaining is not None
        left[elapsed] = answer.remaining.p50.total_seconds() / 60
    assert left == pytest.approx({30.0: 30.0, 90.0: 31 * math.exp(0.5) - 1}, abs=0.01)


@pytest.mark.slow
def test_training_again_gives_the_same_bundle(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "a"), "--cases", "1500", "--fresh", "60"]) == 0
    assert main(["--out", str(tmp_path / "b"), "--cases", "1500", "--fresh", "60"]) == 0
    assert load_bundle(tmp_path / "a").digest == load_bundle(tmp_path / "b").digest
