"""Degree-day models: daily energy and outdoor temperature, by plain least squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.days import adding
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.weather import on_days
from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Floats = NDArray[np.float64]

__all__ = ["degree_day_models", "degree_days"]

_SOURCE = "CalTRACK 2.0 methods, 3.2 to 3.4"
#: Balance points that are searched [degF], as CalTRACK asks: from 30 to 90 in steps of 3 or less.
_SEARCHED = tuple(range(30, 91, 3))
#: A slope is only believed where as many days have degrees.
_LEAST = 10
_FIT = ("intercept", "heating_slope", "cooling_slope", "r2", "adjusted_r2", "cvrmse")


def _daily(
    x: Any, temperature: pd.Series[Any], channel: str | None, scale: Literal["caltrack"] | None
) -> Iterator[tuple[pd.DataFrame, Floats]]:
    """Yield for each channel whose values add up its days, and their temperature; missing where not wholly metered, unless scaled."""
    for one in adding(x, channel):
        days = resample(one, "1D", min_coverage=0 if scale else 1, scale=scale)
        yield days, on_days(temperature, days)


def _balances(given: Sequence[float] | None, unit: str) -> list[float]:
    if unit not in ("degC", "degF"):
        raise ConfigurationError(f"temperature in {unit!r} is not known", hint='unit="degC" or "degF".')
    if given is None:
        return [point if unit == "degF" else (point - 32) / 1.8 for point in _SEARCHED]
    points = sorted(float(point) for point in given)
    if not points:
        raise ConfigurationError("there are no balance points", hint="balance_points=[15, 16.5, 18], in the unit of the temperature.")
    return points


def _fit(value: Floats, columns: list[Floats]) -> tuple[dict[str, float], list[float], int]:
    """Fit by least squares; return how well, the slopes, and how many columns are told apart."""
    n, p = value.size, len(columns)
    design = np.column_stack([np.ones(n), *columns])
    beta, _, rank, _ = np.linalg.lstsq(design, value, rcond=None)
    left = value - design @ beta
    around = float(((value - value.mean()) ** 2).sum())
    r2 = 1 - float((left**2).sum()) / around if around and p else 0.0
    free = n - p - 1
    numbers = {
        "intercept": float(beta[0]),
        "r2": r2,
        "adjusted_r2": 1 - (1 - r2) * (n - 1) / free if free > 0 and p else 0.0,
        "cvrmse": float(np.sqrt((left**2).sum() / free) / value.mean()) if free > 0 and value.mean() else np.nan,
    }
    return numbers, beta[1:].tolist(), int(rank)


def _candidates(value: Floats, degrees: Floats, points: list[float]) -> Iterator[dict[str, Any]]:
    """Yield every model that is tried, with what disqualifies it."""
    heating = {point: np.maximum(point - degrees, 0) for point in points}
    cooling = {point: np.maximum(degrees - point, 0) for point in points}
    trials: list[tuple[str, float | None, float | None]] = [("intercept", None, None)]
    trials += [("heating", point, None) for point in points] + [("cooling", None, point) for point in points]
    trials += [("heating and cooling", low, high) for low in points for high in points if high >= low]
    for model, low, high in trials:
        columns = ([heating[low]] if low is not None else []) + ([cooling[high]] if high is not None else [])
        row: dict[str, Any] = {
            "model": model,
            "heating_balance": np.nan if low is None else low,
            "cooling_balance": np.nan if high is None else high,
        }
        row |= dict.fromkeys(_FIT, np.nan)
        if any(np.count_nonzero(column) < _LEAST for column in columns):
            yield row | {"qualified": False, "reason": f"fewer than {_LEAST} days have degrees"}
            continue
        fit, slopes, rank = _fit(value, columns)
        row |= fit
        if low is not None:
            row["heating_slope"] = slopes[0]
        if high is not None:
            row["cooling_slope"] = slopes[-1]
        bad = "degrees are alike on all days" if rank <= len(columns) else "a slope is not positive" if min(slopes, default=1) <= 0 else ""
        bad = bad or ("the intercept is negative" if columns and fit["intercept"] < 0 else "")  # a mean may be, where more is fed in
        yield row | {"qualified": not bad, "reason": bad}


def degree_day_models(
    x: Feed | pd.DataFrame,
    temperature: pd.Series[Any],
    *,
    unit: Literal["degC", "degF"] = "degC",
    balance_points: Sequence[float] | None = None,
    scale: Literal["caltrack"] | None = None,
    channel: str | None = None,
) -> pd.DataFrame:
    """Fit daily energy to heating and cooling degree days, over a search of balance points.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    temperature : Series, shape (n_observations,)
        Outdoor temperature [unit]; index: time with a zone (`read_temperature` makes one of a CSV or EPW file).
    unit : {"degC", "degF"}, default "degC"
        Unit of the temperature, the balance points and the degree days.
    balance_points : sequence of float, optional
        Balance points to try [unit]; by default 30 to 90 degF in steps of 3.
    scale : {"caltrack"}, optional
        Take days of which more than half was metered, scaled up; by default only wholly metered days count.
    channel : str, optional
        Label of the channel; by default each one of energy or volume.

    Returns
    -------
    DataFrame, shape (n_channels * n_models, 16)
        The best qualified first, for each channel: `usage_point`, `channel`, `unit`, `model` (``"intercept"``, ``"heating"``,
        ``"cooling"``, ``"heating and cooling"``), `heating_balance`, `cooling_balance`, `intercept` [unit/day], `heating_slope`,
        `cooling_slope` [unit/day/degree], `r2`, `adjusted_r2`, `cvrmse`, `n_days` of the fit, `n_missing`, `qualified`, and `reason` why
        not.

    Raises
    ------
    ConfigurationError
        If an argument is not understood.
    SmdError
        If fewer than 10 days have both energy and temperature.
    UnitError
        If no channel holds energy or volume.

    Notes
    -----
    UPD = mu + bH HDD + bC CDD, HDD = max(balance - mean temperature of the local day, 0), CDD likewise. A model qualifies if its slopes
    are above and its intercept is not below 0, ten days or more have degrees, and the cooling balance is not below that of heating; the
    best has the highest adjusted R2. Of a model without slopes that is 0.

    References
    ----------
    CalTRACK 2.0 methods, 3.2 to 3.4.

    Examples
    --------
    >>> import numpy as np, pandas as pd, smd_notebook as smd
    >>> home = smd.sample("lapse2024").select(channel="electricity delivered (1)")
    >>> hours = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz="America/Los_Angeles", inclusive="left")
    >>> degrees = pd.Series(12 - 8 * np.cos((hours.day_of_year.to_numpy() - 30) / 366 * 2 * np.pi), index=hours)
    >>> degree_day_models(home, degrees)[["model", "n_days", "n_missing", "qualified"]].head(1).to_dict("records")
    [{'model': 'cooling', 'n_days': 366, 'n_missing': 0, 'qualified': True}]
    """
    points = _balances(balance_points, unit)
    parts, missing = [], 0
    for days, degrees in _daily(x, temperature, channel, scale):
        value = days["value"].to_numpy(dtype="float64")
        known = ~np.isnan(value) & ~np.isnan(degrees)
        if known.sum() < _LEAST:
            text = f"only {int(known.sum())} days of {str(days['channel'].iloc[0])!r} have both energy and temperature"
            raise SmdError(text, hint=f'{_LEAST} are needed; see smd.resample(x, "1D") for coverage, or take scale="caltrack".')
        table = pd.DataFrame(list(_candidates(value[known], degrees[known], points)))
        table = table.sort_values(["qualified", "adjusted_r2"], ascending=False, kind="stable", ignore_index=True)
        for place, name in enumerate(("usage_point", "channel", "unit")):
            label = days[name].iloc[0]
            table.insert(place, name, None if pd.isna(label) else str(label))
        missing += int((~known).sum())
        table.insert(13, "n_days", int(known.sum()))
        table.insert(14, "n_missing", int((~known).sum()))
        parts.append(table)
    inputs = {"temperature in": unit, "balance points": len(points), "scale": scale, "days missing": missing}
    return stamp(pd.concat(parts, ignore_index=True), definition="degree-day models by least squares", inputs=inputs, source=_SOURCE)


def degree_days(
    x: Feed | pd.DataFrame,
    temperature: pd.Series[Any],
    *,
    unit: Literal["degC", "degF"] = "degC",
    balance_points: Sequence[float] | None = None,
    scale: Literal["caltrack"] | None = None,
    channel: str | None = None,
) -> pd.DataFrame:
    """Lay daily energy beside temperature and degree days, and what the best degree-day model makes of them.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    temperature : Series, shape (n_observations,)
        Outdoor temperature [unit]; index: time with a zone.
    unit : {"degC", "degF"}, default "degC"
        Unit of the temperature, the balance points and the degree days.
    balance_points : sequence of float, optional
        Balance points to try [unit]; by default 30 to 90 degF in steps of 3.
    scale : {"caltrack"}, optional
        Take days of which more than half was metered, scaled up; by default only wholly metered days count.
    channel : str, optional
        Label of the channel; by default each one of energy or volume.

    Returns
    -------
    DataFrame, shape (n_days_of_all_channels, 13)
        `usage_point`, `channel`, `zone`, `start`, `end`, `value` [unit/day], `unit`, `coverage`, `temperature`, `heating_degrees`,
        `cooling_degrees` [degrees of the model's balance points; missing where it has none], `model`, `fitted` [unit/day]. Days that
        were not wholly metered have no `value` and stay.

    Raises
    ------
    ConfigurationError
        If an argument is not understood.
    SmdError
        If fewer than 10 days have both energy and temperature.
    UnitError
        If no channel holds energy or volume.

    See Also
    --------
    degree_day_models : The models that were tried, and how well each fits.

    References
    ----------
    CalTRACK 2.0 methods, 3.2 to 3.4.

    Examples
    --------
    >>> import numpy as np, pandas as pd, smd_notebook as smd
    >>> home = smd.sample("lapse2024").select(channel="electricity delivered (1)")
    >>> hours = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz="America/Los_Angeles", inclusive="left")
    >>> degrees = pd.Series(12 - 8 * np.cos((hours.day_of_year.to_numpy() - 30) / 366 * 2 * np.pi), index=hours)
    >>> degree_days(home, degrees).shape
    (366, 13)
    """
    models = degree_day_models(x, temperature, unit=unit, balance_points=balance_points, scale=scale, channel=channel)
    parts: list[pd.DataFrame] = []
    told: dict[str, Any] = {}
    for days, degrees in _daily(x, temperature, channel, scale):
        point, label = str(days["usage_point"].iloc[0]), str(days["channel"].iloc[0])
        best = models[(models["usage_point"] == point) & (models["channel"] == label)].iloc[0]
        out = days[["usage_point", "channel", "zone", "start", "end", "value", "unit", "coverage"]].copy()
        out["temperature"] = degrees
        out["heating_degrees"] = np.maximum(best["heating_balance"] - degrees, 0)
        out["cooling_degrees"] = np.maximum(degrees - best["cooling_balance"], 0)
        out["model"] = str(best["model"])
        slopes = [
            best[slope] * out[name]
            for slope, name in (("heating_slope", "heating_degrees"), ("cooling_slope", "cooling_degrees"))
            if pd.notna(best[slope])
        ]
        out["fitted"] = best["intercept"] + sum(slopes) if slopes else np.where(np.isnan(degrees), np.nan, best["intercept"])
        known = ("heating_balance", "cooling_balance", *_FIT, "n_days", "n_missing")
        name = label if label not in told else f"{label} (meter {len(parts) + 1})"  # never the meter's own identifier
        told[name] = {"model": str(best["model"])} | {name: float(best[name]) for name in known if pd.notna(best[name])}
        parts.append(out)
    inputs = {"temperature in": unit, "scale": scale, "models": told}
    return stamp(pd.concat(parts, ignore_index=True), definition="days and their degree-day model", inputs=inputs, source=_SOURCE)
