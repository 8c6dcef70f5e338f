"""Where tokens are kept: a file for each, for the user alone, or the memory of this process.

Of a token that rotates there is only ever one that works, so nothing here may lose the newest: it is written whole under another name,
brought onto the disk, and takes the old one's place in one step. What a crash leaves before that last step is found and finished by
whoever takes the lock next.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from smd_notebook.access.credentials import on_binder
from smd_notebook.access.files import locked, private_folder, read_private, write_private
from smd_notebook.access.guard import discreet
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.resources import Secret

__all__ = ["FileStore", "Key", "MemoryStore", "Store", "Token", "default_store"]

Kind = Literal["client", "access", "registration"]
#: Longer than any token request, which is what the lock is held for [s].
_PATIENCE = 2400.0
#: No token takes more [bytes].
_ROOM = 1 << 14


@dataclass(frozen=True)
class Key:
    """Whose token it is.

    Parameters
    ----------
    custodian : str
        Name of the custodian.
    client_id : str
        The third party.
    subscription : str or None
        The customer's consent; None for the client's own token.
    """

    custodian: str
    client_id: str
    subscription: str | None = None


@dataclass(frozen=True)
class Token:
    """What opens resources, for a while.

    Parameters
    ----------
    kind : {"client", "access", "registration"}
        The client's own, a customer's, or that of the registration.
    access_token : Secret
        What is shown.
    refresh_token : Secret or None
        What the next one is got by.
    expires_at : float
        When it ends [s since 1970-01-01T00:00Z].
    scope : str
        What was granted, as written.
    subscription : str or None
        The customer's consent that it belongs to.
    resource_uri, authorization_uri, customer_resource_uri : str or None
        Addresses that came with it; never to be trusted with a token unless they are the custodian's.
    obtained_at : float
        When it was asked for [s since 1970-01-01T00:00Z].
    origins : tuple of str
        Scheme, host and port of the servers that it may be shown to: those of the custodian as it was then.
    """

    kind: Kind
    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: float = math.inf
    scope: str = ""
    subscription: str | None = None
    resource_uri: str | None = None
    authorization_uri: str | None = None
    customer_resource_uri: str | None = None
    obtained_at: float = 0.0
    origins: tuple[str, ...] = ()

    def fresh(self, now: float, leeway: float = 60.0) -> bool:
        """Tell whether it opens anything at `now`; the last minute, or tenth, of its life does not count.

        Parameters
        ----------
        now : float
            The time [s since 1970-01-01T00:00Z].
        leeway : float, default 60
            The most that is kept back [s].
        """
        return now < self.expires_at - min(leeway, 0.1 * max(0.0, self.expires_at - self.obtained_at))


class Store(Protocol):
    """What `smd_notebook.access.tokens.Tokens` keeps tokens in."""

    def get(self, key: Key) -> Token | None:
        """Return a token, if it is there."""

    def put(self, key: Key, token: Token) -> None:
        """Keep a token from now on; only with the lock held."""

    def forget(self, key: Key) -> None:
        """Keep it no longer."""

    def forget_all(self, custodian: str, client_id: str) -> None:
        """Keep none of a third party's tokens."""

    def keys(self) -> list[Key]:
        """Return whose tokens are there."""

    def lock(self, key: Key) -> AbstractContextManager[object]:
        """Be the only one, of all who share the store, to change this token."""

    def room(self) -> None:
        """Raise where no token could be kept now: what works once, a code or a refresh token, is not spent then."""


class MemoryStore:
    """Keeps tokens as long as this process runs, and shares them with nobody."""

    def __init__(self) -> None:
        self._tokens: dict[Key, Token] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Key) -> Token | None:
        """Return a token, if it is there.

        Parameters
        ----------
        key : Key
            Whose.
        """
        return self._tokens.get(key)

    def put(self, key: Key, token: Token) -> None:
        """Keep a token.

        Parameters
        ----------
        key : Key
            Whose.
        token : Token
            The token.
        """
        self._tokens[key] = token

    def forget(self, key: Key) -> None:
        """Keep it no longer.

        Parameters
        ----------
        key : Key
            Whose.
        """
        with self.lock(key):  # after a refresh that is under way, which would bring it back
            self._tokens.pop(key, None)

    def forget_all(self, custodian: str, client_id: str) -> None:
        """Keep none of a third party's tokens.

        Parameters
        ----------
        custodian : str
            Name of the custodian.
        client_id : str
            The third party.
        """
        for key in self.keys():
            if (key.custodian, key.client_id) == (custodian, client_id):
                self.forget(key)

    def keys(self) -> list[Key]:
        """Return whose tokens are there."""
        return list(self._tokens)

    def lock(self, key: Key) -> AbstractContextManager[object]:
        """Be the only one to change this token.

        Parameters
        ----------
        key : Key
            Whose.
        """
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    def room(self) -> None:
        """Do nothing: there is room for a token."""


