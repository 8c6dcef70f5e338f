"""What is written reads back equal: by hypothesis for made-up feeds, and what a writer may easily get wrong by hand."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from smd_notebook.espi.model import Document
from smd_notebook.espi.writer import Style, write_document
from smd_notebook.feed import Feed
from tests.build import ATOM, ESPI, START, assert_same, codes_of, entry, feed_xml, read_feed, reading, rows_of, small
from tests.oracle import Found
from tests.strategies import Parts, parts
from tests.test_reader import DATA, TWO

STYLES = ["plain", "pge"]


def again(feed: Feed, style: Style = "plain") -> Feed:
    return read_feed(write_document(feed.document, style=style))


def said(things: Any) -> list[str]:
    return sorted(repr(asdict(replace(one, entry=None))) for one in things)


def assert_equal(back: Feed, feed: Feed) -> None:
    """Assert that two feeds say the same, channel by channel; the order in which channels stand in the file is the writer's."""
    assert [channel.key for channel in back.channels] == [channel.key for channel in feed.channels]
    ours, theirs = feed.tidy(duplicates="keep", raw=True), back.tidy(duplicates="keep", raw=True)
    for label, rows in ours.groupby("channel", sort=False):
        assert_same(theirs[theirs["channel"] == label].reset_index(drop=True), rows.reset_index(drop=True))
    assert len(theirs) == len(ours)
    assert said(back.usage_points) == said(feed.usage_points)
    assert {name: said(items) for name, items in back.resources.items()} == {name: said(items) for name, items in feed.resources.items()}


# -- made-up feeds ------------------------------------------------------------------------------------------------------------------------


@given(parts(), st.sampled_from(STYLES))
@settings(max_examples=25)
def test_made_up_feeds_written_read_equal(made: Parts, style: Style) -> None:
    feed = read_feed(made.xml())
    written = write_document(feed.document, style=style)
    back = read_feed(written)
    assert_equal(back, feed)
    assert_same(back.tidy(raw=True), feed.tidy(raw=True))
    assert write_document(back.document, style=style) == written


@given(parts(timed=False), st.sampled_from(STYLES))
@settings(max_examples=15)
def test_made_up_feeds_without_times_written_read_equal(made: Parts, style: Style) -> None:
    feed = read_feed(made.xml())
    assert_equal(again(feed, style), feed)


@given(parts())
@settings(max_examples=15)
def test_made_up_feeds_are_written_as_a_second_reader_understands(made: Parts) -> None:
    feed = read_feed(made.xml())
    frame = feed.tidy(duplicates="keep")
    rows = Found(write_document(feed.document)).rows()
    values = [float(row.value * Fraction(10) ** row.power) for row in rows if row.value is not None]
    assert sorted(values) == sorted(frame["value"].dropna())
    assert len(rows) == len(frame)


@pytest.mark.prove
@given(parts(points=5), st.sampled_from(STYLES))
@settings(max_examples=3000)
def test_many_made_up_feeds_written_read_equal(made: Parts, style: Style) -> None:
    feed = read_feed(made.xml())
    assert_equal(again(feed, style), feed)


# -- the tiny files -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("path", sorted(DATA.glob("*.xml")), ids=lambda path: path.stem)
def test_every_rule_written_reads_equal(path: Any, style: Style) -> None:
    feed = read_feed(path)
    if path.stem == "secrets":
        return
    assert_equal(again(feed, style), feed)


def test_secrets_are_not_written() -> None:
    assert b"CANARY" not in write_document(read_feed(DATA / "secrets.xml").document)


# -- by hand ------------------------------------------------------------------------------------------------------------------------------


def test_what_a_timeperiod_held_stays_in_it() -> None:
    """One timePeriod a reading, as the schema has it, whatever else it holds."""
    root = etree.fromstring(write_document(read_feed(DATA / "element_unknown.xml").document))
    periods = [[child.tag.rpartition("}")[2] for child in node] for node in root.iter(f"{{{ESPI}}}timePeriod")]
    assert periods == [["duration", "start"], ["duration", "start", "timezone"]]


