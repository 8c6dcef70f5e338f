"""CSV and Parquet: what is written reads back the same, here and in another engine; and tidy frames of many feeds are one."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

import smd_notebook as smd
from smd_notebook.errors import NotEspiError, ReadError, SmdWarning
from smd_notebook.tables import write_csv
from tests.build import (
    ENERGY,
    START,
    assert_same,
    block,
    blocks,
    element,
    entry,
    feed_xml,
    meter_reading,
    reading,
    reading_type,
    small,
    usage_point,
)
from tests.strategies import Parts, parts
from tests.test_identity import homes

AUTUMN = 1_730_617_200  # 2024-11-03T00:00 in Los Angeles
HOURS = [reading(AUTUMN + 3600 * k, k, quality=17, cost=k, tou=k, consumptionTier=1, cpp=0) for k in range(25)]
FEEDS: dict[str, bytes] = {
    "a day of 25 hours": small(
        *(reading(AUTUMN + 3600 * k, k, quality=17, cost=k, tou=k, consumptionTier=1, cpp=0) for k in range(25))
    ).encode(),
    "no readings": feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block())).encode(),
    "no readings on a clock": small().partition("<espi:IntervalReading>")[0].encode() + b"</espi:IntervalBlock></content></entry></feed>",
    "no channel": feed_xml(reading_type()).encode(),
    "no start": feed_xml(usage_point(), meter_reading(), reading_type(length=None), blocks(block(reading(None, 5, None)))).encode(),
    "no value": small(reading(START, None), reading(START + 3600, 0)).encode(),
    "numbers that need every digit": small(reading(START, 2**47 - 1), reading(START + 3600, 123_456_789_012_345), power=-9).encode(),
    "decimals": small(reading(START, "0.1"), reading(START + 3600, "1e-7"), power=-3).encode(),
    "negative": small(reading(START, -5), codes=ENERGY.replace(">1<", ">4<")).encode(),
    "no unit": feed_xml(usage_point(), meter_reading(), blocks(block(reading()))).encode(),
    "a unit and a service of no list": small(codes="<e:uom>9999</e:uom>").replace("<espi:kind>0<", "<espi:kind>42<").encode(),
    "a quality of no list": small(reading(START, 1, quality=99)).encode(),
    "years ago": small(reading(-2_000_000_000, 1), clock=None).encode(),
    "a century hence": small(reading(7_000_000_000, 1), clock=None).encode(),
    "five homes": homes(),
    "names that CSV and pandas have plans for": feed_xml(
        usage_point('/NA/UsagePoint/null,"x"'),
        meter_reading('/NA/UsagePoint/null,"x"/MeterReading/1'.replace('"', "&quot;")),
        reading_type(),
        blocks(
            block(reading(tou=1), reading(START + 3600, tou=2), reading(START + 7200, tou=3)),
            meter="/NA/UsagePoint/null,&quot;x&quot;/MeterReading/1",
        ),
        entry(
            element(
                "ProgramIdMappings",
                "".join(
                    element("programIdMapping", element("tOUorCPPorConsumptionTier", "TOU") + element("code", k) + element("name", name))
                    for k, name in ((1, "NA"), (2, "naïve, “夏” &amp;\n=1+1"), (3, "null"))
                ),
            ),
            "/espi/ProgramIdMappings/1",
        ),
    )
    .replace('href="/NA/UsagePoint/null,"x"', 'href="/NA/UsagePoint/null,&quot;x&quot;')
    .encode(),
}


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as it can be read back: a file without rows has no zone."""
    return frame if len(frame) else frame.assign(start=frame["start"].dt.tz_convert("UTC"), end=frame["end"].dt.tz_convert("UTC"))


def feed_of(name: str) -> Any:
    return smd.read(FEEDS[name], clock="utc")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("name", FEEDS)
def test_what_is_written_reads_back_the_same(name: str, ending: str, tmp_path: Path) -> None:
    feed, path = feed_of(name), tmp_path / f"usage.{ending}"
    (feed.to_parquet if ending == "parquet" else feed.to_csv)(path)
    assert_same(smd.read_tidy(path), as_written(feed.tidy()))
    if ending == "csv.gz":
        assert gzip.decompress(path.read_bytes()).startswith(b"usage_point,channel,")