class FileStore:
    """Keeps each token in a file that nobody else may read (0600), shared by all kernels of the user.

    Parameters
    ----------
    folder : str or Path, optional
        Where; by default the user's own data folder (platformdirs).
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is None:
            from platformdirs import user_data_dir

            folder = Path(user_data_dir("smd_notebook", appauthor=False)) / "tokens"
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"FileStore({str(self.folder)!r})"

    def _path(self, key: Key) -> Path:
        whose = hashlib.sha256(("" if key.subscription is None else "/" + key.subscription).encode()).hexdigest()[:24]
        return self.folder / f"{_prefix(key.custodian, key.client_id)}{whose}.json"

    @discreet
    def get(self, key: Key) -> Token | None:
        """Return a token, if it is there.

        Parameters
        ----------
        key : Key
            Whose.

        Raises
        ------
        ConfigurationError
            Where others may read its file, or the file is damaged.
        """
        path = self._path(key)
        try:
            data = read_private(path)
        except FileNotFoundError:
            return None
        found = _parsed(data)
        if found is None or found[0] != key:
            raise _damaged(path)
        return found[1]

    @discreet
    def put(self, key: Key, token: Token) -> None:
        """Keep a token; when this returns it is on the disk.

        Parameters
        ----------
        key : Key
            Whose; its lock must be held.
        token : Token
            The token.

        Raises
        ------
        ConfigurationError
            Where it cannot be written.
        """
        path = self._path(key)
        write_private(path, _written(key, token), partial=_partial(path))

    def room(self) -> None:
        """Look whether a token could be kept now.

        Raises
        ------
        ConfigurationError
            Where the disk is full, or the folder cannot be written.
        """
        try:
            with tempfile.TemporaryFile(dir=private_folder(self.folder)) as file:
                file.write(os.urandom(_ROOM))  # zeros take no room on a disk that compresses
                file.flush()
                os.fsync(file.fileno())  # where quotas are kept far away, it is now that one hears of them
        except OSError as error:
            reason = error.strerror or type(error).__name__
            hint = f"Make room in {self.folder}, or choose another: FileStore(folder)."
            raise ConfigurationError(f"no token can be kept ({reason})", hint=hint) from None

    def forget(self, key: Key) -> None:
        """Delete a token's file.

        Parameters
        ----------
        key : Key
            Whose.
        """
        self._delete(self._path(key))

    def _delete(self, path: Path) -> None:
        with locked(path.with_suffix(".lock"), _PATIENCE):  # after a refresh that is under way, which would bring it back
            _partial(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)

    def forget_all(self, custodian: str, client_id: str) -> None:
        """Delete all of a third party's tokens, those in damaged files as well.

        Parameters
        ----------
        custodian : str
            Name of the custodian.
        client_id : str
            The third party.
        """
        for path in {one.with_suffix(".json") for one in self.folder.glob(f"{_prefix(custodian, client_id)}*.json*")}:
            self._delete(path)

    @discreet
    def keys(self) -> list[Key]:
        """Return whose tokens are there.

        Raises
        ------
        ConfigurationError
            Where a file is damaged, or others may read it.
        """
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(FileNotFoundError):  # somebody forgot it just now
                one = _parsed(read_private(path))
                if one is None:
                    raise _damaged(path)
                found.append(one[0])
        return found

    @contextmanager
    def lock(self, key: Key) -> Iterator[None]:
        """Be the only one, of all threads and processes that share the folder, to change this token.

        Parameters
        ----------
        key : Key
            Whose.

        Raises
        ------
        ConfigurationError
            Where the folder cannot be locked, or somebody has it for too long.
        """
        path = self._path(key)
        with locked(path.with_suffix(".lock"), _PATIENCE):
            self._finish(path)
            yield

    @discreet
    def _finish(self, path: Path) -> None:
        """Put a token in its place that a crash left under its passing name; delete what is not whole."""
        partial = _partial(path)
        try:
            data = read_private(partial)
        except FileNotFoundError:
            return
        found = _parsed(data)
        if found is not None and self._path(found[0]) == path:
            write_private(path, data)
        partial.unlink(missing_ok=True)


def default_store() -> Store:
    """Return where tokens are kept by default: in files, save on machines that are not the user's own (Binder, Colab)."""
    return MemoryStore() if on_binder() or os.environ.get("COLAB_RELEASE_TAG") else FileStore()


def _prefix(custodian: str, client_id: str) -> str:
    return f"{custodian}-{hashlib.sha256(client_id.encode()).hexdigest()[:12]}-"


def _partial(path: Path) -> Path:
    return path.with_suffix(".json-new")


def _damaged(path: Path) -> ConfigurationError:
    hint = f"If a backup is newer than the last download, restore it; else delete {path} and ask the customer for a new consent."
    return ConfigurationError(f"the stored token {path.name} is damaged", hint=hint)


def _written(key: Key, token: Token) -> bytes:
    values = {name: one.reveal() if isinstance(one, Secret) else one for name, one in asdict(token).items()}
    values["expires_at"] = None if math.isinf(token.expires_at) else token.expires_at
    return json.dumps({"key": asdict(key), "token": values}, indent=1).encode()


def _parsed(data: bytes) -> tuple[Key, Token] | None:
    """Return what a file holds; None where it is damaged."""
    try:
        content = json.loads(data)
        key, values = Key(**content["key"]), content["token"]
        for name in ("access_token", "refresh_token"):
            values[name] = Secret(values[name]) if values[name] else None
        values["expires_at"] = math.inf if values["expires_at"] is None else float(values["expires_at"])
        values["origins"] = tuple(values.get("origins", ()))
        token: Any = Token(**values)  # of any type, as the file has it
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = [asdict(key)[name] or "" for name in ("custodian", "client_id", "subscription")]
    texts += [values[name] or "" for name in ("scope", "resource_uri", "authorization_uri", "customer_resource_uri", "subscription")]
    hidden = [token.access_token, token.refresh_token or Secret("")]
    whole = (
        token.kind in get_args(Kind)
        and all(isinstance(one, str) for one in (*texts, *token.origins))
        and all(isinstance(one, Secret) and isinstance(one.reveal(), str) for one in hidden)
        and isinstance(token.obtained_at, int | float)
        and not math.isnan(token.expires_at)
    )
    return (key, token) if whole else None
