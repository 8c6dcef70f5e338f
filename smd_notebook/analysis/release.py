"""May sums over many customers be published? The screen of CPUC D.14-05-016 as PG&E words it, for each number that is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import is_binned, tidy_frame, why_not
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.series import series_of
from smd_notebook.errors import ConfigurationError, UnitError, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

__all__ = ["RELEASE_RULES", "least", "release_screen", "why_withheld"]

#: Kind of customers: how many there must be at least, and which percentage of the whole one of them may be at most.
RELEASE_RULES: dict[str, tuple[int, int | None]] = {"residential": (100, None), "non-residential": (15, 15)}

_KIND = ["service", "measure", "flow", "unit"]
#: Which rows a published number adds up: of a group or of everybody, in a bin or in all of them.
_SUMS = {"cell": ["group", *_KIND, "start", "end"], "bin": [*_KIND, "start", "end"], "group": ["group", *_KIND], "whole": _KIND}
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
    x: Feed | pd.DataFrame,
    *,
    customers: Literal["residential", "non-residential"] = "residential",
    groups: Mapping[str, str] | None = None,
    customer: Mapping[str, str] | None = None,
    earlier: Iterable[Collection[str]] = (),
    min_coverage: float = 1.0,
) -> pd.DataFrame:
    """Add customers up, and withhold every sum that would say too much of one of them.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or better what `resample` returned: a row a channel and bin, of many usage points.
    customers : {"residential", "non-residential"}, default "residential"
        At least 100 customers; or at least 15 of which none is more than 15 % of the sum.
    groups : mapping of str to str, optional
        Usage point to the name of its group, where groups are published beside the whole.
    customer : mapping of str to str, optional
        Usage point to its customer, where some have several, such as two meters; else one usage point is one customer.
    earlier : iterable of collections of str
        Usage points of what was published before, one collection a publication, for a warning where the difference is small.
    min_coverage : float, default 1
        How much of a bin must be covered for a customer to count in it, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (n_published_cells, 12)
        `group` (``"all"`` is everybody), `service`, `measure`, `flow`, `start`, `end`, `scope`: ``"bin"``, or ``"period"`` for the sum
        over all bins (of quantities that add up over time); `n_customers`, `value` [unit], `unit`, `released`, and `why` not. What is
        withheld has its row, and no value. The share of the largest customer is not told: with the sum it is what that customer used.

    Raises
    ------
    ConfigurationError
        If `x` is no tidy frame and not in bins, there is no such rule, a usage point has no group or no customer, or `earlier` is no
        list of publications.
    UnitError
        If a channel holds what cannot be added.
    SmdError
        If intervals of a channel overlap.

    Warns
    -----
    SmdWarning
        Where a sum over bins or groups had to be withheld because it gives away what is withheld of them, where one of the residential
        customers is most of a sum that the rule lets pass, and where customers differ from an earlier publication by fewer than the rule
        asks for.

    Notes
    -----
    Shares are of amounts without their signs. A sum is published beside its parts only if the parts that are withheld, taken together,
    pass the screen themselves: else who subtracts the others has what was to be kept (complementary suppression). What can be computed
    from all that is published is then sums of parts that share nobody's bin and each pass, and so does whatever they add up to.
    Passing is no proof of anonymity, only of the rule.

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
    fewest, before = least(customers), _publications(earlier)
    rows = _customers(x, groups, customer, min_coverage)
    table = _withheld(rows, customers, grouped=groups is not None)
    table["released"] = table["why"] == ""
    given_away = int((table["why"] == _GIVES_AWAY).sum())
    if given_away:
        warn(f"{given_away} sum(s) over bins or groups {_GIVES_AWAY}. They are withheld as well.")
    mostly_one = int((table["released"] & (table["largest"] > table["whole"] / 2)).sum())
    if mostly_one:
        text = f"one customer is more than half of {mostly_one} sum(s) that the rule lets pass"
        warn(f"{text}: whoever reads them learns about how much that customer uses.\nLonger bins or larger groups may hide it.")
    _compare(rows, before, fewest)
    table.loc[~table["released"], "value"] = np.nan
    columns = ["group", *_KIND[:3], "start", "end", "scope", "n_customers", "value", "unit", "released", "why"]
    inputs = {"customers": customers, "usage points": int(rows["usage_point"].nunique()), "min_coverage": min_coverage}
    text = f"sums over customers, screened: {_rule(customers)}"
    return stamp(table[columns], definition=text, inputs=inputs, source="CPUC D.14-05-016")


def _rule(customers: str) -> str:
    fewest, percent = RELEASE_RULES[customers]
    return f"at least {fewest} {customers} customers" + (f", none more than {percent} %" if percent is not None else "")


def _publications(earlier: Iterable[Collection[str]]) -> list[set[str]]:
    """Return the usage points of each earlier publication."""
    given = list(earlier)
    if any(isinstance(one, str | pd.DataFrame) for one in given):
        hint = 'One collection of usage points a publication: earlier=[first.meters["usage_point"]].'
        raise ConfigurationError("`earlier` must be a list of publications", hint=hint)
    return [set(map(str, one)) for one in given]


