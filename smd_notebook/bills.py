"""UsageSummaries to two long frames, bills and the lines of bills; and what a feed says of its customers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.errors import Finding
from smd_notebook.espi import codes
from smd_notebook.espi.links import point_key_of
from smd_notebook.espi.model import LATEST, Document, Measurement, Other, Summary
from smd_notebook.frames import quotient, strings_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BILL_COLUMNS", "BILL_LINE_COLUMNS", "bill_findings", "bill_lines_frame", "bills_frame", "customers_frame"]

BILL_COLUMNS = (
    "usage_point",
    "service",
    "zone",
    "start",
    "end",
    "bill",
    "bill_to_date",
    "additional",
    "lines_total",
    "currency",
    "energy",
    "unit",
    "energy_to_date",
    "unit_to_date",
    "peak_demand",
    "peak_unit",
    "quality",
    "tariff",
    "n_lines",
)
BILL_LINE_COLUMNS = (
    "usage_point",
    "zone",
    "start",
    "end",
    "line",
    "kind",
    "note",
    "amount",
    "currency",
    "quantity",
    "unit",
    "unit_cost",
    "item_start",
    "item_end",
    "date_time",
)
#: A number of the schema times a power of ten beyond this is 0 or infinite as float64.
_FAR_POWER = 400


def _number(value: int | Decimal | None, power: int = 0, divisor: int = 1) -> float:
    """Return ``value * 10**power / divisor``, rounded once; NaN where there is no value."""
    if value is None:
        return float("nan")
    exact = Fraction(value) * Fraction(10) ** min(max(power, -_FAR_POWER), _FAR_POWER) / divisor
    return quotient(exact.numerator, exact.denominator)


def _measured(one: Measurement | None) -> tuple[float, str | None]:
    return (_number(one.value, one.power_of_ten or 0), one.unit) if one else (float("nan"), None)


def _seconds(one: Any) -> tuple[int | None, int | None]:
    """Return start and exclusive end of an interval [s since 1970-01-01T00:00Z]."""
    if one is None or one.start is None:
        return None, None
    return one.start, None if one.duration is None else one.start + one.duration


def _keys(document: Document, zones: Mapping[str, str]) -> list[tuple[Summary, str, str]]:
    """Return each summary with its UsagePoint's key and zone, in the order of UsagePoint, start, and when the utility made it."""
    keyed = ((summary, point_key_of(summary.entry, document)) for summary in document.summaries)
    ordered = sorted(keyed, key=lambda pair: (pair[1], _seconds(pair[0].billing_period)[0] or 0, pair[0].status_time_stamp or 0))
    return [(summary, key, zones[key]) for summary, key in ordered]


