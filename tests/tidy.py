"""Tidy frames for tests, as the contract has them: columns, order and types; and the closed-form meter lapse2024."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

SERVICES = ("electricity", "gas", "water")
MEASURES = ("energy", "power", "register", "volume", "other")
FLOWS = ("delivered", "received", "net", "total", "unstated")
UNITS = ("Wh", "J", "Btu", "therm", "W", "VAh", "VA", "m3", "ft3", "K", "kWh", "kW")
QUALITIES = ("valid", "manually_edited", "estimated", "interpolated", "derived", "raw", "other", "validated", "revenue_quality")
ZONE = "America/Los_Angeles"


def tidy(
    start: Any,
    value: Any,
    *,
    length: str | pd.Timedelta = "15min",
    end: Any = None,
    zone: str = ZONE,
    tz: str | None = None,
    usage_point: str = "1",
    channel: str = "electricity delivered",
    service: str | None = "electricity",
    measure: str = "energy",
    flow: str = "delivered",
    unit: str | None = "Wh",
    quality: Any = "valid",
) -> pd.DataFrame:
    """Return one channel. Starts are instants or, without a zone, wall-clock times of `zone`."""
    starts = pd.DatetimeIndex(start)
    starts = starts.tz_localize(zone) if starts.tz is None else starts.tz_convert(zone)
    if end is None:
        ends = starts + pd.Timedelta(length)
    else:
        ends = pd.DatetimeIndex(end)
        ends = ends.tz_localize(zone) if ends.tz is None else ends.tz_convert(zone)
    starts, ends = (index.as_unit("us").tz_convert(tz or zone) for index in (starts, ends))
    n = len(starts)

    def category(name: Any, names: tuple[str, ...]) -> pd.Categorical:
        return pd.Categorical([name] * n if name is None or isinstance(name, str) else name, categories=list(names))

    return pd.DataFrame(
        {
            "usage_point": pd.Series([usage_point] * n, dtype="str"),
            "channel": pd.Series([channel] * n, dtype="str"),
            "service": category(service, SERVICES),
            "measure": category(measure, MEASURES),
            "flow": category(flow, FLOWS),
            "zone": category(zone, (zone,)),
            "start": starts,
            "end": ends,
            "duration": (ends - starts).as_unit("us"),
            "value": np.broadcast_to(np.asarray(value, dtype="float64"), (n,)).copy(),
            "unit": category(unit, UNITS),
            "quality": category(quality, QUALITIES),
            "tou": pd.array([None] * n, dtype="Int16"),
            "tou_name": pd.Series([None] * n, dtype="str"),
            "tier": pd.array([None] * n, dtype="Int16"),
            "cpp": pd.array([None] * n, dtype="Int16"),
            "cost": np.full(n, np.nan),
            "currency": pd.Categorical([None] * n, categories=["USD", "CAD"]),
        }
    )


def regular(first: str, periods: int, value: Any, *, length: str = "15min", zone: str = ZONE, **kinds: Any) -> pd.DataFrame:
    """Return one channel of equal steps of elapsed time from a wall-clock time."""
    start = pd.date_range(pd.Timestamp(first).tz_localize(zone).tz_convert("UTC"), periods=periods, freq=length)
    return tidy(start, value, length=length, zone=zone, **kinds)


def lapse2024() -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the closed-form meter: 15-minute Wh of calendar 2024 in Los Angeles, integers, no random numbers."""
    index = pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left")
    k = np.arange(len(index), dtype="int64")
    hour, minute, day, weekday = (
        np.asarray(part, dtype="int64") for part in (index.hour, index.minute, index.day_of_year, index.day_of_week)
    )
    load = 60 + (37 * k * k + 11 * k) % 53
    morning = np.where((hour >= 7) & (hour < 9) & (weekday < 5), 180, np.where((hour >= 9) & (hour < 12) & (weekday >= 5), 90, 0))
    load += np.where((hour >= 17) & (hour < 21), 400 + 10 * ((7 * day) % 13), morning)
    load += np.where(np.isin(weekday, (1, 4)) & (hour < 4), 1800, 0)
    load += np.where((hour >= 13) & (hour < 20), 25 * np.maximum(0, 92 - np.abs(day - 213)) // 2, 0)
    solar = np.maximum(0, 900 - 45 * np.abs(4 * hour + minute // 15 - 52)) * np.where((day >= 80) & (day <= 265), 3, 2) // 3
    return {"load": load, "solar": solar, "delivered": np.maximum(0, load - solar), "received": np.maximum(0, solar - load)}


def lapse_frame(name: str = "load", **kinds: Any) -> pd.DataFrame:
    """Return one series of lapse2024 as a tidy channel."""
    return regular("2024-01-01", 35136, lapse2024()[name], **{"channel": f"electricity {name}", **kinds})
