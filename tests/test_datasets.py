"""Datasets and DataTrees: what the frame says, over naive UTC, with CF attributes; and netCDF and Zarr that read back the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError
from tests.build import ENERGY, START, block, blocks, element, entry, feed_xml, meter_reading, reading, reading_type, small, usage_point
from tests.test_identity import homes
from tests.test_tables import AUTUMN, FEEDS, feed_of

SECOND = "/espi/UsagePoint/1/MeterReading/2"
RECEIVED = ENERGY.replace("<e:flowDirection>1<", "<e:flowDirection>19<")


def two(*first: str, second: tuple[str, ...], codes: str = RECEIVED, length: int = 3600, power: int = 0) -> Any:
    """Return a feed of two channels of one usage point."""
    return smd.read(
        feed_xml(
            usage_point(),
            meter_reading(),
            meter_reading(SECOND, related=[f"{SECOND}/IntervalBlock", "/espi/ReadingType/2"]),
            reading_type(),
            reading_type("/espi/ReadingType/2", codes, length=length, power=power),
            blocks(block(*first)),
            blocks(block(*second), meter=SECOND),
        ).encode(),
        clock="utc",
    )


def saved(tree: xr.DataTree, feed: Any, path: Path, kind: str) -> xr.DataTree:
    if kind == "netcdf":
        feed.to_netcdf(path)
        with xr.open_datatree(path, engine="h5netcdf") as back:
            return back.load()
    feed.to_zarr(path)
    return xr.open_datatree(path, engine="zarr", consolidated=False).load()


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize("name", FEEDS)
def test_trees_read_back_the_same(name: str, kind: str, tmp_path: Path) -> None:
    feed = feed_of(name)
    tree = feed.to_datatree()
    back = saved(tree, feed, tmp_path / "usage", kind)
    assert differing(back, tree) == []
    assert sorted(node.path for node in back.subtree) == sorted(node.path for node in tree.subtree)


def differing(back: xr.DataTree, tree: xr.DataTree) -> list[str]:
    """Return what differs, variable by variable: values, missing ones, types, attributes.

    netCDF has no list of one number, and xarray reads instants in the resolution that it is told to; neither is ours.
    """
    found = []
    for node in tree.subtree:
        other = back[node.path]
        if set(node.variables) != set(other.variables) or node.attrs != other.attrs:
            found.append(node.path)
        for name, variable in node.variables.items():
            theirs = other.variables[name]
            same = variable.dims == theirs.dims and variable.dtype.kind == theirs.dtype.kind
            same = same and (np.array_equal(variable.values, theirs.values) if variable.dtype.kind == "M" else variable.equals(theirs))
            attrs = all(np.array_equal(np.atleast_1d(variable.attrs[key]), np.atleast_1d(theirs.attrs.get(key))) for key in variable.attrs)
            if not (same and attrs):
                found.append(f"{node.path}/{name}")
    return found


@pytest.mark.parametrize("name", [name for name in FEEDS if name != "no channel"])
def test_trees_hold_what_the_frame_holds(name: str) -> None:
    """Every row with a start, as an instant: none lost, none added."""
    feed = feed_of(name)
    frame = feed.tidy()
    frame = frame[frame["start"].notna()]
    groups = [node for node in feed.to_datatree().subtree if node.has_data or "time" in node.coords]
    assert len(groups) == len(feed.channels)
    for node in groups:
        rows = frame[(frame["channel"] == node.attrs["channel"]) & (frame["usage_point"] == node.attrs["usage_point"])]
        assert node.sizes["time"] == len(rows)
        utc = rows["start"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        assert np.array_equal(node["time"].values, utc)
        assert np.array_equal(node["time_bnds"].values[:, 1], rows["end"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        (main,) = [name for name in node.data_vars if name in ("energy", "power", "volume", "register", "value")]
        assert np.array_equal(node[main].values, rows["value"].to_numpy(), equal_nan=True)


def test_local_coordinates_of_a_day_of_25_hours() -> None:
    node = feed_of("a day of 25 hours").to_datatree()["up1/delivered"]
    assert [str(at)[11:16] for at in node["local_time"].values][:4] == ["00:00", "01:00", "01:00", "02:00"]
    assert node["utc_offset"].values.tolist() == [-7 * 3600] * 2 + [-8 * 3600] * 23
    assert set(node["local_date"].values) == {np.datetime64("2024-11-03")}
    assert node["energy"].groupby(node["local_date"]).sum().item() == sum(range(25))
    assert node["time"].values[0] == np.datetime64(AUTUMN, "s")
    assert node.attrs["zone"] == "America/Los_Angeles"


def test_cf_attributes() -> None:
    node = feed_of("a day of 25 hours").to_datatree()["up1/delivered"]
    time, energy, quality = node["time"], node["energy"], node["quality"]
    assert (time.attrs["standard_name"], time.attrs["axis"], time.attrs["bounds"]) == ("time", "T", "time_bnds")
    assert (energy.attrs["units"], energy.attrs["cell_methods"]) == ("W h", "time: sum")
    words = dict(zip(quality.attrs["flag_values"].tolist(), quality.attrs["flag_meanings"].split(), strict=True))
    assert words[17] == "validated"
    assert set(quality.values) == {17}
    assert time.dtype == np.dtype("datetime64[us]")
    assert node["cost"].attrs["units"] == "1"


@pytest.mark.parametrize("code", [-1, 0, -32767, 32767])
@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_no_code_is_taken_for_a_missing_one(code: int, kind: str, tmp_path: Path) -> None:
    feed = smd.read(small(reading(START, 1, tou=code, consumptionTier=code, cpp=code), reading(START + 3600, 2)).encode(), clock="utc")
    node = saved(feed.to_datatree(), feed, tmp_path / "a", kind)["up1/delivered"]
    for name in ("tou", "tier", "cpp"):
        assert node[name].values[0] == code
        assert np.isnan(node[name].values[1])


# -- one Dataset ---------------------------------------------------------------------------------------------------------------------------


def test_channels_of_the_same_steps_are_one_dataset() -> None:
    feed = two(reading(START, 1), reading(START + 3600, 2), second=(reading(START + 3600, 5), reading(START + 7200, 6)))
    data = feed.to_xarray()
    assert data["electricity_delivered"].values.tolist()[:2] == [1, 2]
    assert np.isnan(data["electricity_delivered"].values[2])
    assert data["electricity_received"].values.tolist()[1:] == [5, 6]
    assert data.sizes["time"] == 3


UNLIKE = {
    "other lengths": two(reading(START, 1), second=(reading(START, 5, 900), reading(START + 900, 5, 900)), length=900),
    "other lengths that say the same of themselves": two(reading(START, 1), second=(reading(START, 5, 900),)),
    "two that begin together": smd.read(small(reading(START, 1, 900), reading(START, 7, 3600)).encode(), clock="utc"),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_unlike_steps_are_refused_and_the_groups_named(name: str) -> None:
    feed = UNLIKE[name]
    with pytest.raises(ConfigurationError) as caught:
        feed.to_xarray()
    tree = feed.to_datatree()
    for node in tree.leaves:
        assert f"'{node.path.strip('/')}'" in str(caught.value)
    assert sum(node.sizes["time"] for node in tree.leaves) == len(feed.tidy())


def test_unlike_zones_are_refused() -> None:
    pacific = smd.read(homes(1), clock="utc")
    eastern = smd.read(homes(2).replace(b">-28800<", b">-18000<"), clock="utc").select(usage_point="espi/RetailCustomer/1/UsagePoint/01")
    with pytest.raises(ConfigurationError, match="zones"):
        smd.merge([pacific, eastern]).to_xarray()


def test_groups_have_short_names_of_their_own() -> None:
    tree = smd.read(homes(), clock="utc").to_datatree()
    assert [node.path for node in tree.leaves] == [f"/up{k}/delivered" for k in range(1, 6)]
    assert [node.attrs["href"] for node in tree.leaves] == [f"/espi/RetailCustomer/{k}/UsagePoint/01/MeterReading/01" for k in range(5)]
    both = two(reading(START, 1), second=(reading(START, 5),), codes="<e:uom>38</e:uom><e:flowDirection>1</e:flowDirection>")
    names = [node.path for node in both.to_datatree().leaves]
    assert len(set(names)) == 2
    assert all(name.startswith("/up1/electricity_delivered") for name in names)


@pytest.mark.parametrize("label", ["time", "local time", "Ünïcode / slash", "a" * 200])
def test_names_of_all_kinds(label: str, tmp_path: Path) -> None:
    """TOU names are the utility's: words of any kind become flags."""
    names = element("programIdMapping", element("tOUorCPPorConsumptionTier", "TOU") + element("code", 1) + element("name", label))
    mappings = feed_xml(entry(element("ProgramIdMappings", names), "/p/1")).partition(">\n")[2].partition(">")[2]
    text = small(reading(START, 1, tou=1)).replace("</feed>", "") + mappings
    feed = smd.read(text.encode(), clock="utc")
    tree = feed.to_datatree()
    assert len(tree["up1/delivered"]["tou"].attrs["flag_meanings"].split()) == 1
    feed.to_netcdf(tmp_path / "a.nc")
    assert feed.tidy()["tou_name"].tolist() == [label]


def test_a_sample_makes_the_round(tmp_path: Path) -> None:
    feed = smd.sample("lapse2024").select(start="2024-10-28", end="2024-11-11")
    tree = feed.to_datatree()
    back = saved(tree, feed, tmp_path / "a.nc", "netcdf")
    assert differing(back, tree) == []
    total = sum(float(node["energy"].sum()) for node in back.leaves)
    assert total == pytest.approx(feed.tidy()["value"].sum())