@pytest.mark.filterwarnings("ignore:what begins like a formula")
@given(parts())
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_made_up_feeds_read_back_the_same(made: Parts) -> None:
    feed = smd.read(made.xml(), clock="utc")
    try:
        frame = feed.tidy()
    except ReadError:  # numbers too unlike for one scale
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("a.csv", feed.to_csv), ("a.parquet", feed.to_parquet)):
            write(Path(folder) / name)
            assert_same(smd.read_tidy(Path(folder) / name), as_written(frame))


def test_a_file_is_plain_to_read(tmp_path: Path) -> None:
    """Spelled out: an instant with a Z, a length in seconds, nothing rounded, nothing invented."""
    smd.read(small(reading(AUTUMN + 7200, 300, quality=17, cost=1200), power=-3).encode(), clock="utc").to_csv(tmp_path / "a.csv")
    head, row = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert head == (
        "usage_point,channel,service,measure,flow,zone,start_utc,end_utc,duration_s,value,unit,quality,tou,tou_name,tier,cpp,cost,currency"
    )
    point = "espi/UsagePoint/1,electricity delivered,electricity,energy,delivered,America/Los_Angeles"
    assert row == f"{point},2024-11-03T09:00:00Z,2024-11-03T10:00:00Z,3600,0.3,Wh,validated,,,,,0.012,"


@pytest.mark.parametrize("name", ["usage_point", "tou_name"])
def test_what_a_spreadsheet_takes_for_a_formula_is_told_and_stays(name: str, tmp_path: Path) -> None:
    frame = smd.read(small().encode(), clock="utc").tidy()
    frame[name] = pd.Series(["plain", '=HYPERLINK("https://elsewhere.invalid")'], dtype="str")
    with pytest.warns(SmdWarning, match=f"formula is in the column {name}") as told:
        write_csv(frame, tmp_path / "a.csv")
    assert len(told) == 1
    assert "elsewhere" not in str(told[0].message)
    assert_same(smd.read_tidy(tmp_path / "a.csv"), frame)


# -- another engine ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_duckdb_reads_the_right_instants(ending: str, zone: str, tmp_path: Path) -> None:
    """Whatever the zone that DuckDB shows: 25 hours of the day on which 01:00 comes twice, each an instant of its own."""
    feed, path = feed_of("a day of 25 hours"), tmp_path / f"usage.{ending}"
    (feed.to_parquet if ending == "parquet" else feed.to_csv)(path)
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as base:
        kinds = dict(base.sql(f"select column_name, column_type from (describe from '{path}')").fetchall())
        assert kinds["start_utc"].startswith("TIMESTAMP")
        assert kinds["duration_s"] == "BIGINT"
        names = "epoch(start_utc), epoch(end_utc), duration_s, value, zone, quality, tou"
        base.sql(f"set TimeZone = '{zone}'")
        rows = base.sql(f"select {names} from '{path}' order by start_utc").fetchall()
    assert [row[:4] for row in rows] == [(AUTUMN + 3600 * k, AUTUMN + 3600 * (k + 1), 3600, k) for k in range(25)]
    assert {row[4:6] for row in rows} == {("America/Los_Angeles", "validated")}
    assert [row[6] for row in rows] == list(range(25))


def test_duckdb_reads_what_is_missing_as_missing(tmp_path: Path) -> None:
    feed = feed_of("no value")
    for name, write in (("a.csv", feed.to_csv), ("a.parquet", feed.to_parquet)):
        write(tmp_path / name)
        with duckdb.connect() as base:
            rows = base.sql(f"select value, quality, tou, cost from '{tmp_path / name}' order by start_utc").fetchall()
        missing = rows[0][0]
        assert missing is None or missing != missing
        assert rows[1][0] == 0
        assert rows[1][1:3] == (None, None)


