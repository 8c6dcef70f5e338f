"""Cohorts: what is in the store is what was read, whatever happened on the way, and numbers are those of one home."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.access.archive import Download, Reply, folder_of, store
from smd_notebook.analysis import duration_curve
from smd_notebook.analysis.grid import edges_of_year
from smd_notebook.analysis.homestore import Store
from smd_notebook.analysis.workers import writing
from smd_notebook.errors import ConfigurationError, FindingError, ReadError, SmdWarning
from smd_notebook.espi.model import MISSING
from smd_notebook.feed import Feed
from smd_notebook.households import between, household

zarr = pytest.importorskip("zarr")

#: A fortnight in which clocks go back, in Los Angeles, over the end of October 2025; and one over the end of the year.
AUTUMN, WINTER = (1_761_462_000, 1_762_675_200), (1_766_390_400, 1_767_254_400)
NAMES = ("solar-home", "ev-home", "heat-pump-home", "apartment")


@cache
def home(number: int, span: tuple[int, int] = AUTUMN) -> Feed:
    """Return a fortnight of a home."""
    return Feed(between(household(NAMES[number % 4], number), *span))


class Made:
    """A home that counts how often it is made."""

    def __init__(self, number: int) -> None:
        self.number, self.times, self.name, self.sha256 = number, 0, f"home {number}", f"{number:064x}"

    def __call__(self) -> Feed:
        self.times += 1
        return home(self.number)


def cohort_of(sources: Any, path: Path, **options: Any) -> smd.Cohort:
    return smd.Cohort.read(sources, path, processes=1, progress=False, **options)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    return cohort_of([home(number) for number in range(12)], tmp_path_factory.mktemp("cohort") / "homes.zarr")


def content(path: Path) -> dict[str, Any]:
    """Return everything in a store, by name."""
    found: dict[str, Any] = {}
    for name, member in zarr.open_group(path, mode="r").members(max_depth=None):
        found[name] = (dict(member.attrs), member[:].tolist() if isinstance(member, zarr.Array) else None)
    return found


# What is in the store ---------------------------------------------------------------------------------------------------------------


def test_the_table_of_meters_is_a_copy(twelve: smd.Cohort) -> None:
    """Whoever edits it, or gives it away, changes neither which meters are analysed nor what they are called."""
    before = twelve.meters
    for edited in (twelve.meters, twelve.select(service="electricity").meters):
        edited.loc[:, "flow"] = "received"
        edited.loc[0, "row"] = 7
    pd.testing.assert_frame_equal(twelve.meters, before)
    assert len(twelve) == len(before) == 21

    def renamed(meters: pd.DataFrame) -> Any:
        meters["usage_point"] = "nobody"
        return meters["service"] == "gas"

    assert set(twelve.select(renamed).meters["usage_point"]) <= set(before["usage_point"])
    with pytest.raises(AttributeError):
        twelve.meters = before.head(1)  # type: ignore[misc]


def test_the_frames_of_homes_come_out_as_they_went_in(twelve: smd.Cohort) -> None:
    given = pd.concat([home(number).tidy() for number in range(12)], ignore_index=True)
    assert len(twelve) == given.groupby(["usage_point", "channel"]).ngroups == 21
    found = twelve.tidy()
    keys = ["usage_point", "channel", "start"]
    want, got = (frame.sort_values(keys, ignore_index=True) for frame in (given[found.columns.tolist()], found))
    pd.testing.assert_frame_equal(got, want)  # the very same floats, names, qualities and types
    assert found.columns.tolist() == given.columns.tolist()[:12]


def test_the_table_of_meters(twelve: smd.Cohort) -> None:
    meters = twelve.meters
    assert meters["table"].unique().tolist() == [
        "electricity-delivered-15min",
        "electricity-received-15min",
        "gas-delivered-1D",
        "electricity-delivered-1h",
    ]
    solar = meters[meters["usage_point"].str.startswith("solar-home-4")].set_index(["service", "flow"])
    tidy = home(4).tidy()
    for (service, flow), rows in tidy.groupby(["service", "flow"], observed=True):
        one = solar.loc[(service, flow)]
        assert (one["first"], one["last"], one["n"], one["coverage"]) == (rows["start"].min(), rows["end"].max(), len(rows), 1)
        assert one["interval"] == rows["duration"].mode()[0]
        assert one["unit"] == rows["unit"].iloc[0]
    assert solar["source"].unique().tolist() == ["source 5"]
    assert len(solar["sha256"].iloc[0]) == 64
    assert repr(twelve) == "<Cohort: 21 meters of 18 usage points, homes.zarr>"


def test_xarray_reads_the_store_by_the_cf_conventions(twelve: smd.Cohort) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xr.open_datatree(twelve._store.path, engine="zarr", consolidated=False)
        data = tree["electricity-delivered-15min/y2025"].to_dataset()
    point = data["usage_point"].values.tolist().index("solar-home-4-electricity")
    want = home(4).tidy().query("service == 'electricity' and flow == 'delivered'")
    values = data["value"].isel(meter=point).to_series().dropna()
    assert values.index.tz_localize("UTC").equals(pd.DatetimeIndex(want["start"]).tz_convert("UTC").as_unit(values.index.unit))
    np.testing.assert_allclose(values.to_numpy(), want["value"].to_numpy(), rtol=1e-15)
    assert data["value"].attrs["units"] == "W h"
    assert data["value"].attrs["cell_methods"] == "time: sum"
    assert (data["time_bnds"][:, 1] - data["time_bnds"][:, 0] == np.timedelta64(900, "s")).all()
    array = zarr.open_group(twelve._store.path, mode="r")["electricity-delivered-15min/y2025/value"]
    assert array.chunks == (10, 35040)
    assert array.dtype == np.int64


def test_a_meter_over_new_year_is_one_meter(tmp_path: Path) -> None:
    feeds = [home(1), home(2, WINTER), Feed(between(household("lapse2024"), 1_735_257_600, 1_735_718_400))]
    cohort = cohort_of(feeds, tmp_path / "homes.zarr")
    assert cohort._store.years("electricity-delivered-15min") == [2024, 2025]
    want = pd.concat([feed.tidy() for feed in feeds], ignore_index=True)
    keys = ["usage_point", "channel", "start"]
    got = cohort.tidy().sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(got, want[got.columns.tolist()].sort_values(keys, ignore_index=True))


def test_years_of_the_wall_clock() -> None:
    hours = edges_of_year(3600, "Pacific/Auckland", 2025)
    assert hours.size == 8761
    assert str(np.datetime64(int(hours[0]), "s")) == "2024-12-31T11:00:00"
    days = np.diff(edges_of_year(86_400, "America/New_York", 2025))
    assert days.size == 365
    assert sorted(set(days.tolist())) == [82_800, 86_400, 90_000]


# Reading: again, killed, and what cannot be read --------------------------------------------------------------------------------------


def test_what_is_in_the_store_is_not_read_again(tmp_path: Path) -> None:
    homes = [Made(number) for number in range(5)]
    cohort_of(homes[:3], tmp_path / "homes.zarr")
    more = cohort_of(homes[::-1], tmp_path / "homes.zarr")
    assert [one.times for one in homes] == [1] * 5
    assert set(more.meters["source"]) == {f"home {number}" for number in range(5)}


def test_files_are_told_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for number in range(2):
        home(number).to_espi(tmp_path / "in" / f"{number}.xml.gz")
    cohort = cohort_of(str(tmp_path / "in" / "*.gz"), tmp_path / "homes.zarr")
    assert cohort.meters["source"].unique().tolist() == ["0.xml.gz", "1.xml.gz"]
    (tmp_path / "in" / "1.xml.gz").rename(tmp_path / "in" / "renamed.xml.gz")

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("it was read again")

    monkeypatch.setattr("smd_notebook.analysis.intake.read", refuse)
    again = cohort_of(tmp_path / "in", tmp_path / "homes.zarr")
    pd.testing.assert_frame_equal(again.meters, cohort.meters)


def test_downloads_are_sources(tmp_path: Path) -> None:
    """An archive of raw replies is one home; one that is damaged later is a finding."""

    def archived(number: int) -> Download:
        days = [1_761_462_000 + 86_400 * day for day in range(3)]
        folder = folder_of(tmp_path / "raw", "pge", str(number))
        for begin, end in pairwise(days):
            span = {side: pd.Timestamp(at, unit="s", tz="UTC") for side, at in (("start", begin), ("end", end))}
            home(number).select(**span).to_espi(tmp_path / "reply.xml")
            given = {"custodian": "pge", "subscription": str(number), "received_at": "2025-11-20T00:00:00Z"}
            store(folder, Reply(begin, end, 200, **given), (tmp_path / "reply.xml").read_bytes())
        return Download("pge", str(number), days[0], days[-1], tmp_path / "raw", ((str(number), folder),))

    downloads = [archived(number) for number in (1, 2)]
    cohort = cohort_of({"Ann": downloads[0], "Bob": downloads[1]}, tmp_path / "homes.zarr")
    assert cohort.meters["source"].unique().tolist() == ["Ann", "Bob"]
    keys = ["usage_point", "channel", "start"]
    for name, download in zip(("Ann", "Bob"), downloads, strict=True):
        want = smd.read(download).tidy()
        assert want["duration"].where(want["service"] == "electricity").sum() == pd.Timedelta(days=2)
        got = cohort.select(source=name).tidy()
        want["usage_point"] = f"{name}/" + want["usage_point"]
        want, got = (frame.sort_values(keys, ignore_index=True) for frame in (want, got))
        pd.testing.assert_frame_equal(got, want[got.columns.tolist()])
    downloads[1].paths[0].write_bytes(b"<feed/>")
    with pytest.warns(SmdWarning, match="1 of 2 sources could not be read"):
        cohort = cohort_of(downloads, tmp_path / "again.zarr")
    assert cohort.findings[["code", "source"]].to_numpy().tolist() == [["source-failed", "source 2"]]
    assert "no longer what was archived" in cohort.findings["message"][0]


def test_files_of_one_home_belong_together(tmp_path: Path) -> None:
    parts = [str(tmp_path / f"{number}.xml") for number in range(2)]
    home(1).select(end="2025-11-01").to_espi(parts[0])
    home(1).select(start="2025-11-01").to_espi(parts[1])
    cohort = cohort_of([parts, home(2)], tmp_path / "homes.zarr")
    want = home(1).tidy()
    got = cohort.select(source="source 1").tidy()
    pd.testing.assert_frame_equal(got, want[got.columns.tolist()])


@pytest.fixture(scope="module")
def thirteen(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    return cohort_of([Made(number) for number in range(13)], tmp_path_factory.mktemp("thirteen") / "whole.zarr")


class Stop(BaseException):
    """The end of a run, such as Ctrl-C."""


@pytest.mark.parametrize("at", ["reading", "writing", "committing", "finishing"])
def test_a_run_that_was_stopped_leaves_what_it_finished_and_the_next_one_the_same_store(
    tmp_path: Path, thirteen: smd.Cohort, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    homes = [Made(number) for number in range(13)]
    broken = tmp_path / "broken.zarr"
    with monkeypatch.context() as patch:
        if at == "reading":
            patch.setattr(Made, "__call__", lambda self: home(self.number) if self.number < 11 else stop())
        elif at == "writing":  # when values of the second batch are there and their qualities are not
            counted = iter(range(10_000))
            real = zarr.Array.__setitem__
            patch.setattr(zarr.Array, "__setitem__", lambda self, *rest: stop() if next(counted) == 24 else real(self, *rest))
        elif at == "committing":
            real_commit = Store._commit
            patch.setattr(Store, "_commit", lambda self, records: stop() if self.records else real_commit(self, records))
        else:
            patch.setattr(Store, "finish", lambda _: stop())
        with pytest.raises(Stop):
            cohort_of(homes, broken)
    left = smd.Cohort(broken)
    assert left.meters["source"].nunique() == (13 if at == "finishing" else 10)
    pd.testing.assert_frame_equal(
        left.meters, thirteen.meters[thirteen.meters["source"].isin(left.meters["source"])].reset_index(drop=True)
    )
    assert left.select(service="gas").resample("1W")["value"].notna().all()
    cohort_of(homes, broken)
    assert content(broken) == content(thirteen._store.path)


def stop() -> Any:
    raise Stop


def test_a_full_disk_costs_what_was_not_finished_yet(tmp_path: Path, thirteen: smd.Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    homes, path = [Made(number) for number in range(13)], tmp_path / "homes.zarr"
    real = Store._write

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")

    def full(self: Store, *rest: Any) -> None:
        real(self, *rest)
        if self.records:  # in the second batch
            no_room()

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write", full)
        with pytest.raises(ConfigurationError, match=r"'homes.zarr' cannot be written \(No space left on device\)") as caught:
            cohort_of(homes, path)
    assert "goes on from there" in caught.value.hint
    assert smd.Cohort(path).meters["source"].nunique() == 10
    cohort_of(homes, path)
    assert [one.times for one in homes] == [1] * 10 + [2] * 3
    assert content(path) == content(thirteen._store.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        cohort_of(homes, tmp_path / "file" / "homes.zarr")
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", no_room)
        with pytest.raises(ConfigurationError, match="'files' cannot be written"):
            thirteen.to_parquet(tmp_path / "files", progress=False)


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_store_that_lost_files_is_refused(tmp_path: Path, thirteen: smd.Cohort, left: str) -> None:
    whole = thirteen._store.path
    chunks = [one for one in files_in(whole) if re.search("(value|quality|sources)/c/", one)]
    assert len(chunks) == 2 * 4 + 1  # of each of four kinds of meters ten or less, and the list of sources
    for number, name in enumerate([*chunks, "gas-delivered-1D/y2025/value/zarr.json"]):
        path = tmp_path / f"{number}.zarr"
        shutil.copytree(whole, path, copy_function=os.link)
        (path / name).unlink()
        if left != "nothing":
            (path / name).touch()
        with pytest.raises(ReadError, match="sources/c" if name.startswith("sources") else re.escape(name)):
            smd.Cohort(path)
    with pytest.raises(ReadError, match="1 of its files is gone"):
        cohort_of([home(1)], path)
    assert len(smd.Cohort(whole)) == len(thirteen)


@pytest.mark.parametrize("how", ["cut", "one bit", "zeros", "head"])
def test_a_chunk_that_is_garbled_is_no_other_values(tmp_path: Path, twelve: smd.Cohort, how: str) -> None:
    """A single bit of what Blosc has compressed may be another value to it, without a word."""
    name = "electricity-delivered-15min/y2025/value/c/0/0"
    path = tmp_path / "homes.zarr"
    shutil.copytree(twelve._store.path, path)
    data = (path / name).read_bytes()
    at = len(data) // 2
    garbled = {
        "cut": data[:at],
        "one bit": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
        "zeros": bytes(len(data)),
        "head": b"x" + data,
    }
    (path / name).write_bytes(garbled[how])
    cohort = smd.Cohort(path)
    other = cohort.select(service="gas")
    assert len(other.tidy()) == len(twelve.select(service="gas").tidy())
    tasks: list[Callable[[], Any]] = [
        cohort.tidy,
        cohort.metrics,
        cohort.profile,
        cohort.duration_curve,
        lambda: cohort.select(flow="delivered").coincidence("1D"),
        lambda: cohort.to_parquet(tmp_path / "files", progress=False),
        lambda: cohort_of([home(13)], path),  # its meters belong into this chunk
    ]
    for task in tasks if how == "one bit" else tasks[:1]:
        with pytest.raises(ReadError, match=r"homes\.zarr: electricity-delivered-15min/y2025(/value)? is damaged") as caught:
            task()
        assert "read the sources into another one" in caught.value.hint


@pytest.mark.parametrize("name", ["zarr.json", "sources/zarr.json", "sources/c/0"])
def test_a_list_of_sources_that_is_garbled_is_refused(tmp_path: Path, twelve: smd.Cohort, name: str) -> None:
    shutil.copytree(twelve._store.path, tmp_path / "homes.zarr")
    whole = (tmp_path / "homes.zarr" / name).read_bytes()
    (tmp_path / "homes.zarr" / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match=r"homes\.zarr: .*is damaged"):
        smd.Cohort(tmp_path / "homes.zarr")


def test_what_an_unfinished_run_wrote_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "homes.zarr"
    cohort_of([home(1)], path)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_commit", lambda *_: stop())
        with pytest.raises(Stop):  # a second row for the same table, in a year more, and tables more
            cohort_of([Feed(between(household("lapse2024"), 1_735_257_600, 1_735_718_400)), home(4), home(3)], path)
    cohort_of([home(5)], path)
    cohort_of([home(1), home(5)], tmp_path / "plain.zarr")
    found, plain = content(path), content(tmp_path / "plain.zarr")
    assert {name: found[name] for name in found if name != "sources"} == {name: plain[name] for name in plain if name != "sources"}


HOME_YEARS = 1000
FIRST_VALUE = re.compile(rb"(?<=timePeriod>)(\s*<[^>]*value>)\d+")
KILLED = """
import sys, smd_notebook as smd
if __name__ == "__main__":
    smd.Cohort.read(sys.argv[2], sys.argv[1], processes=2, progress=False)
