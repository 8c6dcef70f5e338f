"""Typical days: days of like shape grouped together, and how varied the days of a meter are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.edges import DAY, clock, dates_of
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.profiles import slot_length, slots_of
from smd_notebook.analysis.series import Series, labelled, series_of
from smd_notebook.errors import ConfigurationError, UnitError, needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["TypicalDays", "entropy", "typical_days"]


@dataclass(frozen=True, eq=False)
class TypicalDays:
    """Days grouped by their shape; clusters are numbered from 1, the largest first.

    Parameters
    ----------
    calendar : DataFrame, shape (n_days, 5)
        `usage_point`, `channel`, `date`, `cluster` (missing where the day is not complete, or has no shape), and `rse`, the squared error
        of the day's cluster centre relative to the centre's own square [1].
    centres : DataFrame, shape (n_clusters, n_slots + 3)
        Index: cluster; `days` in it, `share` of all days [1], mean `rse` [1], and the shape at each slot of the day: its share of the day's
        amount [1], or the rate where shapes are not normalised.
    scores : DataFrame, shape (n_tried, 4)
        Index: number of clusters `k`; `silhouette` (from -1 to 1, the higher the better), `rse` (mean over days), `within` (share of days
        whose rse is at most 0.2), and whether it was `chosen`.
    """

    calendar: pd.DataFrame
    centres: pd.DataFrame
    scores: pd.DataFrame


def typical_days(
    x: Feed | pd.DataFrame,
    k: int | Sequence[int] = range(2, 11),
    *,
    slot: str = "1h",
    normalise: bool = True,
    demin: bool = False,
    min_coverage: float = 1.0,
    seed: int = 0,
) -> TypicalDays:
    """Group local days by the shape of their load, by k-means.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned. The days of all channels are grouped together.
    k : int or sequence of int, default 2 to 10
        Number of clusters; of several, the one with the best silhouette is taken.
    slot : str, default "1h"
        Length of the slots that make up a day.
    normalise : bool, default True
        Compare shapes: each day's rates are divided by their sum. Without it, how much was used counts as well.
    demin : bool, default False
        Take off each day's lowest rate first, so that the base load does not count.
    min_coverage : float, default 1
        How much of each slot must be covered [1].
    seed : int, default 0
        Where the random starts of k-means begin; the same seed gives the same clusters.

    Returns
    -------
    TypicalDays
        `calendar`, `centres` and `scores`, each with a passport.

    Raises
    ------
    ConfigurationError
        If scikit-learn is not installed (extra ``cluster``), an argument is not understood, or there are no more unlike days than clusters.
    UnitError
        If shapes are normalised and rates are negative, as in a net channel; or channels of unlike units are compared without it.

    Notes
    -----
    A day is complete if each slot of the wall clock is; so the day in spring that lacks an hour never is, and of the hour that comes twice
    in autumn the mean is taken. Days without any load have no shape. Clusters are those of the best of 20 random starts (k-means++).

    References
    ----------
    Kwac, Flora & Rajagopal, Household energy consumption segmentation using hourly data, IEEE Transactions on Smart Grid 5(1), 2014:
    shapes of sum 1, the relative squared error and its threshold of 0.2. Rousseeuw, Silhouettes, Journal of Computational and Applied
    Mathematics 20, 1987.
    """
    tried = tried_of(k)
    step = slot_length(slot)
    frame, found = series_of(x, f"days in slots of {slot}", min_coverage=min_coverage, longest=step)
    how = Shaping(slot, min_coverage, normalise, demin)
    sizes, date, shapes, usable = shapes_of(found, how)
    label, centre, scores = choose(shapes[usable], tried, seed)
    cluster, rse = np.full(len(date), -1), np.full(len(date), np.nan)
    cluster[usable], rse[usable] = label + 1, errors(shapes[usable], label, centre)
    calendar = labelled(frame, found, sizes, {"date": dates_of(date), "cluster": pd.array(cluster, dtype="Int64"), "rse": rse})
    inputs = {"seed": seed, "channels": len(found), "zone": ", ".join(sorted({one.zone for one in found}))}
    return described(calendar, centre, scores, how, found[0].rate_unit, inputs)


class Shaping(NamedTuple):
    """How days become shapes: arguments of `typical_days`."""

    slot: str
    min_coverage: float
    normalise: bool
    demin: bool


def tried_of(k: int | Sequence[int]) -> list[int]:
    """Return the numbers of clusters to try, where scikit-learn is there to try them.

    Raises
    ------
    ConfigurationError
        If it is not, or they are no such numbers.
    """
    needs("typical_days", "sklearn", "cluster")
    tried = sorted({int(one) for one in ([k] if isinstance(k, (int, np.integer)) else k)})
    if not tried or tried[0] < 1:
        raise ConfigurationError("k is the number of clusters, 1 or more", hint="k=4, or several to choose from: k=range(2, 9).")
    return tried


def shapes_of(found: Sequence[Series], how: Shaping) -> tuple[list[int], Ints, Floats, NDArray[np.bool_]]:
    """Return how many days each channel has, their dates [days since 1970], shapes, and which of them have one.

    Raises
    ------
    UnitError
        If channels cannot be compared so.
    """
    if not how.normalise:
        check_units({one.rate_unit for one in found})
    tables = [_matrix(one, how.slot, how.min_coverage) for one in found]
    dates = np.concatenate([np.empty(0, dtype="i8"), *(dates for dates, _ in tables)])
    days = np.concatenate([np.empty((0, DAY // slot_length(how.slot))), *(table for _, table in tables)])
    if how.demin:
        days = days - days.min(axis=1, keepdims=True)
    usable = ~np.isnan(days).any(axis=1)
    if how.normalise:
        if (days[usable] < 0).any():
            text = "days with negative rates have no share of their sum in each slot"
            raise UnitError(text, hint="Use delivered and received channels rather than their net, or normalise=False.")
        total = days.sum(axis=1)
        usable &= total > 0
        days = np.divide(days, total[:, None], out=np.full(days.shape, np.nan), where=usable[:, None])
    return [len(table) for _, table in tables], dates, days, usable


def check_units(units: set[str]) -> None:
    """Refuse to compare how much was used in unlike units.

    Raises
    ------
    UnitError
        If there are several.
    """
    if len(units) > 1:
        raise UnitError("channels of unlike units cannot be compared", hint="Select one, or compare shapes: normalise=True.")


def described(calendar: pd.DataFrame, centre: Floats, scores: pd.DataFrame, how: Shaping, unit: str, inputs: dict[str, Any]) -> TypicalDays:
    """Return typical days from the cluster of each day, -1 where it is in none, and from the centres."""
    calendar.loc[calendar["cluster"] < 0, "cluster"] = pd.NA
    known = calendar["cluster"].notna().to_numpy()
    label = calendar["cluster"].to_numpy(dtype="f8", na_value=np.nan)[known].astype("i8") - 1
    count = np.bincount(label, minlength=len(centre))
    rse = np.bincount(label, weights=calendar["rse"].to_numpy()[known], minlength=len(centre)) / count
    index = pd.RangeIndex(1, len(centre) + 1, name="cluster")
    centres = pd.DataFrame({"days": count, "share": count / count.sum(), "rse": rse}, index=index)
    centres[[clock(start) for start in range(0, DAY, slot_length(how.slot))]] = centre
    about = {"k": len(centre), **how._asdict(), "days": label.size, "unit": "share of the day" if how.normalise else unit, **inputs}

    def done(table: pd.DataFrame, what: str) -> pd.DataFrame:
        text = f"k-means of the shapes of local days: {what}"
        return stamp(table, definition=text, inputs=about, source="Kwac, Flora & Rajagopal 2014")

    return TypicalDays(done(calendar, "calendar"), done(centres, "centres"), done(scores, "choice of k"))


def _matrix(one: Series, slot: str, min_coverage: float) -> tuple[Ints, Floats]:
    """Return the local dates of a channel, and its rates by date and slot; missing where a slot is not covered."""
    day, place, rate = slots_of(one, slot, min_coverage)
    date = one.days().date
    size = DAY // slot_length(slot)
    cell = (day - (date[0] if date.size else 0)) * size + place
    count = np.bincount(cell, minlength=date.size * size)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(cell, weights=rate, minlength=date.size * size) / count
    return date, mean.reshape(date.size, size)


def choose(shapes: Floats, tried: Sequence[int], seed: int) -> tuple[Ints, Floats, pd.DataFrame]:
    """Return labels and centres for the best number of clusters, and the scores of all.

    Raises
    ------
    ConfigurationError
        If there are no more unlike shapes than clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    distinct = len(np.unique(shapes, axis=0))
    if distinct < tried[-1]:
        text = f"there are {distinct} complete days of unlike shape, too few for {tried[-1]} clusters"
        raise ConfigurationError(text, hint="Take fewer clusters or more days; see also min_coverage.")
    runs, rows = [], []
    for number in tried:
        model = KMeans(n_clusters=number, n_init=20, random_state=seed).fit(shapes)
        size = np.bincount(model.labels_, minlength=number)
        # by size; of equal sizes the one whose first day is earlier
        first = np.array([int(np.flatnonzero(model.labels_ == one)[0]) for one in range(number)])
        order = np.lexsort((first, -size))
        label = np.argsort(order)[model.labels_]
        centre = np.stack([shapes[label == one].mean(axis=0) for one in range(number)])
        error = errors(shapes, label, centre)
        score = float(silhouette_score(shapes, label)) if 1 < number < len(shapes) else np.nan
        runs.append((label, centre))
        rows.append((score, float(error.mean()), float((error <= 0.2).mean())))
    scores = pd.DataFrame(rows, columns=["silhouette", "rse", "within"], index=pd.Index(tried, name="k"))
    known = scores["silhouette"].fillna(-np.inf)
    chosen = int(np.asarray(known).argmax())
    scores["chosen"] = np.arange(len(tried)) == chosen
    return *runs[chosen], scores


