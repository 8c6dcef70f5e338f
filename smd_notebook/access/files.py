"""Files that nobody else may read, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smd_notebook.errors import ConfigurationError, on_disk

__all__ = ["locked", "private_folder", "read_private", "refuse_open", "write_private"]

_POSIX = os.name == "posix"  # elsewhere a mode says nothing, and a user's folders are their own


def read_private(path: Path) -> bytes:
    """Return what is in a file that only its owner may read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ConfigurationError
        Where others may read or write it, it is somebody else's, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if _POSIX:
                status = os.fstat(file.fileno())
                if status.st_mode & 0o077:
                    raise ConfigurationError(f"others may read {path.name}, and it holds secrets", hint=f"chmod 600 {path}")
                if status.st_uid not in (os.geteuid(), 0):
                    raise ConfigurationError(f"{path.name} belongs to somebody else", hint="Use a file of your own.")
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"{path.name} cannot be read ({reason})", hint=f"Look who owns it, and with which mode: {path}") from None


def refuse_open(key: Path) -> None:
    """Refuse a file with a private key, not encrypted, that everybody may read or write; those that a group shares are its own business.

    Parameters
    ----------
    key : Path
        The file. Where there is none, nothing is refused: whoever reads it says so.

    Raises
    ------
    ConfigurationError
        Where everybody may.
    """
    if _POSIX and key.is_file() and key.stat().st_mode & 0o007:
        raise ConfigurationError(f"everybody may read the private key {key.name}", hint=f"chmod 600 {key}")


def private_folder(path: Path) -> Path:
    """Return a folder that is there; one that is made here is for its owner alone (0700)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, data: bytes, *, partial: Path | None = None, durable: bool = True) -> None:
    """Replace a file in one step, for its owner alone (0600); when this returns it is on the disk, save where that is not asked for.

    A machine that stops in between leaves the old file or the new one, never half of either.

    Parameters
    ----------
    path : Path
        The file; its folder must be there.
    data : bytes
        What it holds from now on.
    partial : Path, optional
        What the new file is called until it is whole, for those who look for what a crash has left; only where nobody else writes at
        the same time. By default a name that nobody has.
    durable : bool, default True
        Whether to wait for the disk; without it a power cut may bring the old file back.

    Raises
    ------
    ConfigurationError
        Where the disk is full, or the folder cannot be written.
    """
    with on_disk(path):
        _replace(path, data, partial, durable=durable)


def _replace(path: Path, data: bytes, partial: Path | None, *, durable: bool) -> None:
    if partial is None:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mkstemp makes it 0600
    else:
        partial.unlink(missing_ok=True)
        handle, name = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), str(partial)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    if durable:
        _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the folder's own entries on the disk, where the system lets one."""
    if not _POSIX:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Hold a lock file, alone of all threads and processes.

    Parameters
    ----------
    path : Path
        The lock file.
    patience : float
        How long to wait for it [s].

    Raises
    ------
    ConfigurationError
        Where the folder cannot be locked or written, or somebody has it for longer than that.
    """
    from filelock import FileLock, Timeout

    try:
        private_folder(path.parent)
        one = FileLock(path, timeout=patience, mode=0o600)  # one for each use: threads exclude each other as processes do
        one.acquire(poll_interval=0.02)
    except Timeout:
        problem = f"another process has had {path.name} locked for {patience / 60:.0f} minutes"
        raise ConfigurationError(problem, hint="End the process that hangs.") from None
    except (OSError, NotImplementedError):
        raise ConfigurationError(
            "the folder for shared state cannot be written or locked", hint="Choose another: FileStore(folder), RateGate(folder=...)."
        ) from None
    try:
        yield
    finally:
        one.release()