"""


def year_files(folder: Path, n: int) -> Path:
    """Write `n` homes with a year each, a tenth of them by quarter hours; those of a kind differ by their name and their first reading."""
    folder.mkdir()
    for kind, name in enumerate(NAMES):
        Feed(household(name, 1)).to_espi(folder / "one.xml")
        data = (folder / "one.xml").read_bytes()
        for number in range(n):
            if kind == (number % 4 if number % 5 == 0 else 2 + number % 2):
                own = data.replace(f"{name}-1".encode(), f"{name}-{number}".encode())
                (folder / f"{number:05}.xml").write_bytes(FIRST_VALUE.sub(rb"\g<1>%d" % number, own, count=1))
    (folder / "one.xml").unlink()
    return folder


def files_in(path: Path) -> dict[str, str]:
    """Return the hash of every file of a store."""
    return {str(one.relative_to(path)): sha256(one.read_bytes()).hexdigest() for one in path.rglob("*") if one.is_file()}


def assert_part_of(left: smd.Cohort, whole: smd.Cohort) -> None:
    """Assert that the meters of one cohort are there in another, value by value."""
    mine, theirs = left.meters, whole.meters
    there = theirs[theirs["source"].isin(mine["source"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, there, check_dtype=len(mine) > 0)
    assert left.findings.equals(whole.findings[whole.findings["source"].isin(mine["source"])].reset_index(drop=True))
    for table, n in mine.groupby("table").size().items():
        for first in range(0, n, 100):
            for got, want in zip(*(one._store.read(str(table), first, min(first + 100, n)) for one in (left, whole)), strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.prove
@pytest.mark.filterwarnings("ignore:.*the readings of others")  # there are fewer kinds of homes than homes
def test_killed_at_ten_random_moments_and_resumed_the_store_is_the_same(tmp_path: Path) -> None:
    """A thousand home-years, with all processes killed when a random number of homes is there, and a random while later."""
    path, n = tmp_path / "killed.zarr", HOME_YEARS
    folder = year_files(tmp_path / "in", n)
    whole = smd.Cohort.read(folder, tmp_path / "whole.zarr", processes=2, progress=False)
    assert whole.meters["source"].nunique() == n
    listed = path / "sources" / "zarr.json"
    dice = np.random.default_rng()
    for there in sorted(dice.integers(0, n - 50, 10).tolist()):
        run = subprocess.Popen([sys.executable, "-c", KILLED, path, folder], start_new_session=True)
        while not listed.exists() or json.loads(listed.read_text())["shape"][0] < there:
            assert run.poll() is None
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 1))
        assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)  # its workers as well
        run.wait()
        assert_part_of(smd.Cohort(path), whole)
    smd.Cohort.read(folder, path, processes=2, progress=False)
    assert files_in(path) == files_in(whole._store.path)


INTERRUPTED = """
import multiprocessing, signal, sys, smd_notebook as smd
from tests.test_homes import copies
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    try:
        smd.Cohort.read(copies(sys.argv[2], 3000), sys.argv[1], processes=2, progress=False)
    except KeyboardInterrupt:
        print("interrupted, workers:", len(multiprocessing.active_children()))