def errors(shapes: Floats, label: Ints, centre: Floats) -> Floats:
    """Return the squared error of each day's centre, relative to the centre's square."""
    own = centre[label]
    square = (own**2).sum(axis=1)
    error: Floats = np.divide(((shapes - own) ** 2).sum(axis=1), square, out=np.full(len(shapes), np.nan), where=square > 0)
    return error


def entropy(days: TypicalDays | pd.DataFrame) -> pd.DataFrame:
    """Say how varied the days of each channel are: the entropy of the clusters that they fall into.

    Parameters
    ----------
    days : TypicalDays or DataFrame, shape (n_days, n_columns)
        What `typical_days` returned, or a calendar with `usage_point`, `channel` and `cluster`.

    Returns
    -------
    DataFrame, shape (n_channels, 4)
        `usage_point`, `channel`, `days` that are in a cluster, and `entropy` [bit]: 0 where all days are of one cluster, log2 k where k
        clusters are equally frequent; missing where no day is in any.

    Raises
    ------
    ConfigurationError
        If a column is missing.

    Notes
    -----
    H = -sum p log2 p over the clusters, p being the share of the channel's days. Days that are in no cluster do not count.

    References
    ----------
    Kwac, Flora & Rajagopal, Household energy consumption segmentation using hourly data, IEEE Transactions on Smart Grid 5(1), 2014.

    Examples
    --------
    >>> import pandas as pd
    >>> calendar = pd.DataFrame({"usage_point": "1", "channel": "electricity delivered", "cluster": [1, 1, 2, 3]})
    >>> entropy(calendar)["entropy"].item()
    1.5
    """
    calendar = days.calendar if isinstance(days, TypicalDays) else days
    missing = [name for name in ("usage_point", "channel", "cluster") if name not in calendar.columns]
    if missing:
        raise ConfigurationError(f"not a calendar of days: no column {', '.join(missing)}", hint="Take what typical_days returned.")
    rows = []
    for (point, channel), one in calendar.groupby(["usage_point", "channel"], sort=False, observed=True):
        share = one["cluster"].value_counts(normalize=True).to_numpy(dtype="float64")
        bits = float(-(share * np.log2(share)).sum()) + 0.0 if share.size else np.nan
        rows.append((point, channel, int(one["cluster"].notna().sum()), bits))
    out = pd.DataFrame(rows, columns=["usage_point", "channel", "days", "entropy"])
    return stamp(out, definition="entropy of the clusters of a channel's days, in bits", inputs={"channels": len(rows)})
