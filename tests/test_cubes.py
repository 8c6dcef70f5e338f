"""Analysis of many meters as arrays: the numbers of one meter, read when asked for, in memory that does not grow with the homes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.analysis import cubes, duration_curve, homecube
from smd_notebook.analysis.grid import Kind, edges_of_year, row_of
from smd_notebook.analysis.homecube import dataset
from smd_notebook.analysis.homestore import Store
from smd_notebook.analysis.intake import Home
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.espi.model import MISSING, MISSING_SMALL

pytest.importorskip("zarr")

#: Tables of every kind of step, zone and quantity, each over both changes of its clock; the hourly one over two years.
KINDS = {
    "quarters": Kind("electricity", "energy", "delivered", "Wh", -3, 900, "America/Los_Angeles"),
    "half hours, clock by half an hour": Kind("electricity", "energy", "delivered", "Wh", 0, 1800, "Australia/Lord_Howe"),
    "hours, clock by half an hour": Kind("electricity", "energy", "received", "kWh", -2, 3600, "Australia/Lord_Howe"),
    "hours, two years": Kind("electricity", "energy", "delivered", "Wh", 0, 3600, "America/New_York"),
    "power": Kind("electricity", "power", "delivered", "W", 0, 1800, "Asia/Kolkata"),
    "days of gas": Kind("gas", "volume", "delivered", "therm", -2, 86_400, "America/Los_Angeles"),
}
N = 13  # meters of each: more than are worked on together


def meters_in(path: Path, kind: Kind, n: int, years: tuple[int, ...] = (2025,)) -> smd.Cohort:
    """Make a store of meters with gaps, estimated values, negative and zero ones, and different beginnings and ends."""
    store = Store(path, create=True)
    edges = [edges_of_year(kind.step, kind.zone, year) for year in years]
    start, end = np.concatenate([one[:-1] for one in edges]), np.concatenate([one[1:] for one in edges])
    homes = []
    for number in range(n):
        dice = np.random.default_rng([number, kind.step])
        value = dice.integers(-20, 900, start.size) * dice.integers(0, 4, start.size)
        quality = dice.choice(np.array([0, 8, 17, 99, MISSING_SMALL], dtype=np.int16), start.size)
        if number % 3:  # the others lack nothing
            value[dice.random(start.size) < 0.02] = MISSING
            for _ in range(number % 5):
                gap = int(dice.integers(0, start.size - 60))
                value[gap : gap + int(dice.integers(1, 1 + start.size // 20))] = MISSING
        low, high = 0, start.size
        if number % 4 == 1:
            low, high = int(dice.integers(0, start.size // 3)), high - int(dice.integers(0, start.size // 3))
        if number == 4 and len(years) > 1:
            low = edges[0].size - 1  # nothing in the first year
        here = slice(low, high)
        if number == 7:
            value[:] = MISSING
        row, told = row_of(kind, f"home {number}", "load", start[here], (end - start)[here], value[here], quality[here])
        assert row is not None
        assert not told
        homes.append(Home(f"source {number}", f"{kind.step} {number}", [row]))
    for first in range(0, n, 10):
        store.add(homes[first : first + 10])
    store.finish()
    return smd.Cohort(path)


@pytest.fixture(scope="module", params=list(KINDS))
def cohort(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    years = (2024, 2025) if "two years" in request.param else (2025,)
    return meters_in(tmp_path_factory.mktemp("cubes") / "homes.zarr", KINDS[request.param], N, years)


def read_now(cohort: smd.Cohort) -> xr.Dataset:
    return dataset(cohort._store, cohort.meters, lazy=False)


@pytest.fixture(scope="module")
def cube(cohort: smd.Cohort) -> xr.Dataset:
    return read_now(cohort)


@pytest.fixture(scope="module")
def sample(cohort: smd.Cohort) -> dict[int, pd.DataFrame]:
    """The tidy frames of some meters drawn by lot, and of the one without values."""
    drawn = np.random.default_rng(20251122).choice(N, 2, replace=False).tolist()
    return {number: cohort.select(usage_point=f"home {number}").tidy() for number in sorted({*drawn, 4, 7})}


def step_of(cube: xr.Dataset) -> int:
    return int((cube["time_bnds"][1, 1] - cube["time_bnds"][1, 0]).astype("m8[s]").astype("i8"))


# The same numbers as of one meter ------------------------------------------------------------------------------------------------------

EDGES = ["2025-03-08 12:20", "2025-03-09 02:30", "2025-04-06 01:45", "2025-10-05", "2025-11-02 06:00", "2025-11-02 06:40"]


@pytest.mark.parametrize("name", ["30min", "1h", "4h", "1W", "1MS", "edges"])
def test_bins_are_those_of_one_meter(cube: xr.Dataset, sample: dict[int, pd.DataFrame], name: str) -> None:
    bins: Any = pd.DatetimeIndex(EDGES, tz="UTC").tz_convert(cube.attrs["zone"]) if name == "edges" else name
    for min_coverage in (0, 0.6) if name == "4h" else (0,):
        found = cubes.resample(cube, bins, min_coverage=min_coverage)
        for number, frame in sample.items():
            want = smd.resample(frame, bins, min_coverage=min_coverage)
            one = found.isel(meter=number)
            start = pd.DatetimeIndex(one["time"]).tz_localize("UTC")
            place = start.get_indexer(pd.DatetimeIndex(want["start"]).tz_convert("UTC").as_unit(start.unit))
            assert (place >= 0).all()
            for column in ("value", "coverage", "n_intervals", "n_flagged", *(["mean_power", "max_power"] if "mean_power" in one else [])):
                np.testing.assert_allclose(one[column].to_numpy()[place], want[column], rtol=1e-9, atol=1e-12, err_msg=column)
            rest = np.delete(np.arange(start.size), place)  # before the first interval and after the last
            assert (one["coverage"].to_numpy()[rest] == 0).all()
            assert np.isnan(one["value"].to_numpy()[rest]).all()
        ends = pd.DatetimeIndex(found["time_bnds"].to_numpy()[:, 1]).tz_localize("UTC")
        assert pd.DatetimeIndex(want["end"]).tz_convert("UTC").isin(ends).all()
    assert ("mean_power" in found) == (cube.attrs["service"] == "electricity")


def assert_profiles(found: xr.Dataset, frame: pd.DataFrame, number: int, options: dict[str, Any]) -> None:
    want = smd.profile(frame, **options)
    one = found.isel(meter=number)
    keys = [key for key in ("season", "day_type", "month", "weekday", "year") if key in one.dims]
    places = {}
    for key in (*keys, "slot"):
        listed = one[key].values.tolist()
        places[key] = xr.DataArray(np.array([listed.index(label) for label in want[key]], dtype="i8"), dims="row")
    rows = one.isel(places)
    np.testing.assert_array_equal(rows["n"], want["n"])
    np.testing.assert_allclose(rows["mean"], want["mean"], rtol=1e-9, atol=1e-9)
    for share in one["quantile"].values:
        np.testing.assert_allclose(rows["quantiles"].sel(quantile=share), want[f"p{100 * share:g}"], rtol=1e-9, atol=1e-9)
    assert int(one["n"].sum()) == want["n"].sum()  # and nothing besides


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": (), "slot": "native", "quantiles": (0, 0.1, 0.5, 0.9, 1)},
        {"by": ("weekday", "month"), "slot": "4h", "min_coverage": 0.5},
        {"by": ("year", "day_type"), "slot": "1D", "holidays": "US-PGE", "quantiles": (0.5,)},
        {"by": "season", "slot": "2h", "seasons": {"hot": [11, 12, 1, 2], "rest": range(3, 11)}, "min_coverage": 0},
    ],
    ids=["default", "native slots", "weekdays", "days", "seasons"],
)
def test_profiles_are_those_of_one_meter(cube: xr.Dataset, sample: dict[int, pd.DataFrame], options: dict[str, Any]) -> None:
    step = step_of(cube)
    options = options | {"slot": f"{step}s" if step < 86_400 else "1D"} if options.get("slot") == "native" or step == 86_400 else options
    found = cubes.profile(cube, **options)
    for number, frame in sample.items():
        assert_profiles(found, frame, number, options)
    assert found["mean"].attrs["units"] == {"gas": "therm/h"}.get(cube.attrs["service"], "W")


@pytest.mark.parametrize("shares", [None, (0, 1e-9, 1 / 3, 0.29, 0.58, 0.999999, 1)])
def test_duration_curves_are_those_of_one_meter(cube: xr.Dataset, sample: dict[int, pd.DataFrame], shares: Any) -> None:
    found = cubes.duration_curve(cube, shares)
    assert found.sizes["share"] == (101 if shares is None else 7)
    for number, frame in sample.items():
        curve = duration_curve(frame)
        if curve.empty:
            assert found.isel(meter=number).isnull().all()
            continue
        first = np.minimum(np.searchsorted(curve["share"], found["share"]), len(curve) - 1)
        np.testing.assert_allclose(found.isel(meter=number), curve["load"].to_numpy()[first], rtol=1e-9)


def test_of_bins_those_count_that_are_whole(cube: xr.Dataset, sample: dict[int, pd.DataFrame]) -> None:
    bins = "1D" if step_of(cube) == 86_400 else "4h"
    binned = cubes.resample(cube, bins)
    curves = cubes.duration_curve(binned, (0, 0.25, 1))
    shapes = {slot: cubes.profile(binned, by=(), slot=slot) for slot in {"1D", bins}}
    for number, frame in sample.items():
        table = smd.resample(frame, bins)
        for slot, shape in shapes.items():
            assert_profiles(shape, table, number, {"by": (), "slot": slot})
        curve = duration_curve(table)
        if not curve.empty:
            want = [curve["load"].iloc[np.searchsorted(curve["share"], share)] for share in (0, 0.25, 1)]
            np.testing.assert_allclose(curves.isel(meter=number), want, rtol=1e-9)


def test_frames_of_a_cohort_are_those_of_one_meter_below_the_other(cohort: smd.Cohort, sample: dict[int, pd.DataFrame]) -> None:
    """They are made of arrays, and nobody sees it: the same rows, columns and types."""
    chosen = cohort.select(usage_point=[f"home {number}" for number in sample])
    options: dict[str, Any] = {"slot": "1D" if (cohort.meters["interval"] == pd.Timedelta("1D")).all() else "1h"}
    for by in ((), ("season", "day_type"), "weekday"):
        got = chosen.profile(by=by, **options)
        want = pd.concat([smd.profile(frame, by=by, **options) for frame in sample.values()], ignore_index=True)
        want.attrs = got.attrs
        pd.testing.assert_frame_equal(got, want, rtol=1e-9, atol=1e-9)
    got = chosen.duration_curve((0, 0.4, 1))
    parts = []
    for frame in sample.values():
        curve = duration_curve(frame)
        if not curve.empty:
            rows = curve.iloc[[np.searchsorted(curve["share"], share) for share in (0, 0.4, 1)]]
            parts.append(rows[["usage_point", "channel", "share", "load", "unit"]].assign(share=(0, 0.4, 1)))
    want = pd.concat(parts, ignore_index=True)
    want.attrs = got.attrs
    pd.testing.assert_frame_equal(got, want, rtol=1e-9)
    assert "home 7" not in set(got["usage_point"])  # it has no values


# By hand -------------------------------------------------------------------------------------------------------------------------------


def test_days_of_23_and_25_hours_by_hand(tmp_path: Path) -> None:
    """A meter that takes 1 Wh in each quarter hour of the year, and as many Wh as the quarter's number in the last hour of a day."""
    kind = KINDS["quarters"]._replace(power_of_ten=0)
    edges = edges_of_year(900, kind.zone, 2025)
    wall = pd.DatetimeIndex(edges[:-1].view("M8[s]"), tz="UTC").tz_convert(kind.zone)
    value = np.where(wall.hour == 23, 1 + wall.minute // 15, 1)
    row, _ = row_of(kind, "home", "load", edges[:-1], np.diff(edges), value, np.zeros(value.size, dtype="i2"))
    assert row is not None
    store = Store(tmp_path / "homes.zarr", create=True)
    store.add([Home("home", "1", [row])])
    store.finish()
    cube = read_now(smd.Cohort(tmp_path / "homes.zarr"))
    days = cubes.resample(cube, "1D")["value"].squeeze("meter")
    lengths = days.assign_coords(time=days["local_date"])
    assert lengths.sel(time=["2025-03-08", "2025-03-09", "2025-11-02"]).values.tolist() == [96 + 6, 92 + 6, 100 + 6]
    shape = cubes.profile(cube, by=(), slot="1h", quantiles=(0.5,)).squeeze("meter")
    assert shape["n"].sel(slot=["00:00", "01:00", "02:00", "23:00"]).values.tolist() == [365, 366, 364, 365]
    assert shape["mean"].sel(slot=["00:00", "02:00", "23:00"]).values.tolist() == [4, 4, 10]
    curve = cubes.duration_curve(cube, (0, 1 / 96 - 1e-9, 1 / 96 + 1e-9, 1)).squeeze("meter")
    assert curve.values.tolist() == [16, 16, 12, 4]  # W: a 96th of the time there are 4 Wh in a quarter hour


# What is in a Dataset, and when it is read ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    return meters_in(tmp_path_factory.mktemp("hours") / "homes.zarr", KINDS["hours, two years"], 60, (2024, 2025))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is read of the store: of which array, how many meters."""
    seen: list[tuple[str, int]] = []
    real = homecube._Year.__getitem__

    def noted(self: homecube._Year, key: Any) -> Any:
        seen.append((self.name, len(self.rows[key[0]])))
        return real(self, key)

    monkeypatch.setattr(homecube._Year, "__getitem__", noted)
    monkeypatch.setattr(homecube, "_AT_ONCE", 20 * 2 * 8784)
    return seen


def test_nothing_is_read_before_it_is_asked_for(hours: smd.Cohort, reads: list[tuple[str, int]]) -> None:
    pytest.importorskip("dask")
    cube = hours.dataset()
    shape = cubes.profile(cubes.resample(cube, "1h"), slot="4h")
    curve = cubes.duration_curve(cube.sel(time="2025-06"))
    some = hours.select(usage_point=["home 3", "home 17", "home 41"]).dataset(years=2025)
    assert reads == []
    curve.isel(meter=[0, 59]).compute(scheduler="synchronous")
    assert {name for name, _ in reads} == {"y2025/value"}
    reads.clear()
    want = cubes.profile(some, by=(), quantiles=())["mean"].compute(scheduler="synchronous")
    assert reads == [("y2025/value", 3)]
    reads.clear()
    shape["n"].compute(scheduler="synchronous")
    assert sorted(reads) == [(f"y{year}/value", 20) for year in (2024, 2025) for _ in range(3)]
    whole = cubes.profile(hours.dataset(years=[2025]), by=(), quantiles=())["mean"]
    xr.testing.assert_allclose(want, whole.isel(meter=[3, 17, 41]).compute(), rtol=1e-12)


def test_lazy_and_read_now_are_the_same(hours: smd.Cohort) -> None:
    pytest.importorskip("dask")
    cube, now = hours.dataset(), read_now(hours)
    xr.testing.assert_identical(cube.compute(), now)
    assert cube["value"].chunks is not None
    for function, options in ((cubes.resample, {"bins": "1D"}), (cubes.profile, {}), (cubes.duration_curve, {})):
        xr.testing.assert_identical(function(cube, **options).compute(), function(now, **options))


def test_a_dataset_says_what_it_holds(hours: smd.Cohort, tmp_path: Path) -> None:
    pytest.importorskip("dask")
    table = pd.DataFrame({"county": ["Yolo", "Solano"] * 10}, index=[f"home {number}" for number in range(20)])
    cube = hours.with_attributes(table).dataset()
    assert dict(cube.sizes) == {"meter": 60, "time": 8784 + 8760, "bnds": 2}
    assert cube.attrs["zone"] == "America/New_York"
    assert cube["value"].attrs["units"] == "W h"
    assert cube.sel(usage_point="home 5")["source"].item() == "source 5"
    assert cube["first"].values.tolist() == hours.meters["first"].dt.tz_localize(None).to_numpy().tolist()
    # a meter is one of a county, and xarray can group by it
    daily = cubes.resample(cube.isel(meter=slice(20)), "1MS")["value"].groupby("county").sum()
    tidy = hours.select(usage_point=[f"home {number}" for number in range(0, 20, 2)]).tidy()
    want = smd.resample(tidy, "1MS").groupby("start")["value"].sum()
    np.testing.assert_allclose(daily.sel(county="Yolo"), want, rtol=1e-9)
    # and files can hold it
    cubes.resample(cube, "1D").to_zarr(tmp_path / "days.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "days.zarr", consolidated=False)
    np.testing.assert_array_equal(back["value"], cubes.resample(cube, "1D")["value"])


def test_meters_that_came_later_have_nothing_in_years_before(tmp_path: Path) -> None:
    """A run that was stopped before it finished leaves years of unlike numbers of meters."""
    kind, path = KINDS["hours, two years"], tmp_path / "homes.zarr"
    store = Store(path, create=True)
    for number, year in enumerate((2024, 2025, 2025)):
        edges = edges_of_year(3600, kind.zone, year)
        ones, good = np.ones(edges.size - 1, dtype="i8"), np.zeros(edges.size - 1, dtype="i2")
        row, _ = row_of(kind, f"home {number}", "load", edges[:-1], np.diff(edges), ones, good)
        assert row is not None
        store.add([Home(f"source {number}", f"{number}", [row])])
    cube = read_now(smd.Cohort(path))
    assert cube["value"].sum("time").values.tolist() == [8784, 8760, 8760]


def test_memory_does_not_grow_with_the_homes(hours: smd.Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("dask")
    monkeypatch.setattr(homecube, "_AT_ONCE", 10 * 2 * 8784)

    def peak(n: int) -> int:
        cube = hours.select(usage_point=[f"home {number}" for number in range(n)]).dataset()
        tracemalloc.start()
        try:
            with dask.config.set(scheduler="synchronous"):
                cubes.duration_curve(cube).compute()
                cubes.resample(cube, "1h")["value"].max("time").compute()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is imported and kept on first use
    few, many = peak(10), peak(50)
    assert few > 10 * 17_000 * 8
    assert many < 1.3 * few


# Refusals ------------------------------------------------------------------------------------------------------------------------------


def test_refusals(tmp_path: Path, hours: smd.Cohort) -> None:
    cube = read_now(hours.select(usage_point=["home 1", "home 2"]))
    calls: list[tuple[Any, str]] = [
        (lambda: cubes.profile(cube, slot="30min"), "longer than 30 min"),
        (lambda: cubes.profile(cube, min_coverage=2), "between 0 and 1"),
        (lambda: cubes.resample(cube, "1h", min_coverage=2), "between 0 and 1"),
        (lambda: cubes.resample(cube, "bill"), "no bills"),
        (lambda: cubes.resample(cubes.resample(cube, "1h"), "1D"), "in bins already"),
        (lambda: cubes.duration_curve(cube, (2,)), "from 0 to 1"),
        (lambda: cubes.duration_curve(hours.tidy()), "cohort.dataset"),  # type: ignore[arg-type]
        (lambda: cubes.duration_curve(cube.drop_attrs()), "cohort.dataset"),
        (lambda: cubes.duration_curve(cube.isel(time=slice(0))), "no time left"),
        (lambda: cubes.duration_curve(cube.isel(time=slice(None, None, -1))), "does not go forward"),
        (lambda: hours.dataset(years=1999), "It has 2024, 2025|all of these years"),
        (lambda: hours.with_attributes(pd.DataFrame({"mean": [1]}, index=["home 1"])).dataset(), "cannot be called mean"),
    ]
    for call, words in calls:
        with pytest.raises(ConfigurationError, match=words):
            call()
    register = meters_in(tmp_path / "register.zarr", KINDS["hours, two years"]._replace(measure="register"), 3)
    with pytest.raises(UnitError, match="running total"):
        cubes.resample(read_now(register), "1D")


def test_meters_of_several_tables_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "homes.zarr"
    meters_in(path, KINDS["days of gas"], 2)
    both = meters_in(path, KINDS["days of gas"]._replace(step=3600), 2)
    with pytest.raises(ConfigurationError, match="do not fit one Dataset"):
        both.dataset()
