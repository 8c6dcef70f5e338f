"""What the homes of a cohort are together: how far their peaks coincide, which kinds of days they have, and what they would pay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from smd_notebook.analysis.homebills import comparison_of, priced, pricing_of
from smd_notebook.analysis.homedays import days_of, typical_days_of
from smd_notebook.analysis.homemeters import Meters
from smd_notebook.analysis.homepeaks import coincidence_of, curve_of, rates_of
from smd_notebook.analysis.homerows import joined, tidy_rows
from smd_notebook.analysis.homestore import BATCH, Store
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.profiles import slot_length
from smd_notebook.analysis.typical import Shaping, TypicalDays, tried_of, typical_days
from smd_notebook.analysis.workers import in_order
from smd_notebook.errors import ConfigurationError, warn

if TYPE_CHECKING:
    from datetime import date

    from smd_notebook.analysis.schedules import Tariff

__all__ = ["Together"]

#: A table of the store, and some of its rows.
Piece = tuple[str, list[dict[str, Any]]]


class Together(Meters):
    """Meters of a store, some at a time: what is said of all of them at once."""

    _store: Store

    def coincidence(self, bins: Any = None, *, min_share: float = 1.0, min_coverage: float = 1.0, **where: Any) -> pd.DataFrame:
        """Say how far the peaks of the meters coincide, as `smd.analysis.coincidence` does.

        Parameters
        ----------
        bins : str or sequence of times, optional
            Bins to put the intervals into first, as in `resample`, where meters have steps of unlike lengths.
        min_share : float, default 1
            Share of the meters that must be valid at an instant for it to count [1].
        min_coverage : float, default 1
            How much of a bin must be covered [1].
        **where : Any
            `client` or `processes`, as in `apply`.

        Returns
        -------
        DataFrame, shape (2 * n_meters + 4, 8)
            As there.

        Raises
        ------
        ConfigurationError
            If there are fewer than two meters, they are of several flows, or an argument is not understood.
        UnitError
            If intervals do not line up, or rates are of unlike units.

        Warns
        -----
        SmdWarning
            Where instants that count are less than half of the time, or there are none.

        Notes
        -----
        The meters are read once or twice, ten at a time; the memory that it takes does not grow with their number.
        """
        table = coincidence_of(self._rates(bins, min_coverage, **where), min_share)
        return self._stamped(table, f"coincidence of peaks{_in_bins(bins)}: the highest sum over the sum of the highest")

    def coincidence_curve(
        self,
        bins: Any = None,
        *,
        sizes: Sequence[int] | None = None,
        subsets: int = 30,
        seed: int = 0,
        min_share: float = 1.0,
        min_coverage: float = 1.0,
        **where: Any,
    ) -> pd.DataFrame:
        """Say how high the peak of a group is, by how many meters are in it.

        Parameters
        ----------
        bins : str or sequence of times, optional
            As in `coincidence`.
        sizes : sequence of int, optional
            Numbers of meters; by default 1, 2, 5, 10, 20 ... and all.
        subsets : int, default 30
            How many groups of each size are drawn, without putting back: the first so many meters of as many random orders.
        seed : int, default 0
            Which random orders.
        min_share, min_coverage : float, default 1
            As in `coincidence`. The instants that count are the same for all groups: those at which so many of all meters are valid.
        **where : Any
            `client` or `processes`, as in `apply`.

        Returns
        -------
        DataFrame, shape (n_sizes, 10)
            `meters` in a group, `subsets`; the highest sum of a group by the number of its meters [unit]: its `mean` over the groups,
            `p10`, `p50`, `p90`, and `unit`; the mean `coincidence_factor` [1] of those that have one, which groups without any load have
            not; `interval`, and `coverage` of the time that counts [1].

        Raises
        ------
        ConfigurationError, UnitError
            As in `coincidence`, and if there are not so many meters.

        Warns
        -----
        SmdWarning
            As in `coincidence`, and where groups have no load, and so no coincidence factor.

        Notes
        -----
        What a transformer or a feeder must carry for one more home. It holds a sum of each group at each instant: of 30 groups of 10 sizes
        over a year of hours that is 21 MB, of quarter hours 84 MB.

        References
        ----------
        Definition R3: coincidence factor. Rusck, The simultaneous demand in distribution network supplying domestic consumers, ASEA
        Journal 10(11), 1956: the coincidence of n homes tends to a limit.
        """
        table = curve_of(self._rates(bins, min_coverage, **where), min_share, sizes, subsets, seed)
        text = f"highest sum of random groups of meters by their number{_in_bins(bins)}; seed {seed}"
        return self._stamped(table, text)

    def typical_days(
        self,
        k: int | Sequence[int] = range(2, 11),
        *,
        slot: str = "1h",
        normalise: bool = True,
        demin: bool = False,
        min_coverage: float = 1.0,
        sample: int = 5_000,
        seed: int = 0,
        client: Any = None,
        processes: int | None = 1,
    ) -> TypicalDays:
        """Group the days of all meters by the shape of their load, as `smd.analysis.typical_days` does.

        Parameters
        ----------
        k : int or sequence of int, default 2 to 10
            Number of clusters; of several, the one with the best silhouette is taken.
        slot, normalise, demin, min_coverage : Any
            As there.
        sample : int, default 5,000
            Where there are more complete days than these, clusters are made of so many, drawn at random from all, and every other day is
            in the cluster whose centre is the nearest.
        seed : int, default 0
            Which days are drawn, and where the random starts of k-means begin.
        client, processes : optional
            As in `apply`.

        Returns
        -------
        TypicalDays
            `calendar` has a row for each day of each meter, and so grows with their number; `centres` and `scores` are those of the sample,
            and the sizes and errors in `centres` those of all days.

        Raises
        ------
        ConfigurationError
            If scikit-learn is not installed (extra ``cluster``), an argument is not understood, days are too few for the clusters, or all
            meters have intervals longer than a slot.
        UnitError
            As there.

        Warns
        -----
        SmdWarning
            Where some meters have intervals longer than a slot; they are left out.
        """
        tried = tried_of(k)
        how = Shaping(slot, min_coverage, normalise, demin)
        long = (self._there()["interval"] > pd.Timedelta(slot_length(slot), unit="us")).to_numpy()
        if long.any() and not long.all():  # meters of days, as of gas, have no time of day
            warn(f"{long.sum()} of {long.size} meters are left out: their intervals are longer than {slot}")
            shaping: dict[str, Any] = {"slot": slot, "normalise": normalise, "demin": demin, "min_coverage": min_coverage}
            return self.select(~long).typical_days(k, **shaping, sample=sample, seed=seed, client=client, processes=processes)
        days = (self._meters["last"] - self._meters["first"]).dt.days + 2
        if days.sum() <= sample:
            frame = joined([tidy_rows(self._store, *piece) for piece in self._pieces()])
            return typical_days(frame, tried, slot=slot, normalise=normalise, demin=demin, min_coverage=min_coverage, seed=seed)
        pieces = [(str(self._store.path), how, *piece) for piece in self._pieces()]
        return typical_days_of(lambda skip: in_order(days_of, pieces[skip:], client=client, processes=processes), tried, how, sample, seed)

    def compare_tariffs(
        self,
        tariffs: Sequence[Tariff] | Mapping[str, Tariff],
        *,
        cycles: str | Sequence[tuple[Any, Any]] = "1MS",
        rates_as_of: date | str | None = None,
        territory: str | None = None,
        income_tier: str | int | None = None,
        export_price: float | None = None,
        all_electric: bool = False,
        client: Any = None,
        processes: int | None = 1,
    ) -> pd.DataFrame:
        """Say what each home would pay under each of several tariffs, as `smd.analysis.bill` prices it.

        Parameters
        ----------
        tariffs : sequence of Tariff, or mapping of str to Tariff
            What `load_tariff` returned, by their own names or by yours; the first is what the others are compared with.
        cycles : str or sequence of (first, last), default "1MS"
            Billing cycles: calendar months, or inclusive local dates.
        rates_as_of, territory, income_tier, export_price, all_electric : Any
            As in `smd.analysis.bill`; the same for all homes. Where these differ, compare by `groups`.
        client, processes : optional
            As in `apply`.

        Returns
        -------
        DataFrame, shape (n_homes * n_tariffs, 11)
            `usage_point`, `tariff`, number of `cycles`, `energy` that was imported and `exported` [kWh], `amount` of all cycles
            [currency], its `difference` to the first tariff's [currency], whether it is the `cheapest`, `currency`, time that was
            `not_metered` and so is not priced [h], and `coverage` of the cycles by imports [1].

        Raises
        ------
        ConfigurationError
            If tariffs share a name, lack rates on these days, or miss an argument; or if no home can be priced.
        UnitError
            If there are no imports of electric energy.

        Warns
        -----
        SmdWarning
            Where some homes cannot be priced, such as those with a net of both directions, or with meters of power.
        """
        customer: dict[str, Any] = {"territory": territory, "income_tier": income_tier, "all_electric": all_electric}
        pricing = pricing_of(tariffs, cycles, rates_as_of, export_price, **customer)
        pieces = [(str(self._store.path), pricing, some) for some in self._homes()]
        table = comparison_of(in_order(priced, pieces, client=client, processes=processes), pricing)
        electric = self._meters[self._meters["service"] == "electricity"].groupby("usage_point")["measure"]
        without = int((~electric.agg(lambda measures: "energy" in set(measures))).sum())
        if without:
            warn(f"{without} home(s) were not priced: their meters hold power or reads of registers, and no energy")
        inputs: dict[str, Any] = {name: f"{one.utility} {one.name}, {one.source}" for name, (one, _) in pricing.tariffs.items()}
        inputs |= {"cycles": str(cycles), "rates as of": str(rates_as_of), "export price": export_price, **customer}
        inputs |= {"a real bill has besides": sorted({item for one, _ in pricing.tariffs.values() for item in one.left_out})}
        return self._stamped(table, "bills of each home under several tariffs", **inputs)

    # -- inside ------------------------------------------------------------------------------------------------------------------------

    def _stamped(self, table: pd.DataFrame, definition: str, **inputs: Any) -> pd.DataFrame:
        about = {"cohort": self._store.path.name, "meters": len(self), "zone": ", ".join(sorted(set(self._meters["zone"])))}
        return stamp(table, definition=definition, inputs={**about, **inputs})

    def _rates(self, bins: Any, min_coverage: float, *, client: Any = None, processes: int | None = 1) -> Any:
        """Return what yields the rates of the meters, some at a time."""
        flows = sorted(set(self._meters["flow"]))
        if len(flows) > 1:
            text = f"the meters are of several flows ({', '.join(flows)}), whose sum is nobody's load"
            raise ConfigurationError(text, hint=f"Select one: cohort.select(flow={flows[0]!r}).")
        pieces = [(str(self._store.path), bins, min_coverage, *piece) for piece in self._pieces()]
        return lambda skip: in_order(rates_of, pieces[skip:], client=client, processes=processes)

    def _pieces(self) -> Iterator[Piece]:
        """Yield meters that stand in one chunk: the table, and what `tidy_rows` needs to know of each."""
        for (table, _), rows in self._places().groupby(["table", "chunk"], sort=False):
            yield _piece(table, rows)

    def _homes(self) -> Iterator[list[Piece]]:
        """Yield the meters of electric energy of some homes that stand in one chunk, wherever their other meters do."""
        wanted = self._places()[((self._meters["service"] == "electricity") & (self._meters["measure"] == "energy")).to_numpy()]
        first = wanted.groupby("usage_point", sort=False)[["table", "chunk"]].transform("first")
        for _, homes in wanted.groupby([first["table"], first["chunk"]], sort=False):
            yield [_piece(table, rows) for table, rows in homes.groupby("table", sort=False)]

    def _places(self) -> pd.DataFrame:
        """Return where the meters stand in the store, and when they begin and end [s since 1970]."""
        places = self._there()[["table", "row", "usage_point", "channel", "first", "last"]].copy()
        for name in ("first", "last"):
            places[name] = places[name].dt.as_unit("s").astype("int64")
        places["chunk"] = places["row"] // BATCH
        return places


def _piece(table: Any, rows: pd.DataFrame) -> Piece:
    return str(table), cast("Any", rows.drop(columns=["table", "chunk"]).to_dict("records"))


def _in_bins(bins: Any) -> str:
    return "" if bins is None else f", in bins of {bins}"
