"""Cohorts: many homes read once into one store, and analysed some at a time by the same functions as one home."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.homearrays import Arrays
from smd_notebook.analysis.homecheck import check_files
from smd_notebook.analysis.homefiles import folder_of
from smd_notebook.analysis.homerows import applied, bins_to_add, gathered, groups_of, joined, meters_of, tidy_rows
from smd_notebook.analysis.homestore import Store, exported
from smd_notebook.analysis.intake import Options, Source, fingerprints, options_of, sources_of, take_in, tens
from smd_notebook.analysis.measures import metrics
from smd_notebook.analysis.release import release_screen
from smd_notebook.analysis.workers import check_workers, in_order, unbroken, writing
from smd_notebook.errors import ConfigurationError, enforce, needs, on_disk, warn
from smd_notebook.findings import as_frame

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Cohort"]

_FEW = 30  # sources that are read before a second process would have started
_FULL = "Make room, and run this again: it goes on from there. The homes that were finished are in it and can be read."
#: What is warned of, beside being a finding.
_TOLD = {
    "source-failed": "could not be read",
    "source-empty": "give no meter",
    "source-copied": "are copies of others, and count once",
    "meter-repeated": "hold meters that were there already, which count as they were",
    "meter-like": "hold meters with the readings of others, which may be the same homes under other ids",
}


class Cohort(Arrays):
    """Many homes in one Zarr store. Immutable: every method that changes something returns a new one; the store stays as it is.

    Parameters
    ----------
    store : path
        A store that `Cohort.read` made.

    Attributes
    ----------
    meters : DataFrame
        One row a meter, that is a channel of a usage point: `usage_point`, `channel`, `service`, `measure`, `flow`, `unit`, `interval`,
        `zone`, `first` and `last` (when its intervals begin and end), `n` intervals with a value, `coverage` (their time by that from
        `first` to `last` [1]), `source`, its `sha256`, and `n_findings` of reading it; `table` and `row` in the store; then attributes.
        It is a copy; other meters, and more columns, are those of `select` and `with_attributes`.

    Raises
    ------
    ConfigurationError
        Where there is no such store, or zarr is not installed.
    ReadError
        Where files of the store are gone: their values would read as missing.

    Examples
    --------
    >>> import smd_notebook as smd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort = smd.Cohort.read(smd.sample_cohort(2, seed=1), store=folder + "/homes.zarr", progress=False)
    ...     cohort.select(service="electricity").profile(by=(), slot="1h").groupby("usage_point")["n"].first().tolist()
    [365, 365]
    """

    def __init__(self, store: str | PathLike[str]) -> None:
        self._store = Store(Path(store))
        check_files(self._store)
        self._meters = meters_of(self._store)

    @classmethod
    def read(
        cls,
        sources: Any,
        store: str | PathLike[str],
        client: Any = None,
        *,
        clock: str = "declared",
        tz: str | None = None,
        dialect: str | None = None,
        processes: int | None = None,
        progress: bool = True,
    ) -> Cohort:
        """Read homes into a store, and open it. What is in the store already is not read again.

        Parameters
        ----------
        sources : glob, folder, iterable of sources, or mapping of names to sources
            One source a home: a path, a Feed, a Download, bytes, or a list of files that belong together; or a function that returns a
            Feed, as `sample_cohort` gives them. Homes with names, ``{"home 1": "one.xml"}``, have them in front of their usage points, and
            so may share the ids that their files give them.
        store : path
            A folder that `Cohort.read` made, or one that is not there yet, such as ``"homes.zarr"``.
        client : dask.distributed.Client, optional
            A cluster to read on. Only results come back, and this process writes them.
        clock, tz, dialect : str, optional
            As in `read`, for all sources.
        processes : int, optional
            How many processes read; by default one for each core, or none but this one where there are few sources.
        progress : bool, default True
            Whether to show how far it is.

        Returns
        -------
        Cohort
            All homes of the store. `findings` says what was noticed, and which sources could not be read.

        Raises
        ------
        ConfigurationError
            If the folder holds something else or cannot be written to, zarr is not installed, no dialect or clock has this name, `client`
            or `processes` is none, another process writes into the store, or a source is in it that was read with another clock, tz or
            dialect.
        ReadError
            If there are no sources, or the store has lost files.
        TimeZoneError
            If `tz` is no IANA name.
        FindingError
            Inside of `strict`, when all is in the store: where something was found that it does not allow.

        Warns
        -----
        SmdWarning
            Where sources could not be read, give no meter, or hold meters that were there already.

        Notes
        -----
        Homes are written ten at a time, and then that they are there. A run that is killed leaves what it has finished, and the next one
        goes on from there. Sources are told by the hashes of their bytes, so moved and renamed files are not read again, and changed ones
        are: a meter that is there already then counts as it was, with a finding. Costs and TOU numbers are not kept.
        """
        from tqdm.auto import tqdm

        options = options_of(clock, tz, dialect)
        check_workers(client, processes)
        given = sources_of(sources, Path(store))
        if processes is None and client is None and len(given) < _FEW:
            processes = 1
        work: dict[str, Any] = {"client": client, "processes": processes}
        told: Counter[str] = Counter()
        saved = partial(on_disk, Path(store), _FULL)
        with writing(Path(store)):
            with saved():
                target = Store(Path(store), create=True)
            check_files(target)
            if target.records:
                hashes = [one for part in in_order(fingerprints, ((some,) for some in tens(given)), **work) for one in part]
                given = _unread(given, hashes, target, options)
            with tqdm(total=len(given), desc="read", unit="home", disable=not (progress and given)) as bar:
                for homes in in_order(take_in, ((some, options) for some in tens(given)), **work):
                    told["source-failed"] += sum(home.failed for home in homes)
                    with saved(), unbroken():
                        records = target.add(homes)
                    for record in records:
                        told.update({one["code"] for one in record["findings"]} & (_TOLD.keys() - {"source-failed"}))
                    bar.update(len(homes))
            if given or os.access(target.path, os.W_OK):
                with saved(), unbroken():
                    target.finish()
        out = cls(store)
        enforce(target.findings)
        if any(told.values()):
            parts = [f"{told[code]} of {len(given)} sources {what}" for code, what in _TOLD.items() if told[code]]
            warn(f"{'; '.join(parts)}. cohort.findings says why")
        return out

    # -- what is there -----------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        points = self._meters["usage_point"].nunique()
        return f"<Cohort: {len(self):,} meters of {points:,} usage points, {self._store.path.name}>"

    @property
    def findings(self) -> pd.DataFrame:
        """What was noticed on reading all sources, as `Feed.findings` has it; `source` says in which one."""
        return as_frame(self._store.findings)

    def tidy(self) -> pd.DataFrame:
        """Return the intervals of all meters in one tidy frame, without cost and TOU: for some homes, not for thousands.

        Returns
        -------
        DataFrame, shape (n_intervals, 12)
            The columns of `Feed.tidy` up to `quality`. Intervals without a value are not kept, but for the first and the last.
        """
        return joined([tidy_rows(self._store, *piece) for piece in self._pieces()])

    def to_parquet(self, folder: str | PathLike[str], *, client: Any = None, processes: int | None = 1, progress: bool = True) -> None:
        """Write the meters as Parquet files by usage point, for other engines and for other cohorts: `Cohort.read` reads them back.

        Parameters
        ----------
        folder : path
            A folder that is not there yet. In it ``usage_point=<name>/<table>-<row>.parquet`` is a meter, with the columns of
            `Feed.to_parquet` but for `usage_point`, and `raw_value` and `power_of_ten`, which `value` [unit] is the product of.
        client : dask.distributed.Client, optional
            A cluster to write on; all of it must see the store and the folder.
        processes : int, optional
            How many processes otherwise: 1 is this one, None one for each core.
        progress : bool, default True
            Whether to show how far it is.

        Raises
        ------
        ConfigurationError
            If the folder is there and not empty or cannot be written to, pyarrow is not installed, or the file system cannot tell the
            usage points apart.

        Notes
        -----
        The folder names are those of Hive partitions. Engines make numbers of names that look like numbers unless they are told not to:
        ``read_parquet('homes/**/*.parquet', hive_partitioning=true, hive_types={'usage_point': varchar})`` in DuckDB,
        ``scan_parquet("homes", hive_schema={"usage_point": pl.String})`` in polars.
        """
        from tqdm.auto import tqdm

        needs("Parquet", "pyarrow", "cohort")
        check_workers(client, processes)
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigurationError(f"{target.name!r} is there already", hint="Name a folder that is not.")
        wanted = {folder_of(point) for point in self._meters["usage_point"]}
        pieces = [(str(self._store.path), target, *piece) for piece in self._pieces()]
        saved = on_disk(target, "Make room, and write into another folder: this one is not whole.")
        with saved, tqdm(total=len(self), desc="write", unit="meter", disable=not progress) as bar:
            target.mkdir(parents=True, exist_ok=True)
            for piece, _ in zip(pieces, in_order(exported, pieces, client=client, processes=processes), strict=True):
                bar.update(len(piece[-1]))
        if not wanted <= {one.name for one in target.iterdir()}:
            raise ConfigurationError(
                "this file system takes different usage points for one, such as those that differ by case", hint="feed.alias()."
            )

    # -- analysis ----------------------------------------------------------------------------------------------------------------------

    def apply(
        self, function: Callable[..., pd.DataFrame], *, client: Any = None, processes: int | None = 1, **options: Any
    ) -> pd.DataFrame:
        """Call a function of tidy frames for ten meters at a time, and put the results one below the other.

        Parameters
        ----------
        function : callable
            Such as `smd.analysis.ramps`, or your own: a tidy frame in, a frame out. With a client or several processes it must live in a
            module. What it computes must not depend on which meters stand together, and must say in a column `usage_point` whose it is.
        client : dask.distributed.Client, optional
            A cluster to compute on; all of it must see the store.
        processes : int, optional
            How many processes otherwise: 1 is this one, None one for each core.
        **options : Any
            More arguments of the function.

        Returns
        -------
        DataFrame
            In the order of `meters` by table. Only the result grows with the number of meters.

        Raises
        ------
        UnitError, ConfigurationError
            If the function can make nothing of any table of meters (where it can of some, the others are warned of), or returns something
            without `usage_point`.
        """
        if not callable(function):
            raise ConfigurationError("apply takes a function of tidy frames", hint="cohort.apply(smd.analysis.ramps)")
        pieces = [(piece[0], (str(self._store.path), function, options, *piece)) for piece in self._pieces()]
        return gathered(applied, pieces, client, processes)

    def resample(self, bins: Any, *, min_coverage: float = 0, **where: Any) -> pd.DataFrame:
        """Put the intervals of each meter into bins, as `smd.resample` does.

        Parameters
        ----------
        bins : str or sequence of times
            As there, but for ``"bill"``: the store keeps no bills.
        min_coverage : float, default 0
            As there [1].
        **where : Any
            `client` or `processes`, as in `apply`.
        """
        return self._stamped(self.apply(resample, bins=bins, min_coverage=min_coverage, **where), f"bins of {bins}")

    def metrics(self, **options: Any) -> pd.DataFrame:
        """Compute what is usually said of a load, for each meter.

        Parameters
        ----------
        **options : Any
            Those of `smd.metrics`, and `client` or `processes` as in `apply`.
        """
        return self._stamped(self.apply(metrics, **options), "metrics of a load, each by the definition beside it")

    def publish(
        self,
        bins: Any,
        *,
        customers: Literal["residential", "non-residential"],
        by: str | None = None,
        customer: str = "usage_point",
        earlier: Iterable[Collection[str]] = (),
        min_coverage: float = 1.0,
        **where: Any,
    ) -> pd.DataFrame:
        """Add the meters up in bins, and give out only what passes the release screen.

        Parameters
        ----------
        bins : str or sequence of times
            As in `resample`.
        customers : {"residential", "non-residential"}
            Which rule of `smd.analysis.release_screen` holds.
        by : str, optional
            A column of `meters` whose groups are published beside the whole; each usage point has one value there.
        customer : str, default "usage_point"
            A column of `meters` that says who the customer is, where one has several usage points; each usage point has one value there.
        earlier : iterable of collections of str
            Usage points of earlier publications, for a warning where the difference is small.
        min_coverage : float, default 1
            How much of a bin must be covered for a customer to count in it [1].
        **where : Any
            `client` or `processes`, as in `apply`.

        Returns
        -------
        DataFrame, shape (n_published_cells, 12)
            As `smd.analysis.release_screen` returns it: what is withheld has its row and a reason, and no value.

        Raises
        ------
        ConfigurationError
            If nothing passes, there is no such column, or usage points have no group or customer, or several.
        UnitError
            If meters hold what cannot be added.

        Notes
        -----
        It holds all bins of all customers while it works, so memory grows with both: days of thousands, hours of hundreds.
        """
        named: dict[str, Any] = {"groups": groups_of(self._meters, by) if by is not None else None}
        if customer != "usage_point":
            named["customer"] = groups_of(self._meters, customer)
        table = self.apply(bins_to_add, bins=bins, **where)
        screened = release_screen(table, customers=customers, earlier=earlier, min_coverage=min_coverage, **named)
        if not screened["released"].any():
            reasons = ", ".join(sorted(set(screened["why"]))) or "there is nothing in these bins"
            hint = "Longer bins, larger groups or more homes may pass; smd.analysis.release_screen shows which sums fail."
            raise ConfigurationError(f"nothing of this may be published: {reasons}", hint=hint)
        return screened


def _unread(given: list[Source], hashes: list[str], target: Store, options: Options) -> list[Source]:
    """Return the sources that are not in a store, and copies of others that it does not know of."""
    asked, known = target.asked, target.sources
    pairs = list(zip(given, hashes, strict=True))
    other = [source for source, sha in pairs if sha in asked and asked[sha] != options.asked(source)]
    if other:
        text = f"{len(other)} of {len(given)} sources are in this store, read with another clock, tz or dialect, or with and without a name"
        raise ConfigurationError(text, hint="Name another store; what is in this one stays as it was read.")
    here = {sha for source, sha in pairs if (sha, source.name) in known}
    new = []
    for source, sha in pairs:
        renamed = sha in asked and sha not in here  # one that is in the store, and whose name is not given any more
        if not renamed and (sha, source.name) not in known:
            new.append(source)
        here.add(sha)
    return new
