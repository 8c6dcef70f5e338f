"""What belongs to what: the order of resort where links say little, identities, labels, and times that the feed leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from smd_notebook.espi.dialects import STANDARD, dialect_named, dialect_of
from smd_notebook.espi.links import label, usage_point_key
from smd_notebook.espi.model import MISSING, path_of
from tests.build import (
    ENERGY,
    METER,
    POINT,
    START,
    TYPE,
    block,
    blocks,
    codes_of,
    entry,
    feed_xml,
    meter_reading,
    read_feed,
    reading,
    reading_type,
    rows_of,
    small,
    usage_point,
)

METER_2, TYPE_2 = "/espi/UsagePoint/1/MeterReading/2", "/espi/ReadingType/2"
RECEIVED = ENERGY.replace("Direction>1", "Direction>19")


def read(*entries: str) -> Any:
    return read_feed(feed_xml(*entries).encode())


def flows(feed: Any) -> dict[str, list[float]]:
    """Return each channel's values by its flow, which is how these tests tell the two MeterReadings apart."""
    frame = feed.tidy()
    return {str(flow): rows["value"].tolist() for flow, rows in frame.groupby("flow", observed=True)}


TWO_METERS = (usage_point(), meter_reading(), meter_reading(METER_2, related=[TYPE_2]), reading_type(), reading_type(TYPE_2, RECEIVED))


def one(value: int) -> str:
    return block(reading(START + 3600 * value, value))


# -- which MeterReading a block belongs to ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "up"),
    [
        (f"{METER_2}/IntervalBlock/1", ""),
        (f"{METER_2}/IntervalBlock", ""),
        ("", f"{METER_2}/IntervalBlock"),
        ("", f"{METER_2}/IntervalBlock/"),
        (f"https://utility.example{METER_2}/IntervalBlock/1", ""),
        (f"{METER_2}/INTERVALBLOCK/1".replace("INTERVALBLOCK", "intervalBlock"), ""),
        (f"{METER_2}/IntervalBlock/1", f"{METER}/IntervalBlock"),
        ("/somewhere/else/7", f"{METER_2}/IntervalBlock"),
        (f"{METER_2}/IntervalBlock/1?published-min=2024-01-01T00:00:00Z", ""),
    ],
)
def test_a_block_is_found_by_its_own_path(href: str, up: str) -> None:
    assert flows(read(*TWO_METERS, entry(one(1), href, up))) == {"received": [1.0]}


def test_a_meter_reading_may_name_its_block() -> None:
    meters = (meter_reading(related=["/b/1", TYPE]), meter_reading(METER_2, related=["/b/2", TYPE_2]))
    feed = read(usage_point(), *meters, reading_type(), reading_type(TYPE_2, RECEIVED), entry(one(1), "/b/1"), entry(one(2), "/b/2"))
    assert flows(feed) == {"delivered": [1.0], "received": [2.0]}


def test_a_meter_reading_may_name_the_collection_of_its_blocks() -> None:
    meters = (meter_reading(related=["/b", TYPE]), meter_reading(METER_2, related=["/c", TYPE_2]))
    feed = read(usage_point(), *meters, reading_type(), reading_type(TYPE_2, RECEIVED), entry(one(1), "", "/b"), entry(one(2), "", "/c"))
    assert flows(feed) == {"delivered": [1.0], "received": [2.0]}


def test_blocks_without_links_belong_to_the_meter_reading_before_them() -> None:
    point, first, second, *types = TWO_METERS
    feed = read(point, *types, first, entry(one(1)), entry(one(2)), second, entry(one(3)))
    assert flows(feed) == {"delivered": [1.0, 2.0], "received": [3.0]}
    assert "link-guessed" in codes_of(feed)


def test_a_block_that_claims_a_meter_reading_that_is_not_here_is_a_channel_of_its_own() -> None:
    """It is somebody else's: giving it to one of those that are here would be wrong in silence."""
    elsewhere = entry(one(5), "/espi/UsagePoint/9/MeterReading/9/IntervalBlock/1")
    feed = read(*TWO_METERS, blocks(one(1)), elsewhere)
    assert flows(feed)["delivered"] == [1.0]
    frame = feed.tidy()
    alone = frame[frame["value"] == 5.0]
    assert alone["usage_point"].tolist() == ["espi/UsagePoint/9"]
    assert alone["unit"].isna().all()
    assert "reading-type-missing" in codes_of(feed)


