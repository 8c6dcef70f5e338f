"""Homes on their way into a store: what a source holds, as columns on the grid of each year. It runs in worker processes."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smd_notebook.analysis.grid import Kind, Row, most_common, row_of
from smd_notebook.analysis.homefiles import is_parquet, read_meters
from smd_notebook.clock import valid_zone
from smd_notebook.errors import Finding, ReadError, SmdError, SmdWarning
from smd_notebook.espi.channels import rows_of
from smd_notebook.espi.dialects import dialect_named
from smd_notebook.espi.model import MISSING
from smd_notebook.espi.source import handles
from smd_notebook.espi.writer import write_document
from smd_notebook.feed import Feed, read
from smd_notebook.repairs import with_clock
from smd_notebook.selection import Series, series_of, zones_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "Home",
    "Options",
    "Source",
    "fingerprints",
    "options_of",
    "sources_of",
    "take_in",
    "tens",
]

#: Files up to this are read at once [bytes].
_HELD = 1 << 26
_TAKES = "Give a glob, a folder, or a list of what smd.read takes: one source a home."
_BY_ITSELF = "Analyse this home by itself: smd.read."


class Options(NamedTuple):
    """How sources are read, as `smd_notebook.read` has it."""

    clock: str = "declared"
    tz: str | None = None
    dialect: str | None = None

    def asked(self, source: Source) -> dict[str, Any]:
        """Return what was asked for a source beyond what goes without saying."""
        told = {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}
        return told | ({"named": True} if source.named else {})


class _File(io.BytesIO):
    """A file's bytes under its name: read once, to be hashed and to be parsed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(Path(path).read_bytes())
        self.name = os.fspath(path)


@dataclass(frozen=True)
class Source:
    """A home's data before it is read: what to call it, what to read, and whether the name is the home's own."""

    name: str
    what: Any
    named: bool = False

    def sha256(self) -> str:
        """Return the hash of its bytes, or what it says of itself.

        Raises
        ------
        ReadError
            Where they cannot be had.
        """
        if isinstance(self.what, _File):
            return hashlib.sha256(self.what.getbuffer()).hexdigest()
        own = getattr(self.what, "sha256", None)
        if isinstance(own, str):
            return own
        if isinstance(self.what, Feed):
            return hashlib.sha256(write_document(self.what.document)).hexdigest()
        if callable(self.what):
            return replace(self, what=self.what()).sha256()
        if isinstance(self.what, (str, os.PathLike)) and Path(self.what).is_file():
            with Path(self.what).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        parts = []
        for handle in handles(self.what):
            sha = hashlib.sha256()
            for chunk in handle.chunks():
                sha.update(chunk)
            parts.append(sha.hexdigest())
        return parts[0] if len(parts) == 1 else hashlib.sha256(" ".join(sorted(parts)).encode()).hexdigest()