HARD = {
    "an attribute of a reading": small(
        reading(START, 100).replace("IntervalReading>", "IntervalReading id='1'>", 1), reading(START + 3600, 250)
    ),
    "an attribute of a value": small(reading(START, 100).replace("e:value>", "e:value note='x'>", 1), reading(START + 3600, 250)),
    "an attribute of a start": small(reading(START, 100).replace("e:start>", "e:start note='x'>", 1), reading(START + 3600, 250)),
    "an attribute of a block": small().replace("<espi:IntervalBlock>", "<espi:IntervalBlock id='1'>"),
    "text in a block": small().replace("<espi:IntervalBlock>", "<espi:IntervalBlock> words "),
    "text in a reading": small(reading(START, 100, more=" words "), reading(START + 3600, 250)),
    "an element of no namespace in a foreign one": small(
        reading(START, 100, more="<x:a xmlns:x='urn:x'><b xmlns=''>1</b></x:a>"), reading(START + 3600, 250)
    ),
    "markup in text": small(
        reading(START, 100, more='<e:extension>a &lt;b&gt; &amp;amp; "c" ]]&gt;</e:extension>'), reading(START + 3600, 250)
    ),
    "markup in an attribute": small(reading(START, 100, more="<e:extension a='&quot;&lt;&amp;&#10;x'/>"), reading(START + 3600, 250)),
    "an empty element": small(reading(START, 100, more="<e:extension/>"), reading(START + 3600, 250)),
    "an element that repeats": small(
        reading(START, 100, more="<e:extension>1</e:extension><e:extension>2</e:extension>"), reading(START + 3600, 250)
    ),
    "two attributes in foreign namespaces": small(
        reading(START, 100, more="<e:extension xmlns:x='urn:x' x:a='1' b='2'>t</e:extension>"), reading(START + 3600, 250)
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", HARD)
def test_hard_to_write(name: str, style: Style) -> None:
    feed = read_feed(HARD[name].encode())
    assert rows_of(feed) == TWO
    back = again(feed, style)
    assert_equal(back, feed)
    assert [one.readings.extra for one in back.document.blocks] == [one.readings.extra for one in feed.document.blocks]
    assert [one.extra for one in back.document.blocks] == [one.extra for one in feed.document.blocks]
    assert codes_of(back) == codes_of(feed)


@pytest.mark.parametrize("style", STYLES)
def test_what_is_written_is_standard(style: Style) -> None:
    root = etree.fromstring(write_document(read_feed(small().encode()).document, style=style))
    assert root.tag == f"{{{ATOM}}}feed"
    assert {node.tag for node in root} <= {f"{{{ATOM}}}{name}" for name in ("id", "title", "updated", "link", "entry")}
    resources = [child for content in root.iter(f"{{{ATOM}}}content") for child in content]
    assert {child.tag for child in resources} == {
        f"{{{ESPI}}}{name}" for name in ("UsagePoint", "LocalTimeParameters", "MeterReading", "ReadingType", "IntervalBlock")
    }
    order = [node.tag.rpartition("}")[2] for node in next(root.iter(f"{{{ESPI}}}IntervalReading"))]
    assert order == ["timePeriod", "value"]


def test_fields_stand_in_the_schemas_order() -> None:
    text = small(reading(START, 100, cost=1, quality=17, consumptionTier=2, tou=3, cpp=4))
    root = etree.fromstring(write_document(read_feed(text.encode()).document))
    order = [node.tag.rpartition("}")[2] for node in next(root.iter(f"{{{ESPI}}}IntervalReading"))]
    assert order == ["cost", "ReadingQuality", "timePeriod", "value", "consumptionTier", "tou", "cpp"]
    kind = [node.tag.rpartition("}")[2] for node in next(root.iter(f"{{{ESPI}}}ReadingType"))]
    assert kind == sorted(kind, key=str.lower)  # the first 14 are in the alphabet's order in espi.xsd


def test_the_numbers_of_a_reading_are_written_as_they_were() -> None:
    text = small(reading(START, "0.380"), reading(START + 3600, -5), reading(START + 7200, 2**63 - 1))
    back = again(read_feed(small(reading(START, "0.380"), reading(START + 3600, -5)).encode()))
    assert rows_of(back) == [(START, 3600, 0.38), (START + 3600, 3600, -5.0)]
    assert b"<espi:value>9223372036854775807</espi:value>" in write_document(read_feed(text.replace("0.380", "38").encode()).document)


def test_a_document_of_nothing_is_a_feed_of_nothing() -> None:
    feed = read_feed(write_document(Document()))
    assert feed.channels == []
    assert len(feed.tidy()) == 0


def test_what_was_merged_can_be_written() -> None:
    one = small(reading(START, 1)).replace("UsagePoint/1", "UsagePoint/7")
    feed = read_feed([small().encode(), one.encode(), (DATA / "flow_two_ways.xml").read_bytes(), (DATA / "zone_two.xml").read_bytes()])
    back = again(feed)
    pd.testing.assert_frame_equal(back.tidy(), feed.tidy())


def test_pge_ids_survive() -> None:
    """With PG&E's unique ids the channel is known by the last part of its UsagePoint's path, before and after."""
    text = small().replace('href="/espi', 'href="https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Subscription/9')
    feed = read_feed(text.encode())
    assert [channel.usage_point for channel in feed.channels] == ["1"]
    assert_equal(again(feed, "pge"), feed)


def test_entries_of_their_own_keep_their_titles() -> None:
    feed = read_feed(feed_xml(entry("<e:Weather/>", title="Größe &amp; &lt;Zähler&gt;")).encode())
    assert again(feed).document.others[0].entry.title == "Größe & <Zähler>"
