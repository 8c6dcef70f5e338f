"""What is the same stays one, what is not stays several: merging by identity, overlaps, duplicates, and what one file lacks."""

from __future__ import annotations

import base64
import csv
import itertools
import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, ReadError
from tests.build import (
    CLOCK,
    ENERGY,
    PACIFIC,
    POINT,
    START,
    TYPE,
    assert_same,
    block,
    blocks,
    codes_of,
    element,
    entry,
    feed_xml,
    local_time,
    meter_reading,
    reading,
    reading_type,
    rows_of,
    small,
    usage_point,
)
from tests.oracle import Found
from tests.strategies import Parts, parts

ZONE = ZoneInfo("America/Los_Angeles")
PGE = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource"


def assert_equal(found: Any, expected: Any) -> None:
    """Assert that two feeds say the same: readings, bills, channels, usage points."""
    assert_same(found.tidy(raw=True), expected.tidy(raw=True))
    assert_same(found.bills(), expected.bills())
    assert_same(found.bill_lines(), expected.bill_lines())
    assert [(one.key, one.label) for one in found.channels] == [(one.key, one.label) for one in expected.channels]


# -- the day files of the corpus -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def days(corpus: Path) -> list[Path]:
    return sorted((corpus / "files").glob("pge-smd__*day*_2019-*.xml"))


def test_overlapping_day_files_give_each_hour_once(days: list[Path], corpus: Path) -> None:
    """168 hours. The sum is that of the manifest, less the day that stands in two files; hour by hour it is what a second reader reads."""
    with (corpus / "manifest.csv").open(encoding="utf-8") as file:
        listed = {row["file"]: row for row in csv.DictReader(file) if (corpus / "files" / row["file"]) in days}
    spans = {name: (int(row["first_start_epoch"]), int(row["last_end_epoch"]), int(row["sum_raw_value"])) for name, row in listed.items()}
    outer = {
        name
        for name, (first, last, _) in spans.items()
        if not any(a <= first and last <= b and (a, b) != (first, last) for a, b, _ in spans.values())
    }
    hours: dict[int, Fraction] = {}
    for path in days:
        for row in Found(path.read_bytes()).rows():
            assert row.start is not None
            assert row.value is not None
            assert hours.setdefault(row.start, row.value) == row.value
    frame = smd.read(days).tidy(raw=True)
    assert len(frame) == len(hours) == 168
    assert set(frame["usage_point"]) == {
        rows.rpartition("/")[2] for path in days for rows in {row.point for row in Found(path.read_bytes()).rows()}
    }
    assert dict(zip((int(at.timestamp()) for at in frame["start"]), frame["raw_value"], strict=True)) == hours
    assert frame["raw_value"].sum() == sum(spans[name][2] for name in outer)
    assert set(frame["power_of_ten"]) == {-3}
    assert frame["value"].tolist() == [float(value / 1000) for _, value in sorted(hours.items())]


