"""Cohorts and Parquet files: what goes out comes back, other engines read it, and tidy files are sources like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, SmdWarning
from smd_notebook.espi.model import MISSING
from smd_notebook.feed import Feed
from tests.test_homes import WINTER, cohort_of, content, home

pytest.importorskip("zarr")

POINTS = ("007", "https://a.example/Usage Point/1=2", "Ünal", "")


def named(number: int, point: str) -> Feed:
    """Return a fortnight of a home whose first usage point has another name, without a value here and there."""
    feed = home(number, WINTER)
    channel = feed.document.channels[0]
    readings = channel.blocks[0].readings
    value, quality = readings.value.copy(), readings.quality.copy()
    value[[0, 7]], quality[[0, 9]] = MISSING, (15, 99)
    blocks = (replace(channel.blocks[0], readings=replace(readings, value=value, quality=quality)), *channel.blocks[1:])
    channels = (replace(channel, usage_point=point, blocks=blocks), *feed.document.channels[1:])
    return Feed(replace(feed.document, channels=channels), findings=feed.noticed)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    feeds = [*(named(number, point) for number, point in enumerate(POINTS)), home(4), home(2)]
    return cohort_of(feeds, tmp_path_factory.mktemp("cohort") / "homes.zarr")


@pytest.fixture(scope="module")
def folder(cohort: smd.Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "homes"
    cohort.to_parquet(path, progress=False)
    return path


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    keys = ["usage_point", "channel", *(["start"] if "start" in frame else [])]
    return frame.sort_values(keys, ignore_index=True)


def test_a_cohort_comes_back_as_it_went_out(cohort: smd.Cohort, folder: Path, tmp_path: Path) -> None:
    back = cohort_of(folder, tmp_path / "back.zarr")
    own = ["sha256", "n_findings", "table", "row"]  # of files and stores
    pd.testing.assert_frame_equal(in_order(back.meters.drop(columns=own)), in_order(cohort.meters.drop(columns=own)))
    pd.testing.assert_frame_equal(in_order(back.tidy()), in_order(cohort.tidy()))
    keys = ["code", "source", "channel"]
    was, now = (one.findings.sort_values(keys, ignore_index=True) for one in (cohort, back))
    pd.testing.assert_frame_equal(now, was)
    # the integers and the qualities of what has no value too
    for name in ("value", "quality"):
        was, now = (
            sorted(np.sort(np.ravel(one)).tolist() for key, (_, one) in content(path._store.path).items() if key.endswith(name))
            for path in (cohort, back)
        )
        assert now == was
        assert len(was) == 4


def test_a_file_is_the_tidy_frame_of_its_meter(cohort: smd.Cohort, folder: Path) -> None:
    assert {one.name for one in folder.iterdir()} >= {
        "usage_point=007",
        "usage_point=https%3A%2F%2Fa.example%2FUsage%20Point%2F1%3D2",
        "usage_point=%C3%9Cnal",
        "usage_point=__HIVE_DEFAULT_PARTITION__",
    }
    for point in POINTS:
        mine = cohort.select(usage_point=point)
        row = mine.meters.iloc[0]
        files = list(folder.glob(f"*/{row['table']}-{row['row']}.parquet"))
        assert len(files) == 1
        frame = smd.read_tidy(files[0])
        assert set(frame["usage_point"]) == {point}
        tidy = mine.tidy()
        kept = frame["value"].notna() | (frame["start"] == row["first"])
        pd.testing.assert_frame_equal(frame.loc[kept, tidy.columns].reset_index(drop=True), tidy)
        whole = frame[frame["value"].notna()]
        np.testing.assert_array_equal(whole["raw_value"].astype(float) / 10.0 ** -whole["power_of_ten"], whole["value"])


def test_duckdb_reads_a_folder_by_usage_point(cohort: smd.Cohort, folder: Path) -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as base:
        files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=true, hive_types={{'usage_point': varchar}})"
        columns = "coalesce(usage_point, ''), channel, count(value), sum(raw_value)::bigint, min(epoch(start_utc))"
        got = {row[:2]: row[2:] for row in base.sql(f"select {columns} from {files} group by 1, 2").fetchall()}
    want: dict[Any, Any] = {}
    for (point, channel), one in cohort.tidy().groupby(["usage_point", "channel"]):
        row = cohort.meters[(cohort.meters["usage_point"] == point) & (cohort.meters["channel"] == channel)].iloc[0]
        power = cohort._store.kinds[row["table"]].power_of_ten
        total = int((one["value"].dropna() / 10.0**power).round().astype("int64").sum())
        want[point, channel] = (len(one["value"].dropna()), total, int(row["first"].timestamp()))
    assert got == want


def test_tidy_files_of_feeds_are_sources(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in (1, 4):
        home(number).to_parquet(tmp_path / "in" / f"{number}.parquet")
    cohort = cohort_of(tmp_path / "in", tmp_path / "homes.zarr")
    assert cohort.meters["source"].unique().tolist() == ["1.parquet", "4.parquet"]
    want = pd.concat([home(number).tidy() for number in (1, 4)], ignore_index=True)
    got = cohort.tidy()
    pd.testing.assert_frame_equal(in_order(got), in_order(want[got.columns.tolist()]))


def test_what_was_changed_by_others_counts_as_it_stands(cohort: smd.Cohort, folder: Path, tmp_path: Path) -> None:
    """Values are believed, not the integers beside them where these say something else; what is no decimal number is refused."""
    frame = pd.read_parquet(folder / "usage_point=007", partitioning=None)
    for name, factor in (("doubled", 2.0), ("odd", 1 / 3)):
        frame.assign(value=frame["value"] * factor, usage_point=name).to_parquet(tmp_path / f"{name}.parquet", index=False)
    twice = pd.concat([frame, frame]).assign(usage_point="twice")
    twice.to_parquet(tmp_path / "twice.parquet", index=False)
    files = [tmp_path / f"{name}.parquet" for name in ("doubled", "odd", "twice")]
    with pytest.warns(SmdWarning, match="2 of 3 sources could not be read"):
        found = cohort_of(files, tmp_path / "homes.zarr")
    assert found.meters["usage_point"].tolist() == ["doubled"]
    was = cohort.select(usage_point="007", table="electricity-delivered-15min").tidy()
    np.testing.assert_array_equal(found.tidy()["value"], was["value"] * 2)
    messages = found.findings.set_index("code").loc["source-failed", "message"].tolist()
    assert "no decimal numbers" in messages[0]
    assert "begin together" in messages[1]


def test_refusals(cohort: smd.Cohort, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there already"):
        cohort.to_parquet(folder)
    long = home(1)
    channel = replace(long.document.channels[0], usage_point="x" * 300)
    one = cohort_of([Feed(replace(long.document, channels=(channel,)))], tmp_path / "long.zarr")
    with pytest.raises(ConfigurationError, match="too long"):
        one.to_parquet(tmp_path / "long")
    assert not (tmp_path / "long").exists()
