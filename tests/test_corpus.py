"""Every file of the corpus, against its manifest, its truth and a second reader; all expected values are the corpus's own."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smd_notebook.espi import codes
from smd_notebook.espi.merge import merge_documents
from smd_notebook.espi.model import MISSING
from smd_notebook.espi.resources import Secret
from smd_notebook.espi.writer import Style, write_document
from smd_notebook.feed import Feed
from smd_notebook.frames import TIDY_COLUMNS
from tests.build import assert_same, read_feed
from tests.oracle import Found, name_of

FOLDER = Path(os.environ.get("SMD_CORPUS") or "no corpus")
UNIT_OF_TRUTH = {"BTU": "Btu", "USGal": "US_gal", "VAr": "var"}
#: The one file that is not well-formed: a prefix is never declared. What it says was read off the file by eye.
UNDECLARED = "pge-smd__verdigris_UsageSummary_unboundprefix_v1.xml"
USAGE = {"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "LocalTimeParameters", "UsageSummary", "ElectricPowerUsageSummary"}


def listed(name: str) -> list[dict[str, str]]:
    path = FOLDER / name
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


MANIFEST = listed("manifest.csv") if FOLDER.is_dir() else [{"file": "none", "n_values": "1", "well_formed": "True"}]
FILES = pytest.mark.parametrize("row", MANIFEST, ids=lambda row: row["file"])
WITH_READINGS = pytest.mark.parametrize("row", [row for row in MANIFEST if row["n_values"] not in ("", "0")], ids=lambda row: row["file"])
WELL_FORMED = pytest.mark.parametrize("row", [row for row in MANIFEST if row["well_formed"] == "True"], ids=lambda row: row["file"])
TRUTH = pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("truth/*.csv")) or ["none"])


@cache
def feed_of(path: Path) -> Feed:
    return read_feed(path)


@pytest.fixture
def read(corpus: Path) -> Callable[[str], Feed]:
    return lambda name: feed_of(corpus / "files" / name)


def xml_of(path: Path) -> bytes:
    """Return a file's XML, unpacked by the standard library."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = archive.namelist()
            return archive.read(name)
    return data


def epochs(column: pd.Series) -> list[int]:
    return column.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype("int64").tolist()


def test_the_corpus_is_whole(corpus: Path) -> None:
    assert len(MANIFEST) == 68
    assert len(list(corpus.glob("truth/*.csv"))) == 19


# -- counts -------------------------------------------------------------------------------------------------------------------------------


