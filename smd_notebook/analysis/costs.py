"""What energy costs: shares of a tariff's periods, and bills with every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import tidy_frame, zone_of
from smd_notebook.analysis.cycles import cycles_of
from smd_notebook.analysis.edges import HOUR
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.schedules import Tariff, as_date, as_tariff, day_number
from smd_notebook.analysis.wallhours import Hours, electric, hours_of, periods_of
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Channel = tuple[pd.DataFrame, pd.Series[Any], float]  # its rows, the first of them, and what turns its values into kWh

__all__ = ["bill", "tou_shares"]

#: Flows that are paid for; a net of both directions hides what was exported.
_IMPORTS = ("delivered", "total", "unstated")
_COLUMNS = (
    *("usage_point", "cycle_start", "cycle_end", "line", "kind", "quantity", "unit", "rate", "amount", "currency"),
    *("rates_from", "coverage", "channel"),
)
_RULE = "period of the tariff by wall clock, season and day type at the interval's start; intervals across an edge are split in proportion"


def tou_shares(x: Feed | pd.DataFrame, tariff: Tariff) -> pd.DataFrame:
    """Share energy out among the time-of-use periods of a tariff.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    tariff : Tariff
        What `load_tariff` returned. Only its seasons, periods and holidays count, for all dates; no money does.

    Returns
    -------
    DataFrame, shape (n_channels * n_periods, 10)
        `usage_point`, `channel`, `flow`, `zone`, `season`, `period`, `energy` [kWh], `share` of all metered energy of the channel,
        `covered` [h] that was metered, `coverage` of the period between the first and the last interval. Only seasons that lie in this
        time are listed. Channels of other kinds than electric energy are left out, and the passport names them.

    Raises
    ------
    UnitError
        If there is no electric energy.
    SmdError
        If intervals overlap.
    ConfigurationError
        If `x` is not a tidy frame.

    References
    ----------
    Definition R11: the period is that of the wall clock, the season and the day type at the interval's start.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> load = smd.sample("lapse2024").select(channel="electricity delivered (1)")
    >>> shares = tou_shares(load, smd.analysis.load_tariff("EV2-A", on="2026-03-01"))
    >>> shares.groupby("period")["energy"].sum().round(3).to_dict()
    {'off-peak': 6182.37, 'part-peak': 909.047, 'peak': 4992.691}
    """
    frame, tariff = tidy_frame(x), as_tariff(tariff)
    rows: list[dict[str, Any]] = []
    billed = []
    for one, head, factor in electric(frame):
        hours = hours_of(one, head, factor)
        billed.append((hours.usage_point, hours.channel))
        number, names = periods_of(hours, tariff)
        sizes = [np.bincount(number, weights=weights, minlength=len(names)) for weights in (hours.energy, hours.covered, hours.length)]
        total = hours.energy.sum()
        for place in np.flatnonzero(sizes[2]):
            energy, covered, length = (float(size[place]) for size in sizes)
            rows.append(
                {
                    **dict(zip(("usage_point", "channel", "flow", "zone"), hours[:4], strict=True)),
                    **dict(zip(("season", "period"), names[place], strict=True)),
                    "energy": energy,
                    "share": energy / total if total else np.nan,
                    "covered": covered / HOUR,
                    "coverage": covered / length,
                }
            )
    inputs = {"tariff": tariff.name, "periods of": str(tariff.on), "left out": _others(frame, billed)}
    return stamp(pd.DataFrame(rows), definition=f"energy by {_RULE}", inputs=inputs, source=tariff.source)


def _others(frame: pd.DataFrame, billed: Sequence[tuple[str, str]]) -> list[str]:
    """Return the labels of the channels that are not among these pairs of usage point and label."""
    pairs = frame[["usage_point", "channel"]].drop_duplicates().itertuples(index=False, name=None)
    return list(dict.fromkeys(str(label) for point, label in pairs if (str(point), str(label)) not in billed))


# -- bills -----------------------------------------------------------------------------------------------------------------------------


def bill(
    x: Feed | pd.DataFrame,
    tariff: Tariff,
    *,
    cycles: str | Sequence[tuple[Any, Any]],
    rates_as_of: date | str | None = None,
    territory: str | None = None,
    income_tier: str | int | None = None,
    export_price: float | None = None,
    all_electric: bool = False,
) -> pd.DataFrame:
    """Price the electric energy of each usage point under a tariff, line by line.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals: one channel of imports (delivered) for each usage point, and one of exports (received) where there is any.
    tariff : Tariff
        What `load_tariff` returned; each day is priced by the rates in force on it.
    cycles : str or sequence of (first, last)
        Billing cycles as inclusive local dates, ``"1MS"`` for calendar months, or ``"bill"`` for those of the feed's own bills.
    rates_as_of : date or str, optional
        Price every day by the rates in force on this one, such as last year's energy at today's rates.
    territory : str, optional
        Baseline territory, which a tariff with a baseline needs.
    income_tier : str or int, optional
        Tier of the daily charge (``"tier_1"`` or 1, ...); by default the tariff's standard one.
    export_price : float, optional
        What an exported kWh is credited with [currency/kWh]; without it exports are listed and not priced.
    all_electric : bool, default False
        Take the baseline allowance of homes that heat with electricity.

    Returns
    -------
    DataFrame, shape (n_lines, 13)
        `usage_point`; `cycle_start`, `cycle_end` (inclusive local dates); `line` in words; `kind` (``"energy"``, ``"baseline"``,
        ``"daily"``, ``"monthly"``, ``"export"``, ``"missing"``); `quantity` [unit], `unit`, `rate` [currency/unit], `amount`
        [currency], which is their product and not rounded; `currency`; `rates_from`, the first day of the rates; `coverage` of
        the cycle by intervals; `channel`. A line of kind ``"missing"`` says how many hours of a cycle were not metered; they are
        not priced, and nothing is put in their place. ``frame.groupby("cycle_start")["amount"].sum()`` is what the lines come to.

    Raises
    ------
    ConfigurationError
        If days have no rates, an argument that the tariff needs is missing, or usage points have several channels of one flow.
    UnitError
        If there is no electric energy to pay for.
    SmdError
        If intervals overlap.

    Notes
    -----
    Baseline credit: the lesser of the sum of the daily allowances and of the imports of the cycle; where rates change within a cycle,
    it is divided among them in proportion to their allowances. The passport names everything that the tariff leaves out.

    References
    ----------
    Definition R12, and the tariff's own source.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> home = smd.sample("lapse2024").select(usage_point="lapse2024-net")
    >>> tariff = smd.analysis.load_tariff("E-ELEC", on="2026-03-01")
    >>> january = bill(home, tariff, cycles=[("2024-01-01", "2024-01-31")], rates_as_of="2026-03-01", export_price=0.05)
    >>> for line in january[["line", "quantity", "unit", "rate", "amount"]].round(2).itertuples(index=False, name=None):
    ...     print(*line)
    energy winter off-peak 380.12 kWh 0.28 108.21
    energy winter part-peak 30.83 kWh 0.3 9.2
    energy winter peak 259.57 kWh 0.32 83.23
    charge by the day 31.0 day 0.79 24.6
    exported energy 266.87 kWh -0.05 -13.34
    """
    frame = tidy_frame(x)
    wanted = cycles_of(cycles, x)
    asked = None if rates_as_of is None else as_date(rates_as_of, "rates_as_of")
    terms = terms_of(tariff, territory, income_tier, all_electric=all_electric)
    points = points_of(frame)
    rows = [line for known in points.values() for line in lines_of(metered(known, wanted), tariff, terms, asked, export_price)]
    out = pd.DataFrame(rows, columns=list(_COLUMNS))
    for name in ("cycle_start", "cycle_end", "rates_from"):
        out[name] = pd.to_datetime(out[name], unit="D").astype("M8[us]")
    left_out = [*tariff.left_out]
    if export_price is None and any("received" in known for known in points.values()):
        left_out.append("credit for exports (no export_price was given)")
    heads = [(one, head) for known in points.values() for one, head, _ in known.values()]
    billed = [(str(head["usage_point"]), str(head["channel"])) for _, head in heads]
    inputs = {
        "tariff": tariff.name,
        "zone": ", ".join(sorted({zone_of(one) for one, _ in heads})),
        "rates": sorted({f"{day.date()}" for day in out["rates_from"].dropna()}),
        "rates as of": str(asked) if asked else None,
        "cycles": len(out.drop_duplicates(["usage_point", "cycle_start"])),
        "territory": territory if terms.allowance else None,
        "income tier": terms.tier,
        "export price": export_price,
        "hours not metered": round(float(out.loc[out["kind"] == "missing", "quantity"].sum()), 6),
        "channels not billed": _others(frame, billed),
        "a real bill has besides": left_out,
        "rates were": tariff.status,
    }
    return stamp(out, definition=f"bill; {_RULE}", inputs=inputs, source=f"{tariff.utility} {tariff.name}, {tariff.source}")


class Terms(NamedTuple):
    """What a tariff asks of its customer."""

    allowance: dict[str, float]  # season -> [kWh/day]
    tier: str | None


def terms_of(tariff: Tariff, territory: str | None, income_tier: str | int | None, *, all_electric: bool) -> Terms:
    """Check territory and income tier against what the tariff has."""
    allowance: dict[str, float] = {}
    if any(one.baseline_credit for one in as_tariff(tariff).versions):
        table = tariff.baseline["all_electric" if all_electric else "basic"]
        if territory not in table:
            text = f"{tariff.name} has a baseline credit, which depends on the territory"
            raise ConfigurationError(text, hint=f"territory= is one of {', '.join(table)}; it is on the bill.")
        allowance = dict(table[str(territory)])
    tiers = sorted({name for one in tariff.versions for name in one.daily if name})
    tier = f"tier_{income_tier}" if isinstance(income_tier, int) else income_tier or tariff.standard_tier or None
    if tiers and tier not in tiers:
        raise ConfigurationError(f"{tariff.name} has no income tier of this name", hint=f"income_tier= is one of {', '.join(tiers)}.")
    return Terms(allowance, tier if tiers else None)


def _versions(tariff: Tariff, days: Ints, asked: date | None) -> Ints:
    """Return the number of the rates that price each day."""
    found = tariff.version_on(np.full(days.size, day_number(asked)) if asked else days)
    unknown = days[found < 0]
    if unknown.size:
        first = f"{tariff.name} has rates from {tariff.versions[0].start}" + (f" to {tariff.end}" if tariff.end else "")
        which = f"none for {asked}" if asked else f"none for {unknown.size} days of the cycles, the first {unknown[:1].view('M8[D]')[0]}"
        raise ConfigurationError(f"{first}, and {which}", hint='Name the day whose rates to take: rates_as_of="2026-03-01".')
    return found


def points_of(frame: pd.DataFrame) -> dict[str, dict[str, Channel]]:
    """Return the usage points that import electricity, each with its channel of imports and that of exports, where it has one.

    Raises
    ------
    ConfigurationError
        If a usage point has several channels of one flow, or a net of both.
    UnitError
        If there is no electric energy to pay for.
    """
    points: dict[str, dict[str, Channel]] = {}
    for one, head, factor in electric(frame):
        flow = "received" if head["flow"] == "received" else "import" if str(head["flow"]) in _IMPORTS else ""
        if not flow:
            text = f"channel {str(head['channel'])!r} is a net of both directions, which hides what was imported and exported"
            raise ConfigurationError(text, hint="Leave it out, and bill the delivered and the received channel.")
        known = points.setdefault(str(head["usage_point"]), {})
        if flow in known:
            text = f"a usage point has several channels of one flow, such as {str(head['channel'])!r}"
            hint = (
                "Choose one of each first: feed.select(channel=[...]). If one goes on from the other, give them one label (step-changed)."
            )
            raise ConfigurationError(text, hint=hint)
        known[flow] = one, head, factor
    billed = {point: known for point, known in points.items() if "import" in known}
    if not billed:
        raise UnitError("there is no channel of imports to pay for", hint="Exports alone make no bill; see feed.channels.")
    return billed


class Metered(NamedTuple):
    """What a usage point took and gave, in the hours of its cycles: first and last days, as days since 1970."""

    cycles: Ints
    taken: Hours
    given: Hours | None


def metered(known: dict[str, Channel], wanted: Callable[[pd.DataFrame, str], Ints]) -> Metered:
    """Put the channels of a usage point into the hours of its cycles.

    Raises
    ------
    ConfigurationError
        If energy is negative, or intervals are of a day or longer.
    """
    one, _, _ = known["import"]
    cycles = wanted(one, zone_of(one))
    span = int(cycles[0, 0]), int(cycles[-1, 1])
    taken = hours_of(*known["import"], span)
    given = hours_of(*known["received"], span) if "received" in known else None
    for part, flow in ((taken, "imports"), (given, "exports")):
        if part is not None and (part.energy < 0).any():
            text = f"channel {part.channel!r} holds negative {flow}, so it is a net of both directions"
            raise ConfigurationError(text, hint="Bill the delivered and the received channel.")
    return Metered(cycles, taken, given)


def lines_of(point: Metered, tariff: Tariff, terms: Terms, asked: date | None, export_price: float | None) -> Iterator[dict[str, Any]]:
    """Yield the lines of all cycles of one usage point."""
    cycles, taken, given = point
    number, names = periods_of(taken, tariff)
    for first, last in cycles:
        days = np.arange(first, last + 1)
        by_day = _versions(tariff, days, asked)
        here = (taken.day >= first) & (taken.day <= last)
        length = int(taken.length[here].sum())
        covered = int(taken.covered[here].sum())
        common = {
            "usage_point": taken.usage_point,
            "cycle_start": first,
            "cycle_end": last,
            "currency": tariff.currency,
            "coverage": covered / length,
        }

        def line(text: str, kind: str, quantity: float, unit: str, rate: float, version: int = -1, channel: str = taken.channel) -> Any:
            start = day_number(tariff.versions[version].start) if version >= 0 else None
            amounts = {"quantity": quantity, "unit": unit, "rate": rate, "amount": quantity * rate}
            return common | {"line": text, "kind": kind, **amounts, "rates_from": start, "channel": channel}  # noqa: B023 - used at once

        version_of_hour = by_day[taken.day[here] - first]
        for version in np.unique(by_day).tolist():
            rates = tariff.versions[version]
            hours = np.flatnonzero(here)[version_of_hour == version]
            energy = np.bincount(number[hours], weights=taken.energy[hours], minlength=len(names))
            for place in np.unique(number[hours]).tolist():
                season, period = names[place]
                yield line(f"energy {season} {period}", "energy", float(energy[place]), "kWh", rates.energy[season, period], version)
        if terms.allowance:
            allowed = np.array([terms.allowance[tariff.seasons[season].name] for season in tariff.season_on(days)])
            total = float(allowed.sum())
            credited = min(total, float(taken.energy[here].sum()))
            for version in np.unique(by_day).tolist():
                part_of = credited * float(allowed[by_day == version].sum()) / total
                yield line("baseline credit", "baseline", part_of, "kWh", -tariff.versions[version].baseline_credit, version)
        for version in np.unique(by_day).tolist():
            rates = tariff.versions[version]
            per_day = rates.daily.get(terms.tier or "", rates.daily.get("", 0.0))
            if per_day:
                yield line("charge by the day", "daily", float((by_day == version).sum()), "day", per_day, version)
        monthly = tariff.versions[by_day[0]].monthly
        if monthly:
            month = np.array([first, last + 1]).view("M8[D]").astype("M8[M]")
            if (month.astype("M8[D]").astype("i8") != [first, last + 1]).any() or np.diff(month.astype("i8"))[0] != 1:
                text = f"{tariff.name} has a charge by the month, and a cycle is no calendar month"
                raise ConfigurationError(text, hint='Take cycles="1MS".')
            yield line("charge by the month", "monthly", 1.0, "month", monthly, int(by_day[0]))
        if given is not None:
            out = (given.day >= first) & (given.day <= last)
            price = np.nan if export_price is None else -float(export_price)
            yield line("exported energy", "export", float(given.energy[out].sum()), "kWh", price, channel=given.channel)
            lacking = int(given.length[out].sum() - given.covered[out].sum())
            if lacking:
                yield line("exports not metered", "missing", lacking / HOUR, "h", np.nan, channel=given.channel)
        if covered < length:
            yield line("not metered", "missing", (length - covered) / HOUR, "h", np.nan)