def test_the_only_meter_reading_takes_blocks_whose_paths_are_spelled_otherwise() -> None:
    """Several utilities write /User/ in one place and /BillingAccount/ in the other."""
    feed = read(meter_reading(), reading_type(), entry(one(1), "/v1/Other/UsagePoint/1/MeterReading/1/IntervalBlock/1"))
    assert flows(feed) == {"delivered": [1.0]}
    assert "link-guessed" in codes_of(feed)


def test_similar_paths_are_not_the_same() -> None:
    meters = (meter_reading(), meter_reading(METER + "0", related=[TYPE_2]))
    feed = read(usage_point(), *meters, reading_type(), reading_type(TYPE_2, RECEIVED), entry(one(1), f"{METER}0/IntervalBlock/1"))
    assert flows(feed) == {"received": [1.0]}


def test_a_meter_reading_that_stands_twice_is_one() -> None:
    feed = read(usage_point(), meter_reading(), meter_reading(), reading_type(), blocks(one(1)), blocks(one(2), number=2))
    assert flows(feed) == {"delivered": [1.0, 2.0]}
    assert len(feed.channels) == 1


# -- which ReadingType --------------------------------------------------------------------------------------------------------------------


def test_the_only_reading_type_serves_where_none_is_named() -> None:
    feed = read(usage_point(), meter_reading(related=[]), reading_type(power=-3), blocks(one(1)))
    assert feed.tidy()["value"].tolist() == [0.001]
    assert "link-guessed" in codes_of(feed)


def test_copies_of_a_reading_type_count_as_one() -> None:
    feed = read(
        usage_point(), meter_reading(related=[]), reading_type(power=-3), reading_type("/x/ReadingType/7", power=-3), blocks(one(1))
    )
    assert feed.tidy()["value"].tolist() == [0.001]


def test_two_unlike_reading_types_and_none_named_leave_the_unit_open() -> None:
    feed = read(usage_point(), meter_reading(related=[]), reading_type(power=-3), reading_type(TYPE_2, power=0), blocks(one(1)))
    frame = feed.tidy()
    assert frame["value"].tolist() == [1.0]
    assert frame["unit"].isna().all()
    assert "reading-type-missing" in codes_of(feed)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_reading_types_with_one_address_the_one_of_the_readings_length_is_taken(order: tuple[int, int]) -> None:
    types = (reading_type(power=-3, length=900), reading_type(power=3, length=3600))
    feed = read(usage_point(), meter_reading(), *(types[place] for place in order), blocks(one(1)))
    assert feed.tidy()["value"].tolist() == [1000.0]


def test_of_reading_types_with_one_address_and_length_the_kth_is_for_the_kth() -> None:
    meters = (meter_reading(), meter_reading(METER_2, related=[TYPE]))
    types = (reading_type(power=0), reading_type(codes=RECEIVED, power=3))
    feed = read(usage_point(), *meters, *types, blocks(one(1)), blocks(one(2), meter=METER_2))
    assert flows(feed) == {"delivered": [1.0], "received": [2000.0]}
    assert "link-guessed" in codes_of(feed)


def test_readings_own_durations_win_over_the_interval_length() -> None:
    """Daily reads are 23 and 25 hours long twice a year, bills 28 to 35 days."""
    feed = read_feed(small(reading(START, 1, 82_800), reading(START + 82_800, 2, 90_000), length=86_400).encode())
    assert [duration for _, duration, _ in rows_of(feed)] == [82_800, 90_000]