def test_day_files_in_any_order_and_twice_over(days: list[Path]) -> None:
    expected = smd.read(days)
    orders = list(itertools.permutations(days))[:: max(1, len(list(itertools.permutations(days))) // 6)]
    for order in orders:
        assert_equal(smd.read(list(order)), expected)
        assert_equal(smd.read([*order, *order]), expected)
    feeds = [smd.read(path) for path in days]
    assert_equal(smd.merge(feeds[::-1]), expected)
    assert_equal(smd.merge([smd.merge(feeds[2:]), *feeds[:3], expected]), expected)


# -- synthetic days across the change of the clock -----------------------------------------------------------------------------------------


def hours_of(first: date, days: int) -> list[int]:
    begin, end = (datetime(one.year, one.month, one.day, tzinfo=ZONE).timestamp() for one in (first, first + timedelta(days)))
    return list(range(int(begin), int(end), 3600))


def download(first: date, days: int, *, subscription: int = 1, updated: str = "") -> bytes:
    """Return what PG&E would send for some local days; an hour's value is its number since 1970."""
    point = f"{PGE}/Subscription/{subscription}/UsagePoint/539"
    meter = f"{point}/MeterReading/{subscription}"
    kind = f"{PGE}/ReadingType/{subscription}"
    found = [
        blocks(block(*(reading(at, at // 3600) for at in hours_of(first + timedelta(k), 1))), meter=meter, number=k, updated=updated)
        for k in range(days)
    ]
    return feed_xml(
        usage_point(point, related=[f"{point}/MeterReading", f"{PGE}/LocalTimeParameters/1"]),
        local_time(*PACIFIC, href=f"{PGE}/LocalTimeParameters/1"),
        meter_reading(meter, related=[f"{meter}/IntervalBlock", kind]),
        reading_type(kind),
        *found,
    ).encode()


@pytest.mark.parametrize(("change", "hours"), [(date(2024, 11, 3), 25), (date(2024, 3, 10), 23)])
def test_overlapping_days_across_a_change_of_the_clock(change: date, hours: int) -> None:
    """Downloads of two days each, every day in two of them."""
    files = [download(change + timedelta(k), 2, subscription=k + 9, updated=f"2025-01-0{k + 4}T00:00:00Z") for k in range(-3, 3)]
    for order in (files, files[::-1], files * 2):
        feed = smd.read(order)
        frame = feed.tidy()
        assert len(feed.channels) == 1
        assert [int(at.timestamp()) for at in frame["start"]] == hours_of(change - timedelta(3), 7)
        assert frame["value"].tolist() == [at // 3600 for at in hours_of(change - timedelta(3), 7)]
        counts = frame["start"].dt.date.value_counts()
        assert counts[change] == hours
        assert set(counts.drop(change)) == {24}
        assert "duplicate-conflict" not in codes_of(feed)


# -- identity ------------------------------------------------------------------------------------------------------------------------------


def rewritten(data: bytes) -> bytes:
    """Return a feed as PG&E would give it again after another authorization: other Subscription, MeterReading and ReadingType ids."""
    data = re.sub(rb'(/Subscription/)[^/"<>]+', rb"\g<1>918273", data)
    for name in (b"MeterReading", b"ReadingType"):
        data = re.sub(
            rb"(/" + name + rb'/)([^/"<>]+)(?=[/"])', lambda found: found[1] + base64.urlsafe_b64encode(b"again" + found[2]), data
        )
    return data


NAMES = [
    "pge-smd__eemeter_electricity.xml",
    "pge-smd__eemeter_natural_gas.xml",
    "pge-smd__1day_2019-10-03.xml",
    "pge-smd__2days_2019-11-01.xml",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_pge_feed_under_other_ids_changes_nothing(name: str, corpus: Path) -> None:
    data = (corpus / "files" / name).read_bytes()
    assert rewritten(data) != data
    feed, again = smd.read(data), smd.read(rewritten(data))
    assert again.document.meter_readings[0].entry.href != feed.document.meter_readings[0].entry.href
    for feeds in ([feed, again], [again, feed], [again, feed, again]):
        assert_equal(smd.merge(feeds), feed)
        assert smd.merge(feeds).findings.query("code == 'duplicate-conflict'").equals(feed.findings.query("code == 'duplicate-conflict'"))


def test_a_made_up_pge_home_under_other_ids_changes_nothing(tmp_path: Path) -> None:
    home = smd.sample("solar-home", seed=1).select(start="2025-03-01", end="2025-04-01")
    home.to_espi(tmp_path / "home.xml")
    data = (tmp_path / "home.xml").read_bytes()
    assert rewritten(data) != data
    assert len(home.bills()) > 0
    assert_equal(smd.merge([smd.read(data), smd.read(rewritten(data))]), smd.read(data))


def bill(point: str, dollars: int, *, start: int = START, more: str = "") -> str:
    period = element("billingPeriod", element("duration", 2_592_000) + element("start", start))
    body = period + element("billLastPeriod", 100_000 * dollars) + element("currency", 840) + element("statusTimeStamp", start) + more
    return entry(element("UsageSummary", body), f"{point}/UsageSummary/1", f"{point}/UsageSummary")


def test_a_bill_of_two_downloads_is_one_bill() -> None:
    """As PG&E sends them: each download states its own time as that of the status."""
    texts = [feed_xml(usage_point(), bill(POINT, 7), bill(POINT, 8, start=START + 2_592_000))]
    texts.append(re.sub(r"(statusTimeStamp>)\d+", r"\g<1>1799999999", texts[0]))
    assert texts[0] != texts[1]
    first, second = (smd.read(text.encode()) for text in texts)
    for feeds in ([first, second], [second, first], [first, second, first]):
        merged = smd.merge(feeds)
        assert merged.bills()["bill"].tolist() == [7, 8]
        assert {one.status_time_stamp for one in merged.document.summaries} == {1799999999}
    again = smd.merge([first, smd.read(texts[0].replace("700000", "700001").encode())])
    assert again.bills()["bill"].tolist() == [7, 7.00001, 8]  # what was changed is told from what it was before


def homes(n: int = 5, *, value: int | None = None, base: str = "/espi/RetailCustomer") -> bytes:
    """Return a feed of homes that are all called UsagePoint/01, each with a bill."""
    entries = [reading_type(), local_time(*PACIFIC)]
    for number in range(n):
        point = f"{base}/{number}/UsagePoint/01"
        meter = f"{point}/MeterReading/01"
        entries += [
            usage_point(point, related=[f"{point}/MeterReading", CLOCK]),
            meter_reading(meter, related=[f"{meter}/IntervalBlock", TYPE]),
            blocks(block(reading(START, 100 * number + 1 if value is None else value)), meter=meter),
            bill(point, number + 1),
        ]
    return feed_xml(*entries).encode()


def test_five_homes_of_one_name_stay_five() -> None:
    feed = smd.read(homes())
    keys = [f"espi/RetailCustomer/{number}/UsagePoint/01" for number in range(5)]
    for one in (feed, smd.merge([feed, smd.read(homes())]), smd.merge([smd.read(homes(3)), smd.read(homes(5))])):
        frame = one.tidy()
        assert frame["usage_point"].tolist() == keys
        assert frame["value"].tolist() == [1, 101, 201, 301, 401]
        assert frame["channel"].nunique() == 5
        assert one.bills()["usage_point"].tolist() == keys
        assert one.bills()["bill"].tolist() == [1, 2, 3, 4, 5]
        assert len(one.usage_points) == 5


def test_homes_of_two_utilities_keep_their_bills() -> None:
    """PG&E's ids are known by their last part, others by the whole path; merged, each still by its own rule."""
    pge = smd.read(
        download(date(2024, 1, 1), 1).replace(
            b"</feed>", bill(f"{PGE}/Subscription/1/UsagePoint/539", 77).replace("a:", "").replace("e:", "espi:").encode() + b"</feed>"
        )
    )
    assert pge.bills()["usage_point"].tolist() == ["539"]
    other = smd.read(homes())
    for feeds in ([pge, other], [other, pge]):
        both = smd.merge(feeds)
        assert sorted(both.bills()["usage_point"]) == sorted([*other.bills()["usage_point"], "539"])
        assert set(both.bills()["usage_point"]) == set(both.tidy()["usage_point"])
        assert len(both.usage_points) == 6
        assert len(both.select(usage_point="539").usage_points) == 1
        assert both.alias().bills()["bill"].sum() == 77 + 15


def test_a_changed_power_of_ten_is_the_same_channel() -> None:
    """A utility that turns from Wh to mWh: every block keeps the scale that it was written in."""
    older, newer = small(reading(START, 100)), small(reading(START + 3600, 250_000), power=-3)
    newest = small(reading(START + 7200, 3), power=2)
    feeds = [smd.read(text.encode()) for text in (older, newer, newest)]
    for order in itertools.permutations(feeds):
        merged = smd.merge(order)
        assert rows_of(merged, duplicates="resolve") == [(START, 3600, 100.0), (START + 3600, 3600, 250.0), (START + 7200, 3600, 300.0)]
        assert merged.tidy(raw=True)["raw_value"].tolist() == [100_000, 250_000, 300_000]
        assert set(merged.tidy(raw=True)["power_of_ten"]) == {-3}
        assert len(merged.channels) == 1


def test_two_powers_of_ten_in_one_feed(tmp_path: Path) -> None:
    second = f"{POINT}/MeterReading/2"
    feed = smd.read(
        feed_xml(
            usage_point(),
            meter_reading(),
            meter_reading(second, related=[f"{second}/IntervalBlock", "/espi/ReadingType/2"]),
            reading_type(),
            reading_type("/espi/ReadingType/2", power=-3),
            blocks(block(reading(START, 100))),
            blocks(block(reading(START + 3600, 250_000)), meter=second),
        ).encode()
    )
    assert feed.tidy()["value"].tolist() == [100.0, 250.0]
    feed.to_espi(tmp_path / "a.xml")
    assert smd.read(tmp_path / "a.xml").tidy()["value"].tolist() == [100.0, 250.0]


def test_a_default_quality_holds_for_its_own_readings() -> None:
    validated = small(reading(START, 100), codes=ENERGY + element("defaultQuality", 17))
    silent = small(reading(START + 3600, 250))
    for order in ([validated, silent], [silent, validated]):
        quality = smd.read([text.encode() for text in order]).tidy()["quality"]
        assert quality.iloc[0] == "validated"
        assert quality.isna().tolist() == [False, True]


# -- what one lacks ------------------------------------------------------------------------------------------------------------------------


def test_a_reading_type_of_another_file_completes_the_blocks() -> None:
    whole = small(power=-3)
    bare = feed_xml(
        usage_point(related=[f"{POINT}/MeterReading", CLOCK]),
        meter_reading(),
        blocks(block(reading(START, 100), reading(START + 3600, 250))),
    )
    kind = feed_xml(reading_type(power=-3), local_time(*PACIFIC))
    alone = smd.read(bare.encode())
    assert alone.tidy()["value"].tolist() == [100.0, 250.0]
    assert alone.tidy()["unit"].isna().all()
    assert "reading-type-missing" in codes_of(alone)
    for feeds in ([bare, kind], [kind, bare], [bare, kind, bare]):
        merged = smd.read([text.encode() for text in feeds])
        assert_same(merged.tidy(raw=True), smd.read(whole.encode()).tidy(raw=True))
        assert not {"reading-type-missing", "zone-unknown"} & codes_of(merged)
        assert_same(smd.merge(smd.read(text.encode()) for text in feeds).tidy(), merged.tidy())


def test_blocks_alone_are_completed_by_what_they_hang_below() -> None:
    """Each entry in a file of its own, as the API gives them one by one."""
    entries = [
        usage_point(related=[f"{POINT}/MeterReading", CLOCK]),
        local_time(*PACIFIC),
        meter_reading(),
        reading_type(power=-3),
        blocks(block(reading(START, 100))),
        blocks(block(reading(START + 3600, 250)), number=2),
    ]
    expected = smd.read(feed_xml(*entries).encode()).tidy(raw=True)
    assert expected["value"].tolist() == [0.1, 0.25]
    for order in (entries, entries[::-1], entries[2:] + entries[:2]):
        assert_same(smd.read([feed_xml(one).encode() for one in order]).tidy(raw=True), expected)
    feeds = [smd.read(feed_xml(one).encode()) for one in entries]
    step = feeds[4]
    for one in (feeds[2], feeds[3], feeds[5], feeds[0], feeds[1]):
        step = smd.merge([step, one])
    assert_same(step.tidy(raw=True), expected)


# -- conflicts -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ({"updated": "2024-02-01T00:00:00Z", "quality": 19}, {"updated": "2024-03-01T00:00:00Z", "quality": 8}, 2.0),
        ({"updated": "2024-03-01T01:00:00+02:00"}, {"updated": "2024-02-29T23:30:00Z"}, 2.0),
        ({"updated": "", "quality": 19}, {"updated": "", "quality": 17}, 1.0),
        ({"updated": "", "quality": 8}, {"updated": "", "quality": 17}, 2.0),
        ({"updated": "", "quality": 19}, {"updated": "2024-03-01T00:00:00Z", "quality": 8}, 2.0),
    ],
)
def test_which_of_two_values_stands(one: dict[str, Any], other: dict[str, Any], value: float) -> None:
    """Later update first, then quality; never the order of the files."""
    texts = [
        feed_xml(
            usage_point(),
            meter_reading(),
            reading_type(),
            blocks(block(reading(START, number, quality=said.get("quality"))), updated=said["updated"]),
        ).encode()
        for number, said in ((1, one), (2, other))
    ]
    for order in (texts, texts[::-1]):
        feed = smd.read(order)
        assert feed.tidy()["value"].tolist() == [value]
        assert feed.findings.query("code == 'duplicate-conflict'")["n"].tolist() == [1]
        assert sorted(feed.tidy(duplicates="keep")["value"]) == [1.0, 2.0]


def test_a_missing_value_never_wins() -> None:
    older = feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block(reading(START, 5)), updated="2024-01-01T00:00:00Z"))
    newer = feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block(reading(START, None)), updated="2024-02-01T00:00:00Z"))
    for order in ([older, newer], [newer, older]):
        assert smd.read([text.encode() for text in order]).tidy()["value"].tolist() == [5.0]


# -- laws ----------------------------------------------------------------------------------------------------------------------------------


def made_up(made: Parts) -> Any:
    """Read a made-up feed; its clock is as made up as the rest, so it is not asked about."""
    return smd.read(made.xml(), clock="utc")


def merged(feeds: list[Any]) -> Any:
    """Merge made-up feeds, whose numbers may be too unlike for one scale: that is refused, and is no matter here."""
    feed = smd.merge(feeds)
    try:
        feed.tidy()
    except ReadError:
        assume(False)
    return feed


@given(parts())
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_merging_a_feed_with_itself_changes_nothing(made: Parts) -> None:
    feed = merged([made_up(made)])
    assert_equal(feed, made_up(made))
    assert_equal(smd.merge([feed, feed]), feed)
    assert_equal(smd.merge([feed, made_up(made)]), feed)


@given(st.lists(parts(points=2), min_size=2, max_size=3), st.randoms())
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_merging_depends_on_no_order(made: list[Parts], random: Any) -> None:
    feeds = [made_up(one) for one in made]
    expected = merged(feeds)
    assert_equal(smd.merge([expected]), expected)
    assert_equal(smd.merge([expected, *feeds]), expected)
    shuffled = feeds * 2
    random.shuffle(shuffled)
    assert_equal(smd.merge(shuffled), expected)
    assert sorted(smd.merge(shuffled).findings["code"]) == sorted(expected.findings["code"])


@given(st.lists(parts(points=2), min_size=3, max_size=3))
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_merging_is_associative(made: list[Parts]) -> None:
    one, two, three = (made_up(each) for each in made)
    expected = merged([one, two, three])
    assert_equal(smd.merge([smd.merge([one, two]), three]), expected)
    assert_equal(smd.merge([one, smd.merge([two, three])]), expected)


@pytest.mark.prove
@given(st.lists(parts(points=3), min_size=3, max_size=4), st.randoms())
@settings(max_examples=3000, suppress_health_check=[HealthCheck.too_slow])
def test_merging_keeps_its_laws(made: list[Parts], random: Any) -> None:
    feeds = [made_up(one) for one in made]
    expected = merged(feeds)
    random.shuffle(feeds)
    assert_equal(smd.merge([smd.merge(feeds[:2]), smd.merge(feeds[1:])]), expected)


def test_what_cannot_be_merged() -> None:
    with pytest.raises(ConfigurationError, match="nothing to merge"):
        smd.merge([])
    with pytest.raises(ConfigurationError, match=r"(?s)must be feeds.*smd\.read"):
        smd.merge(["one.xml", "two.xml"])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="tz="):
        smd.merge([smd.read(small().encode(), tz="UTC"), smd.read(small().encode())])


def test_other_habits_are_other_feeds() -> None:
    """The same bytes read as two utilities' merge the same in both orders."""
    plain, pge = smd.read(homes(2), clock="utc"), smd.read(homes(2), dialect="pge", clock="utc")
    assert_equal(smd.merge([plain, pge]), smd.merge([pge, plain]))


# -- select --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "hours"), [("2024-11-03", 25), ("2024-03-10", 23), ("2024-07-01", 24)])
def test_select_by_the_wall_clock_of_days_that_are_not_24_hours(change: str, hours: int) -> None:
    first = date.fromisoformat(change)
    feed = smd.read(download(first - timedelta(2), 5))
    part = feed.select(start=change, end=str(first + timedelta(1)))
    assert len(part.tidy()) == hours
    assert set(part.tidy()["start"].dt.date) == {first}
    assert len(part.select(start=f"{change} 03:00").tidy()) == 21
    assert len(feed.select(end=change).tidy()) + len(feed.select(start=change).tidy()) == len(feed.tidy())


def test_select_by_instants() -> None:
    feed = smd.read(download(date(2024, 11, 3), 1))
    second = datetime(2024, 11, 3, 9, tzinfo=UTC)
    for moment in (second, "2024-11-03T01:00-08:00", "2024-11-03T09:00Z", second.astimezone(ZoneInfo("Asia/Tokyo"))):
        assert feed.select(start=moment).tidy()["start"].iloc[0].timestamp() == second.timestamp()


@pytest.mark.parametrize("moment", ["2024-11-03 01:30", "2024-03-10 02:30", "yesterday's", object(), float("nan")])
def test_select_refuses_what_is_no_instant(moment: Any) -> None:
    """A wall-clock time that stands twice or never is no instant: it is not guessed."""
    feed = smd.read(download(date(2024, 11, 3), 1))
    with pytest.raises(ConfigurationError, match="no instant"):
        feed.select(start=moment)
    with pytest.raises(ConfigurationError, match="no instant"):
        feed.select(end=moment)


def test_select_in_several_zones_takes_each_one_s_own_clock() -> None:
    point, meter, clock = "/espi/UsagePoint/2", "/espi/UsagePoint/2/MeterReading/2", "/espi/LocalTimeParameters/2"
    readings = [reading(START + 3600 * k, k) for k in range(-24, 24)]
    feed = smd.read(
        feed_xml(
            usage_point(related=[f"{POINT}/MeterReading", CLOCK]),
            usage_point(point, related=[f"{point}/MeterReading", clock]),
            local_time(*PACIFIC),
            local_time("B40E2000", 3600, "360E2000", -18000, href=clock),
            meter_reading(),
            meter_reading(meter, related=[f"{meter}/IntervalBlock", TYPE]),
            reading_type(),
            blocks(block(*readings)),
            blocks(block(*readings), meter=meter),
        ).encode()
    )
    frame = feed.select(start="2024-01-01").tidy()
    assert str(frame["start"].dt.tz) == "UTC"
    firsts = frame.groupby("usage_point")["value"].min()
    assert firsts.to_dict() == {"espi/UsagePoint/1": 0.0, "espi/UsagePoint/2": -3.0}
    assert frame.groupby("usage_point")["zone"].first().to_dict() == {
        "espi/UsagePoint/1": "America/Los_Angeles",
        "espi/UsagePoint/2": "America/New_York",
    }


def test_select_leaves_out_what_belongs_to_others(tmp_path: Path) -> None:
    feed = smd.read(homes())
    part = feed.select(usage_point="espi/RetailCustomer/2/UsagePoint/01")
    assert part.tidy()["value"].tolist() == [201]
    assert part.bills()["bill"].tolist() == [3]
    assert len(part.usage_points) == 1
    part.to_espi(tmp_path / "a.xml")
    assert b"RetailCustomer/1/" not in (tmp_path / "a.xml").read_bytes()
    assert feed.select(usage_point=["espi/RetailCustomer/2/UsagePoint/01", "espi/RetailCustomer/4/UsagePoint/01"]).bills()[
        "bill"
    ].tolist() == [3, 5]
    assert len(feed.tidy()) == 5


@pytest.mark.parametrize("wanted", [{"channel": "none"}, {"usage_point": "none"}, {"channel": ["electricity delivered", "none"]}])
def test_select_names_what_there_is(wanted: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="There is: '"):
        smd.read(small().encode()).select(**wanted)


def test_select_of_nothing_is_empty_and_typed() -> None:
    feed = smd.read(small().encode())
    for part in (feed.select(start="2030-01-01"), feed.select(channel=[])):
        assert part.tidy().empty
        assert part.tidy().dtypes.drop(["start", "end"]).equals(feed.tidy().dtypes.drop(["start", "end"]))
