"""Tariffs as data: the files of this package, your own, and records of the OpenEI Utility Rate Database."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.analysis.calendar import holiday_dates
from smd_notebook.analysis.schedules import Rates, Season, Tariff, as_date, day_number
from smd_notebook.analysis.urdb import from_urdb
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import date

__all__ = ["load_tariff"]

_LEAP = range(day_number(as_date("2024-01-01", "")), day_number(as_date("2025-01-01", "")))


def load_tariff(name: str | Path | Mapping[str, Any], *, on: date | str) -> Tariff:
    """Load a tariff as it was on a day, with all its dated rates.

    Parameters
    ----------
    name : str, Path or mapping
        A tariff of this package (``"E-TOU-C"``, ``"E-TOU-D"``, ``"EV2-A"``, ``"E-ELEC"``), the path of a ``.toml`` file in the same
        layout (`docs/bills.md`), or a record of the OpenEI Utility Rate Database, as a ``.json`` file or what it parses to.
    on : date or str
        The local date on which the tariff is wanted; its periods of the day are those of this date.

    Returns
    -------
    Tariff
        `seasons`, and `versions`: the rates with their first days [currency/kWh, currency/day]; `rates` are those of `on`.

    Raises
    ------
    ConfigurationError
        If there is no such tariff, the file is not understood, there are no rates on that day, or a record holds what is not
        modelled here (tiers, demand charges, minimum charges); the text says which.

    References
    ----------
    PG&E's electric schedules, advice letters 7469-E to 7846-E, by way of tariffkit 0.11. OpenEI, Utility Rate Database, API version 8.

    Examples
    --------
    >>> tariff = load_tariff("EV2-A", on="2026-03-01")
    >>> tariff.rates.energy["summer", "peak"], tariff.rates.source
    (0.53809, 'Advice 7846-E')
    """
    day = as_date(on, "on")
    if isinstance(name, Mapping):
        tariff = from_urdb(name, day)
    elif str(name).endswith(".json"):
        tariff = from_urdb(_read(json.loads, Path(name)), day)
    else:
        shipped = resources.files("smd_notebook.analysis") / "tariffs"
        known = {item.name.removesuffix(".toml"): item for item in shipped.iterdir() if item.name.endswith(".toml")}
        path = Path(name) if str(name).endswith(".toml") else known.get(str(name).lower())
        if path is None:
            hint = f"There are {', '.join(sorted(known)).upper()}; or give the path of a .toml or .json file."
            raise ConfigurationError(f"no tariff is called {str(name)!r}", hint=hint)
        tariff = _from_toml(_read(tomllib.loads, path), day)
    if tariff.version_on(np.array([day_number(day)]))[0] < 0:
        first = f"from {tariff.versions[0].start}" + (f" to {tariff.end}" if tariff.end else "")
        raise ConfigurationError(f"{tariff.name} has no rates on {day}", hint=f"Its rates hold {first}.")
    return tariff


def _read(parse: Any, path: Any) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # both parsers raise a ValueError of their own
        raise ConfigurationError(f"{path.name} cannot be read as a tariff: {type(error).__name__}", hint="See docs/bills.md.") from error


def _from_toml(data: Mapping[str, Any], on: date) -> Tariff:
    """Return what a file in our own layout says, or say what it lacks."""
    try:
        seasons = tuple(_season(name, span[0], span[1], data["periods"]) for name, span in data["seasons"].items())
        versions = tuple(sorted((_rates(one, seasons) for one in data["rates"]), key=lambda one: one.start))
        tariff = Tariff(
            name=data["name"],
            utility=data["utility"],
            source=data["source"],
            on=on,
            seasons=seasons,
            versions=versions,
            holidays=_holidays(data.get("holidays")),
            baseline=data.get("baseline", {}),
            standard_tier=data.get("standard_tier", ""),
            left_out=tuple(data.get("left_out", ())),
            currency=data["currency"],
            end=as_date(data["end"], "end") if "end" in data else None,
            status=data["status"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the tariff is not complete: {type(error).__name__} {error}", hint="See docs/bills.md.") from error
    if not versions or len({one.start for one in versions}) != len(versions):
        raise ConfigurationError("rates need first days, each another", hint="See docs/bills.md.")
    if (tariff.season_on(np.array(_LEAP)) < 0).any():
        raise ConfigurationError("the seasons do not cover the year", hint="See docs/bills.md.")
    if any(one.baseline_credit and not tariff.baseline for one in versions):
        raise ConfigurationError("a baseline credit needs baseline allowances", hint="See docs/bills.md.")
    return tariff


def _holidays(given: Any) -> str | tuple[date, ...] | None:
    """Return the name of a calendar, or dates; holidays that are not known are refused."""
    found = given if given is None or isinstance(given, str) else tuple(as_date(day, "a holiday") for day in given)
    holiday_dates(found, [2024])
    return found


def _season(name: str, first: str, last: str, periods: Mapping[str, Any]) -> Season:
    """Return a season with its hours; a period that is named earlier comes first."""
    names = [[str(periods["rest"])] * 24 for _ in range(2)]
    for period, rule in reversed([item for item in periods.items() if item[0] != "rest"]):
        if name not in rule.get("seasons", [name]):
            continue
        for kind in {"workday": (0,), "weekend": (1,), "all": (0, 1)}[rule.get("days", "all")]:
            for begin, end in rule["hours"]:
                names[kind][begin:end] = [period] * (end - begin)
    if len(names[0]) != 24 or len(names[1]) != 24:
        raise ValueError("hours must lie between 0 and 24")
    begin, end = (tuple(map(int, day.split("-"))) for day in (first, last))
    return Season(name, (begin[0], begin[1]), (end[0], end[1]), tuple(names[0]), tuple(names[1]))


def _rates(one: Mapping[str, Any], seasons: tuple[Season, ...]) -> Rates:
    energy = {(season.name, period): float(one[season.name][period]) for season in seasons for period in (*season.workday, *season.weekend)}
    daily = one.get("daily", {})
    return Rates(
        start=as_date(one["start"], "start"),
        source=one["source"],
        energy=energy,
        baseline_credit=float(one.get("baseline_credit", 0)),
        daily=daily if isinstance(daily, Mapping) else {"": float(daily)},
        monthly=float(one.get("monthly", 0)),
    )
