"""Files to one feed and the duplicates rule: idempotent, associative, independent of every order."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.espi.merge import instant, merge_documents, resolve
from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Readings
from smd_notebook.feed import Feed
from tests.build import (
    ENERGY,
    METER,
    START,
    TYPE,
    assert_same,
    block,
    blocks,
    codes_of,
    feed_xml,
    local_time,
    meter_reading,
    read_feed,
    reading,
    reading_type,
    rows_of,
    small,
    usage_point,
)
from tests.strategies import Parts, parts


def read(*texts: str | bytes) -> Feed:
    return read_feed([text if isinstance(text, bytes) else text.encode() for text in texts])


def frame_of(*texts: str | bytes) -> pd.DataFrame:
    return read(*texts).tidy(raw=True)


# -- whatever the order -------------------------------------------------------------------------------------------------------------------


@given(parts(), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_shuffled_entries_read_equal(made: Parts, dice: Any) -> None:
    order = list(range(len(made.entries)))
    dice.shuffle(order)
    feed, shuffled = read_feed(made.xml()), read_feed(made.xml(order))
    assert_same(
        shuffled.tidy(raw=True).sort_values(["channel", "start", "duration"], ignore_index=True),
        feed.tidy(raw=True).sort_values(["channel", "start", "duration"], ignore_index=True),
    )
    assert sorted(repr(channel.key) for channel in shuffled.channels) == sorted(repr(channel.key) for channel in feed.channels)
    assert codes_of(shuffled) == codes_of(feed)


@given(parts(points=2, power=0), parts(points=2, power=0))
@settings(max_examples=15)
def test_merging_is_idempotent_and_commutes(one: Parts, two: Parts) -> None:
    once = frame_of(one.xml(), two.xml())
    assert_same(frame_of(two.xml(), one.xml()), once)
    assert_same(frame_of(one.xml(), two.xml(), one.xml()), once)
    first, second = read_feed(one.xml()).document, read_feed(two.xml()).document
    merged = merge_documents([first, second])
    assert_same(Feed(merge_documents([merged, merged])).tidy(raw=True), once)
    assert_same(Feed(merge_documents([merged, first])).tidy(raw=True), once)


@given(parts(points=2, power=0), parts(points=2, power=0), parts(points=2, power=0))
@settings(max_examples=10)
def test_merging_associates(one: Parts, two: Parts, three: Parts) -> None:
    documents = [read_feed(made.xml()).document for made in (one, two, three)]
    at_once = Feed(merge_documents(documents)).tidy(raw=True)
    for a, b, c in permutations(documents):
        assert_same(Feed(merge_documents([merge_documents([a, b]), c])).tidy(raw=True), at_once)


@given(parts())
@settings(max_examples=12)
def test_merging_one_feed_with_itself_is_that_feed(made: Parts) -> None:
    feed = read_feed(made.xml())
    again = read_feed([made.xml(), made.xml()])
    assert_same(again.tidy(raw=True), feed.tidy(raw=True))
    assert codes_of(again) == codes_of(feed)


# -- the duplicates rule, by hand ---------------------------------------------------------------------------------------------------------


def one_hour(value: Any, *, updated: str = "", quality: Any = None, number: int = 1, **others: Any) -> str:
    return feed_xml(
        usage_point(),
        meter_reading(),
        reading_type(),
        blocks(block(reading(START, value, quality=quality, **others)), number=number, updated=updated),
    )


EARLY, LATE = "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kept", "given_up", "why"),
    [
        (one_hour(250, updated=LATE), one_hour(100, updated=EARLY), "updated later"),
        (one_hour(250, updated="2024-02-01T01:00:00+00:00"), one_hour(100, updated="2024-02-01T01:00:00+01:00"), "later by its offset"),
        (one_hour(250, updated=LATE, quality=8), one_hour(100, updated=EARLY, quality=19), "updated later, though of worse quality"),
        (one_hour(250, updated=EARLY), one_hour(100), "updated at all"),
        (one_hour(250, quality=19), one_hour(100, quality=17), "revenue quality over validated"),
        (one_hour(250, quality=17), one_hour(100, quality=8), "validated over estimated"),
        (one_hour(250, quality=0), one_hour(100, quality=10), "valid over questionable"),
        (one_hour(250, updated=EARLY), one_hour(None, updated=LATE), "a value over none"),
    ],
    ids=lambda given: given if len(given) < 60 else "",
)
def test_which_of_two_readings_stands(kept: str, given_up: str, why: str) -> None:
    for order in ((kept, given_up), (given_up, kept), (given_up, kept, given_up)):
        feed = read(*order)
        assert rows_of(feed, duplicates="resolve") == [(START, 3600, 250.0)], why
        if ">100<" in given_up:
            assert "duplicate-conflict" in codes_of(feed)


def test_readings_that_only_their_values_tell_apart_never_depend_on_the_order() -> None:
    found = {tuple(rows_of(read(*order), duplicates="resolve")) for order in permutations([one_hour(value) for value in (1, 2, 3)])}
    assert len(found) == 1


@given(st.lists(st.integers(-50, 50).map(lambda n: 10 * n) | st.integers(-(10**9), 10**9), min_size=2, max_size=6), st.integers(1, 6))
def test_readings_that_only_their_values_tell_apart_never_depend_on_the_power_of_ten(values: list[int], power: int) -> None:
    """A feed that is merged or written may hold the same amounts as other integers."""

    def stands(amounts: list[int]) -> int:
        same = [np.full(len(amounts), one) for one in (START, 3600)]
        small = [np.full(len(amounts), MISSING_SMALL, dtype=np.int16)] * 4
        readings = Readings(*same, np.array(amounts), np.full(len(amounts), MISSING), *small)
        return amounts[int(resolve(readings, np.zeros(len(amounts)))[0][0])]

    assert stands([value * 10**power for value in values]) == stands(values) * 10**power
    assert stands(values[::-1]) == stands(values)


def test_the_same_value_with_another_quality_is_no_conflict() -> None:
    feed = read(one_hour(100, quality=19), one_hour(100, quality=8))
    frame = feed.tidy()
    assert frame["value"].tolist() == [100.0]
    assert frame["quality"].tolist() == ["revenue_quality"]
    assert "duplicate-conflict" not in codes_of(feed)
    assert "duplicate-same" in codes_of(feed)


def test_the_same_start_with_another_duration_is_no_duplicate() -> None:
    """Whether they overlap is another question; here nothing is dropped."""
    feed = read(small(reading(START, 100, 3600), reading(START, 250, 7200)))
    assert rows_of(feed, duplicates="resolve") == [(START, 3600, 100.0), (START, 7200, 250.0)]


def test_keep_shows_every_row_in_the_files_order() -> None:
    text = small(reading(START + 3600, 3), reading(START, 1), reading(START, 2), reading(START, 1))
    assert rows_of(read(text), duplicates="keep") == [(START + 3600, 3600, 3.0), (START, 3600, 1.0), (START, 3600, 2.0), (START, 3600, 1.0)]
    assert [start for start, _, _ in rows_of(read(text), duplicates="resolve")] == [START, START + 3600]


def test_a_conflict_names_its_channel_and_time() -> None:
    feed = read(small(reading(START, 1), reading(START, 2), reading(START + 3600, 5), reading(START + 3600, 5)))
    found = feed.findings.set_index("code")
    assert found.loc["duplicate-conflict", ["channel", "n", "severity"]].tolist() == ["electricity delivered", 1, "warning"]
    assert found.loc["duplicate-conflict", "start"] == pd.Timestamp(START, unit="s", tz="UTC")
    assert found.loc["duplicate-conflict", "end"] == pd.Timestamp(START + 3600, unit="s", tz="UTC")
    assert found.loc["duplicate-same", ["n", "severity"]].tolist() == [1, "info"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([900, 3600]),
            st.integers(0, 2) | st.just(MISSING),
            st.sampled_from([0, 8, 17, 19, 99, MISSING_SMALL]),
            st.sampled_from([-np.inf, 1.0, 2.0]),
        ),
        max_size=8,
    )
)
def test_resolve_against_the_rule_spelled_out(rows: list[tuple[int, int, int, int, float]]) -> None:
    """For each start and duration: a value before none, then the later update, then the better quality; the same whatever the order."""
    ranks = {code: rank for rank, code in enumerate((10, 12, 9, 8, 16, 13, 15, 11, 7, 14, 18, 0, 17, 19))} | {99: 4, MISSING_SMALL: 11}

    def resolved(rows: list[tuple[int, int, int, int, float]]) -> list[tuple[int, int, int, int, float, int]]:
        n = len(rows)
        columns = {
            name: np.full(n, MISSING_SMALL, dtype=np.int16) if name in ("quality", "tou", "tier", "cpp") else np.full(n, MISSING)
            for name in COLUMNS
        }
        for number, (start, duration, value, quality, _) in enumerate(rows):
            for name, one in (("start", start), ("duration", duration), ("value", value), ("quality", quality)):
                columns[name][number] = one
        kept, conflicts = resolve(Readings(**columns), np.array([row[4] for row in rows]))
        return [(*rows[int(row)], int(n)) for row, n in zip(kept, conflicts, strict=True)]

    found = resolved(rows)
    assert [one[:2] for one in found] == sorted({row[:2] for row in rows})
    for start, duration, value, quality, updated, conflicts in found:
        same = [row for row in rows if row[:2] == (start, duration)]
        best = max((row[2] != MISSING, row[4], ranks[row[3]]) for row in same)
        assert (value != MISSING, updated, ranks[quality]) == best
        assert conflicts == sum(row[2] not in (value, MISSING) for row in same)
    assert {one[:3] for one in resolved(rows[::-1])} == {one[:3] for one in found}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T01:00:10+01:00", 10.0),
        ("1970-01-01T00:00:10", 10.0),
        ("1970-01-01", 0.0),
        ("1969-12-31T23:59:59.5Z", -0.5),
    ],
)
def test_instants(text: str, seconds: float) -> None:
    assert instant(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30T00:00:00Z", "1704096000", "\0"]
)
def test_no_date_ever_stops_a_reading(text: str) -> None:
    assert isinstance(instant(text), float)
    assert len(rows_of(read(one_hour(1, updated=text.replace("\0", "")), one_hour(2)), duplicates="resolve")) == 1


# -- what one file lacks and another has --------------------------------------------------------------------------------------------------

BLOCK_ALONE = feed_xml(blocks(block(reading(START, 1500))))
REST = feed_xml(
    usage_point(related=[f"{METER.rpartition('/')[0]}", "/espi/LocalTimeParameters/1"]),
    local_time("B40E2000", 3600, "360E2000", -28800),
    meter_reading(),
    reading_type(power=-3),
)


@pytest.mark.parametrize("order", list(permutations([BLOCK_ALONE, REST])), ids=["block first", "rest first"])
def test_a_blocks_reading_type_may_come_from_another_file(order: tuple[str, str]) -> None:
    alone = read(BLOCK_ALONE)
    assert "reading-type-missing" in codes_of(alone)
    assert alone.tidy()["unit"].isna().all()
    feed = read(*order)
    frame = feed.tidy()
    assert frame["value"].tolist() == [1.5]
    assert frame["unit"].tolist() == ["Wh"]
    assert frame["zone"].tolist() == ["America/Los_Angeles"]
    assert "reading-type-missing" not in codes_of(feed)
    (channel,) = feed.channels
    assert channel.label == "electricity delivered"


def test_three_files_complete_each_other() -> None:
    found = [BLOCK_ALONE, feed_xml(meter_reading()), feed_xml(reading_type(power=-3))]
    frames = [frame_of(*order) for order in permutations(found)]
    assert frames[0]["value"].tolist() == [1.5]
    for frame in frames[1:]:
        assert_same(frame, frames[0])


def test_times_that_another_files_reading_type_determines() -> None:
    untimed = feed_xml(blocks(block(reading(None, 1, None), reading(None, 2, None), start=START, duration=1800)))
    with_type = feed_xml(meter_reading(), reading_type(length=900))
    assert rows_of(read(untimed, with_type)) == [(START, 900, 1.0), (START + 900, 900, 2.0)]


def test_years_of_one_meter_are_one_channel() -> None:
    found = [small(reading(START + 31_536_000 * year, year), clock=None) for year in range(3)]
    feed = read(*found[::-1])
    assert len(feed.channels) == 1
    assert feed.tidy()["value"].tolist() == [0.0, 1.0, 2.0]


def test_two_meters_stay_two() -> None:
    other = small(reading(START, 2)).replace("UsagePoint/1", "UsagePoint/2")
    feed = read(small(reading(START, 1)), other)
    assert [channel.usage_point for channel in feed.channels] == ["espi/UsagePoint/1", "espi/UsagePoint/2"]
    assert len({channel.label for channel in feed.channels}) == 2
    assert len(feed.usage_points) == 2


PGE = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Subscription"


def test_pges_meter_keeps_its_identity_across_authorizations() -> None:
    """Another Subscription and another MeterReading id: still one meter, and nothing counts twice."""
    text = small(reading(START, 1), reading(START + 3600, 2)).replace('href="/espi', f'href="{PGE}/9')
    again = text.replace("Subscription/9", "Subscription/77").replace("MeterReading/1", "MeterReading/xyz")
    feed = read(text, again)
    assert len(feed.channels) == 1
    assert_same(feed.tidy(), read(text).tidy())
    elsewhere = [one.replace("api.pge.com", "utility.example") for one in (text, again)]
    assert len(read(*elsewhere).channels) == 2


def test_a_meter_whose_multiplier_changed_keeps_its_values() -> None:
    """The same channel, in Wh by thousandths in one file and whole Wh in the other."""
    feed = read(small(reading(START, 1500), power=-3), small(reading(START + 3600, 2), power=0))
    assert len(feed.channels) == 1
    for options in ({}, {"duplicates": "keep"}):
        assert sorted(feed.tidy(**options)["value"]) == [1.5, 2.0]


def test_the_channels_of_a_usage_point_keep_one_clock() -> None:
    """One file states the zone, another holds the same meter's other direction and states none."""
    received = ENERGY.replace("Direction>1", "Direction>19")
    other = (
        small(reading(START, 2), clock=None, codes=received)
        .replace(TYPE, "/espi/ReadingType/2")
        .replace("MeterReading/1", "MeterReading/2")
    )
    for order in permutations([small(reading(START, 1)), other]):
        feed = read(*order)
        assert set(feed.tidy()["zone"]) == {"America/Los_Angeles"}
        assert "zone-unknown" not in codes_of(feed)


def test_merge_is_public() -> None:
    one, two = read(one_hour(1)), read(small(reading(START + 3600, 2)))
    assert_same(smd.merge([one, two]).tidy(), smd.merge([two, one, two]).tidy())
    assert len(smd.merge([one, two]).tidy()) == 2