# -- which UsagePoint ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "service"),
    [
        ((usage_point(kind=1), usage_point("/espi/UsagePoint/2", kind=2)), "gas"),
        ((usage_point("/other/7", kind=1, related=[METER]), usage_point("/other/8", kind=2, related=["/x"])), "gas"),
        ((usage_point("/other/7", kind=1, related=[f"{POINT}/MeterReading"]), usage_point("/other/8", kind=2)), "gas"),
        ((usage_point("/other/7", kind=2),), None),
        ((usage_point("", kind=2),), None),
        ((), None),
    ],
)
def test_usage_points(points: tuple[str, ...], service: str | None) -> None:
    """By path, by related links; a path that names one which is not here is not answered with another."""
    feed = read(*points, meter_reading(), reading_type(), blocks(one(1)))
    found = feed.tidy()["service"].astype(object).iloc[0]
    if len(points) == 1:  # the only one may be taken, as no series is anybody else's
        assert found in ("water", None)
    else:
        assert (found if isinstance(found, str) else None) == service


def test_the_service_follows_from_the_commodity_where_no_usage_point_says_it() -> None:
    feed = read(meter_reading(), reading_type(codes=ENERGY + "<e:commodity>7</e:commodity>"), blocks(one(1)))
    assert feed.tidy()["service"].tolist() == ["gas"]


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://api.example.com/espi/1_1/resource/UsagePoint/1/", "espi/1_1/resource/UsagePoint/1"),
        ("/espi/UsagePoint/1", "espi/UsagePoint/1"),
        ("espi/UsagePoint/1", "espi/UsagePoint/1"),
        (" //espi/UsagePoint/1// ", "espi/UsagePoint/1"),
        ("https://api.example.com/x?y=1", "x?y=1"),
        ("", ""),
        ("https://[broken/x", None),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_addresses_as_they_are_compared(href: str, expected: str | None) -> None:
    found = path_of(href)
    assert isinstance(found, str) if expected is None else found == expected


@pytest.mark.parametrize("href", ["https://[broken/x", "http://[::1", "//[", "http://a:b:c/d", "\u2100://x", "https://℀.com/x"])
def test_no_address_ever_stops_a_reading(href: str) -> None:
    feed = read(usage_point(href), meter_reading(related=[href]), entry("<e:Weather/>", href, href, [href]), blocks(one(1)))
    assert len(rows_of(feed)) == 1


# -- identity and labels ------------------------------------------------------------------------------------------------------------------


def test_usage_points_are_known_by_their_whole_path_unless_their_ids_are_unique_for_ever() -> None:
    path = "espi/1_1/resource/Subscription/9/UsagePoint/539"
    assert usage_point_key(path, STANDARD) == path
    assert usage_point_key(path, dialect_named("pge")) == "539"


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("https://api.pge.com/x", "pge"),
        ("https://API.PGE.COM:443/x", "pge"),
        ("https://pge.com.evil.example/x", None),
        ("https://notpge.com/x", None),
        ("/pge.com/x", None),
        ("", None),
    ],
)
def test_utilities_are_told_by_host(href: str, name: str | None) -> None:
    found = dialect_of(href)
    assert (found.name if found else None) == name


def test_labels_are_as_short_as_they_can_be_and_unique() -> None:
    kinds = [
        ENERGY,
        RECEIVED,
        ENERGY.replace(">72<", ">38<"),
        ENERGY.replace("ehaviour>4", "ehaviour>1"),
        ENERGY + "<e:phase>128</e:phase>",
        ENERGY.replace(">72<", ">169<"),
        ENERGY + "<e:dataQualifier>8</e:dataQualifier>",
    ]
    meters = [f"{POINT}/MeterReading/{number}" for number in range(len(kinds))]
    feed = read(
        usage_point(),
        *(meter_reading(meter, related=[f"/ReadingType/{number}"]) for number, meter in enumerate(meters)),
        *(reading_type(f"/ReadingType/{number}", kind) for number, kind in enumerate(kinds)),
        *(blocks(one(number), meter=meter) for number, meter in enumerate(meters)),
    )
    labels = [channel.label for channel in feed.channels]
    assert len(set(labels)) == len(kinds)
    assert "electricity received" in labels
    assert sum("power" in text for text in labels) == 1
    assert sum("register" in text for text in labels) == 1
    assert sum("therm" in text for text in labels) == 1
    again = label(feed.channels[::-1])
    assert sorted((channel.label, repr(channel.key)) for channel in again) == sorted(
        (channel.label, repr(channel.key)) for channel in feed.channels
    )


