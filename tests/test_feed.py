"""The researcher's object: what it says of itself, what it shows, and that it cannot be changed."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from hypothesis import given, settings

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, NotEspiError, SmdWarning
from smd_notebook.espi.model import Channel, UsagePoint
from smd_notebook.findings import FINDING_COLUMNS
from tests.build import (
    POINT,
    START,
    assert_same,
    block,
    blocks,
    entry,
    feed_xml,
    meter_reading,
    read_feed,
    reading,
    reading_type,
    small,
    usage_point,
)
from tests.strategies import Parts, parts
from tests.test_reader import DATA

YEAR = small(*[reading(START + 3600 * hour, hour % 7) for hour in range(48)])


def test_what_a_feed_says_of_itself() -> None:
    feed = smd.read(YEAR.encode())
    assert repr(feed).splitlines()[0].startswith("<Feed: 1 channel of 1 usage point")
    assert "electricity delivered, Wh, 2024-01-01 00:00 PST, 2024-01-03 00:00 PST, 48 intervals, 100 %" in repr(feed)
    assert "48 intervals" in feed._repr_html_()
    assert "findings" not in repr(feed) + feed._repr_html_()


def test_warnings_are_shown_in_words() -> None:
    feed = read_feed(small(reading(START, 1), reading(START + 2 * 3600, 1), reading(START + 5 * 3600, 1)).encode())
    assert "warning: gap (x2); see feed.findings" in repr(feed)
    shown = feed._repr_html_()
    assert "<li>warning: gap (1 of 2): nothing was metered for 1 h. " in shown
    assert shown.count("<li>") == 2
    assert "docs/findings.md" in shown


def test_coverage_counts_gaps_and_no_overlap_twice() -> None:
    feed = read_feed(small(reading(START, 1), reading(START, 1, 7200), reading(START + 9 * 3600, 1)).encode())
    assert "30.00 % covered" in repr(feed)
    instants = read_feed(small(reading(START, 1, 0), reading(START + 3600, 1, 0)).encode())
    assert " %" not in repr(instants)
    nearly = read_feed(
        small(*[reading(START + 3600 * hour, 1) for hour in range(100_000) if hour != 7][:500], reading(START + 3600 * 10**6, 1)).encode()
    )
    assert "100 %" not in repr(nearly)


def test_html_escapes_what_the_feed_says() -> None:
    evil = "<script>alert(1)</script>"
    text = small(reading(START, 1)).replace("UsagePoint/1", "UsagePoint/&lt;script&gt;alert(1)&lt;/script&gt;")
    text = text.replace(
        "</feed>", entry("<e:Weather>x</e:Weather>", title="&lt;script&gt;").replace("a:", "").replace("e:", "espi:") + "</feed>"
    )
    feed = read_feed(text.encode())
    assert evil in feed.channels[0].usage_point
    assert "<script>" not in feed._repr_html_()
    assert "&lt;script&gt;" in feed._repr_html_()


def test_nothing_personal_is_shown() -> None:
    more = "<e:serviceDeliveryPoint><e:name>CANARY</e:name><e:customerAgreement>CANARY</e:customerAgreement></e:serviceDeliveryPoint>"
    more += "<e:readRoute>CANARY</e:readRoute>"
    text = feed_xml(usage_point(more=more, title="CANARY"), meter_reading(), reading_type(), blocks(block(reading())))
    feed = read_feed(text.encode())
    shown = repr(feed) + feed._repr_html_() + repr(feed.usage_points) + repr(feed.channels) + feed.findings.to_csv()
    assert "CANARY" not in shown
    assert feed.usage_points[0].service_delivery_point.name == "CANARY"


def test_lists_are_lists_of_dataclasses_and_copies() -> None:
    feed = read_feed(YEAR.encode())
    assert all(isinstance(one, Channel) for one in feed.channels)
    assert all(isinstance(one, UsagePoint) for one in feed.usage_points)
    (channel,) = feed.channels
    assert repr(channel) == (
        f"Channel(label='electricity delivered', usage_point={channel.usage_point!r}, service='electricity', measure='energy', "
        f"flow='delivered', unit='Wh', interval_length=3600)"
    )
    feed.channels.clear()
    feed.usage_points.clear()
    feed.resources.clear()
    feed.resources["ReadingType"].clear()
    assert (len(feed.channels), len(feed.usage_points), len(feed.resources["ReadingType"])) == (1, 1, 1)


def test_a_frame_is_the_callers_own() -> None:
    feed = read_feed(YEAR.encode())
    before = feed.tidy()
    frame = feed.tidy(raw=True)
    frame["raw_value"] = 7
    frame.loc[:, "value"] = 7.0
    assert_same(feed.tidy(), before)
    for name in ("raw_value", "value", "duration"):
        array = feed.tidy(raw=True)[name].to_numpy()
        if array.flags.writeable:
            array[:] = array[0]
    assert_same(feed.tidy(), before)


def test_to_dataframe_is_tidy() -> None:
    feed = read_feed(YEAR.encode())
    assert_same(feed.to_dataframe(unit="kWh", raw=True), feed.tidy(unit="kWh", raw=True))


@pytest.mark.parametrize("given", [{"tz": "UTC"}, {"unit": "kWh"}, {"duplicates": "keep"}, {"raw": True}])
def test_options_are_named(given: dict[str, Any]) -> None:
    feed = read_feed(YEAR.encode())
    assert len(feed.tidy(**given)) == 48
    with pytest.raises(TypeError):
        feed.tidy(*given.values())  # type: ignore[misc]


# -- findings -----------------------------------------------------------------------------------------------------------------------------


def test_findings_are_a_frame_with_the_same_columns_always() -> None:
    for text in (YEAR, feed_xml(), small(reading(START, "x"))):
        frame = read_feed(text.encode()).findings
        assert tuple(frame.columns) == FINDING_COLUMNS
        assert str(frame["start"].dtype) == "datetime64[us, UTC]"
        assert frame["n"].dtype == "int64"
        assert frame["value"].dtype == "float64"


def test_the_gravest_come_first_and_all_have_words() -> None:
    text = small(reading(None, "x", None, quality="x"), reading(START, 1), reading(START, 2), clock=None) + "junk"
    frame = read_feed(text.encode()).findings
    order = [{"error": 0, "warning": 1, "info": 2}[one] for one in frame["severity"]]
    assert order == sorted(order)
    assert len(set(frame["code"])) >= 4
    assert frame["message"].str.len().min() > 10
    assert frame["code"].str.fullmatch("[a-z][a-z-]+").all()


def test_findings_of_two_files_name_each() -> None:
    feed = read_feed([DATA / "number_not_a_number.xml", DATA / "quality_unknown.xml"])
    found = feed.findings[feed.findings["code"] == "not-understood"]
    assert set(found["source"]) == {"number_not_a_number.xml", "quality_unknown.xml"}


# -- arguments ----------------------------------------------------------------------------------------------------------------------------


def test_dialects_by_name() -> None:
    text = small(reading(START, 1), clock=None)
    feed = read_feed(text.encode(), dialect="pge")
    assert feed.tidy()["zone"].tolist() == ["America/Los_Angeles"]
    assert feed.channels[0].usage_point == "1"
    with pytest.raises(ConfigurationError, match="pge"):
        read_feed(text.encode(), dialect="nobody")


def test_a_page_that_is_no_feed_says_what_it_is() -> None:
    with pytest.raises(NotEspiError, match="<html>"):
        smd.read(b"<html/>")


def test_unknown_clocks_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        smd.read(YEAR.encode(), clock="nonsense")


# -- everything together ------------------------------------------------------------------------------------------------------------------


@given(parts(timed=False))
@settings(max_examples=20)
def test_made_up_feeds_never_crash(made: Parts) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmdWarning)
        feed = smd.read(made.xml())
    assert re.match("<Feed: ", repr(feed))
    assert feed._repr_html_().count("<tr>") == (len(feed.channels) + 1 if feed.channels else 0)
    for tz in (None, "Asia/Kathmandu"):
        for duplicates in ("resolve", "keep"):
            assert len(feed.tidy(tz=tz, duplicates=duplicates, raw=True)) <= sum(len(one.readings) for one in feed.document.blocks)
    assert len(feed.findings) == len(feed.findings)
    assert len(feed.tidy(duplicates="keep")) == sum(len(one.readings) for one in feed.document.blocks)


def test_every_rule_has_both_faces() -> None:
    for path in sorted(DATA.glob("*.xml")):
        feed = read_feed(path)
        assert repr(feed).startswith("<Feed: ")
        assert feed._repr_html_().startswith("<div>")


def test_many_usage_points_are_shown_by_the_end_of_their_paths() -> None:
    points = [f"/a/b/c/d/UsagePoint/{number}" for number in range(3)]
    found = [
        one
        for point in points
        for one in (usage_point(point), meter_reading(f"{point}/MeterReading/1"), blocks(block(reading()), meter=f"{point}/MeterReading/1"))
    ]
    shown = repr(read_feed(feed_xml(*found, reading_type()).encode()))
    assert "…/d/UsagePoint/2" in shown
    assert POINT not in shown
