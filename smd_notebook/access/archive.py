"""An archive of raw replies: a file and its provenance for each window asked for, complete or not there at all.

A reply is written under a hidden name, synced, and renamed; then its provenance follows in the same way. Where both are there, and the
hash is right, the window is done. Whatever a crash leaves behind, the next download asks for what is not done, and for nothing else.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, count
from pathlib import Path
from typing import Any
from xml.parsers import expat

from smd_notebook.access.files import write_private
from smd_notebook.access.windows import Window, gaps, stamp
from smd_notebook.errors import ConfigurationError, NotReady, ReadError, Unavailable, on_disk

__all__ = ["Download", "Reply", "folder_of", "is_intact", "locked", "plain_name", "replies", "set_aside", "store", "whole"]

#: A window that was asked for so soon after its end may still change [s]: utilities validate readings until after the bill.
SETTLED = 45 * 86400
#: Codes of espi:QualityOfReading that say that a better reading may follow: estimated, questionable, projected, mixed, raw.
LESSER_QUALITIES = frozenset({8, 9, 10, 12, 13, 14})
_QUALITY = re.compile(rb"<(?:[\w.-]+:)?(?:quality|defaultQuality)\s*>\s*(\d{1,3})\s*<")
_READING = re.compile(rb"<(?:[\w.-]+:)?IntervalReading[\s>]")
#: In lower case, as there are file systems to which `a` and `A` are one name; and what Windows keeps for its devices is not among them.
_PLAIN = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9][a-z0-9_-]{0,63}")
_ROOTS = frozenset({"feed", "entry"})


@dataclass(frozen=True)
class Reply:
    """What is known of one reply: its provenance, as it stands beside it (``….json``).

    Parameters
    ----------
    start, end : int
        The window that it answers [s since 1970-01-01T00:00Z]; `end` is exclusive.
    status : int
        HTTP status: 200 with data, 204 without, 202 for later.
    file : str
        The reply's file in the same folder; empty without data.
    sha256 : str
        Hash of the file.
    size : int
        Its length [bytes].
    readings : int
        How many IntervalReadings are in it.
    provisional : str
        Why it may still change: ``"young"``, ``"quality"``, ``"empty"`` where there were no data; else nothing.
    custodian, subscription, usage_point : str
        Whose data it is.
    url : str
        What was asked; it holds no secret.
    requested_at, received_at : str
        When [ISO 8601, UTC].
    content_type : str
        As the utility said.
    ids : dict of str to str
        Its headers ``x-tra…``, to quote when asking the utility.
    package : str
        The version that archived it.
    """

    start: int
    end: int
    status: int
    file: str = ""
    sha256: str = ""
    size: int = 0
    readings: int = 0
    provisional: str = ""
    custodian: str = ""
    subscription: str = ""
    usage_point: str = ""
    url: str = ""
    requested_at: str = ""
    received_at: str = ""
    content_type: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    package: str = ""

    @property
    def window(self) -> Window:
        """The window that it answers."""
        return self.start, self.end

    @property
    def done(self) -> bool:
        """Whether the utility answered for good: with data, or that there are none."""
        return self.status in (200, 204)

    def supersedes(self, other: Reply) -> bool:
        """Tell whether this later reply makes an earlier one needless: it spans it, and holds no fewer readings."""
        wider = self.start <= other.start and other.end <= self.end
        return self.status == 200 and wider and self.received_at > other.received_at and self.readings >= other.readings


# -- writing ---------------------------------------------------------------------------------------------------------------------------


def folder_of(to: str | Path, *names: str) -> Path:
    """Return the folder ``to/name/name…``, private to the user, and make it where it is not there.

    Parameters
    ----------
    to : path
        The archive; where it is there already its mode is left alone, unlike those below it.
    *names : str
        Folders below: a custodian, a subscription, a usage point. What is no plain name is replaced by its hash.

    Raises
    ------
    ConfigurationError
        Where it cannot be made.
    """
    path = Path(to).expanduser()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            path /= plain_name(name)
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the archive's folder cannot be made ({reason})", hint="Choose another with to=.") from None
    return path


def plain_name(name: str) -> str:
    """Return a name that any file system takes, and takes for no other: what is not plain is replaced by its hash.

    >>> plain_name("1234567890"), plain_name("bulk-50098"), plain_name("../x") == plain_name("../y")
    ('1234567890', 'bulk-50098', False)
    """
    return name if _PLAIN.fullmatch(name) else "x" + hashlib.sha256(name.encode()).hexdigest()[:24]


@contextmanager
def locked(folders: tuple[Path, ...]) -> Iterator[None]:
    """Keep other downloads out of these folders.

    Raises
    ------
    ConfigurationError
        Where another one is at it, or they cannot be written.
    """
    from filelock import FileLock, Timeout

    with ExitStack() as stack:
        for folder in sorted(set(folders)):
            with on_disk(folder / ".lock"):
                try:
                    stack.enter_context(FileLock(folder / ".lock", timeout=0, mode=0o600))
                except Timeout:
                    hint = "Wait until it ends, stop it, or choose another folder with to=."
                    raise ConfigurationError(f"another download is writing into {folder}", hint=hint) from None
                for leftover in (*folder.glob(".*.xml-*"), *folder.glob(".*.json-*")):  # of a write that a crash cut off
                    leftover.unlink()
        yield


def whole(data: bytes) -> bool:
    """Tell whether a reply is one whole Atom feed or ESPI document: well-formed to its end, without DOCTYPE.

    >>> whole(b"<feed></feed>"), whole(b"<feed><entry>"), whole(b"<html></html>")
    (True, False, False)
    """
    roots: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: Any) -> None:
        raise ValueError

    def first(name: str, _: Any) -> None:
        roots.append(name)
        parser.StartElementHandler = None

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = first, refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError):
        return False
    space, _, name = roots[0].rpartition(" ")
    return name in _ROOTS or "naesb.org/espi" in space


def store(folder: Path, reply: Reply, data: bytes = b"") -> Reply:
    """Put a reply and its provenance into a folder, and return the record with what was found in it.

    Parameters
    ----------
    folder : Path
        A folder of `folder_of`, locked.
    reply : Reply
        What is known of it.
    data : bytes
        Its body, where its status is 200.

    Raises
    ------
    Unavailable
        Where the body is cut short or is no Green Button data: then nothing is kept.
    ConfigurationError
        Where the disk is full, or the folder cannot be written: then nothing is kept either.
    """
    found: dict[str, Any] = {"package": _version()}
    stem = _stem(folder, reply)
    if reply.status == 200:
        if not whole(data):
            raise Unavailable(
                "the utility's reply is cut short or is no Green Button data",
                hint="Run the same download again: it goes on where it stopped.",
                status_code=200,
                retryable=True,
                ids=reply.ids,
            )
        found |= {"file": f"{stem}.xml", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        lesser = LESSER_QUALITIES & {int(code) for code in _QUALITY.findall(data)}
        found |= {"readings": len(_READING.findall(data)), "provisional": reply.provisional or ("quality" if lesser else "")}
    done = Reply(**{**asdict(reply), **found})
    try:
        if done.file:
            write_private(folder / done.file, data)
        write_private(folder / f"{stem}.json", json.dumps(asdict(done), indent=1).encode())
    except ConfigurationError:
        with suppress(OSError):
            for name in (f"{stem}.json", f"{stem}.xml"):
                (folder / name).unlink(missing_ok=True)
        raise
    return done


def _stem(folder: Path, reply: Reply) -> str:
    """Return a name for a window; a window that is archived already gets a number behind it, and what is there stays."""
    name = "_".join(re.sub(r"[-:]", "", stamp(at)) for at in reply.window)
    taken = {path.stem for path in folder.glob(f"{name}*.json") if (one := _load(path)) is not None and one.done}
    return next(stem for stem in chain([name], (f"{name}-{n}" for n in count(2))) if stem not in taken)


@cache
def _version() -> str:
    try:
        return version("smd_notebook")
    except PackageNotFoundError:  # from a checkout that is not installed
        return ""


# -- reading ---------------------------------------------------------------------------------------------------------------------------

_TYPES = {one.name: {"int": int, "str": str}.get(str(one.type), dict) for one in fields(Reply)}


def _load(path: Path) -> Reply | None:
    """Return a record; None where it is damaged, so that its window is asked for again."""
    try:
        given = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(given, dict) or any(not isinstance(given.get(name), kind) for name, kind in _TYPES.items()):
        return None
    record = Reply(**{name: given[name] for name in _TYPES})
    safe = not record.file or (record.file == Path(record.file).name and not record.file.startswith("."))
    return record if safe and record.start < record.end else None


def replies(folder: Path) -> list[Reply]:
    """Return the records of a folder, in order of their windows."""
    found = (_load(path) for path in sorted(folder.glob("*.json")))
    return sorted((one for one in found if one is not None), key=lambda one: (one.window, one.received_at))


def is_intact(folder: Path, reply: Reply) -> bool:
    """Tell whether a reply's file is there and is what was archived."""
    if reply.status != 200:
        return reply.done
    try:
        with (folder / reply.file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == reply.sha256
    except OSError:
        return False


def set_aside(folder: Path) -> list[Path]:
    """Rename what is damaged in a folder, so that its windows are asked for again; return what was renamed."""
    renamed = []
    for record in sorted(folder.glob("*.json")):
        one = _load(record)
        if one is None or (one.done and not is_intact(folder, one)):
            for path in (record, record.with_suffix(".xml")):
                if path.exists():
                    path.replace(path.with_name(f"{path.name}.damaged"))
                    renamed.append(path)
    return renamed


@dataclass(frozen=True)
class Download:
    """An archive of raw replies; `smd_notebook.read` takes it.

    Parameters
    ----------
    custodian : str
        The utility's short name.
    subscription : str
        Under which authorization it was asked for.
    start, end : int
        The window [s since 1970-01-01T00:00Z]; `end` is exclusive, and never later than when it was asked for.
    to : Path
        The folder that it was archived in.
    folders : tuple of (str, Path)
        The usage points, and the folder of each.
    until : int, optional
        The end that was asked for [s], where that was later; None: for good.

    Notes
    -----
    Iterating gives the paths of the replies, of each window the newest. It refuses what is incomplete or damaged; `paths` does not.
    """

    custodian: str
    subscription: str
    start: int
    end: int
    to: Path
    folders: tuple[tuple[str, Path], ...]
    until: int | None = None

    @property
    def window(self) -> Window:
        """First second, and the one after the last."""
        return self.start, self.end

    def _placed(self) -> Iterator[tuple[Path, Reply]]:
        """Yield what was archived of the window, and where."""
        for _, folder in self.folders:
            for one in replies(folder):
                if one.start < self.end and self.start < one.end:
                    yield folder, one

    @property
    def replies(self) -> tuple[Reply, ...]:
        """Everything that was archived of the window: what, when, how it was asked for, and its hash."""
        return tuple(one for _, one in self._placed())

    def _current(self) -> list[tuple[Path, Reply]]:
        """Return the replies that nothing newer makes needless, and where they are."""
        placed = list(self._placed())
        return [(folder, one) for folder, one in placed if not any(place == folder and other.supersedes(one) for place, other in placed)]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the replies that nothing newer makes needless."""
        return tuple(folder / one.file for folder, one in self._current() if one.status == 200)

    @property
    def may_change(self) -> bool:
        """Whether anything of it was provisional when it was archived, and nothing newer came since."""
        return any(one.provisional for _, one in self._current())

    def missing(self) -> tuple[tuple[str, Window], ...]:
        """Return what is not archived, or damaged: usage points and windows [s]."""
        return tuple(
            (point, gap)
            for point, folder in self.folders
            for gap in gaps(self.window, [one.window for one in replies(folder) if one.done and is_intact(folder, one)])
        )

    @property
    def complete(self) -> bool:
        """Whether the utility answered for the whole window of every usage point, and all of it is intact."""
        return not self.missing()

    def damaged(self) -> tuple[Path, ...]:
        """Return the files that are gone or are no longer what was archived."""
        return tuple(folder / one.file for folder, one in self._placed() if one.status == 200 and not is_intact(folder, one))

    def __iter__(self) -> Iterator[Path]:
        if damaged := self.damaged():
            raise ReadError(
                "this reply is no longer what was archived", source=str(damaged[0]), hint="Run the same download again: it is fetched anew."
            )
        if missing := self.missing():
            raise NotReady(
                f"the download is incomplete: {len(missing)} {'span is' if len(missing) == 1 else 'spans are'} missing",
                hint="Run the same download again, which goes on where it stopped; download.paths has what is there.",
            )
        paths = self.paths
        if not paths:
            raise ReadError("the utility holds nothing for this window", hint="Ask for an earlier start, or a later end.")
        yield from paths

    def __repr__(self) -> str:
        points = f"{len(self.folders)} usage point{'s' * (len(self.folders) != 1)}"
        return f"<Download: {self.custodian}, subscription {self.subscription}, {self._span()}, {points}, in {self.to}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("usage point", "replies", "bytes", "may change", "missing"))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div><b>Download</b>: {html.escape(self.custodian)}, {self._span()}{table}</div>"

    def _span(self) -> str:
        return f"{stamp(self.start)} to {stamp(self.end)}"

    def _rows(self) -> Iterator[tuple[object, ...]]:
        missing = [point for point, _ in self.missing()]
        for point, folder in self.folders:
            own = [one for place, one in self._placed() if place == folder]
            yield point, len(own), sum(one.size for one in own), sum(bool(one.provisional) for one in own), missing.count(point)