# -- what is no such file ------------------------------------------------------------------------------------------------------------------


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        smd.read_tidy(tmp_path / "none.csv")
    for name, text in (("a.csv", "a,b\n1,2\n"), ("b.csv", "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(NotEspiError, match="usage_point"):
            smd.read_tidy(tmp_path / name)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"PAR1", b"PAR1 and no more PAR1", b"\x1f\x8b\x08\x00", b"\xff\xfe\x00", b"<feed/>", b'a,b\n"1']
)
@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.csv.gz"])
def test_what_is_damaged_is_refused(data: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ReadError):
        smd.read_tidy(tmp_path / name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2024-11-03T07:00:00Z", "yesterday"),
        (",3600,", ",an hour,"),
        (",3600,0.0", ",3600,some"),
        (",validated,0,", ",validated,many,"),
        (",3600,", ",,"),
    ],
)
def test_a_cell_that_is_spoilt_is_refused(old: str, new: str, tmp_path: Path) -> None:
    feed_of("a day of 25 hours").to_csv(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "a.csv").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ReadError):
        smd.read_tidy(tmp_path / "a.csv")


def test_columns_of_one_s_own_stay(tmp_path: Path) -> None:
    feed_of("a day of 25 hours").to_csv(tmp_path / "a.csv")
    pd.read_csv(tmp_path / "a.csv").assign(mine=1).to_csv(tmp_path / "b.csv", index=False)
    frame = smd.read_tidy(tmp_path / "b.csv")
    assert frame["mine"].tolist() == [1] * 25
    assert frame["value"].tolist() == list(range(25))


# -- frames of many feeds ------------------------------------------------------------------------------------------------------------------


def test_frames_of_400_feeds_are_one_of_the_same_types() -> None:
    """Homes of all kinds, some empty, some with no unit; grouped, no combination that is not there."""
    kinds = ["a day of 25 hours", "no value", "no readings on a clock", "negative", "decimals"]
    feeds = [feed_of(name) for name in kinds]
    gas = small(reading(START, 7), codes="<e:uom>169</e:uom>").replace("<espi:kind>0<", "<espi:kind>1<")
    feeds.append(smd.read(gas.encode(), clock="utc"))
    frames = [feed.tidy() for feed in feeds]
    many = [frames[k % len(frames)] for k in range(400)]
    together = pd.concat(many, ignore_index=True)
    first = frames[0]
    assert together.dtypes.to_dict() == first.dtypes.to_dict()
    assert len(together) == sum(map(len, many))
    sums = together.groupby(["usage_point", "service", "measure", "flow", "unit", "zone"], observed=True)["value"].sum()
    assert set(sums.index.get_level_values("unit")) == {"Wh", "therm"}
    assert len(sums) == 3  # delivered and net electricity, gas
    assert sums.xs("gas", level="service").tolist() == [7.0 * sum(k % 6 == 5 for k in range(400))]
    assert together.groupby("quality", observed=True).size().to_dict() == {"validated": 25 * sum(k % 6 == 0 for k in range(400))}


def test_frames_of_several_zones_are_one_by_way_of_utc() -> None:
    pacific, kolkata = (smd.read(small().encode(), tz=zone).tidy() for zone in ("America/Los_Angeles", "Asia/Kolkata"))
    together = pd.concat(
        [frame.assign(start=frame["start"].dt.tz_convert("UTC"), end=frame["end"].dt.tz_convert("UTC")) for frame in (pacific, kolkata)]
    )
    assert together["start"].nunique() == 2
    assert set(together["zone"]) == {"America/Los_Angeles", "Asia/Kolkata"}
    assert together["zone"].dtype == pacific["zone"].dtype


def test_frames_of_one_zone_asked_for_are_one_even_where_there_is_nothing() -> None:
    feeds = [feed_of(name) for name in FEEDS]
    frames = [feed.tidy(tz="America/Los_Angeles") for feed in feeds] + [smd.read(FEEDS["no channel"], tz="America/Los_Angeles").tidy()]
    together = pd.concat(frames, ignore_index=True)
    assert str(together["start"].dtype) == str(together["end"].dtype) == "datetime64[us, America/Los_Angeles]"
    assert len(together) == sum(map(len, frames))
