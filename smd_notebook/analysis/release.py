"""May sums over many customers be published? The screen of CPUC D.14-05-016 as PG&E words it, for each number that is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import tidy_frame, why_not
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.series import series_of
from smd_notebook.errors import ConfigurationError, UnitError, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["RELEASE_RULES", "least", "release_screen", "why_withheld"]

#: Kind of customers: how many there must be at least, and which percentage of the whole one of them may be at most.
RELEASE_RULES: dict[str, tuple[int, int | None]] = {"residential": (100, None), "non-residential": (15, 15)}

_KIND = ["service", "measure", "flow", "unit"]
_CELL = ["group", *_KIND, "start", "end"]
_TOTAL = ["group", *_KIND]
_GIVES_AWAY = "would give away what is withheld, by subtraction"


def least(customers: str) -> int:
    """Return how many customers there must be at least.

    Raises
    ------
    ConfigurationError
        If there is no rule for such customers.
    """
    if customers not in RELEASE_RULES:
        known = " or ".join(map(repr, RELEASE_RULES))
        raise ConfigurationError(f"there is no release rule for customers={customers!r}", hint=f"Say {known}; screen a mix by parts.")
    return RELEASE_RULES[customers][0]


def why_withheld(n: Any, largest: Any, whole: Any, customers: str) -> NDArray[np.object_]:
    """Return for each cell why it must not be published; an empty text where it may be.

    Parameters
    ----------
    n : array of int, shape (n_cells,)
        Customers in it.
    largest, whole : array of float, shape (n_cells,)
        Largest amount of one of them, and the sum of all amounts, both without signs [unit].
    customers : {"residential", "non-residential"}
        Which rule holds.

    Raises
    ------
    ConfigurationError
        If there is no rule for such customers.

    >>> why_withheld([14, 15, 15], [1, 15, 15.01], [14, 100, 100], "non-residential").tolist()
    ['14 customers, and 15 are needed', '', 'one customer is more than 15 % of it']
    """
    fewest, percent = least(customers), RELEASE_RULES[customers][1]
    n, largest, whole = np.asarray(n), np.asarray(largest, dtype="f8"), np.asarray(whole, dtype="f8")
    why = np.full(n.shape, "", dtype=object)
    if percent is not None:
        # amounts are sums of floats, so the last digits are no offence
        why[largest * 100 > whole * percent * (1 + 1e-12)] = f"one customer is more than {percent} % of it"
    few = n < fewest
    why[few] = [f"{one} customer{'s' * (one != 1)}, and {fewest} are needed" for one in n[few].tolist()]
    return why


def release_screen(
    x: Any,
    *,
    customers: Literal["residential", "non-residential"] = "residential",
    groups: Mapping[str, str] | None = None,
    earlier: Iterable[Collection[str]] = (),
    min_coverage: float = 1.0,
) -> pd.DataFrame:
    """Add customers up, and withhold every sum that would say too much of one of them.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or better what `resample` returned: a row a channel and bin, of many usage points. One usage point is one customer.
    customers : {"residential", "non-residential"}, default "residential"
        At least 100 customers; or at least 15 of which none is more than 15 % of the sum.
    groups : mapping of str to str, optional
        Usage point to the name of its group, where groups are published beside the whole.
    earlier : iterable of collections of str
        Usage points of what was published before, one collection a publication, for a warning where the difference is small.
    min_coverage : float, default 1
        How much of a bin must be covered for a customer to count in it, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (n_published_cells, 13)
        `group` (``"all"`` is everybody), `service`, `measure`, `flow`, `start`, `end`, `scope`: ``"bin"``, or ``"period"`` for the sum
        over all bins (of quantities that add up over time); `n_customers`, `largest_share` of one of them [1], `value` [unit], `unit`,
        `released`, and `why` not. What is withheld has its row, and neither value nor share.

    Raises
    ------
    ConfigurationError
        If `x` is no tidy frame and not in bins, there is no such rule, or a usage point has no group.
    UnitError
        If a channel holds what cannot be added.
    SmdError
        If intervals of a channel overlap.

    Warns
    -----
    SmdWarning
        Where a sum over bins or groups had to be withheld because it gives away what is withheld of them, and where customers differ from
        an earlier publication by fewer than the rule asks for.

    Notes
    -----
    Shares are of amounts without their signs. A sum is published beside its parts only if the parts that are withheld, taken together,
    pass the screen themselves: else who subtracts the others has what was to be kept (complementary suppression). Passing is no proof
    of anonymity, only of the rule.

    References
    ----------
    California Public Utilities Commission, D.14-05-016 (2014), as PG&E words it for aggregated data: 100 residential; 15/15 otherwise.

    Examples
    --------
    >>> import pandas as pd, smd_notebook as smd
    >>> home = smd.resample(smd.sample("lapse2024").select(channel="electricity delivered (1)"), "1YS")
    >>> homes = pd.concat([home.assign(usage_point=str(number)) for number in range(100)])
    >>> table = smd.analysis.release_screen(homes)
    >>> table[["scope", "n_customers", "value", "released"]].iloc[0].to_dict()
    {'scope': 'bin', 'n_customers': 100, 'value': 1208410800.0, 'released': True}
    >>> smd.analysis.release_screen(homes[1:])["why"].iloc[0]
    '99 customers, and 100 are needed'
    """
    fewest = least(customers)
    rows = _customers(x, groups, min_coverage)
    cells = _cells(rows, _CELL, customers).assign(scope="bin")
    if groups is not None:
        parts = _cells(rows[rows["group"] != "all"], _CELL, customers)
        _withhold(
            cells, cells["group"] == "all", _kept_back(rows, parts, _CELL, [*_KIND, "start", "end"], customers), [*_KIND, "start", "end"]
        )
    added = rows[rows["measure"] != "power"]
    periods = _cells(added, _TOTAL, customers, span=True).assign(scope="period")
    _withhold(periods, np.full(len(periods), True), _kept_back(added, cells, _CELL, _TOTAL, customers), _TOTAL)
    if groups is not None:
        parts = periods[periods["group"] != "all"]
        _withhold(periods, periods["group"] == "all", _kept_back(added, parts, _TOTAL, _KIND, customers), _KIND)
    out = pd.concat([cells, periods], ignore_index=True) if len(periods) else cells
    out["released"] = out["why"] == ""
    out.loc[~out["released"], ["value", "largest_share"]] = np.nan
    columns = [*_CELL[:4], "start", "end", "scope", "n_customers", "largest_share", "value", "unit", "released", "why"]
    if (out["why"] == _GIVES_AWAY).any():
        n = int((out["why"] == _GIVES_AWAY).sum())
        warn(f"{n} sum(s) over bins or groups {_GIVES_AWAY}. They are withheld as well.")
    _compare(rows, earlier, fewest)
    inputs = {"customers": customers, "usage points": int(rows["usage_point"].nunique()), "min_coverage": min_coverage}
    text = f"sums over customers, screened: {_rule(customers)}"
    return stamp(out[columns], definition=text, inputs=inputs, source="CPUC D.14-05-016")


def _rule(customers: str) -> str:
    fewest, percent = RELEASE_RULES[customers]
    return f"at least {fewest} {customers} customers" + (f", none more than {percent} %" if percent is not None else "")


def _customers(x: Any, groups: Mapping[str, str] | None, min_coverage: float) -> pd.DataFrame:
    """Return what each customer has in each cell, once as of ``"all"`` and once as of its group."""
    binned = isinstance(x, pd.DataFrame) and {"coverage", "n_flagged"} <= set(x.columns)
    frame = x if binned else tidy_frame(x)
    for measure in frame["measure"].astype("str").where(frame["measure"].notna(), None).unique():
        reason = why_not(None if pd.isna(measure) else measure)
        if reason:
            raise UnitError(f"sums over customers cannot be had: {reason}", hint='Leave it out: frame[frame["measure"] == "energy"].')
    series_of(frame, "sums over customers", min_coverage=min_coverage)  # refuses intervals that overlap: they would count twice
    counts = frame["value"].notna() & (frame["coverage"] >= min_coverage if binned else frame["end"] > frame["start"])
    rows = frame.loc[counts, ["usage_point", *_KIND, "start", "end", "value"]].reset_index(drop=True)
    for name in ("start", "end"):
        rows[name] = pd.DatetimeIndex(rows[name])
    for name in ("usage_point", *_KIND):
        rows[name] = rows[name].astype("str").where(rows[name].notna(), "")
    rows.insert(0, "group", "all")
    if groups is None:
        return rows
    without = sorted(set(rows["usage_point"]) - set(groups))
    if without:
        raise ConfigurationError(f"{len(without)} usage point(s) have no group", hint="Name a group for each, if only 'other'.")
    if "all" in groups.values():
        raise ConfigurationError("no group can be called 'all': that is everybody", hint="Give it another name.")
    own = rows.assign(group=rows["usage_point"].map(dict(groups)).astype("str"))
    both: pd.DataFrame = pd.concat([rows, own], ignore_index=True)
    return both


def _cells(rows: pd.DataFrame, keys: list[str], customers: str, *, span: bool = False) -> pd.DataFrame:
    """Return a row for each cell: customers, sum, share of the largest, and why it must be withheld."""
    each = rows.groupby([*keys, "usage_point"], sort=False)["value"].sum().reset_index()
    each["amount"] = each["value"].abs()
    by = each.groupby(keys, sort=False)
    table = by.agg(n_customers=("value", "size"), value=("value", "sum"), largest=("amount", "max"), whole=("amount", "sum")).reset_index()
    if span:
        table = table.merge(rows.groupby(keys, sort=False).agg(start=("start", "min"), end=("end", "max")).reset_index(), on=keys)
    table["largest_share"] = (table["largest"] / table["whole"]).where(table["whole"] > 0)
    table["why"] = why_withheld(table["n_customers"], table["largest"], table["whole"], customers)
    return table.drop(columns=["largest", "whole"])


def _kept_back(rows: pd.DataFrame, parts: pd.DataFrame, keys: list[str], of: list[str], customers: str) -> pd.DataFrame:
    """Return the sums whose withheld parts, taken together, do not pass: who subtracts the others would have them."""
    withheld = parts.loc[parts["why"] != "", keys]
    together = _cells(rows.merge(withheld, on=keys), of, customers)
    return together.loc[together["why"] != "", of]


def _withhold(table: pd.DataFrame, which: Any, sums: pd.DataFrame, keys: list[str]) -> None:
    """Withhold sums that would give away their parts."""
    given_away = table[keys].merge(sums.assign(given_away=True), on=keys, how="left")["given_away"].notna().to_numpy()
    table.loc[np.asarray(which) & given_away & (table["why"] == "").to_numpy(), "why"] = _GIVES_AWAY


def _compare(rows: pd.DataFrame, earlier: Iterable[Collection[str]], fewest: int) -> None:
    """Warn where the customers of a group differ little from those of an earlier publication."""
    before = [set(map(str, one)) for one in earlier]
    for group, points in rows.groupby("group", sort=False)["usage_point"]:
        here = set(points)
        for number, there in enumerate(before, 1):
            differ = len(here ^ there)
            if here & there and 0 < differ < fewest:
                text = f"the customers of {group!r} differ from earlier publication {number} by {differ}, fewer than {fewest}"
                warn(f"{text}: the difference of the two would say what they use.\nPublish the same customers, or only one of the two.")
