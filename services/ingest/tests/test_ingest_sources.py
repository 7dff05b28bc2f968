"""What is learned of sources: usual rates, silence against them, clocks, gaps; kept over a restart."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orloop_common.domain.events import FeedWentSilent
from orloop_common.domain.site import SuiteLayout
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_ingest.domain.rates import HourlyRates
from orloop_ingest.domain.silence import FeedWatch
from orloop_ingest.watching import SourceWatch

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
HOUR = timedelta(hours=1)


def a_week(rates, per_hour):
    """Five working days; `per_hour(hour)` messages in each hour."""
    for hour in range(5 * 24):
        at = MONDAY + hour * HOUR
        for n in range(per_hour(at.hour)):
            rates.hear(at + n * timedelta(seconds=30))
    rates.advance(MONDAY + 5 * 24 * HOUR)


def by_day(hour):
    return 40 if 7 <= hour < 19 else 0


def test_usual_rates_are_learned_by_the_hour():
    rates = HourlyRates(UTC_ZONE)
    a_week(rates, by_day)
    assert rates.at(MONDAY.replace(hour=10)) == 40
    assert rates.at(MONDAY.replace(hour=3)) == 0
    assert rates.expected(MONDAY.replace(hour=18, minute=30), MONDAY.replace(hour=22)) == 20
    assert rates.expected(MONDAY + 5 * 24 * HOUR, MONDAY + 6 * 24 * HOUR) is None, "weekends are not known yet"


def test_the_hour_in_which_listening_began_does_not_count():
    rates = HourlyRates(UTC_ZONE)
    rates.hear(MONDAY + timedelta(minutes=59))
    rates.advance(MONDAY + 2 * HOUR)
    assert rates.seen[0] == 0
    assert rates.seen[1] == 1


def test_an_hour_of_known_silence_is_not_learned():
    rates = HourlyRates(UTC_ZONE)
    rates.advance(MONDAY)
    rates.advance(MONDAY + HOUR)
    rates.skip()
    rates.advance(MONDAY + 2 * HOUR)
    assert rates.seen[1] == 0


def test_hours_are_those_of_the_site():
    rates = HourlyRates(ZoneInfo("Europe/Berlin"))
    assert rates.kind(datetime(2026, 7, 6, 22, 30, tzinfo=UTC)) == 0
    assert rates.kind(datetime(2026, 7, 4, 12, 30, tzinfo=UTC)) == 24 + 14


def watch(usual):
    layout = SuiteLayout(id="main", name="main", rooms=())
    return FeedWatch(layout, "UTC", timedelta(minutes=15), timedelta(seconds=10), usual)


@pytest.mark.parametrize(
    ("hour", "minutes", "silent"),
    [(10, 14, False), (10, 16, True), (22, 300, False), (18, 20, True), (6, 20, False), (6, 68, True)],
)
def test_a_source_is_silent_only_if_what_is_missing_is_no_chance(hour, minutes, silent):
    sources = SourceWatch(["EPIC"], UTC_ZONE, expected={"EPIC": {h: by_day(h) for h in range(24)}})
    feeds, start = watch(sources.usual), MONDAY.replace(hour=hour)
    feeds.hear("EPIC", start, 0.0)
    told = feeds.check("EPIC", start + timedelta(minutes=minutes), minutes * 60.0, None)
    assert isinstance(told, FeedWentSilent) is silent


def test_without_a_known_rate_the_operating_hours_decide(site):
    feeds = FeedWatch(site.suite("main"), site.timezone, timedelta(minutes=15), timedelta(seconds=10))
    for hour, silent in ((9, True), (2, False)):
        start = MONDAY.replace(hour=hour)
        feeds.hear("TWIN", start, 0.0)
        assert (feeds.check("TWIN", start + HOUR, 3600.0, None) is not None) is silent


def test_a_clock_that_is_off_and_numbers_left_out_are_seen():
    sources = SourceWatch(["EPIC"], ZoneInfo("Europe/Berlin"))
    for number, sequence in enumerate(("7", "8", "11", "12", "1", "", "x")):
        at = MONDAY + timedelta(hours=9, minutes=number)
        sources.hear("EPIC", at)
        sent = (at - timedelta(seconds=90) + HOUR).strftime("%Y%m%d%H%M%S")  # Berlin's, without an offset
        sources.stamp("EPIC", sent if number % 2 else sent + "+0100", sequence, at)
    sources.stamp("EPIC", "soon", "13", MONDAY)
    sources.stamp("NOBODY", "", "1", MONDAY)
    (line,) = sources.table(MONDAY + timedelta(hours=10))
    assert (line["clock_skew_seconds"], line["sequence_gaps"], line["messages"]) == (90.0, 2, 7)
    assert line["age_seconds"] == 54 * 60


def test_what_was_learned_is_kept_over_a_restart(tmp_path):
    path = tmp_path / "rates.json"
    first = SourceWatch(["EPIC"], UTC_ZONE, path)
    a_week(first._seen["EPIC"].rates, by_day)
    first.advance(MONDAY + 6 * 24 * HOUR)
    assert SourceWatch(["EPIC"], UTC_ZONE, path).usual("EPIC", MONDAY.replace(hour=9), MONDAY.replace(hour=10)) == 40
    path.write_text(json.dumps({"EPIC": {"means": [1], "seen": []}}))
    assert SourceWatch(["EPIC"], UTC_ZONE, path).usual("EPIC", MONDAY, MONDAY + HOUR) is None
    path.write_text("{")
    SourceWatch(["EPIC"], UTC_ZONE, path)


def test_a_site_may_write_down_what_a_source_sends():
    text = (
        "site: x\ntimezone: UTC\nsuites: [{id: main, rooms: []}]\nhl7:\n  rooms: {}\n  services: {}\n  milestones: {}\n"
    )
    site = parse_site(text + "  sources: {EPIC: {suite: main, expected: {7: 60, 8: 120}}}\n")
    assert site.hl7.expected == {"EPIC": {7: 60.0, 8: 120.0}}
    with pytest.raises(SiteFileError, match="0 to 23"):
        parse_site(text + "  sources: {EPIC: {suite: main, expected: {24: 60}}}\n")


def test_a_site_may_write_down_what_add_ons_usually_take():
    text = "site: x\ntimezone: UTC\nhl7: {rooms: {}, services: {}, milestones: {}, sources: {}}\n"
    site = parse_site(text + "suites: [{id: main, rooms: [], add_ons: {13: 45, 9: 7.5}}]\n")
    assert site.suites[0].add_ons == {9: timedelta(minutes=7.5), 13: timedelta(minutes=45)}
    for wrong in ("{24: 60}", "{7: -1}"):
        with pytest.raises(SiteFileError, match="room minutes"):
            parse_site(text + f"suites: [{{id: main, rooms: [], add_ons: {wrong}}}]\n")
