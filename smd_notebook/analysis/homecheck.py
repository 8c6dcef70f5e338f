"""Whether all files of a cohort's store are there: Zarr reads a chunk whose file is gone as missing values, without a word."""

from __future__ import annotations

from pathlib import Path

from smd_notebook.analysis.homestore import BATCH, DAMAGED, Store
from smd_notebook.errors import ReadError

__all__ = ["check_files"]


def check_files(store: Store) -> None:
    """Refuse a store of which files are gone or empty, as after a copy or a sync that was cut short, or a power failure.

    Parameters
    ----------
    store : Store
        It is not read; its files are looked for, one for each ten meters and year.

    Raises
    ------
    ReadError
        Where some are not there. It says how many, and which is the first.
    """
    listed = int(store.root.attrs.get("sources", 0))
    if len(store.records) < listed:
        text = f"its list of sources has {len(store.records)} of {listed}: a file below sources/c is gone"
        raise ReadError(text, source=store.path.name, hint=DAMAGED)
    lost = [name for name in _expected(store) if not _there(f"{store.path}/{name}")]
    if lost:
        text = f"{len(lost)} of its files {'is' if len(lost) == 1 else 'are'} gone or empty, so that values would be missing: {lost[0]}"
        raise ReadError(text, source=store.path.name, hint=DAMAGED)


def _expected(store: Store) -> list[str]:
    """Return the files that hold something of the meters that are listed; chunks without a value have none."""
    held = {
        (row["table"], year, name, row["row"] // BATCH if n else None)
        for record in store.records
        for row in record["meters"]
        for year, counts in zip(row["years"], row["counts"], strict=True)
        for name, n in zip(("value", "quality"), counts, strict=True)
    }
    arrays = sorted({f"{table}/y{year}/{name}/zarr.json" for table, year, name, _ in held})
    return arrays + sorted(f"{table}/y{year}/{name}/c/{chunk}/0" for table, year, name, chunk in held if chunk is not None)


def _there(path: str) -> bool:
    try:
        return Path(path).stat().st_size > 0
    except OSError:
        return False