"""


def copies(path: str, n: int) -> list[bytes]:
    """Return a feed as `n` homes would send it, each with a first reading of its own."""
    data = Path(path).read_bytes()
    assert b"ev-home-1" in data
    return [FIRST_VALUE.sub(rb"\g<1>%d" % number, data.replace(b"ev-home-1", f"home-{number}".encode()), count=1) for number in range(n)]


@pytest.mark.skipif(os.name == "nt", reason="interrupts are sent otherwise there")
def test_an_interrupt_stops_at_once_leaves_no_worker_and_the_next_run_goes_on(tmp_path: Path) -> None:
    home(1).select(end="2025-10-27").to_espi(tmp_path / "day.xml")
    path = tmp_path / "homes.zarr"
    command = [sys.executable, "-c", INTERRUPTED, path, tmp_path / "day.xml"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (path / "sources" / "c" / "0").exists():  # ten homes are there
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)  # as Jupyter does: to the kernel and all that it started
    said, complaints = run.communicate(timeout=600)
    assert (said.strip(), complaints) == ("interrupted, workers: 0", "")
    there = smd.Cohort(path).meters["source"].nunique()
    assert 0 < there < 3000
    homes = copies(str(tmp_path / "day.xml"), there + 15)
    cohort_of(homes, path)
    assert content(path) == content(cohort_of(homes, tmp_path / "whole.zarr")._store.path)


def test_one_bad_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    home(1).to_espi(tmp_path / "in" / "b.xml")
    (tmp_path / "in" / "a.xml").write_text("<feed>")
    (tmp_path / "in" / "c.txt").write_text("nothing of the kind")

    def broken() -> Feed:
        raise ZeroDivisionError("1234.5")

    path = tmp_path / "homes.zarr"
    with pytest.warns(SmdWarning, match="3 of 4 sources could not be read"):
        cohort = cohort_of([tmp_path / "in", broken], path)
    found = cohort.findings
    assert found["code"].tolist() == ["source-failed"] * 3
    assert found["severity"].tolist() == ["error"] * 3
    assert found["source"].tolist()[:2] == ["a.xml", "c.txt"]
    assert "BrokenXmlError" in found["message"][0]
    assert found["message"][2].endswith("ZeroDivisionError")  # not the number
    assert len(cohort) == 1
    # a failure is tried again, and told of once
    with pytest.warns(SmdWarning, match="could not be read"):
        cohort_of([tmp_path / "in", broken, home(2)], path)
    assert len(smd.Cohort(path).findings) == 3
    home(3).to_espi(tmp_path / "in" / "a.xml")
    (tmp_path / "in" / "c.txt").unlink()
    cohort = cohort_of(tmp_path / "in", path)
    assert "a.xml" not in set(cohort.findings["source"])
    assert "a.xml" in set(cohort.meters["source"])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """A folder for each home, as people keep downloads: one that fails must not pass for another that was read."""
    folder = tmp_path / "in"
    for name, number in (("Ann", 1), ("Bob", 2), ("Eve", None)):
        (folder / name).mkdir(parents=True)
        if number is None:
            (folder / name / "usage.xml").write_text("<feed>")
        else:
            home(number).select(end="2025-10-27").to_espi(folder / name / "usage.xml")
    home(3).select(end="2025-10-27").to_espi(folder / "other.xml")
    for number, sources in enumerate((folder, f"{folder}/**/*.xml", [*folder.glob("*/usage.xml"), folder / "other.xml"])):
        with pytest.warns(SmdWarning, match="1 of 4 sources could not be read"):
            cohort = cohort_of(sources, tmp_path / f"{number}.zarr")
        assert set(cohort.meters["source"]) == {"Ann/usage.xml", "Bob/usage.xml", "other.xml"}
        assert cohort.findings[["code", "source"]].to_numpy().tolist() == [["source-failed", "Eve/usage.xml"]]


def test_a_store_in_the_folder_of_the_sources_is_no_source(tmp_path: Path) -> None:
    home(1).select(end="2025-10-27").to_espi(tmp_path / "a.xml")
    for _ in range(2):
        cohort = cohort_of(tmp_path, tmp_path / "homes.zarr")
    assert not len(cohort.findings)
    assert cohort.meters["source"].tolist() == ["a.xml"]


def test_under_strict_findings_are_errors_once_all_is_stored(tmp_path: Path) -> None:
    with smd.strict("source-failed"), pytest.raises(FindingError, match="source-failed"):
        cohort_of([home(1), b"<feed>"], tmp_path / "homes.zarr")
    assert len(smd.Cohort(tmp_path / "homes.zarr")) == 1


def test_a_meter_counts_once(tmp_path: Path) -> None:
    later = home(1).select(start="2025-11-01")
    with pytest.warns(SmdWarning, match="1 of 2 sources hold meters that were there already"):
        cohort = cohort_of([home(1), later], tmp_path / "homes.zarr")
    assert cohort.findings[["code", "severity", "source"]].to_numpy().tolist() == [["meter-repeated", "error", "source 2"]]
    assert cohort.meters["n"].tolist() == [len(home(1).tidy())]


def test_a_copy_counts_once_and_is_told_whenever_it_comes(tmp_path: Path) -> None:
    for number, name in ((1, "a"), (2, "b"), (1, "c"), (1, "d")):
        home(number).select(end="2025-10-27").to_espi(tmp_path / f"{name}.xml")
    files = [tmp_path / f"{name}.xml" for name in "abcd"]
    with pytest.warns(SmdWarning, match="2 of 4 sources are copies of others"):
        cohort = cohort_of(files, tmp_path / "homes.zarr")
    assert cohort.meters["source"].tolist() == ["a.xml", "b.xml"]
    assert cohort.findings[["code", "severity", "source"]].to_numpy().tolist() == [
        ["source-copied", "warning", f"{one}.xml"] for one in "cd"
    ]
    assert cohort.findings["message"].str.contains("'a.xml'").all()
    cohort_of(files, tmp_path / "homes.zarr")  # nothing is new
    # a run that came as far as the first two, and one of a file that was moved since
    cohort_of(files[:2], tmp_path / "resumed.zarr")
    cohort_of(files[1:3], tmp_path / "resumed.zarr")
    assert not len(smd.Cohort(tmp_path / "resumed.zarr").findings)
    with pytest.warns(SmdWarning, match="2 of 2 sources are copies of others"):
        cohort_of(files, tmp_path / "resumed.zarr")
    assert content(tmp_path / "resumed.zarr") == content(tmp_path / "homes.zarr")


def test_the_same_readings_under_another_id_are_suspicious_and_empty_homes_are_not(tmp_path: Path) -> None:
    def other(name: str, feed: Feed, value: int | None = None) -> Feed:
        """Return a home of electricity alone under another id, with one value at all times where that is given."""
        channel = feed.document.channels[0]
        some = {} if value is None else {"blocks": tuple(constant(block, value) for block in channel.blocks)}
        channels = (replace(channel, usage_point=name, **some),)
        return Feed(replace(feed.document, channels=channels, blocks=channels[0].blocks))

    def constant(block: Any, value: int) -> Any:
        return replace(block, readings=replace(block.readings, value=np.full_like(block.readings.value, value)))

    vacant = [other(f"vacant {number}", home(1), 0) for number in range(2)]
    missing = [other(f"missing {number}", home(1), MISSING) for number in range(2)]
    little = [other(f"little {number}", home(1).select(end="2025-10-26 07:00")) for number in range(2)]
    assert not len(cohort_of([home(1), home(5), *vacant, *missing, *little], tmp_path / "unlike.zarr").findings)
    with pytest.warns(SmdWarning, match="1 of 3 sources hold meters with the readings of others"):
        cohort = cohort_of([home(1), home(5), other("somebody", home(1))], tmp_path / "homes.zarr")
    assert len(cohort) == 3
    found = cohort.findings
    assert found[["code", "severity", "source"]].to_numpy().tolist() == [["meter-like", "warning", "source 3"]]
    assert "'source 1'" in found["message"][0]
    tenths = other("in tenths", home(1))
    channel = tenths.document.channels[0]
    finer = replace(channel.reading_type, power_of_ten=channel.power_of_ten - 1)
    blocks = tuple(replace(one, readings=replace(one.readings, value=10 * one.readings.value)) for one in channel.blocks)
    channels = (replace(channel, reading_type=finer, blocks=blocks),)
    tenths = Feed(replace(tenths.document, channels=channels, blocks=blocks, reading_types=(finer,)))
    assert tenths.tidy()["value"].sum() == home(1).select(channel="electricity delivered").tidy()["value"].sum()
    with pytest.warns(SmdWarning, match="1 of 1 sources hold meters with the readings of others"):
        cohort = cohort_of([tenths], tmp_path / "homes.zarr")
    assert cohort.meters["table"].nunique() == 2
    assert cohort.tidy().groupby("usage_point")["value"].sum().nunique() == 2
    assert "'source 1'" in cohort.findings["message"].iloc[-1]


def test_a_file_that_changed_is_told_from_another_home(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    home(1).to_espi(path)
    cohort_of(path, tmp_path / "homes.zarr")
    home(1).select(start="2025-11-01").to_espi(path)
    with pytest.warns(SmdWarning, match="were there already"):
        cohort = cohort_of(path, tmp_path / "homes.zarr")
    assert cohort.findings["message"].tolist() == ["this source has changed since it was read; the meter stays as it was"]
    assert cohort.meters["n"].tolist() == [len(home(1).tidy())]


def test_homes_that_share_an_id_are_told_apart_by_names(tmp_path: Path) -> None:
    one, other = home(1), home(5)
    assert one.channels[0].label == other.channels[0].label
    point = one.document.channels[0].usage_point
    twin = Feed(replace(other.document, channels=(replace(other.document.channels[0], usage_point=point),)))
    cohort = cohort_of({"Ann": one, "Bob": twin}, tmp_path / "homes.zarr")
    assert cohort.meters["usage_point"].tolist() == [f"Ann/{point}", f"Bob/{point}"]
    assert cohort.meters["source"].tolist() == ["Ann", "Bob"]
    sums = cohort.tidy().groupby("usage_point")["value"].sum()
    assert sums.tolist() == pytest.approx([one.tidy()["value"].sum(), twin.tidy()["value"].sum()])
    assert len(cohort_of({"Ann": one, "Bob": twin}, tmp_path / "homes.zarr")) == 2
    with pytest.raises(ConfigurationError, match="with and without a name"):
        cohort_of([one, twin], tmp_path / "homes.zarr")


def test_a_source_that_gives_no_meter_is_told_of(tmp_path: Path) -> None:
    whole = home(1)
    channel = whole.document.channels[0]
    blocks = tuple(replace(one, readings=replace(one.readings, duration=np.zeros_like(one.readings.duration))) for one in channel.blocks)
    instants = Feed(replace(whole.document, channels=(replace(channel, blocks=blocks, interval_length=None),), blocks=blocks))
    nothing = Feed(replace(whole.document, channels=(), blocks=()))
    with pytest.warns(SmdWarning, match="2 of 3 sources give no meter"):
        cohort = cohort_of([nothing, instants, home(2)], tmp_path / "homes.zarr")
    found = cohort.findings
    assert sorted(zip(found["source"], found["code"], strict=True)) == [
        ("source 1", "source-empty"),
        ("source 2", "not-on-grid"),
        ("source 2", "source-empty"),
    ]
    assert found.set_index("code").loc["not-on-grid", "n"] == sum(len(one.readings) for one in blocks)


def test_a_store_keeps_how_its_sources_were_read(tmp_path: Path) -> None:
    home(1).to_espi(tmp_path / "a.xml")
    path = tmp_path / "homes.zarr"
    cohort_of(tmp_path / "a.xml", path)
    for options in ({"tz": "America/New_York"}, {"clock": "auto"}):
        with pytest.raises(ConfigurationError, match="1 of 1 sources are in this store"):
            cohort_of(tmp_path / "a.xml", path, **options)
    other = cohort_of(tmp_path / "a.xml", tmp_path / "other.zarr", tz="America/New_York")
    assert len(cohort_of(tmp_path / "a.xml", tmp_path / "other.zarr", tz="America/New_York")) == len(other) == 1


def test_one_process_at_a_time_writes_into_a_store(tmp_path: Path) -> None:
    path = tmp_path / "homes.zarr"
    with writing(path), pytest.raises(ConfigurationError, match=r"another process is reading homes into 'homes.zarr'"):
        cohort_of([home(1)], path)
    assert len(cohort_of([home(1)], path)) == 1


def test_nothing_is_written_where_nothing_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "homes.zarr"
    cohort_of([home(1)], path)
    before = {one: one.stat().st_mtime_ns for one in path.rglob("*")}
    monkeypatch.setattr("os.access", lambda *_: False)
    assert len(cohort_of([home(1)], path)) == 1
    assert {one: one.stat().st_mtime_ns for one in path.rglob("*")} == before


def test_a_meter_of_less_than_a_slot_has_no_profile(tmp_path: Path) -> None:
    short = home(1).select(start="2025-10-28 00:00", end="2025-10-28 00:30")
    cohort = cohort_of([short], tmp_path / "homes.zarr")
    assert cohort.meters["n"].tolist() == [2]
    assert not len(smd.profile(short))
    assert not len(cohort.profile())
    assert cohort.profile().columns.tolist() == smd.profile(short).columns.tolist()


def test_a_cohort_without_meters_says_so(tmp_path: Path) -> None:
    with pytest.warns(SmdWarning, match="1 of 1 sources could not be read"):
        none = cohort_of([b"<feed>"], tmp_path / "homes.zarr")
    for call in (none.profile, none.duration_curve, none.dataset, none.tidy, none.metrics, none.coincidence):
        with pytest.raises(ConfigurationError, match="no meters"):
            call()
    with pytest.raises(ConfigurationError, match="no meters"):
        none.publish("1D", customers="residential")


def test_what_lies_off_the_steps_is_told_of(tmp_path: Path) -> None:
    feed = home(1)
    channel = feed.document.channels[0]
    block = channel.blocks[0]
    start = block.readings.start.copy()
    start[3] += 60
    moved = replace(block, readings=replace(block.readings, start=start))
    blocks = (moved, *channel.blocks[1:])
    shifted = Feed(replace(feed.document, channels=(replace(channel, blocks=blocks),), blocks=blocks))
    cohort = cohort_of([shifted], tmp_path / "homes.zarr")
    told = cohort.findings.set_index("code").loc["not-on-grid"]
    assert (told["severity"], told["n"]) == ("warning", 1)
    assert told["start"] == pd.Timestamp(int(start[3]), unit="s", tz="UTC")
    assert cohort.meters["n"].tolist() == [len(feed.tidy()) - 1]


def test_refusals(tmp_path: Path, twelve: smd.Cohort) -> None:
    with pytest.raises(ConfigurationError, match="no cohort's store"):
        smd.Cohort(tmp_path / "nowhere.zarr")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError, match="no cohort's store"):
        cohort_of([home(1)], tmp_path / "full")
    home(1).to_zarr(tmp_path / "other.zarr")
    with pytest.raises(ReadError, match="no such file or folder"):
        cohort_of(tmp_path / "hoems", tmp_path / "homes.zarr")
    cohort_of([home(1)], tmp_path / "old.zarr")
    zarr.open_group(str(tmp_path / "old.zarr"), mode="a").attrs["format"] = "smd_notebook cohort 1"
    with pytest.raises(ConfigurationError, match="another version of smd_notebook"):
        smd.Cohort(tmp_path / "old.zarr")
    with pytest.raises(ConfigurationError, match="a Zarr store, and no cohort's"):
        cohort_of([home(1)], tmp_path / "other.zarr")
    with pytest.raises(ReadError, match="nothing to read"):
        cohort_of([], tmp_path / "new.zarr")
    for wrong in (3, home(1).tidy(), [home(1).tidy()]):
        with pytest.raises(ReadError, match=r"(int|DataFrame) cannot be read"):
            cohort_of(wrong, tmp_path / "new.zarr")
    for options in ({"clock": "broken"}, {"dialect": "nobody"}, {"client": 5}):
        with pytest.raises(ConfigurationError):
            cohort_of([home(1)], tmp_path / "new.zarr", **options)
    with pytest.raises(smd.SmdError, match="Nowhere"):
        cohort_of([home(1)], tmp_path / "new.zarr", tz="Nowhere/Land")
    assert not (tmp_path / "new.zarr").exists()
    with pytest.raises(ConfigurationError, match="from 1"):
        twelve.apply(smd.metrics, processes=0)


# Analysis ---------------------------------------------------------------------------------------------------------------------------


def assert_same(got: pd.DataFrame, want: pd.DataFrame, keys: list[str]) -> None:
    """Compare frames row by row, numbers to 1e-9."""
    got, want = (frame.sort_values(keys, ignore_index=True, kind="stable") for frame in (got, want))
    assert got.columns.tolist() == want.columns.tolist()
    for name in want.columns:
        if pd.api.types.is_float_dtype(want[name].dtype):
            np.testing.assert_allclose(got[name], want[name], rtol=1e-9)
        elif isinstance(want[name].dtype, pd.CategoricalDtype):
            assert got[name].astype("str").tolist() == want[name].astype("str").tolist()
        else:
            pd.testing.assert_series_equal(got[name], want[name], check_freq=False)


@pytest.mark.parametrize(
    ("function", "options", "keys"),
    [
        ("profile", {"by": ("day_type",), "slot": "1h"}, ["usage_point", "channel", "day_type", "slot"]),
        ("metrics", {}, ["usage_point", "channel", "metric"]),
        ("metrics", {"period": "1MS", "demand_window": "1h"}, ["usage_point", "channel", "start", "metric"]),
        ("resample", {"bins": "1D"}, ["usage_point", "channel", "start"]),
        ("resample", {"bins": "1h", "min_coverage": 0.5}, ["usage_point", "channel", "start"]),
    ],
)
def test_numbers_are_those_of_one_home(twelve: smd.Cohort, function: str, options: dict[str, Any], keys: list[str]) -> None:
    electricity = twelve.select(service="electricity")
    got = getattr(electricity, function)(**options)
    homes = [home(number).tidy() for number in range(12)]
    one = getattr(smd, function)
    want = pd.concat([one(frame[frame["service"] == "electricity"], **options) for frame in homes], ignore_index=True)
    assert_same(got, want, keys)
    assert smd.cite(got).endswith("values as computed")


def test_duration_curves_at_shares(twelve: smd.Cohort) -> None:
    got = twelve.duration_curve(shares=(0, 0.5, 1))
    for number in range(12):
        curve = duration_curve(home(number))
        for (point, channel), one in curve.groupby(["usage_point", "channel"]):
            mine = got[(got["usage_point"] == point) & (got["channel"] == channel)]
            want = [one["load"].max(), one.loc[one["share"] >= 0.5, "load"].iloc[0], one["load"].min()]
            np.testing.assert_allclose(mine["load"], want, rtol=1e-9)
    assert len(twelve.select(service="gas").duration_curve()) == 6 * 101
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        twelve.duration_curve(shares=(2,))


def test_what_a_function_cannot_use_is_warned_of_or_refused(twelve: smd.Cohort) -> None:
    with pytest.warns(SmdWarning, match="gas-delivered-1D"):
        table = twelve.profile(by=())
    assert table["usage_point"].nunique() == 12
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        twelve.select(service="gas").profile()


def test_missing_ends_are_kept(tmp_path: Path) -> None:
    """Coverage is of the time from the first interval to the last, also where these have no value."""
    feed = home(2)
    channel = feed.document.channels[0]
    first = channel.blocks[0]
    value = first.readings.value.copy()
    value[:5] = MISSING
    blocks = (replace(first, readings=replace(first.readings, value=value)), *channel.blocks[1:])
    holed = Feed(replace(feed.document, channels=(replace(channel, blocks=blocks),), blocks=blocks))
    cohort = cohort_of([holed], tmp_path / "homes.zarr")
    assert_same(cohort.metrics(), smd.metrics(holed), ["metric"])
    assert cohort.meters["coverage"][0] == pytest.approx(1 - 5 / len(feed.tidy()))


# Selection and groups ------------------------------------------------------------------------------------------------------------------


def test_selection_attributes_and_groups(twelve: smd.Cohort) -> None:
    table = pd.DataFrame({"county": ["Yolo", "Solano"] * 4}, index=[f"{NAMES[n % 4]}-{n}-electricity" for n in range(8)])
    cohort = twelve.select(service="electricity", flow="delivered").with_attributes(table)
    assert len(cohort) == 12
    assert cohort.meters["county"].notna().sum() == 8
    found = {name: some.meters["usage_point"].nunique() for name, some in cohort.groups("county")}
    assert found == {"Solano": 4, "Yolo": 4}
    chosen = cohort.select(cohort.meters["row"].to_numpy() % 2 == 0, county=["Yolo", "Solano"])
    assert set(chosen.resample("1W")["usage_point"]) == set(chosen.meters["usage_point"])
    assert "county" not in twelve.meters
    assert len(twelve.select(interval=["15min", pd.Timedelta("1h")])) == len(twelve.select(service="electricity")) == 15
    by_column = twelve.with_attributes(pd.DataFrame({"source": ["source 1"], "size": [120]}), on="source")
    assert by_column.meters.loc[by_column.meters["source"] == "source 1", "size"].eq(120).all()


def test_a_mask_counts_by_its_labels(twelve: smd.Cohort) -> None:
    table = twelve.meters.sort_values("usage_point", ascending=False)
    last = table["usage_point"].iloc[0]
    assert set(twelve.select(table["usage_point"] == last).meters["usage_point"]) == {last}
    assert set(twelve.select(lambda meters: meters["usage_point"] == last).meters["usage_point"]) == {last}


def by_meter(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby("usage_point")[["value"]].sum()  # whose names would be lost with the index


def test_refused_selections(twelve: smd.Cohort) -> None:
    for call, words in (
        (lambda: twelve.select(colour="red"), "no 'colour'"),
        (lambda: twelve.select(service="water"), "(?s)no meter is left: none has this service.*Meters have electricity, gas"),
        (lambda: twelve.select(service="gas", interval="1h"), "no meter is left"),
        (lambda: twelve.select(interval="often"), "'often' is no length"),
        (lambda: twelve.with_attributes({"a": 1}), "a DataFrame, not a dict"),
        (lambda: twelve.apply("mean"), "takes a function"),
        (lambda: twelve.apply(len), "len returned no frame with a column 'usage_point'"),
        (lambda: twelve.apply(by_meter), "by_meter returned no frame"),
        (lambda: twelve.select(np.ones(3, dtype=bool)), "for each meter"),
        (lambda: twelve.select(pd.Series(np.ones(len(twelve), dtype=bool)).add_prefix("row ")), "for each meter"),
        (lambda: list(twelve.groups("colour")), "no 'colour'"),
        (lambda: twelve.with_attributes(pd.DataFrame({"a": [1]}, index=["nobody"])), "knows none"),
        (lambda: twelve.with_attributes(pd.DataFrame({"a": [1, 2]}, index=["x", "x"])), "one row for each"),
        (lambda: twelve.with_attributes(pd.DataFrame({"zone": [1]}, index=["x"])), "already"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            call()  # type: ignore[no-untyped-call]


# Publishing -----------------------------------------------------------------------------------------------------------------------


def test_only_what_passes_the_screen_is_published(tmp_path: Path) -> None:
    feed = home(2)
    channel = feed.document.channels[0]
    copies = [Feed(replace(feed.document, channels=(replace(channel, usage_point=f"home {number}"),))) for number in range(30)]
    with pytest.warns(SmdWarning, match="29 of 30 sources hold meters with the readings of others"):
        cohort = cohort_of(copies, tmp_path / "homes.zarr")
    size = pd.DataFrame({"size": ["large"] * 15 + ["small"] * 15}, index=[f"home {number}" for number in range(30)])
    table = cohort.with_attributes(size).publish("1W", customers="non-residential", by="size")
    whole = table[(table["scope"] == "period")].set_index("group")
    week = smd.resample(feed, "1W")
    want = week.loc[week["coverage"] == 1, "value"].sum()
    assert want > 0
    np.testing.assert_allclose(whole.loc[["all", "large", "small"], "value"], [30 * want, 15 * want, 15 * want], rtol=1e-9)
    assert whole["n_customers"].to_dict() == {"all": 30, "large": 15, "small": 15}
    with pytest.raises(ConfigurationError, match="30 customers, and 100 are needed"):
        cohort.publish("1W", customers="residential")
    with pytest.raises(ConfigurationError, match="no 'size'"):
        cohort.publish("1W", customers="residential", by="size")
    two_of_each = size.assign(owner=[f"owner {number // 2}" for number in range(30)])
    table = cohort.with_attributes(two_of_each).publish("1W", customers="non-residential", customer="owner")
    assert set(table["n_customers"]) == {15}


# Sample cohort, and other processes ---------------------------------------------------------------------------------------------------


def test_homes_of_a_sample_cohort_are_those_of_sample() -> None:
    homes = smd.sample_cohort(8, seed=3)
    assert [one.name for one in homes[:2]] == ["solar-home 3000000", "ev-home 3000001"]
    assert len({one.sha256 for one in [*homes, *smd.sample_cohort(8, seed=4)]}) == 16
    assert homes[7]().tidy().equals(smd.sample("apartment", seed=3_000_007).tidy())
    with pytest.raises(ConfigurationError):
        smd.sample_cohort(0)


def test_two_processes_make_the_same_store(tmp_path: Path) -> None:
    homes = smd.sample_cohort(12, seed=2)[2::4] + smd.sample_cohort(12, seed=2)[3::4]
    cohort_of(homes, tmp_path / "one.zarr")
    two = smd.Cohort.read(homes, tmp_path / "two.zarr", processes=2, progress=False)
    assert content(tmp_path / "one.zarr") == content(tmp_path / "two.zarr")
    assert two.meters["source"].tolist()[0] == "heat-pump-home 2000002"
