"""A cohort's Zarr store: a table for each kind of meter, in it a year a group with values as scaled integers, 10 meters x a year a chunk.

What counts is the list of sources, written last: rows that no source in it speaks of were not finished, and the next run writes over them.
So a run that is killed leaves a store that reads as of its last finished batch.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from smd_notebook.analysis.grid import Kind, Year, edges_of_year, table_name
from smd_notebook.analysis.homefiles import folder_of, write_meter
from smd_notebook.analysis.intake import Home
from smd_notebook.analysis.repeats import copied, like, repeated
from smd_notebook.datasets import METHODS, cf_unit
from smd_notebook.errors import ConfigurationError, Finding, ReadError, needs
from smd_notebook.espi.model import MISSING, MISSING_SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["BATCH", "DAMAGED", "Store", "exported", "opened", "undamaged"]

#: Meters in a chunk, and sources that are finished together.
BATCH = 10
#: Rows by which tables grow, and records in a chunk.
GROWTH = 100
_FORMAT = "smd_notebook cohort 2"
_AGAIN = "Copy the store again from where it is whole, or read the sources into another one."
#: What to do about a store that is not whole.
DAMAGED = f"{_AGAIN} What is left: xarray.open_zarr, with gaps."
_TIME = "seconds since 1970-01-01"


@contextmanager
def undamaged(path: Path, what: str) -> Iterator[None]:
    """Say what it means that zarr cannot make sense of a file: it was cut short or garbled, as on a failing disk.

    Parameters
    ----------
    path : Path
        The store.
    what : str
        What is read.

    Raises
    ------
    ReadError
        Where it is damaged.
    """
    try:
        yield
    except (KeyError, RuntimeError, SystemError, ValueError):  # of zarr, of Blosc, of a checksum, of JSON
        raise ReadError(f"{what} is damaged: a file was cut short or garbled", source=path.name, hint=_AGAIN) from None


class _Known(NamedTuple):
    """What a new source is compared with: names of tables, sources by their hashes, meters, rows of tables, sources by their readings."""

    names: dict[Kind, str]
    hashes: dict[str, str]
    points: set[tuple[str, str, str]]
    sizes: dict[str, int]
    digests: dict[tuple[object, ...], str]


class Store:
    """A cohort on disk.

    Parameters
    ----------
    path : path
        The folder, such as ``homes.zarr``.
    create : bool, default False
        Whether to make it where there is none.

    Raises
    ------
    ConfigurationError
        Where zarr is not installed, there is no store, or it is something else.
    ReadError
        Where its list of sources is damaged.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        needs("a cohort", "zarr", "cohort")
        import zarr

        self.path = Path(path)
        there = (self.path / "zarr.json").is_file()
        if not there and (not create or (self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())))):
            text = f"{self.path.name!r} is no cohort's store"
            raise ConfigurationError(
                text, hint="Make one: smd.Cohort.read(sources, store='homes.zarr'), in a folder that is not there yet."
            )
        with undamaged(self.path, "zarr.json, or that of a table,"):
            self.root = cast("Any", zarr.open_group(str(self.path), mode="a" if create else "r"))
            empty = create and not list(self.root.keys())
        if empty:
            self.root.attrs["title"] = "Green Button (ESPI) readings of a cohort"
            self.root.attrs["format"] = _FORMAT
            self._array(self.root, "sources", (0,), (GROWTH,), str, ("source",), "")
        made = str(self.root.attrs.get("format", ""))
        if made != _FORMAT and made.startswith(_FORMAT.rstrip("1234567890")):
            text = f"{self.path.name!r} was made by another version of smd_notebook"
            raise ConfigurationError(text, hint="Read the sources again, into a folder that is not there yet.")
        if made != _FORMAT:
            raise ConfigurationError(f"{self.path.name!r} is a Zarr store, and no cohort's", hint="Name another folder.")
        self.records: list[dict[str, Any]] = []
        with undamaged(self.path, "its list of sources, below sources/c,"):
            for text in self.root["sources"][:].tolist():
                if not text:
                    break  # the run was killed here
                self.records.append(json.loads(text))

    # -- what is there -----------------------------------------------------------------------------------------------------------------

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The tables by name, in the order in which they came up."""
        found: dict[str, Kind] = {}
        for record in self.records:
            for row in record["meters"]:
                found.setdefault(row["table"], Kind(*row["kind"]))
        return found

    @property
    def asked(self) -> dict[str, dict[str, Any]]:
        """How the sources were read, by their hashes: what `Options.asked` says."""
        return {record["sha256"]: record.get("asked", {}) for record in self.records if record["sha256"] and not _failed(record)}

    @property
    def sources(self) -> set[tuple[str, str]]:
        """Hashes and names of what was read."""
        return {(record["sha256"], record["source"]) for record in self.records if not _failed(record)}

    @property
    def findings(self) -> list[Finding]:
        """What was noticed on reading; a source that failed and was read later failed no more."""
        mended = {record["source"] for record in self.records if not _failed(record)}
        counting = [record for record in self.records if not (_failed(record) and record["source"] in mended)]
        return list(dict.fromkeys(Finding(**one) for record in counting for one in record["findings"]))

    @cached_property
    def origins(self) -> dict[tuple[str, int], dict[str, Any]]:
        """What is written down of the source of each row, by table and row."""
        return {(row["table"], row["row"]): record for record in self.records for row in record["meters"]}

    def years(self, table: str) -> list[int]:
        """Return the years that a table has."""
        return self._years[table]

    @cached_property
    def _years(self) -> dict[str, list[int]]:
        found: dict[str, set[int]] = {}
        for record in self.records:
            for row in record["meters"]:
                found.setdefault(row["table"], set()).update(row["years"])
        return {table: sorted(years) for table, years in found.items()}

    def read(self, table: str, first: int, last: int) -> tuple[Ints, Ints, Ints, NDArray[np.int16]]:
        """Return starts and ends [s since 1970], raw values and quality codes of rows `first` to `last`, all years in a row.

        Parameters
        ----------
        table : str
            Its name.
        first, last : int
            Rows; `last` is exclusive.
        """
        kind, parts = self.kinds[table], []
        for year in self.years(table):
            edges = edges_of_year(kind.step, kind.zone, year)
            shape = last - first, edges.size - 1
            value, quality = np.full(shape, MISSING), np.full(shape, np.int16(MISSING_SMALL))
            with undamaged(self.path, f"{table}/y{year}"):
                group = self.root[f"{table}/y{year}"]
                rows = min(group["value"].shape[0], last) - first  # later meters may have nothing in this year
                if rows > 0:
                    value[:rows], quality[:rows] = group["value"][first : first + rows], group["quality"][first : first + rows]
            parts.append((edges[:-1], edges[1:], value, quality))
        start, end = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
        return start, end, np.concatenate([part[2] for part in parts], axis=1), np.concatenate([part[3] for part in parts], axis=1)

    def export(self, folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
        """Write meters as Parquet files, each with what was noticed of it.

        Parameters
        ----------
        folder : path
            The folder of all of them.
        table : str
            Their table.
        rows : list of dict
            `row`, `usage_point`, `channel`, and `first` and `last` [s since 1970] of each, of one chunk.
        """
        low = min(one["row"] for one in rows)
        start, end, value, quality = self.read(table, low, max(one["row"] for one in rows) + 1)
        for one in rows:
            place, origin = one["row"] - low, self.origins[table, one["row"]]
            keep = (value[place] != MISSING) | (quality[place] != MISSING_SMALL) | (start == one["first"]) | (end == one["last"])
            findings = [noticed for noticed in origin["findings"] if noticed["channel"] in ("", one["channel"])]
            findings = [noticed for noticed in findings if noticed["code"] != "meter-like"]  # it is of two, and found again
            about = {"source": origin["source"], "findings": findings}
            path = folder / folder_of(one["usage_point"]) / f"{table}-{one['row']}.parquet"
            path.parent.mkdir(exist_ok=True)
            columns = (start[keep], end[keep], value[place][keep], quality[place][keep])
            write_meter(path, self.kinds[table], one["channel"], *columns, about)

    # -- writing -----------------------------------------------------------------------------------------------------------------------

    def add(self, homes: Iterable[Home]) -> list[dict[str, Any]]:
        """Write homes, and then that they are there.

        Parameters
        ----------
        homes : iterable of Home
            About `BATCH` of them.

        Returns
        -------
        list of dict
            What was written down of each that is new.
        """
        rows: dict[str, list[Any]] = {}
        names, hashes, points, sizes, digests = self._state()
        before = {record["source"] for record in self.records if record["meters"]}
        records = []
        for home in homes:
            record: dict[str, Any] = {"source": home.source, "sha256": home.sha256, "findings": home.findings, "meters": []}
            record |= {"asked": home.asked} if home.asked else {}
            if _failed(record) and any(record == one for one in self.records):
                continue
            copy = home.sha256 in hashes  # the same bytes add nothing
            if copy:
                record["findings"] = [copied(home.source, hashes[home.sha256])]
            for row in home.rows if not copy else ():
                table = names.setdefault(row.kind, table_name(row.kind, names.values()))
                if (table, row.usage_point, row.channel) in points:
                    record["findings"].append(repeated(home.source, row.channel, changed=home.source in before))
                    continue
                place = sizes.get(table, 0)
                sizes[table] = place + 1
                points.add((table, row.usage_point, row.channel))
                rows.setdefault(table, []).append((place, row))
                readings = _readings(row.kind, row.digest)
                if row.digest and readings in digests:
                    record["findings"].append(like(home.source, row.channel, digests[readings]))
                digests.setdefault(readings, home.source)
                record["meters"].append(
                    {"table": table, "kind": list(row.kind), "row": place, "usage_point": row.usage_point, "channel": row.channel}
                    | {"years": [one.year for one in row.years], "first": row.first, "last": row.last, "n": row.n, "covered": row.covered}
                    | {"digest": row.digest, "counts": [_counts(one) for one in row.years]}
                )
            if not _failed(record):
                hashes.setdefault(home.sha256, home.source)
            records.append(record)
        for table, some in rows.items():
            self._write(table, some)
        self._commit(records)
        return records

    def _state(self) -> _Known:
        if not hasattr(self, "_known"):
            self._known = _Known({kind: name for name, kind in self.kinds.items()}, {}, set(), {}, {})
            for record in self.records:
                if not _failed(record):
                    self._known.hashes.setdefault(record["sha256"], record["source"])
                for row in record["meters"]:
                    table = row["table"]
                    self._known.points.add((table, row["usage_point"], row["channel"]))
                    self._known.sizes[table] = self._known.sizes.get(table, 0) + 1
                    self._known.digests.setdefault(_readings(self.kinds[table], row["digest"]), record["source"])
            self._clear(self._known.sizes)
        return self._known

    def _clear(self, sizes: dict[str, int]) -> None:
        """Take away what a run that was killed left unfinished, so that it cannot pass for another home's."""
        for half in self.path.rglob("*.partial"):  # zarr writes a file beside its place, and then puts it there
            half.unlink()
        for table, group in list(self.root.groups()):
            if table not in sizes:
                del self.root[table]
                continue
            years = {f"y{year}" for year in self.years(table)}
            for name, year in list(group.groups()):
                if name not in years or "quality" not in year:
                    del group[name]
                    continue
                for array in (year["value"], year["quality"]):
                    if array.shape[0] > sizes[table]:
                        array[sizes[table] :] = array.fill_value  # a chunk that stays may hold some of it
                        array.resize((sizes[table], array.shape[1]))

    def _array(self, group: Any, name: str, shape: Any, chunks: Any, dtype: Any, dims: tuple[str, ...], fill: Any, **attrs: Any) -> Any:
        from zarr.codecs import BloscCodec, Crc32cCodec

        # without a checksum Blosc may make other values of a garbled chunk, without a word
        codecs = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec()
        return group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=fill,
            compressors=codecs,
            dimension_names=dims,
            attributes=attrs,
            overwrite=True,
        )

    def _year(self, table: str, kind: Kind, year: int) -> Any:
        """Return the group of a year, made where there is none."""
        group = self.root.require_group(f"{table}/y{year}")
        if "quality" in group:  # the last that is made
            return group
        edges = edges_of_year(kind.step, kind.zone, year)
        n = edges.size - 1
        dims, chunks = ("meter", "time"), (BATCH, n)
        about = {"standard_name": "time", "axis": "T", "bounds": "time_bnds", "units": _TIME, "long_name": "interval start (UTC)"}
        self._array(group, "time", (n,), (n,), "i8", ("time",), 0, **about)[:] = edges[:-1]
        self._array(group, "time_bnds", (n, 2), (n, 2), "i8", ("time", "bnds"), 0, units=_TIME)[:] = np.stack([edges[:-1], edges[1:]], 1)
        what: dict[str, Any] = {"units": cf_unit(kind.unit), "scale_factor": float(f"1e{kind.power_of_ten}")}
        what |= {"cell_methods": METHODS[kind.measure]} if kind.measure in METHODS else {}
        self._array(group, "value", (0, n), chunks, "i8", dims, MISSING, _FillValue=MISSING, **what)
        flags = {"long_name": "ESPI ReadingQuality", "_FillValue": int(MISSING_SMALL)}
        self._array(group, "quality", (0, n), chunks, "i2", dims, MISSING_SMALL, **flags)
        return group

    def _write(self, table: str, rows: list[Any]) -> None:
        """Write rows that follow one another, by chunks."""
        kind = rows[0][1].kind
        first, last = rows[0][0], rows[-1][0] + 1
        for year in sorted({one.year for _, row in rows for one in row.years}):
            group = self._year(table, kind, year)
            n = group["value"].shape[1]
            value = np.full((last - first, n), MISSING, dtype=np.int64)
            quality = np.full((last - first, n), MISSING_SMALL, dtype=np.int16)
            for place, row in rows:
                for one in row.years:
                    if one.year == year:
                        value[place - first, one.place], quality[place - first, one.place] = one.value, one.quality
            for name, block in (("value", value), ("quality", quality)):
                with undamaged(self.path, f"{table}/y{year}/{name}"):  # a chunk that has room left is read
                    array = group[name]
                    if array.shape[0] < last:
                        array.resize((last + GROWTH - last % GROWTH, n))
                    array[first:last] = block

    def _commit(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        array = self.root["sources"]
        first, last = len(self.records), len(self.records) + len(records)
        texts = [json.dumps(record, sort_keys=True) for record in records]
        array.resize((last,))
        array[first:last] = np.array(texts, dtype=object)
        self.records += records
        for name in ("kinds", "origins", "_years"):
            self.__dict__.pop(name, None)

    def finish(self) -> None:
        """Make all years of a table as long as it is, and write what xarray labels the meters by, and how many sources there are."""
        sizes = self._state().sizes
        labels: dict[str, dict[str, list[Any]]] = {}
        for record in self.records:
            for row in record["meters"]:
                here = labels.setdefault(row["table"], {"usage_point": [], "channel": [], "coverage": []})
                here["usage_point"].append(row["usage_point"])
                here["channel"].append(row["channel"])
                here["coverage"].append(row["covered"] / (row["last"] - row["first"]))
        for table, columns in labels.items():
            kind, group = self.kinds[table], self.root[table]
            group.attrs.update({name: value for name, value in kind._asdict().items() if value is not None})
            for year in (group[f"y{year}"] for year in self.years(table)):
                for name in ("value", "quality"):
                    year[name].resize((sizes[table], year[name].shape[1]))
                for name, values in columns.items():
                    known: Any = ("f8", 0.0, "f8") if name == "coverage" else (str, "", object)
                    array = self._array(year, name, (len(values),), (1000,), known[0], ("meter",), known[1])
                    array[:] = np.array(values, dtype=known[2])
                year.attrs["coordinates"] = " ".join(columns)
        self.root.attrs["sources"] = len(self.records)


def exported(path: str, folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    """Write meters of a store as Parquet files, as `Store.export`, in whatever process."""
    opened(path).export(folder, table, rows)


def opened(path: str) -> Store:
    """Return a store to read from: the same one as long as nothing was written to it, for its list of sources may be long.

    Parameters
    ----------
    path : str
        The folder.
    """
    listed = Path(path, "sources", "zarr.json").stat()
    return _opened(path, listed.st_mtime_ns, listed.st_ino)


@lru_cache(maxsize=4)
def _opened(path: str, *_: int) -> Store:
    return Store(path)


def _counts(year: Year) -> list[int]:
    """Return how many values and qualities there are."""
    return [int((year.value != MISSING).sum()), int((year.quality != MISSING_SMALL).sum())]


def _readings(kind: Kind, digest: str) -> tuple[object, ...]:
    """Return what the readings of two meters have in common where they are the same, whatever their tables' powers of ten and zones."""
    return kind.service, kind.measure, kind.flow, kind.unit, digest


def _failed(record: dict[str, Any]) -> bool:
    return any(one["code"] == "source-failed" for one in record["findings"])
