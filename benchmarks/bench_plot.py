"""How long it takes to build every figure of one meter's year, and how large the largest is in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from table import Row, cpu_times, main

import smd_notebook as smd

ZONE = "America/Los_Angeles"


def figures() -> dict[str, Callable[[], Any]]:
    """Return what builds each figure of a year of quarter hours, analysis and all; typical days, which take k-means, are left out."""
    feed = smd.sample("solar-home")
    frame = feed.tidy()
    one = frame[frame["channel"] == "electricity delivered"].reset_index(drop=True)
    tariff = smd.analysis.load_tariff("EV2-A", on="2026-03-01")
    lines = smd.analysis.bill(one, tariff, cycles="1MS")
    hours = pd.date_range("2025-01-01", "2026-01-01", freq="h", tz=ZONE, inclusive="left")
    degrees = pd.Series(16 - 8 * np.cos((hours.day_of_year.to_numpy() - 30) / 365 * 2 * np.pi), index=hours)
    return {
        "series": lambda: smd.plot.series(one),
        "energy": lambda: smd.plot.energy(one),
        "monthly": lambda: smd.plot.monthly(one),
        "flows": lambda: smd.plot.flows(frame),
        "heatmap": lambda: smd.plot.heatmap(one),
        "quality": lambda: smd.plot.quality(one),
        "peak_days": lambda: smd.plot.peak_days(one),
        "profile": lambda: smd.plot.profile(one),
        "duration": lambda: smd.plot.duration(one),
        "tou": lambda: smd.plot.tou(one, tariff),
        "bill": lambda: smd.plot.bill(lines),
        "temperature": lambda: smd.plot.temperature(one, degrees),
    }


def rows(full: bool) -> Iterator[Row]:
    """Yield the time of all figures together, of the slowest three, and the largest."""
    build = figures()
    times = {name: median(found) for name, found in cpu_times(build, 10 if full else 5).items()}
    yield Row(f"{len(build)} figures of a meter-year, with their analysis, all together", sum(times.values()), "<= 2", "s")
    for name in sorted(times, key=lambda name: -times[name])[:3]:
        yield Row(f"of these smd.plot.{name}", times[name], unit="s")
    sizes = {name: len(make().to_json()) / 1e6 for name, make in build.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    yield Row(f"the largest in a notebook, smd.plot.{largest}", sizes[largest], "<= 0.3", "MB")


if __name__ == "__main__":
    main("bench_plot")
