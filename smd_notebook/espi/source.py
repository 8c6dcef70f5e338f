"""Anything a person has, as named, re-openable handles: path, glob, list, directory, zip, gzip, bytes, open file.

Archives are told by their first bytes, not by their names, and are bounded in members, size and ratio. No URL is ever fetched.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from smd_notebook.errors import ArchiveError, ReadError

#: Limits of what is unpacked: a year of 15-minute readings is 15 MB of XML, and compresses about 30 : 1.
MAX_MEMBERS = 20_000
MAX_BYTES = 64 << 30
MAX_RATIO = 250
FREE_RATIO_BYTES = 64 << 20
MAX_NESTED_BYTES = 1 << 30
MAX_NESTING = 2
CHUNK = 1 << 22

_ZIP, _EMPTY_ZIP, _GZIP = b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b"
_TAKES = "smd.read takes a path, a glob, a directory, a list of them, bytes, an open file, or what client.download returns."


@dataclass(frozen=True, slots=True)
class Handle:
    """One stream of bytes that can be opened again and again.

    Parameters
    ----------
    name : str
        What to call it: a file's name, or ``archive.zip: member.xml``.
    opener : callable
        Returns a fresh binary stream.
    packed : int or None
        Compressed size [bytes] where it comes out of an archive.
    found : bool
        Whether it was found (in a directory or archive) and not named by the caller: then it may be something else altogether.
    """

    name: str
    opener: Callable[[], BinaryIO]
    packed: int | None = None
    found: bool = False

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield the bytes in pieces.

        Raises
        ------
        ArchiveError
            Where an archive is damaged or unpacks to more than is safe.
        ReadError
            Where the file cannot be opened.
        """
        total = 0
        try:
            with self.opener() as stream:
                while data := stream.read(size):
                    total += len(data)
                    self._bound(total)
                    yield data
                    del data  # so that the next takes its place in memory
        except (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError) as error:
            what = (
                "uses a compression that Python cannot unpack" if isinstance(error, NotImplementedError) else "is damaged or was cut short"
            )
            raise ArchiveError(f"the archive {what}", source=self.name, hint="Download it again, or unpack it by hand.") from None
        except RuntimeError:  # zipfile's word for "encrypted"
            raise ArchiveError("the archive is encrypted", source=self.name, hint="Unpack it with its password first.") from None
        except OSError as error:
            raise ReadError(f"the file cannot be read ({error.strerror or type(error).__name__})", source=self.name) from None

    def head(self, size: int = 4096) -> bytes:
        """Return the first bytes."""
        return next(self.chunks(size), b"")

    def _bound(self, total: int) -> None:
        if self.packed is None:
            return
        if total > MAX_BYTES or (total > FREE_RATIO_BYTES and total > MAX_RATIO * max(self.packed, 1)):
            raise ArchiveError("the archive unpacks to more than is safe", source=self.name, hint="Unpack it by hand if you trust it.")


def handles(source: Any) -> list[Handle]:
    """Return the handles of everything that `source` names.

    Parameters
    ----------
    source : path, glob, directory, bytes, open file, or an iterable of them
        What to read.

    Raises
    ------
    ReadError
        Where there is no such file, a glob matches nothing, or `source` is something else.
    ArchiveError
        Where an archive is damaged or not safe to unpack.

    >>> [handle.name for handle in handles([b"<feed/>", b"<entry/>"])]
    ['bytes 1', 'bytes 2']
    """
    found = list(_expand(source, ""))
    if not found:
        raise ReadError("there is nothing to read", hint=_TAKES)
    return found


def _expand(source: Any, number: str) -> Iterator[Handle]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        yield from _unpack(Handle(f"bytes{number}", lambda: io.BytesIO(data)), len(data))
    elif isinstance(source, (str, os.PathLike)):
        yield from _expand_path(source)
    elif hasattr(source, "read"):
        data = source.read()
        if isinstance(data, str):
            data = re.sub(r"^(\ufeff?\s*<\?xml[^>]{0,200}?)\s+encoding\s*=\s*(\"[^\"]*\"|'[^']*')", r"\1", data, count=1).encode()
        name = getattr(source, "name", "")
        shown = Path(name).name if isinstance(name, str) and name else f"open file{number}"
        yield from _unpack(Handle(shown, lambda: io.BytesIO(data)), len(data))
    elif isinstance(source, Iterable) and not isinstance(source, dict):
        for position, one in enumerate(source, 1):
            yield from _expand(one, f" {position}")
    else:
        raise ReadError(f"a {type(source).__name__} cannot be read", hint=_TAKES)