def test_different_lengths_of_one_kind_are_two_channels() -> None:
    meters = (meter_reading(), meter_reading(METER_2, related=[TYPE_2]))
    types = (reading_type(length=900), reading_type(TYPE_2, length=86_400))
    daily = block(reading(START, 96, 86_400))
    quarter = block(*[reading(START + 900 * number, 1, 900) for number in range(96)])
    feed = read(usage_point(), *meters, *types, blocks(quarter), blocks(daily, meter=METER_2))
    assert sorted(len(channel) for channel in feed.channels) == [1, 96]
    assert len({channel.label for channel in feed.channels}) == 2


def test_bills_of_unlike_length_are_one_channel() -> None:
    text = small(reading(START, 1, 28 * 86_400), reading(START + 28 * 86_400, 2, 33 * 86_400), length=None)
    assert len(read_feed(text.encode()).channels) == 1


# -- times that the feed leaves out -------------------------------------------------------------------------------------------------------


def untimed(*values: int, **interval: Any) -> str:
    return block(*[reading(None, value, None) for value in values], **interval)


def test_each_block_counts_from_its_own_start() -> None:
    found = [untimed(1, 2, start=START, duration=7200), untimed(3, 4, start=START + 86_400, duration=7200)]
    feed = read(usage_point(), meter_reading(), reading_type(), blocks(*found))
    assert [start for start, _, _ in rows_of(feed)] == [START, START + 3600, START + 86_400, START + 90_000]


def test_the_interval_length_is_taken_before_the_blocks_share() -> None:
    """Four readings of 900 s in a block that says it is an hour and a half long: 900 s each."""
    feed = read(usage_point(), meter_reading(), reading_type(length=900), blocks(untimed(1, 2, 3, 4, start=START, duration=5400)))
    assert [(start, duration) for start, duration, _ in rows_of(feed)] == [(START + 900 * k, 900) for k in range(4)]


def test_readings_after_one_that_has_a_time_follow_it() -> None:
    found = block(reading(START, 1, 900), reading(None, 2, None), reading(START + 7200, 3, None), reading(None, 4, 1800))
    feed = read(usage_point(), meter_reading(), reading_type(length=900), blocks(found))
    assert rows_of(feed) == [(START, 900, 1.0), (START + 900, 900, 2.0), (START + 7200, 900, 3.0), (START + 8100, 1800, 4.0)]


def test_a_share_that_is_no_whole_number_of_seconds_is_no_length() -> None:
    feed = read(usage_point(), meter_reading(), reading_type(length=None), blocks(untimed(1, 2, 3, start=START, duration=100)))
    frame = feed.tidy()
    assert frame["start"].isna().tolist() == [False, True, True]
    assert {"time-missing", "duration-unknown"} <= codes_of(feed)


def test_nothing_is_made_up_where_nothing_says_it() -> None:
    feed = read(usage_point(), meter_reading(), reading_type(length=None), blocks(block(reading(START, 1, None))))
    frame = feed.tidy()
    assert frame["duration"].dt.total_seconds().tolist() == [0]
    assert "duration-unknown" in codes_of(feed)
    assert feed.document.blocks[0].readings.duration.tolist() == [MISSING]


@pytest.mark.parametrize("start", [2**62, -(2**62), 2**63 - 1, 2**63, -(2**63), 10**30])
@pytest.mark.parametrize("duration", [7200, 2**62, 2**63 - 2, 10**30])
def test_absurd_instants_never_overflow(start: int, duration: int) -> None:
    found = [untimed(1, 2, start=start, duration=duration), block(reading(start, 3, duration))]
    feed = read(usage_point(), meter_reading(), reading_type(), blocks(*found))
    frame = feed.tidy()
    assert frame["start"].isna().all()
    assert frame["value"].sum() == 6
    assert {"time-implausible", "time-missing"} & codes_of(feed)
    assert repr(feed)
    assert feed._repr_html_()
