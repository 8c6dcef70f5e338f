"""What homes would pay under several tariffs: each home's hours once, and then each tariff's lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.costs import Metered, Terms, lines_of, metered, points_of, terms_of
from smd_notebook.analysis.cycles import cycles_of
from smd_notebook.analysis.homerows import joined, tidy_rows
from smd_notebook.analysis.homestore import opened
from smd_notebook.analysis.schedules import Tariff, as_date, as_tariff
from smd_notebook.errors import ConfigurationError, UnitError, warn

if TYPE_CHECKING:
    from datetime import date

__all__ = ["Pricing", "comparison_of", "priced", "pricing_of"]

_COLUMNS = (
    *("usage_point", "tariff", "cycles", "energy", "exported", "amount", "difference", "cheapest", "currency"),
    *("not_metered", "coverage"),
)


class Pricing(NamedTuple):
    """Tariffs by name, and the rest of what `bill` is asked."""

    tariffs: dict[str, tuple[Tariff, Terms]]
    cycles: Any
    asked: date | None
    export_price: float | None


def pricing_of(
    tariffs: Sequence[Tariff] | Mapping[str, Tariff],
    cycles: Any,
    rates_as_of: date | str | None,
    export_price: float | None,
    **customer: Any,
) -> Pricing:
    """Return what is to be priced, refused now if it would be for each home.

    Raises
    ------
    ConfigurationError
        If tariffs share a name or have unlike currencies, or an argument is not understood.
    """
    pairs = list(tariffs.items()) if isinstance(tariffs, Mapping) else [(one.name, one) for one in map(as_tariff, tariffs)]
    named = {name: (one, terms_of(one, **customer)) for name, one in pairs}
    if not named or len(named) < len(pairs):
        raise ConfigurationError("each tariff needs a name of its own", hint='Name them: {"last year": one, "this year": other}.')
    if len({one.currency for _, one in pairs}) > 1:
        raise ConfigurationError("the tariffs are in unlike currencies", hint="Compare those of one currency.")
    if isinstance(cycles, str) and cycles == "bill":
        raise ConfigurationError("a cohort keeps no bills, whose periods could be cycles", hint='cycles="1MS", or (first, last) dates.')
    cycles_of(cycles, None)
    return Pricing(named, cycles, None if rates_as_of is None else as_date(rates_as_of, "rates_as_of"), export_price)


def priced(path: str, pricing: Pricing, pieces: list[tuple[str, list[dict[str, Any]]]]) -> tuple[list[tuple[Any, ...]], list[Exception]]:
    """Return a row for each home of some and each tariff, and why others cannot be priced; it runs in worker processes."""
    store = opened(path)
    frame = joined([tidy_rows(store, *piece) for piece in pieces])
    rows: list[tuple[Any, ...]] = []
    refused: list[Exception] = []
    wanted = cycles_of(pricing.cycles, None)
    for _, home in frame.groupby("usage_point", sort=False):
        try:
            ((name, known),) = points_of(home).items()
            point = metered(known, wanted)
            mine = [
                (name, title, *_sums(point, lines_of(point, tariff, terms, pricing.asked, pricing.export_price)))
                for title, (tariff, terms) in pricing.tariffs.items()
            ]
        except (UnitError, ConfigurationError) as error:
            refused.append(error)
        else:
            rows += mine
    return rows, refused


def _sums(point: Metered, lines: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Return what the lines of a home come to: cycles, energies [kWh], amount, hours that were not metered, and coverage."""
    of = {"energy": 0.0, "missing": 0.0, "export": 0.0 if point.given is not None else np.nan}
    amount, day = 0.0, point.taken.day
    for line in lines:
        if line["kind"] in of:
            of[line["kind"]] += line["quantity"]
        if not np.isnan(line["amount"]):  # what has no price is listed, and costs nothing
            amount += line["amount"]
    inside = np.any([(first <= day) & (day <= last) for first, last in point.cycles], axis=0)
    coverage = float(point.taken.covered[inside].sum() / point.taken.length[inside].sum())
    return len(point.cycles), of["energy"], of["export"], amount, of["missing"], coverage


def comparison_of(parts: Iterable[tuple[list[tuple[Any, ...]], list[Exception]]], pricing: Pricing) -> pd.DataFrame:
    """Return the bills of all homes under each tariff beside the first tariff's.

    Raises
    ------
    UnitError, ConfigurationError
        If no home can be priced; where some can, the others are warned of.
    """
    rows: list[tuple[Any, ...]] = []
    refused: list[Exception] = []
    for some, errors in parts:
        rows += some
        refused += errors
    if not rows:
        raise refused[0] if refused else UnitError("there is no channel of electric energy to pay for", hint="See cohort.meters.")
    if refused:
        warn(f"{len(refused)} home(s) were not priced, the first because {refused[0]}")
    names = ["usage_point", "tariff", "cycles", "energy", "exported", "amount", "not_metered", "coverage"]
    out = pd.DataFrame(rows, columns=names)
    by_home = out["amount"].to_numpy().reshape(-1, len(pricing.tariffs))
    out["difference"] = (by_home - by_home[:, :1]).ravel()
    out["cheapest"] = (np.arange(by_home.shape[1]) == by_home.argmin(axis=1)[:, None]).ravel()
    out["currency"] = next(one.currency for one, _ in pricing.tariffs.values())
    return out[list(_COLUMNS)].astype({"usage_point": "str", "tariff": "str", "currency": "str"})
