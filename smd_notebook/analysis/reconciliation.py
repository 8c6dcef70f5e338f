"""A feed's own bills beside its readings, and beside what a tariff makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, tidy_frame
from smd_notebook.analysis.edges import DAY, utc_us, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.spread import Intervals, clean, sums
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.espi import codes

__all__ = ["reconcile"]

_COLUMNS = (
    *("usage_point", "service", "zone", "start", "end", "coverage", "basis", "metered", "stated", "unit", "difference", "as_csv"),
    *("costs", "priced", "billed", "currency", "billed_less_priced"),
)
#: From this coverage on a period counts as wholly metered.
_WHOLE = 0.999


def reconcile(feed: Any, *, priced: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay each bill of a feed beside the readings of its period.

    Parameters
    ----------
    feed : Feed
        A feed with bills (espi:UsageSummary).
    priced : DataFrame, optional
        What `bill` made of the same feed with ``cycles="bill"``.

    Returns
    -------
    DataFrame, shape (n_bills, 17)
        `usage_point`, `service`, `zone`, `start`, `end`; `coverage` of the period by intervals; `basis`: what is compared, energy
        ``"delivered"`` or ``"net"`` of what was received, whichever is nearer; `metered` and `stated` [unit], `unit`, `difference`
        (metered less stated); `as_csv`: what was delivered if every interval were rounded to 0.01 kWh, as PG&E's CSV is [unit];
        `costs` of the intervals, `priced` by the tariff, and `billed` [currency], `currency`, `billed_less_priced`. Where a period was
        not wholly metered, all that comes of readings is missing, and `coverage` says why.

    Raises
    ------
    ConfigurationError
        If `feed` is not a Feed, or has no bills with a period.
    SmdError
        If intervals overlap.

    References
    ----------
    NAESB REQ.21 (ESPI) UsageSummary: overallConsumptionLastPeriod, billLastPeriod.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> first = reconcile(smd.sample("ev-home")).iloc[0]
    >>> first["basis"], float(first["coverage"]), round(float(first["difference"]), 3)
    ('delivered', 1.0, 0.0)
    """
    if not hasattr(feed, "bills"):
        raise ConfigurationError(
            f"expected a Feed, not {type(feed).__name__}", hint="A frame has no bills; read the file with smd.read(...)."
        )
    bills = feed.bills()
    bills = bills[bills["start"].notna() & bills["end"].notna() & (bills["end"] > bills["start"])].reset_index(drop=True)
    if bills.empty:
        raise ConfigurationError("the feed has no bills with a period", hint="Not every utility sends them; see feed.bills().")
    held = _held(tidy_frame(feed), bills)
    rows = [_row(bills.iloc[place], held[place]) for place in range(len(bills))]
    out = pd.DataFrame(rows, columns=list(_COLUMNS))
    out["start"], out["end"] = bills["start"], bills["end"]
    if priced is not None:
        out["priced"] = _priced(bills, priced, out["coverage"].to_numpy() >= _WHOLE)
    out["billed_less_priced"] = out["billed"] - out["priced"]
    whole = int((out["coverage"] >= _WHOLE).sum())
    inputs = {"bills": len(out), "wholly metered": whole, "priced": "yes" if priced is not None else None}
    return stamp(
        out, definition="bills of the feed beside the readings of their periods", inputs=inputs, source="NAESB REQ.21 UsageSummary"
    )