def _expand_path(source: str | os.PathLike[str]) -> Iterator[Handle]:
    text = os.fsdecode(source)
    if isinstance(source, str):
        if re.match(r"\w+://", text):
            raise ReadError("addresses are not fetched", hint="Download the file first, or use smd.Client for a utility's service.")
        if text.lstrip("\ufeff \t\r\n").startswith("<"):
            raise ReadError("this is the text of a document, not a file's name", hint="Pass it as bytes: smd.read(text.encode()).")
    try:
        path = Path(text).expanduser()
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long a name, no such user's home, a NUL in it
        raise ReadError("this cannot be a file's name", source=repr(text[:40]), hint=_TAKES) from None
    if is_folder:
        for one in sorted(path.rglob("*")):
            if one.is_file() and not _ignored(one.relative_to(path).parts):
                yield from _unpack(_file(one, found=True), one.stat().st_size)
    elif exists:
        yield from _unpack(_file(path), path.stat().st_size)
    elif glob.has_magic(text):
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise ReadError("no file matches this pattern", source=text, hint=f"The current directory is {Path.cwd()}.")
        for match in matches:
            yield from _expand_path(Path(match))
    else:
        raise ReadError("there is no such file", source=text, hint=f"The current directory is {Path.cwd()}.")


def _file(path: Path, *, found: bool = False) -> Handle:
    return Handle(path.name, lambda: path.open("rb"), found=found)


def _ignored(parts: tuple[str, ...]) -> bool:
    """Whether a member is the operating system's own, such as ``.DS_Store`` or ``__MACOSX/``."""
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)


def _unpack(handle: Handle, size: int, depth: int = 0) -> Iterator[Handle]:
    """Yield `handle`, or what it holds where it is an archive."""
    head = handle.head(4)
    if head.startswith(_GZIP):
        yield Handle(handle.name, lambda: _gunzip(handle.opener()), packed=size, found=handle.found)
    elif head.startswith((_ZIP, _EMPTY_ZIP)):
        if depth >= MAX_NESTING:
            raise ArchiveError("archives are nested too deep", source=handle.name, hint="Unpack the outer ones by hand.")
        yield from _members(handle, depth)
    else:
        yield handle


def _gunzip(stream: BinaryIO) -> BinaryIO:
    """Return the unpacked stream; closing it closes the file below as well, which GzipFile alone does not."""
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
    unpacked.myfileobj = cast("io.FileIO", stream)
    return cast("BinaryIO", unpacked)


class _Archive:
    """An open zip file that its members share (its directory is read once), closed when the last of them is gone."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        self._stream = opener()
        try:
            self._zip = zipfile.ZipFile(self._stream)
        except BaseException:
            self._stream.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "_zip"):
            self._zip.close()
            self._stream.close()

    def infos(self) -> list[zipfile.ZipInfo]:
        """Return what it holds, by name, without folders and the operating system's own files."""
        infos = [info for info in self._zip.infolist() if not info.is_dir() and not _ignored(Path(info.filename).parts)]
        return sorted(infos, key=lambda info: info.filename)

    def opener(self, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
        """Return what opens one member."""
        return lambda: cast("BinaryIO", self._zip.open(info))


def _members(handle: Handle, depth: int) -> Iterator[Handle]:
    try:
        archive = _Archive(handle.opener)
    except (zipfile.BadZipFile, EOFError, zlib.error, ValueError, NotImplementedError, OSError):
        raise ArchiveError("the zip file is damaged or was cut short", source=handle.name, hint="Download it again.") from None
    infos = archive.infos()
    if len(infos) > MAX_MEMBERS:
        raise ArchiveError(
            f"the zip file has more than {MAX_MEMBERS} members", source=handle.name, hint="Unpack it by hand if you trust it."
        )
    for info in infos:
        member = Handle(f"{handle.name}: {info.filename}", archive.opener(info), packed=info.compress_size, found=True)
        if member.head(4).startswith((_ZIP, _EMPTY_ZIP)):
            if info.file_size > MAX_NESTED_BYTES:
                raise ArchiveError("an archive inside the archive is too large", source=member.name, hint="Unpack it by hand.")
            data = b"".join(member.chunks())
            nested = Handle(member.name, partial(io.BytesIO, data), found=True)
            yield from _unpack(nested, len(data), depth + 1)
        else:
            yield from _unpack(member, info.compress_size, depth + 1)