@WELL_FORMED
def test_counts_are_the_manifests(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    document = feed.document
    frame = feed.tidy(duplicates="keep", raw=True)
    raw = frame["raw_value"].dropna().astype("int64")
    n = {name: int(row[name]) for name in row if name.startswith("n_") and row[name]}
    assert len(frame) == n["n_interval_readings"]
    assert len(raw) == n["n_values"]
    assert sum(raw.tolist()) == int(row["sum_raw_value"])
    assert int((raw == 0).sum()) == n["n_zero_values"]
    assert int((raw < 0).sum()) == n["n_negative_values"]
    assert len(document.usage_points) == n["n_usage_points"]
    assert len(document.meter_readings) == n["n_meter_readings"]
    assert len(document.reading_types) == n["n_reading_types"]
    assert len(document.blocks) == n["n_interval_blocks"]
    assert len(document.local_times) == n["n_local_time_parameters"]
    assert len(document.summaries) == n["n_usage_summaries"]


@WELL_FORMED
def test_readings_all_reach_a_channel(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    assert sum(len(channel) for channel in feed.channels) == sum(len(block.readings) for block in feed.document.blocks)
    labels = [channel.label for channel in feed.channels]
    assert len(set(labels)) == len(labels)
    assert len(feed.channels) <= int(row["n_series_by_href"] or 0)


@WITH_READINGS
def test_span_durations_and_codes_are_the_manifests(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    frame = read(row["file"]).tidy(tz="UTC", duplicates="keep")
    assert epochs(frame["start"].agg(["min"]))[0] == int(row["first_start_epoch"])
    assert epochs(frame["end"].agg(["max"]))[0] == int(row["last_end_epoch"])
    written = {int(length): int(n) for length, n in (one.split(":") for one in row["distinct_durations"].split())}
    assert dict(Counter(frame["duration"].dt.total_seconds().astype(int).tolist())) == written
    if row["has_tou"]:
        assert dict(Counter(frame["tou"].dropna().astype(int).tolist())) == pairs(row["tou_codes"])
    if row["has_quality"] and int(row["has_quality"]) == len(frame):
        names = Counter(frame["quality"].astype(object).tolist())
        assert dict(names) == {codes.QUALITY[code]: n for code, n in pairs(row["quality_codes"]).items()}


@WITH_READINGS
def test_costs_are_the_manifests(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    raw = [cost for block in feed.document.blocks for cost in block.readings.cost.tolist() if cost != MISSING]
    assert len(raw) == int(row["has_cost"] or 0)
    assert sum(raw) == int(row["sum_raw_cost"] or 0)


def pairs(text: str) -> dict[int, int]:
    return {int(code): int(n) for code, n in (one.split(":") for one in text.split())}


@WELL_FORMED
def test_no_entry_is_lost(row: dict[str, str], read: Callable[[str], Feed], corpus: Path) -> None:
    """Every resource in a content is somewhere: modelled, or kept by its element's name."""
    feed = read(row["file"])
    expected = Counter(name_of(node) for node, _ in Found(xml_of(corpus / "files" / row["file"])).content)
    found = Counter({name: len(items) for name, items in feed.resources.items()})
    found["UsagePoint"], found["MeterReading"] = len(feed.document.usage_points), len(feed.document.meter_readings)
    found["IntervalBlock"] = len(feed.document.blocks)
    summaries = Counter(summary.element for summary in feed.document.summaries)
    del found["UsageSummary"]
    assert +(found + summaries) == expected


def test_undeclared_prefix_is_read_with_a_finding(read: Callable[[str], Feed]) -> None:
    feed = read(UNDECLARED)
    (summary,) = feed.document.summaries
    assert summary.billing_period is not None
    assert (summary.billing_period.duration, summary.billing_period.start) == (2505600, 1434006000)
    assert summary.overall_consumption_last_period is not None
    assert summary.overall_consumption_last_period.value == 146000000
    assert summary.quality == 17
    assert "undeclared-prefix" in set(feed.findings["code"])


# -- truth --------------------------------------------------------------------------------------------------------------------------------


@TRUTH
def test_truth_row_by_row(name: str, read: Callable[[str], Feed]) -> None:
    truth = listed(f"truth/{name}.csv")
    feed = read(f"{name}.xml")
    frame = feed.tidy(tz="UTC", duplicates="keep", raw=True)
    assert len(frame) == len(truth)
    assert epochs(frame["start"]) == [int(row["start_epoch"]) for row in truth]
    assert (frame["duration"].dt.total_seconds()).tolist() == [int(row["duration_s"]) for row in truth]
    assert epochs(frame["end"]) == [int(row["start_epoch"]) + int(row["duration_s"]) for row in truth]
    assert frame["raw_value"].tolist() == [int(row["raw_value"]) for row in truth]
    assert frame["value"].tolist() == [float(row["value"]) for row in truth]  # exactly: both are rounded once
    assert frame["power_of_ten"].tolist() == [int(row["multiplier"] or 0) for row in truth]
    assert frame["unit"].astype(object).tolist() == [UNIT_OF_TRUTH.get(row["unit"], row["unit"]) for row in truth]
    assert frame["flow"].astype(object).tolist() == [codes.FLOW.get(int(row["flow_direction"] or 0), "unstated") for row in truth]
    assert str(frame["start"].dt.tz) == "UTC"


@TRUTH
def test_truth_of_money_and_codes(name: str, read: Callable[[str], Feed]) -> None:
    truth = listed(f"truth/{name}.csv")
    frame = read(f"{name}.xml").tidy(tz="UTC", duplicates="keep")
    never = not any(int(row["cost_raw"] or 0) for row in truth)  # 0 throughout means that no cost is sent
    costs = [np.nan if never or not row["cost"] else float(row["cost"]) for row in truth]
    np.testing.assert_array_equal(frame["cost"].to_numpy(), costs)
    letters = {"840": "USD", "124": "CAD", "": None, "0": None}
    assert frame["currency"].astype(object).where(frame["currency"].notna(), None).tolist() == [letters[row["currency"]] for row in truth]
    assert frame["tou"].astype(object).where(frame["tou"].notna(), None).tolist() == [
        int(row["tou"]) if row["tou"] else None for row in truth
    ]
    stated = [(ours, row["quality"]) for ours, row in zip(frame["quality"], truth, strict=True) if row["quality"]]
    assert all(ours == codes.QUALITY[int(code)] for ours, code in stated)
    services = {"0": "electricity", "1": "gas", "2": "water", "": None}
    stated = [(ours, row["service_kind"]) for ours, row in zip(frame["service"], truth, strict=True) if row["service_kind"]]
    assert all(ours == services[code] for ours, code in stated)


@TRUTH
def test_truth_of_links(name: str, read: Callable[[str], Feed]) -> None:
    truth = listed(f"truth/{name}.csv")
    feed = read(f"{name}.xml")
    frame = feed.tidy(tz="UTC", duplicates="keep")
    points = {(row["usage_point"], ours) for row, ours in zip(truth, frame["usage_point"], strict=True)}
    assert len(points) == len({row["usage_point"] for row in truth}) == len(set(frame["usage_point"]))
    assert all(ours == theirs or (ours and theirs.endswith("/" + ours) and name.startswith("pge-")) for theirs, ours in points)
    series = {(row["meter_reading"], ours) for row, ours in zip(truth, frame["channel"], strict=True)}
    assert len(series) == len({row["meter_reading"] for row in truth}) == len(set(frame["channel"]))


def test_default_quality_is_filled_in_and_told(read: Callable[[str], Feed]) -> None:
    feed = read("gba__test_usage_data.xml")
    assert "quality" in feed.tidy()
    for name in ("burlington-hydro__usage_60min", "gba__Gas"):
        feed = read(f"{name}.xml")
        default = {kind.default_quality for kind in feed.document.reading_types} - {None}
        frame = feed.tidy()
        if default:
            assert set(frame["quality"]) == {codes.QUALITY[code] for code in default}
            assert "quality-default" in set(feed.findings["code"])
        else:
            assert frame["quality"].isna().all()


def test_five_usage_points_of_one_name_stay_five(read: Callable[[str], Feed]) -> None:
    feed = read("sdk__1hrLP_32DaysFiveUsagePoints.xml")
    frame = feed.tidy()
    assert {point.rpartition("/")[2] for point in frame["usage_point"]} == {"01"}
    assert frame["usage_point"].nunique() == frame["channel"].nunique() == len(feed.channels) == 5
    assert frame.groupby("usage_point").size().tolist() == [768] * 5


# -- a second reader ----------------------------------------------------------------------------------------------------------------------


@WITH_READINGS
def test_agrees_with_a_second_reader(row: dict[str, str], read: Callable[[str], Feed], corpus: Path) -> None:
    rows = Found(xml_of(corpus / "files" / row["file"])).rows()
    frame = read(row["file"]).tidy(tz="UTC", duplicates="keep")
    assert len(rows) == len(frame)
    assert epochs(frame["start"]) == [one.start for one in rows]
    assert frame["duration"].dt.total_seconds().tolist() == [one.duration for one in rows]
    assert frame["value"].tolist() == [float(one.value * Fraction(10) ** one.power) for one in rows if one.value is not None]
    for column, name in (("tou", "tou"), ("tier", "tier"), ("cpp", "cpp")):
        found = frame[column].astype(object).where(frame[column].notna(), None).tolist()
        assert found == [getattr(one, name) for one in rows]
    with_unit = [(ours, one.uom) for ours, one in zip(frame["unit"], rows, strict=True) if one.uom is not None]
    assert all(ours == codes.UNITS[uom].symbol for ours, uom in with_unit)


# -- nothing crashes ----------------------------------------------------------------------------------------------------------------------


@FILES
def test_every_face_of_every_file(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    assert repr(feed).startswith("<Feed: ")
    html = feed._repr_html_()
    assert html.startswith("<div>")
    assert html.endswith("</div>")
    assert feed.findings["severity"].isin(["error", "warning", "info"]).all()
    assert all(repr(one) for items in feed.resources.values() for one in items)
    frames = [
        feed.tidy(tz=tz, duplicates=duplicates, raw=raw)
        for tz in (None, "Asia/Kathmandu")
        for duplicates in ("resolve", "keep")
        for raw in (False, True)
    ]
    for frame in frames:
        assert tuple(frame.columns)[:18] == TIDY_COLUMNS
        assert frame["start"].notna().all()
    for unit in {"electricity": ["kWh"], "gas": ["therm"]}.get(str(frames[0]["service"].iloc[0]) if len(frames[0]) else "", []):
        if set(frames[0]["unit"].dropna()) <= {"Wh", "therm", "Btu"}:
            assert set(feed.tidy(unit=unit)["unit"].dropna()) <= {unit}


@FILES
def test_secrets_are_never_shown(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    hidden: list[str] = []

    def walk(thing: Any) -> None:
        if isinstance(thing, Secret):
            hidden.append(thing.reveal())
        elif isinstance(thing, dict):
            for one in thing.values():
                walk(one)
        elif isinstance(thing, (list, tuple)):
            for one in thing:
                walk(one)

    walk([asdict(one) for one in feed.document.others])
    shown = repr(feed) + feed._repr_html_() + repr(feed.resources) + write_document(feed.document).decode()
    assert not [secret for secret in hidden if len(secret) > 5 and secret in shown]
    if "ApplicationInformation" in (row.get("other_resources") or ""):
        assert hidden or row["file"].startswith("utilityapi")


# -- write, and read again ----------------------------------------------------------------------------------------------------------------


def said(things: Any) -> list[str]:
    """Return what resources say, secrets and envelopes apart."""
    return sorted({repr(without_secrets(asdict(replace(one, entry=None)))) for one in things})


def without_secrets(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {name: without_secrets(one) for name, one in thing.items() if one is not None and not isinstance(one, Secret)}
    return [without_secrets(one) for one in thing] if isinstance(thing, (list, tuple)) else thing


@pytest.mark.parametrize("style", ["plain", "pge"])
@FILES
def test_written_reads_equal(row: dict[str, str], style: Style, read: Callable[[str], Feed]) -> None:
    feed = read(row["file"])
    written = write_document(feed.document, style=style)
    back = read_feed(written)
    assert [channel.key for channel in back.channels] == [channel.key for channel in feed.channels]
    ours, theirs = feed.tidy(duplicates="keep", raw=True), back.tidy(duplicates="keep", raw=True)
    for label, rows in ours.groupby("channel", sort=False):
        assert_same(theirs[theirs["channel"] == label].reset_index(drop=True), rows.reset_index(drop=True))
    assert len(ours) == len(theirs)
    if style == "pge":
        assert write_document(back.document, style=style) == written
        return
    assert_same(back.tidy(), feed.tidy())
    assert said(back.usage_points) == said(feed.usage_points)
    assert {name: said(items) for name, items in back.resources.items()} == {name: said(items) for name, items in feed.resources.items()}
    assert [one.extra for one in back.document.blocks] == [one.extra for one in feed.document.blocks]
    noticed = {"fractional-time", "undeclared-prefix"}  # what the writer mends
    assert {one.code for one in back.document.findings} | noticed == {one.code for one in feed.document.findings} | noticed


@pytest.mark.parametrize("row", [row for row in MANIFEST if 0 < int(row["n_values"] or 0) < 2000], ids=lambda row: row["file"])
def test_written_is_read_alike_by_the_second_reader(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    """What we write is standard XML whose links lead where we say: a reader that shares no code with ours finds the same."""
    feed = read(row["file"])
    rows = Found(write_document(feed.document)).rows()
    frame = feed.tidy(tz="UTC", duplicates="keep")
    key = sorted(zip(epochs(frame["start"]), frame["duration"].dt.total_seconds(), frame["value"], strict=True))
    assert sorted((one.start, one.duration, float(one.value * Fraction(10) ** one.power)) for one in rows) == key


# -- files together -----------------------------------------------------------------------------------------------------------------------


def test_overlapping_days_merge_to_each_day_once(corpus: Path, read: Callable[[str], Feed]) -> None:
    """2019-10-16 and 17 in one file, 2019-10-17 in another: 48 hours, whatever the order, and as often as you like."""
    one, two = corpus / "files" / "pge-smd__2days_2019-10-16.xml", corpus / "files" / "pge-smd__1day_2019-10-17.xml"
    frames = [read_feed(files).tidy() for files in ([one, two], [two, one], [one, two, one], [one])]
    for frame in frames:
        assert len(frame) == 48
        assert round(frame["value"].sum() * 1000) == 59526899
    for frame in frames[1:3]:
        assert_same(frame, frames[0])


@WITH_READINGS
def test_merging_with_itself_changes_nothing(row: dict[str, str], read: Callable[[str], Feed]) -> None:
    document = read(row["file"]).document
    assert merge_documents([document, document]) is document
    again = Feed(merge_documents([document, replace(document, sources=("other.xml",))]))
    assert_same(again.tidy(raw=True), Feed(document).tidy(raw=True))