def bills_frame(document: Document, zones: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a bill (espi:UsageSummary, ElectricPowerUsageSummary).

    Parameters
    ----------
    document : Document
        A linked document.
    zones : mapping
        Key of each UsagePoint to its IANA zone.

    Returns
    -------
    DataFrame
        `usage_point`, `service`, `zone`, `start`, `end`; `bill`, `bill_to_date`, `additional`, `lines_total` [currency], `currency`;
        `energy` [unit], `unit`; `energy_to_date` [unit_to_date]; `peak_demand` [peak_unit]; `quality`, `tariff`, `n_lines`.
    """
    services = {point.entry.path: point.service for point in document.usage_points}
    by_key = {channel.usage_point: channel.service for channel in document.channels}
    divisor = document.dialect.cost_divisor
    rows = []
    for summary, key, zone in _keys(document, zones):
        start, end = _seconds(summary.billing_period)
        energy, unit = _measured(summary.overall_consumption_last_period)
        to_date, unit_to_date = _measured(summary.current_billing_period_overall_consumption)
        peak, peak_unit = _measured(summary.peak_demand)
        amounts = [line.amount for line in summary.lines if line.amount is not None]
        service = codes.SERVICE_OF_COMMODITY.get(summary.commodity or 0) or services.get(key) or by_key.get(key)
        quality = None if summary.quality is None else codes.QUALITY.get(summary.quality, f"quality{summary.quality}")
        rows.append(
            {
                "usage_point": key,
                "service": service,
                "zone": zone,
                "start": start,
                "end": end,
                "bill": _number(summary.bill_last_period, divisor=divisor),
                "bill_to_date": _number(summary.bill_to_date, divisor=divisor),
                "additional": _number(summary.cost_additional_last_period, divisor=divisor),
                "lines_total": _number(sum(map(Decimal, amounts), Decimal()), divisor=divisor) if amounts else float("nan"),
                "currency": _currency(summary),
                "energy": energy,
                "unit": unit,
                "energy_to_date": to_date,
                "unit_to_date": unit_to_date,
                "peak_demand": peak,
                "peak_unit": peak_unit,
                "quality": quality,
                "tariff": summary.tariff_profile,
                "n_lines": len(summary.lines),
            }
        )
    return _frame(
        rows,
        BILL_COLUMNS,
        ("start", "end"),
        ("bill", "bill_to_date", "additional", "lines_total", "energy", "energy_to_date", "peak_demand"),
    )


def bill_lines_frame(document: Document, zones: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a line of a bill (espi:LineItem), keyed by `usage_point` and the bill's `start`.

    Parameters
    ----------
    document : Document
        A linked document.
    zones : mapping
        Key of each UsagePoint to its IANA zone.

    Returns
    -------
    DataFrame
        `usage_point`, `zone`, `start`, `end` of the bill; `line` from 1, `kind`, `note`, `amount` [currency], `currency`, `quantity`
        [unit], `unit`, `unit_cost` [currency], `item_start`, `item_end`, `date_time`.
    """
    divisor = document.dialect.cost_divisor
    rows = []
    for summary, key, zone in _keys(document, zones):
        start, end = _seconds(summary.billing_period)
        for number, line in enumerate(summary.lines, 1):
            quantity, unit = _measured(line.measurement)
            item_start, item_end = _seconds(line.item_period)
            rows.append(
                {
                    "usage_point": key,
                    "zone": zone,
                    "start": start,
                    "end": end,
                    "line": number,
                    "kind": None if line.item_kind is None else codes.ITEM_KIND.get(line.item_kind, f"kind{line.item_kind}"),
                    "note": line.note,
                    "amount": _number(line.amount, divisor=divisor),
                    "currency": _currency(summary),
                    "quantity": quantity,
                    "unit": unit,
                    "unit_cost": _number(line.unit_cost, divisor=divisor),
                    "item_start": item_start,
                    "item_end": item_end,
                    "date_time": line.date_time,
                }
            )
    return _frame(rows, BILL_LINE_COLUMNS, ("start", "end", "item_start", "item_end", "date_time"), ("amount", "quantity", "unit_cost"))


def _currency(summary: Summary) -> str | None:
    return codes.CURRENCY.get(summary.currency, str(summary.currency)) if summary.currency else None


def _frame(rows: Sequence[Mapping[str, Any]], names: Sequence[str], times: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with the same types whatever is in them; times in the zone that all share, else in UTC."""
    import pandas as pd

    zones = {row["zone"] for row in rows}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    columns: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in rows]
        if name in times:
            known = [at is not None and abs(at) < LATEST for at in values]
            stamps = np.array([at if ok else 0 for at, ok in zip(values, known, strict=True)], dtype="datetime64[s]").astype(
                "datetime64[us]"
            )
            stamps[~np.array(known, dtype=bool)] = np.datetime64("NaT", "us")
            columns[name] = pd.DatetimeIndex(stamps, tz="UTC").tz_convert(zone)
        elif name in numbers:
            columns[name] = np.array(values, dtype=np.float64)
        elif name in ("line", "n_lines"):
            columns[name] = np.array(values, dtype=np.int64)
        else:
            columns[name] = strings_of(np.array([np.nan if one is None else one for one in values], dtype=object))
    return pd.DataFrame(columns)


def bill_findings(document: Document) -> list[Finding]:
    """Return what is wrong with the bills: totals that their lines do not add up to, and a scale of money that would explain it."""
    findings: list[Finding] = []
    differ = scaled = energy = 0
    for summary in document.summaries:
        amounts = [Decimal(line.amount) for line in summary.lines if line.amount is not None]
        totals = [Decimal(one) for one in (summary.cost_additional_last_period, summary.bill_last_period) if one]
        if amounts and len(amounts) == len(summary.lines) and totals:
            total = sum(amounts, Decimal())
            if not any(_near(total, one) for one in totals):
                differ += 1
                scaled += any(
                    _near(total * power, one)
                    for one in totals
                    for power in (10, 100, 1000, Decimal("0.1"), Decimal("0.01"), Decimal("0.001"))
                )
        energy += _energy_differs(summary)
    periods = Counter(
        (point_key_of(one.entry, document), one.commodity, *_seconds(one.billing_period), once)
        for one in document.summaries
        if one.billing_period is not None and (once := _once(one)) is not None
    )
    if again := sum(count - 1 for count in periods.values()):
        text = "bills are of the same usage point and period as another one; perhaps they correct it"
        hint = "Count one of each: feed.bills() has the one that the utility made last below the others."
        findings.append(Finding("bill-repeated", "warning", text, hint, n=again))
    if differ:
        text = "bills state a total that their lines do not add up to"
        findings.append(Finding("bill-lines-differ", "warning", text, "Compare feed.bills() with feed.bill_lines().", n=differ))
    if scaled:
        text = "the lines of bills add up to the total but for a power of ten: the utility's money is not in 1/100 000"
        findings.append(
            Finding("cost-scale", "error", text, "Every cost of this feed is suspect; ask the utility for its scale.", n=scaled)
        )
    if energy:
        text = "bills state an energy that their lines do not add up to"
        findings.append(Finding("bill-energy-differs", "info", text, "Compare feed.bills() with feed.bill_lines().", n=energy))
    return findings


def _once(summary: Summary) -> object:
    """Return what only one bill of a period has: money; without it two may be of both directions, and only the energy tells; else None."""
    if summary.bill_last_period is not None:
        return "money"
    energy = _measured(summary.overall_consumption_last_period)
    return energy if abs(energy[0]) > 0 else None


def _energy_differs(summary: Summary) -> bool:
    """Whether a bill has lines of its own unit that are all consumption, and these do not add up to its energy.

    PG&E's lines hold the same energy up to three times: by period, by tier, and by both.
    """
    total = summary.overall_consumption_last_period
    if total is None or total.value is None:
        return False
    parts = [line.measurement for line in summary.lines if line.measurement and line.measurement.uom == total.uom and line.item_kind == 3]
    if not parts or len(parts) != len(summary.lines) or any(one.value is None for one in parts):
        return False
    whole, summed = _measured(total)[0], sum(_measured(one)[0] for one in parts)
    return not any(math.isclose(summed, whole * times, rel_tol=1e-4, abs_tol=1e-9) for times in (1, 2, 3))


def _near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(abs(other) * Decimal("1e-4"), Decimal("1e-9"))


def customers_frame(document: Document) -> pd.DataFrame:
    """Return what a feed says of its customers as a long frame: `resource`, `number`, `field`, `value`."""
    import pandas as pd

    rows = [
        (other.element, number, path, text)
        for number, other in enumerate((one for one in document.others if isinstance(one, Other)), 1)
        for path, text in _leaves(other.node)
    ]
    columns = {
        name: strings_of(np.array([row[place] for row in rows], dtype=object))
        for place, name in ((0, "resource"), (2, "field"), (3, "value"))
    }
    return pd.DataFrame(
        {
            "resource": columns["resource"],
            "number": np.array([row[1] for row in rows], dtype=np.int64),
            "field": columns["field"],
            "value": columns["value"],
        }
    )


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}".strip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, path)
    elif node not in ("", None):
        yield path, str(node)