def _held(frame: pd.DataFrame, bills: pd.DataFrame) -> list[dict[str, dict[str, Any]]]:
    """Return for each bill what the channels of its usage point and service hold: flow -> value, unit, cost, coverage, as_csv."""
    found: list[dict[str, dict[str, Any]]] = [{} for _ in range(len(bills))]
    begin, end = utc_us(bills["start"]), utc_us(bills["end"])
    for rows in channels(frame):
        one = frame.iloc[rows]
        head = one.iloc[0]
        if head["measure"] not in ("energy", "volume"):
            continue
        start, stop = utc_us(one["start"]), utc_us(one["end"])
        value = one["value"].to_numpy(dtype="float64", na_value=np.nan)
        flags = np.zeros(len(one), dtype=bool)
        label = str(head["channel"])
        step = 10.0 if head["unit"] == "Wh" else np.nan  # 0.01 kWh
        costs = one["cost"].to_numpy(dtype="float64", na_value=np.nan) if "cost" in one.columns else np.full(len(one), np.nan)
        columns = {
            name: clean(Intervals(start, stop, numbers, flags, stop - start), label, overlaps="error", additive=True)
            for name, numbers in (("value", value), ("as_csv", np.round(value / step) * step), ("cost", costs))
        }
        for place in np.flatnonzero((bills["usage_point"] == head["usage_point"]).to_numpy()):
            service = bills["service"].iloc[place]
            if pd.notna(service) and pd.notna(head["service"]) and service != head["service"]:
                continue
            parts = {name: sums(kept, np.array([begin[place], end[place]]), 1.0, additive=True) for name, kept in columns.items()}
            known: dict[str, Any] = {name: float(part["value"][0]) for name, part in parts.items()}
            known |= {"coverage": float(parts["value"]["coverage"][0]), "unit": None if pd.isna(head["unit"]) else str(head["unit"])}
            if parts["cost"]["coverage"][0] < _WHOLE:
                known["cost"] = np.nan
            better = found[place].get(str(head["flow"]))
            if better is None or known["coverage"] > better["coverage"]:  # of a channel by the hour and one by the month the fuller
                found[place][str(head["flow"])] = known
    return found


def _row(one: pd.Series[Any], held: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one bill beside what its channels hold."""
    unit = None if pd.isna(one["unit"]) else str(one["unit"])
    row: dict[str, Any] = {name: one[name] for name in ("usage_point", "service", "zone", "currency")}
    row |= {"stated": one["energy"], "unit": unit, "billed": one["bill"], "coverage": 0.0, "basis": None, "priced": np.nan}
    row |= dict.fromkeys(("metered", "difference", "as_csv", "costs"), np.nan)
    main = next((held[flow] for flow in ("delivered", "net", "total", "unstated") if flow in held), None)
    if main is None:
        return row
    row["coverage"] = main["coverage"]
    if main["coverage"] < _WHOLE:
        return row
    row["costs"] = main["cost"]
    factor = _factor(main["unit"], unit)
    row["unit"] = unit or main["unit"]
    options = {next(flow for flow in held if held[flow] is main): main["value"] * factor}
    back = held.get("received")
    if "delivered" in options and back is not None and back["coverage"] >= _WHOLE:
        options["net"] = options["delivered"] - back["value"] * _factor(back["unit"], unit)
    basis = min(options, key=lambda name: abs(options[name] - row["stated"]) if pd.notna(row["stated"]) else 0)
    return row | {
        "basis": basis,
        "metered": options[basis],
        "difference": options[basis] - row["stated"],
        "as_csv": main["as_csv"] * factor,
    }


def _factor(unit: str | None, wanted: str | None) -> float:
    """Return what turns values into the unit of the bill; missing where the two measure different things."""
    if unit is None or wanted is None or unit == wanted:
        return 1.0
    try:
        return float(codes.conversion(unit, wanted))
    except UnitError:
        return np.nan


def _priced(bills: pd.DataFrame, priced: pd.DataFrame, whole: Any) -> list[float]:
    """Return what the tariff's lines come to for each bill of electricity that was wholly metered."""
    whole = whole & (bills["service"].isna() | (bills["service"] == "electricity")).to_numpy()  # tariffs price nothing else
    lines = priced[priced["kind"] != "missing"]
    totals = lines.groupby(["usage_point", "cycle_start"])["amount"].sum(min_count=1).to_dict()
    zones = bills["zone"].tolist()
    days = [int((wall_us(np.array([at]), zone)[0] + DAY // 2) // DAY) for at, zone in zip(utc_us(bills["start"]), zones, strict=True)]
    keys = [(point, pd.Timestamp(day, unit="D")) for point, day in zip(bills["usage_point"], days, strict=True)]
    return [float(totals.get(key, np.nan)) if ok else np.nan for key, ok in zip(keys, whole.tolist(), strict=True)]
