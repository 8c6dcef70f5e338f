"""Whether what a feed says twice is the same: readings and blocks, readings and bills, energy and demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.checks.rows import Floats, Rows, kilowatts, resolution, seconds
from smd_notebook.errors import Finding, UnitError
from smd_notebook.espi import codes
from smd_notebook.espi.channels import concatenated
from smd_notebook.espi.model import MISSING, Channel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bill_costs", "bill_energies", "blocks", "demands", "flows"]

#: How far sums may be from a bill [1]: meters are read at some time of the day, and bills are rounded.
_NEAR = 0.01
#: Sums of costs that are this many times too large or too small are no matter of fixed charges, but of scale.
_SCALE = 5.0
#: By how much power may be below the mean that energy makes, and how often it may be above by the median.
_DEMAND, _HIGHEST = 0.05, 3.0
#: No clock means a time as far from 1970 as this [s]; such a one was told of before.
_ABSURD = 1 << 40
#: A bill is compared where this share of its period is covered.
_WHOLE = 0.999


# -- blocks ----------------------------------------------------------------------------------------------------------------------------


def blocks(channel: Channel) -> Iterator[Finding]:
    """Tell of blocks that cover more time than the readings of their channel do (espi:IntervalBlock, interval)."""
    stated = {
        (block.interval.start, block.interval.start + block.interval.duration)
        for block in channel.blocks
        if block.interval is not None and block.interval.start is not None and block.interval.duration and len(block.readings)
        if abs(block.interval.start) < _ABSURD and block.interval.duration < _ABSURD
    }
    readings = concatenated(channel)
    known = (np.abs(readings.start) < _ABSURD) & (readings.duration > 0) & (readings.duration < _ABSURD) & (readings.start != MISSING)
    if not stated or not known.any():
        return  # where every duration is 0, none is meant
    order = np.argsort(readings.start[known], kind="stable")
    start = readings.start[known][order]
    reach = np.maximum.accumulate((readings.start + readings.duration)[known][order])
    # time that several readings cover counts once
    start = np.maximum(start, np.concatenate([start[:1], reach[:-1]]))
    knots, levels = np.stack([start, reach], axis=1).ravel(), np.cumsum(np.stack([0 * start, reach - start], axis=1).ravel())
    begin, end = np.array(sorted(stated), dtype=np.int64).T
    lack = end - begin - (np.interp(end, knots, levels) - np.interp(begin, knots, levels))
    short = lack > (np.searchsorted(start, end) - np.searchsorted(start, begin))  # a second short each is no hole
    if short.any():
        text = "blocks say that they cover more time than their readings do; `value` is what is lacking [h]"
        yield Finding(
            "block-uncovered",
            "info",
            text,
            "The rest was not sent; ask for this time again.",
            channel=channel.label,
            start=int(begin[short].min()),
            end=int(end[short].max()),
            n=int(short.sum()),
            value=float(lack[short].sum() / 3600),
        )


# -- flows -----------------------------------------------------------------------------------------------------------------------------


def flows(channel: Channel) -> Iterator[Finding]:
    """Tell of a direction that is stated, and is none of those that loads and exports need (espi:ReadingType, flowDirection)."""
    code = channel.reading_type.flow_direction if channel.reading_type else None
    if code and channel.flow == "unstated":
        text = f"flowDirection {code} is none of delivered, received, net and total; the flow counts as unstated"
        hint = "Look the code up in the standard before these values are added to others: a bill takes an unstated flow for imports."
        yield Finding("flow-other", "warning", text, hint, channel=channel.label, n=len(channel))


# -- bills -----------------------------------------------------------------------------------------------------------------------------


def _within(rows: Rows, numbers: Floats, begin: Any, end: Any) -> tuple[Floats, Floats]:
    """Return what spans hold of a quantity of intervals that do not overlap, each interval in proportion, and the share covered."""
    knots = np.stack([rows.start, rows.end], axis=1).ravel()
    known = ~np.isnan(numbers)

    def up_to(amount: Any, at: Any) -> Any:
        sums = np.cumsum(np.where(known, amount, 0.0))
        levels = np.stack([np.concatenate([[0.0], sums[:-1]]), sums], axis=1).ravel()
        return np.interp(at, knots, levels)

    held = up_to(numbers, end) - up_to(numbers, begin)
    return held, (up_to(rows.length, end) - up_to(rows.length, begin)) / (end - begin)


def _comparable(rows: Sequence[Rows], point: str, service: str) -> list[Rows]:
    """Return the channels of a usage point whose intervals may be added up, without those that overlap."""
    found = [
        one
        for one in rows
        if one.usage_point == point and one.measure in ("energy", "volume") and one.service in (service, "") and len(one)
    ]
    found = [one.take(one.length > 0) for one in found]
    return [one for one in found if len(one) and not (one.start[1:] < one.end[:-1]).any()]


def _periods(bills: pd.DataFrame) -> Iterator[tuple[str, str, Any, Any, Any]]:
    """Yield for each usage point and service its bills with a period: row numbers, begin and end [us]."""
    import pandas as pd

    begin, end = (np.asarray(pd.DatetimeIndex(bills[name]).as_unit("us").asi8) for name in ("start", "end"))
    known = ~np.asarray(bills["start"].isna() | bills["end"].isna(), dtype=bool) & (end > begin)
    groups: dict[Any, Any] = dict(bills.groupby(["usage_point", "service"], sort=False, dropna=False).indices)
    for (point, service), places in groups.items():
        here = places[known[places]]
        if here.size:
            yield str(point), "" if pd.isna(service) else str(service), here, begin[here], end[here]


def bill_energies(rows: Sequence[Rows], bills: pd.DataFrame) -> Iterator[Finding]:
    """Tell of bills whose energy is not that of the readings of their period (espi:UsageSummary, overallConsumptionLastPeriod).

    Utilities bill what was delivered or, with net metering, what was delivered less what was received; either will do.
    """
    for point, service, places, begin, end in _periods(bills):
        stated = bills["energy"].to_numpy()[places]
        unit = bills["unit"].iloc[places].to_numpy(dtype=object)
        sums: dict[str, list[Any]] = {}
        for one in _comparable(rows, point, service):
            held, covered = _within(one, one.value, begin, end)
            factor = np.array([_factor(one.unit, name) for name in unit])
            sums.setdefault(one.flow, []).append(np.where(covered >= _WHOLE, held * factor, np.nan))
        options = [total for flow, totals in sums.items() for total in totals if flow != "received"]
        options += [into - out for into in sums.get("delivered", []) for out in sums.get("received", [])]
        if not options:
            continue
        off = np.stack(options) - stated
        # half of a hundredth of a unit is no difference
        near = np.abs(off) <= np.maximum(_NEAR * np.abs(stated), 0.005)
        for row in np.flatnonzero(~near.any(axis=0) & ~np.isnan(off).all(axis=0)):
            share = float(off[np.nanargmin(np.abs(off[:, row])), row] / stated[row]) if stated[row] else float("inf")
            more = f"{abs(share):.1%}".replace("%", " %") + (" more" if share > 0 else " less")
            yield Finding(
                "bill-readings-differ",
                "warning",
                f"the readings of a bill's period add up to {more} than the energy that it states",
                "Readings may be missing, times wrong, or the bill another meter's: compare feed.bills() with smd.resample.",
                channel=next(one.label for one in rows if one.usage_point == point and one.service in (service, "")),
                start=seconds(begin[row]),
                end=seconds(end[row]),
                value=share,
            )


def bill_costs(rows: Sequence[Rows], bills: pd.DataFrame) -> Iterator[Finding]:
    """Tell of bills that cost something else than the readings of their period do (espi:UsageSummary, IntervalReading.cost).

    Charges for days and taxes are on no reading, so that a difference is normal; a factor beyond 5 is not.
    """
    for point, service, places, begin, end in _periods(bills):
        stated = np.stack([bills[name].to_numpy()[places] for name in ("bill", "additional", "lines_total")])
        sums: dict[str, Any] = {}
        for one in _comparable(rows, point, service):
            held, covered = _within(one, one.cost, begin, end)
            if one.flow not in sums:
                sums[one.flow] = np.where(covered >= _WHOLE, held, np.nan)
        for flow in ("delivered", "net", "total", "unstated"):
            if flow not in sums or np.isnan(sums[flow]).all():
                continue
            alone = sums[flow]
            options = [alone, alone + sums["received"]] if flow == "delivered" and "received" in sums else [alone]
            near = np.any([np.abs(option - stated) <= _NEAR * np.abs(stated) for option in options], axis=(0, 1))
            whole = np.where(np.nan_to_num(stated[0]) != 0, stated[0], stated[2])
            differ = ~near & ~np.isnan(alone) & (np.nan_to_num(whole) != 0)
            if not differ.any():
                break
            ratio = float(np.median((alone / np.where(differ, whole, 1.0))[differ]))
            numbers: dict[str, Any] = {
                "channel": next(one.label for one in rows if one.usage_point == point and one.flow == flow),
                "start": seconds(begin[differ].min()),
                "end": seconds(end[differ].max()),
                "n": int(differ.sum()),
                "value": ratio,
            }
            if ratio > _SCALE or ratio < 1 / _SCALE:
                text = f"costs of readings add up to {ratio:.3g} of what the bills come to; one of them is on another scale"
                yield Finding("bill-cost-differs", "warning", text, "Take neither for money before the utility says which.", **numbers)
            else:
                text = f"costs of readings add up to {ratio:.3g} of what the bills come to; charges by the day and taxes are on no reading"
                yield Finding("bill-cost-differs", "info", text, "What was paid is in feed.bills().", **numbers)
            break


def _factor(unit: str, wanted: Any) -> float:
    """Return what turns one unit into another; missing where nothing does."""
    try:
        return float(codes.conversion(unit, str(wanted)))
    except UnitError:
        return float("nan")


# -- energy and demand -----------------------------------------------------------------------------------------------------------------


def demands(rows: Sequence[Rows]) -> Iterator[Finding]:
    """Tell of power that does not fit the energy of the same intervals of the same meter.

    Power may be the mean of an interval or the highest within it; it cannot be less than the mean, and is rarely three times as much.
    """
    for demand in rows:
        power = kilowatts(demand) if demand.measure == "power" else None
        for energy in rows:
            if power is None or energy.usage_point != demand.usage_point or energy.measure != "energy":
                continue
            mean = kilowatts(energy)
            if mean is None or (energy.flow != demand.flow and "unstated" not in (energy.flow, demand.flow)):
                continue
            _, here, there = np.intersect1d(demand.start, energy.start, return_indices=True)
            same = (demand.end[here] == energy.end[there]) & ~np.isnan(power[here]) & ~np.isnan(mean[there])
            peak, usual = power[here[same]], mean[there[same]]
            if not peak.size:
                continue
            slack = _DEMAND * np.abs(usual) + resolution(peak) + resolution(usual)
            below = np.abs(peak) < np.abs(usual) - slack
            ratio = float(np.median(peak[usual > 0] / usual[usual > 0])) if (usual > 0).any() else 1.0
            if not below.any() and ratio <= _HIGHEST:
                continue
            text = f"power and energy of the same intervals do not fit: the one is {ratio:.3g} times what the other comes to, by the median"
            yield Finding(
                "demand-differs",
                "warning",
                text,
                "Trust the energy, which is what is billed, until the utility says what the power is.",
                channel=demand.label,
                start=seconds(demand.start[here[same]].min()),
                end=seconds(demand.end[here[same]].max()),
                n=int(below.sum()) or int(peak.size),
                value=ratio,
            )
