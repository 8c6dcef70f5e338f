"""A feed for publishing: nothing of a person's left in anything that it shows or writes, and not a watt-hour changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import smd_notebook as smd
from smd_notebook.espi.model import path_of
from tests.build import (
    START,
    assert_same,
    block,
    element,
    entry,
    feed_xml,
    reading,
    rows_of,
)
from tests.strategies import Parts, parts
from tests.test_identity import homes

CANARY = "QCANARY"


def everywhere() -> bytes:
    """Return a feed with a canary in every place that a person can stand in."""
    point, meter = (
        f"/{CANARY}/RetailCustomer/{CANARY}1/UsagePoint/{CANARY}2",
        f"/{CANARY}/RetailCustomer/{CANARY}1/UsagePoint/{CANARY}2/MeterReading/{CANARY}3",
    )
    kind, clock = f"/{CANARY}/ReadingType/{CANARY}4", f"/{CANARY}/LocalTimeParameters/{CANARY}5"
    unknown = element("extension", f"{CANARY}6")
    uri = element("readingTypeRef", f"https://{CANARY}.example/ReadingType/1")
    energy = element("uom", 72) + element("value", 100) + uri + unknown
    line = element("amount", 100_000) + element("note", "Energy") + element("measurement", energy) + element("itemKind", 3) + unknown
    summary = (
        element("billingPeriod", element("duration", 86_400) + element("start", START) + unknown)
        + element("billLastPeriod", 100_000)
        + element("costAdditionalDetailLastPeriod", line)
        + element("currency", 840)
        + element("overallConsumptionLastPeriod", energy)
        + element("readCycle", f"{CANARY}7")
        + unknown
    )
    delivery = element("serviceDeliveryPoint", element("name", f"{CANARY}8") + element("customerAgreement", f"{CANARY}9"))
    program = element(
        "programIdMapping", element("tOUorCPPorConsumptionTier", "TOU") + element("code", 1) + element("name", "Peak") + unknown
    )
    words = {"title": f"{CANARY} TITLE", "more": f"<a:id>{CANARY}10</a:id><a:author><a:name>{CANARY}11</a:name></a:author>"}
    place = element("ServiceCategory", element("kind", 0)) + delivery + element("readRoute", f"{CANARY}12") + unknown
    power_quality = element("summaryInterval", element("duration", 1) + unknown) + unknown
    consent = element("access_token", f"{CANARY}16") + element("resourceURI", f"/{CANARY}17")
    clock_ = element("tzOffset", -28800) + element("dstOffset", 0) + unknown
    return feed_xml(
        entry(
            element("UsagePoint", place),
            point,
            related=[f"{point}/MeterReading", clock],
            **words,
        ),
        entry("<e:MeterReading/>", meter, related=[f"{meter}/IntervalBlock", kind], **words),
        entry(element("ReadingType", element("uom", 72) + element("accumulationBehaviour", 4) + unknown), kind, **words),
        entry(element("LocalTimeParameters", clock_), clock, **words),
        entry(
            block(
                reading(START, 100, tou=1, more=unknown),
                reading(START + 3600, 250, duration=3600),
                start=START,
                duration=7200,
                more=unknown,
            ),
            f"{meter}/IntervalBlock/{CANARY}13",
            f"{meter}/IntervalBlock",
            **words,
        ),
        entry(element("UsageSummary", summary), f"{point}/UsageSummary/{CANARY}14", f"{point}/UsageSummary", **words),
        entry(
            element("ElectricPowerQualitySummary", power_quality),
            f"{point}/x/{CANARY}",
            **words,
        ),
        entry(element("ProgramIdMappings", program + unknown), f"/{CANARY}/p", **words),
        entry(element("Customer", element("name", f"{CANARY}15")), f"/{CANARY}/Customer/1", **words),
        entry(
            element("Authorization", consent),
            f"/{CANARY}/Authorization/1",
            **words,
        ),
        entry(element("Weather", f"{CANARY}18"), f"/{CANARY}/Weather", **words),
        more=f"<a:id>{CANARY}19</a:id><a:title>{CANARY}20</a:title><a:link rel='self' href='/{CANARY}'/>",
    ).encode()


def shown(feed: Any, folder: Path) -> str:
    """Return everything that a feed shows or writes."""
    feed.to_espi(folder / "a.xml")
    feed.to_csv(folder / "a.csv")
    tree = feed.to_datatree()
    frames = [feed.tidy(raw=True), feed.tidy(duplicates="keep"), feed.findings, feed.bills(), feed.bill_lines(), feed.customers()]
    return "\n".join(
        [
            repr(feed),
            feed._repr_html_(),
            repr(feed.resources),
            repr(feed.usage_points),
            repr([vars(channel) for channel in feed.channels]),
            repr(feed.document),
            *(frame.to_csv() for frame in frames),
            (folder / "a.xml").read_text(encoding="utf-8"),
            (folder / "a.csv").read_text(encoding="utf-8"),
            *(f"{node.path} {node.attrs} {[variable.attrs for variable in node.variables.values()]}" for node in tree.subtree),
        ]
    )


def test_nothing_personal_is_left(tmp_path: Path) -> None:
    (tmp_path / f"{CANARY}.xml").write_bytes(everywhere())
    feed = smd.read(tmp_path / f"{CANARY}.xml", clock="utc")
    assert CANARY in shown(feed, tmp_path)
    hidden = feed.alias()
    text = shown(hidden, tmp_path)
    assert re.findall(f"{CANARY}\\w*", text) == []
    assert f"{CANARY}" not in repr(vars(hidden.document))
    assert hidden.tidy()["value"].tolist() == [100.0, 250.0]
    assert hidden.tidy()["tou_name"].tolist()[0] == "Peak"
    assert hidden.bills()["bill"].tolist() == [1.0]
    assert hidden.bill_lines()["quantity"].tolist() == [100.0]
    (row,) = hidden.findings.query("code == 'alias'").itertuples()
    assert row.n == 3
    assert b"QCANARY" not in (tmp_path / "a.xml").read_bytes()


def test_tables_of_portals_keep_no_account_number(tmp_path: Path) -> None:
    head = f"Name,{CANARY} DOE\nAccount Number,9988776655\n\nTYPE,DATE,START TIME,END TIME,USAGE,UNITS,NOTES\n"
    feed = smd.read((head + f"Electric usage,2025-06-01,00:00,00:59,0.5,kWh,{CANARY}\n").encode(), tz="America/Los_Angeles").alias()
    text = shown(feed, tmp_path)
    assert CANARY not in text
    assert "9988776655" not in text
    assert feed.tidy()["value"].tolist() == [500.0]


def test_what_is_measured_is_unchanged(tmp_path: Path) -> None:
    for feed in (smd.sample("lapse2024").select(start="2024-11-01", end="2024-11-05"), smd.read(homes(), clock="utc")):
        hidden = feed.alias()
        for columns in (["start", "end", "value", "unit", "quality", "flow"],):
            ours, theirs = (one.tidy()[columns].sort_values(["start", "value", "flow"], ignore_index=True) for one in (feed, hidden))
            assert_same(theirs, ours)
        assert sorted(hidden.bills()["bill"]) == sorted(feed.bills()["bill"])
        assert hidden.tidy()["usage_point"].nunique() == feed.tidy()["usage_point"].nunique()
        hidden.to_espi(tmp_path / "a.xml")
        back = smd.read(tmp_path / "a.xml", clock="utc")
        for ours, theirs in ((hidden.tidy(raw=True), back.tidy(raw=True)), (hidden.bills(), back.bills())):
            assert_same(theirs, ours)  # the names as well: read from a file, a home is the home that it was


def test_names_follow_the_readings() -> None:
    feed = smd.read(homes(), clock="utc")
    names = feed.alias().tidy()["usage_point"].unique().tolist()
    assert len(names) == 5
    assert all(re.fullmatch(r"home-[0-9a-f]{8}", name) for name in names)
    other = smd.read(homes(base="/elsewhere/RetailCustomer"), clock="utc")
    assert sorted(other.alias().tidy()["usage_point"].unique()) == sorted(names)
    assert smd.read(homes(), clock="utc").alias().tidy()["usage_point"].unique().tolist() == names


def test_homes_that_say_the_very_same_stay_several(tmp_path: Path) -> None:
    feed = smd.read(homes(3, value=0), clock="utc")
    hidden = feed.alias()
    assert hidden.tidy()["usage_point"].nunique() == 3
    assert hidden.bills()["bill"].tolist() == [1, 2, 3]
    hidden.to_espi(tmp_path / "a.xml")
    assert len(smd.read(tmp_path / "a.xml", clock="utc").tidy()) == 3
    assert len(smd.merge([hidden, hidden]).tidy()) == 3


def test_bills_stay_with_their_homes() -> None:
    feed = smd.read(homes(), clock="utc")
    hidden = feed.alias()
    pairs = {
        value: bill
        for (_, value), bill in zip(
            hidden.tidy()[["usage_point", "value"]].values,
            hidden.bills().set_index("usage_point")["bill"].loc[hidden.tidy()["usage_point"]],
            strict=True,
        )
    }
    assert pairs == {1.0: 1.0, 101.0: 2.0, 201.0: 3.0, 301.0: 4.0, 401.0: 5.0}


def test_aliased_feeds_merge() -> None:
    feed = smd.read(homes(), clock="utc")
    hidden = feed.alias()
    again = smd.merge([hidden, hidden.alias()])
    assert sorted(again.tidy()["value"].unique()) == [1, 101, 201, 301, 401]
    assert smd.merge([hidden, feed.alias()]).tidy().equals(hidden.tidy())


@given(parts())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_made_up_feeds_keep_no_address_and_every_value(made: Parts) -> None:
    feed = smd.read(made.xml(), clock="utc")
    hidden = feed.alias()
    assert sorted(map(repr, rows_of_known(hidden))) == sorted(map(repr, rows_of_known(feed)))
    hrefs = {path_of(one.entry.href) for one in (*feed.document.blocks, *feed.document.usage_points, *feed.document.meter_readings)}
    kept = {path_of(one.entry.href) for one in (*hidden.document.blocks, *hidden.document.usage_points, *hidden.document.meter_readings)}
    assert not hrefs & kept


def rows_of_known(feed: Any) -> list[tuple[int, int, float]]:
    try:
        return rows_of(feed)
    except smd.SmdError:  # numbers too unlike for one scale
        return []


def test_the_corpus_keeps_no_address(corpus: Path, tmp_path: Path) -> None:
    for name in (
        "pge-smd__eemeter_electricity.xml",
        "burlington-hydro__usage_60min.xml",
        "gba__three_usage_points_one_customer.xml",
        "pge-smd__verdigris_RetailCustomer.xml",
    ):
        feed = smd.read(corpus / "files" / name, clock="utc")
        hidden = feed.alias()
        text = shown(hidden, tmp_path)
        document = feed.document
        entries = [
            one.entry for group in (document.usage_points, document.meter_readings, document.summaries, document.blocks) for one in group
        ]
        for entry_ in entries:
            assert not entry_.path or entry_.path not in text
            assert not entry_.id or entry_.id not in text
        for value in feed.customers()["value"]:
            assert len(value) < 6 or value not in text
        if len(feed.tidy()):
            assert hidden.tidy()["value"].sum() == pytest.approx(feed.tidy()["value"].sum())
