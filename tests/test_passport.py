"""Passports: what a result says of itself, and that it notices changes."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import cite, heatmap, net, resample, stamp, wide
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, lapse_frame, regular


@pytest.fixture
def days() -> pd.DataFrame:
    return resample(regular("2024-01-01", 144, 1.0), "1D")


def passport(frame: pd.DataFrame) -> dict:
    return json.loads(frame.attrs["passport"])


def test_what_it_holds(days):
    text = passport(days)
    assert set(text) == {"definition", "source", "inputs", "zone", "coverage", "version", "sha256"}
    assert text["inputs"]["bins"] == "1D"
    assert text["inputs"]["intervals"] == 144
    assert (text["zone"], text["coverage"]) == (ZONE, 0.75)
    assert len(text["sha256"]) == 64


def test_cite_is_one_line(days):
    line = cite(days)
    assert "\n" not in line
    for part in ("wall-clock bins", "bins 1D", "period 2024-01-01 to 2024-01-02;", "2 rows", ZONE, "75.00%", "values as computed"):
        assert part in line
    assert "CalTRACK" in cite(resample(regular("2024-01-01", 144, 1.0), "1D", scale="caltrack"))


CHANGES = {
    "value": lambda f: f.assign(value=f["value"] + 1e-9),
    "coverage": lambda f: f.assign(coverage=1.0),
    "time": lambda f: f.assign(start=f["start"] + pd.Timedelta("1us")),
    "fewer": lambda f: f.iloc[:1],
    "order": lambda f: f.iloc[::-1],
    "missing": lambda f: f.assign(value=np.nan),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_noticed(days, change):
    changed = CHANGES[change](days)
    changed.attrs = days.attrs
    assert "changed since" in cite(changed)


def test_what_is_no_change(days):
    as_ns = days.astype({"start": f"datetime64[ns, {ZONE}]"})
    shown = days.assign(start=days["start"].dt.tz_convert("UTC"), n_flagged=days["n_flagged"].astype("Int16"))
    for same in (days.copy(), pickle.loads(pickle.dumps(days)), as_ns, shown, days.reset_index(drop=True)):
        same.attrs = days.attrs
        assert "as computed" in cite(same)


def test_missing_values_have_one_fingerprint():
    prints = set()
    for missing in (np.nan, np.copysign(np.nan, -1), np.array(0x7FF800000000000F).view("f8")[()]):
        frame = pd.DataFrame({"value": [1.0, missing], "coverage": [0.0, -0.0]})
        prints.add(passport(stamp(frame, definition="d", inputs={}))["sha256"])
    assert len(prints) == 1


def test_no_passport():
    stamped = stamp(pd.DataFrame({"value": [1.0]}), definition="one number", inputs={})
    for other in (pd.DataFrame({"value": [1.0]}), stamped["value"], 1.0):
        with pytest.raises(ConfigurationError, match="no passport"):
            cite(other)


def test_concat_and_merge_survive(days):
    other = resample(regular("2024-02-01", 96, 2.0), "1D")
    assert "passport" not in pd.concat([days, other]).attrs
    twice = pd.concat([days, days], ignore_index=True)
    assert "changed since" in cite(twice)
    assert len(days.merge(other, on="channel")) == 2


def test_stamp_leaves_its_argument_alone(days):
    plain = pd.DataFrame({"value": [1.0]})
    stamp(plain, definition="d", inputs={})
    assert plain.attrs == {}


def test_every_result_carries_one():
    frame = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True)
    hourly = resample(frame, "1h")
    for result in (hourly, wide(hourly), net(hourly), net(frame), heatmap(frame, slot="1h")):
        assert cite(result).endswith("values as computed")
    empty = resample(frame.iloc[:0], "1h")
    assert passport(empty)["coverage"] is None