def _customers(x: Any, groups: Mapping[str, str] | None, customer: Mapping[str, str] | None, min_coverage: float) -> pd.DataFrame:
    """Return what each customer has in each bin, and the group that it is of: ``"all"`` where there are none."""
    binned = is_binned(x)
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
    rows["group"] = "all" if groups is None else _named(rows["usage_point"], groups, "group")
    if groups is not None and (rows["group"] == "all").any():
        raise ConfigurationError("no group can be called 'all': that is everybody", hint="Give it another name.")
    rows["customer"] = rows["usage_point"] if customer is None else _named(rows["usage_point"], customer, "customer")
    return rows


def _named(points: pd.Series, names: Mapping[str, str], what: str) -> pd.Series:
    """Return the name of each usage point in a mapping."""
    found = points.map(dict(names))
    if found.isna().any():
        n = points[found.isna()].nunique()
        raise ConfigurationError(f"{n} usage point(s) have no {what}", hint=f"Name a {what} for each, if only 'other'.")
    return found.astype("str")


def _withheld(rows: pd.DataFrame, customers: str, *, grouped: bool) -> pd.DataFrame:
    """Return a row for each number that is published, and why it must be withheld.

    A cell is a group in a bin. What readers can tell apart is kept in parts that have no cell in common and pass each for itself: the cells
    that are published, and then of each sum the cells that no part has yet, which subtraction would give. A sum that cuts through a part is
    withheld.
    """
    each = rows.groupby([*_SUMS["cell"], "customer"], sort=False, dropna=False)["value"].sum().reset_index()
    each["amount"] = each["value"].abs()
    each["of_cell"] = each.groupby(_SUMS["cell"], sort=False).ngroup()
    labels = each.drop_duplicates("of_cell").copy()  # a row a cell, in the order of their numbers
    for name in ("bin", "group", "whole"):
        labels[f"of_{name}"] = labels.groupby(_SUMS[name], sort=False).ngroup()
        each[f"of_{name}"] = labels[f"of_{name}"].to_numpy()[each["of_cell"]]
    added = each[each["measure"] != "power"]

    def together(some: pd.DataFrame, name: str) -> pd.DataFrame:
        return _sums(some, f"of_{name}", customers)

    def labelled(table: pd.DataFrame, name: str, scope: str) -> pd.DataFrame:
        by = labels.groupby(f"of_{name}")
        of = by[["group", *_KIND]].first() if name in ("cell", "group") else by[_KIND].first().assign(group="all")
        return table.join(of).join(by.agg(start=("start", "min"), end=("end", "max"))).assign(scope=scope)

    def withhold(table: pd.DataFrame, numbers: Any) -> None:
        table.loc[table.index.isin(numbers) & (table["why"] == ""), "why"] = _GIVES_AWAY

    cells = together(each, "cell")
    hidden = each[each["of_cell"].isin(cells.index[cells["why"] != ""])]
    if not grouped:
        tables = [labelled(cells, "cell", "bin")]
        cut = hidden.iloc[:0]
    else:
        bins, rest = together(each, "bin"), together(hidden, "bin")
        withhold(bins, rest.index[rest["why"] != ""])
        parted = hidden["of_bin"].isin(rest.index[rest["why"] == ""])  # these cells of a bin are a part: they are told together
        cut, hidden = hidden[parted], hidden[~parted]
        tables = [labelled(bins, "bin", "bin"), labelled(cells, "cell", "bin")]
    hidden = hidden[hidden["measure"] != "power"]
    wholes, rest = together(added, "whole"), together(hidden, "whole")
    withhold(wholes, rest.index[rest["why"] != ""])
    tables.append(labelled(wholes, "whole", "period"))
    if grouped:
        sums, rest = together(added, "group"), together(hidden, "group")
        withhold(sums, rest.index[rest["why"] != ""])
        withhold(sums, cut["of_group"])
        told = hidden[hidden["of_whole"].isin(wholes.index[wholes["why"] == ""])]  # a part, which may be of several groups
        withhold(sums, told.loc[told.groupby("of_whole")["of_group"].transform("nunique") > 1, "of_group"])
        tables.append(labelled(sums, "group", "period"))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _sums(each: pd.DataFrame, by: str, customers: str) -> pd.DataFrame:
    """Return customers, sum, largest and whole amount of each set of cells, and why it must be withheld."""
    one = each.groupby([by, "customer"], sort=False)[["value", "amount"]].sum()
    groups = one.groupby(level=0)
    table = groups.agg(n_customers=("value", "size"), value=("value", "sum"), largest=("amount", "max"), whole=("amount", "sum"))
    table["why"] = why_withheld(table["n_customers"], table["largest"], table["whole"], customers)
    return table


def _compare(rows: pd.DataFrame, before: list[set[str]], fewest: int) -> None:
    """Warn where the customers of a group differ little from those of an earlier publication."""
    customer = dict(zip(rows["usage_point"], rows["customer"], strict=True))
    groups = {"all": rows} | (dict(iter(rows.groupby("group", sort=False))) if (rows["group"] != "all").any() else {})
    for group, some in groups.items():
        here = set(some["customer"])
        for number, points in enumerate(before, 1):
            there = {customer.get(point, point) for point in points}
            differ = len(here ^ there)
            if here & there and 0 < differ < fewest:
                text = f"the customers of {group!r} differ from earlier publication {number} by {differ}, fewer than {fewest}"
                warn(f"{text}: the difference of the two would say what they use.\nPublish the same customers, or only one of the two.")
