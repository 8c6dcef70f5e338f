"""Conservation: whatever is read, merged, renamed, cut, converted and written, no energy comes or goes but by a finding that says so."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.feed import Feed
from tests.build import CLOCK, PACIFIC, START, block, blocks, element, entry, feed_xml, local_time, meter_reading, reading, reading_type

#: The homes' readings lie this far apart, so that a reading tells whose it is when all names are gone [s]; as many at most [steps].
APART, SLOTS, STEP = 100 * 86_400, 12, 3600
FLOWS = {"delivered": 1, "received": 19}
#: A home, a direction, and when an interval begins.
Key = tuple[int, str, int]


@dataclass
class Written:
    """Files, and all that they say: the exact amounts [Wh] written for each interval, as often as they are."""

    files: list[bytes]
    amounts: dict[Key, list[Decimal]]


@st.composite
def homes(draw: st.DrawFn) -> Written:
    """Draw one to three files of one or two homes; intervals may stand in several, or several times in one, alike or not."""
    amounts: dict[Key, list[Decimal]] = {}
    files = []
    for _ in range(draw(st.integers(1, 3))):
        power = draw(st.sampled_from([-3, 0, 3]))
        entries = [local_time(*PACIFIC)]
        for home in range(draw(st.integers(1, 2))):
            point = f"/espi/UsagePoint/{home}"
            kind = element("ServiceCategory", element("kind", 0))
            entries.append(entry(element("UsagePoint", kind), point, related=[f"{point}/MeterReading", CLOCK]))
            for flow, code in FLOWS.items():
                slots = draw(st.lists(st.integers(0, SLOTS - 1), max_size=5))
                if not slots:
                    continue
                meter, type_ = f"{point}/MeterReading/{code}", f"/espi/ReadingType/{code}"
                codes = element("accumulationBehaviour", 4) + element("flowDirection", code) + element("uom", 72)
                rows = []
                for slot in slots:
                    # of a few values, so that some are written twice, and of great ones; all exact in units of 1 Wh
                    amount = draw(st.sampled_from([0, 1000, 2000]) | st.integers(-(10**6), 10**6).map(lambda kilo: 1000 * kilo))
                    at = START + home * APART + slot * STEP
                    amounts.setdefault((home, flow, at), []).append(Decimal(amount))
                    quality = draw(st.sampled_from([None, 0, 8, 17]))
                    rows.append(reading(at, int(Decimal(amount).scaleb(-power)), STEP, quality=quality))
                entries += [meter_reading(meter, related=[f"{meter}/IntervalBlock", type_])]
                entries += [reading_type(type_, codes, power=power, length=STEP)]
                updated = draw(st.sampled_from(["", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"]))
                half = draw(st.integers(0, len(rows)))
                parts = [part for part in (rows[:half], rows[half:]) if part]
                entries += [blocks(block(*part), meter=meter, number=place, updated=updated) for place, part in enumerate(parts)]
        files.append(feed_xml(*entries).encode())
    return Written(files, amounts)


# -- what a feed says ------------------------------------------------------------------------------------------------------------------


def amounts_of(frame: pd.DataFrame) -> Counter[tuple[Key, Decimal]]:
    """Return each interval of a tidy frame with its amount, exactly [Wh]: a float's shortest decimals are what was written."""
    starts = frame["start"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64).tolist()
    scale = [Decimal({"Wh": 1, "kWh": 1000}[unit]) for unit in frame["unit"]]
    amounts = [Decimal(str(value)) * one for value, one in zip(frame["value"].tolist(), scale, strict=True)]
    homes = [int((at - START) // APART) for at in starts]
    return Counter(((home, flow, at), one) for home, flow, at, one in zip(homes, frame["flow"].tolist(), starts, amounts, strict=True))


def totals(amounts: Counter[tuple[Key, Decimal]]) -> dict[tuple[int, str], Decimal]:
    """Return the total of each channel [Wh]."""
    found: dict[tuple[int, str], Decimal] = {}
    for ((home, flow, _), amount), n in amounts.items():
        found[home, flow] = found.get((home, flow), Decimal(0)) + n * amount
    return found


def told(feed: Feed) -> dict[str, int]:
    """Return how many intervals findings speak of, by code."""
    found = feed.findings
    return {code: int(found[found["code"] == code]["n"].sum()) for code in ("duplicate-same", "duplicate-conflict")}


def assert_accounted(feed: Feed, made: Written) -> Counter[tuple[Key, Decimal]]:
    """Every interval is there once, with an amount that was written for it, and findings count each that was given up."""
    resolved, written = amounts_of(feed.tidy()), amounts_of(feed.tidy(duplicates="keep"))
    assert Counter(key for key, _ in resolved) == Counter(made.amounts.keys())
    assert all(amount in made.amounts[key] for key, amount in resolved)
    given_up = written - resolved
    assert resolved <= written
    kept = dict(resolved.keys())
    assert told(feed) == {
        "duplicate-same": sum(n for (key, amount), n in given_up.items() if amount == kept[key]),
        "duplicate-conflict": len({key for key, amount in given_up if amount != kept[key]}),
    }
    # the difference of the totals is what was given up, to the last digit
    before, after, lost = totals(written), totals(resolved), totals(given_up)
    assert {channel: before[channel] - lost.get(channel, 0) for channel in before} == after
    return resolved


# -- what may be done with it ----------------------------------------------------------------------------------------------------------


def through_file(feed: Feed, name: str) -> Feed:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        feed.to_espi(path)
        return smd.read(path, clock="utc")


def cut_and_joined(feed: Feed, slot: int) -> Feed:
    moment = pd.Timestamp(START + slot * STEP, unit="s", tz="UTC")
    return smd.merge([feed.select(end=moment), feed.select(start=moment)])


STEPS = {
    "merged with itself": lambda feed, slot: smd.merge([feed, feed]),
    "merged with what it was": lambda feed, slot: smd.merge([through_file(feed, "was.xml"), feed]),
    "cut and joined": cut_and_joined,
    "renamed": lambda feed, slot: feed.alias(),
    "written": lambda feed, slot: through_file(feed, "usage.xml"),
    "written and compressed": lambda feed, slot: through_file(feed, "usage.xml.gz"),
}


def converted(feed: Feed, *, files: bool) -> dict[str, Counter[tuple[Key, Decimal]]]:
    """Return what each other shape of a feed says."""
    shapes = {"kWh": amounts_of(feed.tidy(unit="kWh")), "tree": of_tree(feed.to_datatree())}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "usage.csv"
        feed.to_csv(table)
        shapes["csv"] = amounts_of(smd.read_tidy(table))
        if find_spec("pyarrow"):
            feed.to_parquet(Path(folder) / "usage.parquet")
            shapes["parquet"] = amounts_of(smd.read_tidy(Path(folder) / "usage.parquet"))
        if files and find_spec("h5netcdf"):
            feed.to_netcdf(Path(folder) / "usage.nc")
            with xr.open_datatree(Path(folder) / "usage.nc", engine="h5netcdf") as tree:
                shapes["netcdf"] = of_tree(tree.load())
        if files and find_spec("zarr"):
            feed.to_zarr(Path(folder) / "usage.zarr")
            shapes["zarr"] = of_tree(xr.open_datatree(Path(folder) / "usage.zarr", engine="zarr", consolidated=False).load())
    return shapes


def of_tree(tree: xr.DataTree) -> Counter[tuple[Key, Decimal]]:
    found: Counter[tuple[Key, Decimal]] = Counter()
    for node in tree.leaves:
        if "energy" in node:
            starts = node["time"].values.astype("datetime64[s]").astype(np.int64).tolist()
            amounts = [Decimal(str(value)) for value in node["energy"].values.tolist()]
            found.update(((int((at - START) // APART), node.attrs["flow"], at), one) for at, one in zip(starts, amounts, strict=True))
    return found


def prove(made: Written, steps: list[tuple[str, int]], order: list[bytes], *, files: bool = False) -> None:
    """Read files together, and one by one in another order; take steps; and look after each at what is there."""
    feed = smd.read(made.files, clock="utc")
    resolved = assert_accounted(feed, made)
    assert assert_accounted(smd.merge([smd.read(one, clock="utc") for one in order]), made) == resolved
    for name, slot in steps:
        feed = STEPS[name](feed, slot)
        assert assert_accounted(feed, made) == resolved, name
    for name, shape in converted(feed, files=files).items():
        assert shape == resolved, name
    hours = smd.resample(feed, "1h")
    assert amounts_of(hours[hours["value"].notna()]) == resolved


SEQUENCES = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, SLOTS)), max_size=3)


@given(homes(), SEQUENCES, st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_no_energy_comes_or_goes(made: Written, steps: list[tuple[str, int]], dice: Random) -> None:
    prove(made, steps, dice.sample(made.files, len(made.files)))


@pytest.mark.prove
@given(homes(), SEQUENCES, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_no_energy_comes_or_goes_in_hundreds_of_ways(made: Written, steps: list[tuple[str, int]], dice: Random) -> None:
    prove(made, steps, dice.sample(made.files, len(made.files)), files=True)