@dataclass
class Home:
    """What a source holds; where it could not be read, a finding says why, and there are no rows."""

    source: str
    sha256: str
    rows: list[Row] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it could not be read."""
        return any(one["code"] == "source-failed" for one in self.findings)


def sources_of(given: Any, store: Path) -> list[Source]:
    """Return one source a home.

    Parameters
    ----------
    given : path, glob, folder, iterable of sources, or mapping of names to sources
        What `Cohort.read` was given.
    store : path
        Where they are written to; its own files are no sources, where it stands in their folder.

    Raises
    ------
    ReadError
        Where there is nothing.
    """
    if isinstance(given, Mapping):
        given = [Source(str(name), one, named=True) for name, one in given.items()]
    elif isinstance(given, (str, os.PathLike)) and not glob.has_magic(str(given)) and not Path(given).expanduser().exists():
        raise ReadError("there is no such file or folder", source=Path(given).name, hint=_TAKES)
    inside = store.absolute()
    found = [
        one for one in _expanded(given, "source") if not (isinstance(one.what, str) and Path(one.what).absolute().is_relative_to(inside))
    ]
    if not found:
        raise ReadError("there is nothing to read", hint=_TAKES)
    return _told_apart(found)


def _told_apart(sources: list[Source]) -> list[Source]:
    """Return files of one name, as where each home has a folder of its own, under as much of their paths as they do not share."""
    paths: dict[str, list[Path]] = {}
    for source in sources:
        if isinstance(source.what, str):
            paths.setdefault(source.name, []).append(Path(source.what).absolute())
    shared = {name: os.path.commonpath([one.parent for one in some]) for name, some in paths.items() if len(set(some)) > 1}
    return [
        replace(one, name=Path(one.what).absolute().relative_to(shared[one.name]).as_posix())
        if one.name in shared and not one.named
        else one
        for one in sources
    ]


def _expanded(given: Any, name: str) -> Iterator[Source]:
    if isinstance(given, (str, os.PathLike)):
        path = Path(given).expanduser()
        if path.is_dir():
            inside = (one for one in sorted(path.rglob("*")) if one.is_file())
            yield from (_file(one) for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts))
        elif not path.exists() and glob.has_magic(str(path)):
            yield from (_file(Path(one)) for one in sorted(glob.glob(str(path), recursive=True)))
        else:
            yield _file(path)  # where it is not there, reading it says so
    elif isinstance(given, Source):
        yield given
    elif isinstance(given, Feed | bytes) or callable(given) or hasattr(given, "read") or hasattr(given, "subscription"):
        yield Source(str(getattr(given, "name", "") or name), given)
    elif isinstance(given, Iterable) and not isinstance(given, Mapping) and not hasattr(given, "columns"):  # nor a DataFrame
        for number, one in enumerate(given, 1):
            several = isinstance(one, (list, tuple))  # files that belong together
            yield from [Source(f"{name} {number}", list(one))] if several else _expanded(one, f"{name} {number}")
    else:
        raise ReadError(f"a {type(given).__name__} cannot be read", hint=_TAKES)


def _file(path: Path) -> Source:
    return Source(path.name if path.is_absolute() else path.as_posix(), str(path))


def fingerprints(sources: list[Source]) -> list[str]:
    """Return the hash of each source; empty where it cannot be read, which reading it will say."""
    found = []
    for source in sources:
        try:
            found.append(source.sha256())
        except Exception:  # noqa: BLE001 - reading it will say what is the matter
            found.append("")
    return found


def take_in(sources: list[Source], options: Options) -> list[Home]:
    """Read sources; one that cannot be read is a finding.

    Parameters
    ----------
    sources : list of Source
        What to read, each for itself.
    options : Options
        How.
    """
    return [_home(source, options) for source in sources]


def _home(source: Source, options: Options) -> Home:
    sha = ""
    try:
        what = _held(source.what)
        sha = replace(source, what=what).sha256()
        if is_parquet(source.what):
            rows, found, about = read_meters(Path(source.what))
            if not source.named:
                source = replace(source, name=about.get("source", source.name))
        else:
            rows, found = _rows(what, options)
    except SmdError as error:
        text = f"the source could not be read: {type(error).__name__}: {error.args[0]}"
        return Home(source.name, sha, findings=[_plain(Finding("source-failed", "error", text, error.hint), source)])
    except Exception as error:  # noqa: BLE001 - one bad file is a finding, whatever is the matter with it
        text = f"the source could not be read: {type(error).__name__}"  # its own text may hold a reading
        hint = "smd.read(...) of it alone shows where; please report it."
        return Home(source.name, sha, findings=[_plain(Finding("source-failed", "error", text, hint), source)])
    if not rows:
        hint = "Feeds of customers, authorizations or bills have none; ask for interval data, or leave it out."
        found = [*found, Finding("source-empty", "warning", "no interval is in this source that a cohort keeps: it gives no meter", hint)]
    if source.named:
        rows = [replace(row, usage_point=f"{source.name}/{row.usage_point}") for row in rows]
    return Home(source.name, sha, rows, [_plain(one, source) for one in found], options.asked(source))


def _held(what: Any) -> Any:
    """Return a file in memory, unless it is large; anything else as it is."""
    if isinstance(what, (str, os.PathLike)) and Path(what).is_file() and Path(what).stat().st_size <= _HELD:
        return _File(what)
    return what


def _rows(what: Any, options: Options) -> tuple[list[Row], list[Finding]]:
    """Return the meters of a feed, and what was noticed on reading it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmdWarning)  # each is a finding as well
        made = what() if callable(what) else what
        feed = made if isinstance(made, Feed) else read(made, clock=options.clock, tz=options.tz, dialect=options.dialect)
        zones, told = zones_of(feed.document, feed.tz or options.tz)
        series, noticed = series_of(feed.document, zones)
    found = [*feed.noticed, *feed.document.findings, *told, *noticed]
    rows = [_row(one, found) for one in series]
    return [row for row in rows if row is not None], found


def _plain(finding: Finding, source: Source) -> dict[str, Any]:
    return asdict(replace(finding, source=source.name))


def _row(one: Series, found: list[Finding]) -> Row | None:
    """Return a channel on its grid; what does not fit is told of."""
    channel, readings = one.channel, one.readings
    known = np.flatnonzero((readings.start != MISSING) & (readings.duration > 0))
    if known.size < len(readings):
        text = "readings without a start or a length, as reads of a register, have no place in a cohort's table; they are not in the store"
        found.append(Finding("not-on-grid", "warning", text, _BY_ITSELF, channel=channel.label, n=len(readings) - known.size))
        if not known.size:
            return None
        readings = rows_of(readings, known)
    step = channel.interval_length or most_common(readings.duration)
    power = channel.power_of_ten + readings.exponent
    kind = Kind(channel.service, channel.measure, channel.flow, channel.unit, power, step, one.zone)
    row, told = row_of(kind, channel.usage_point, channel.label, readings.start, readings.duration, readings.value, readings.quality)
    found += told
    return row


def options_of(clock: str, tz: str | None, dialect: str | None) -> Options:
    """Return the options, refused now if they would be for each source."""
    if tz is not None:
        valid_zone(tz)
    if dialect is not None:
        dialect_named(dialect)
    with_clock((), [], clock, floor=False)
    return Options(clock, tz, dialect)


def tens(sources: list[Source]) -> Iterator[list[Source]]:
    """Yield sources ten at a time."""
    rest = iter(sources)
    while some := list(islice(rest, 10)):
        yield some
