"""Where a utility's notifications arrive: a folder, a relay, a person, or a listener on this machine."""

from __future__ import annotations

import json
import os
import queue
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from smd_notebook.access.conversation import Conversation
from smd_notebook.access.custodian import origin_of
from smd_notebook.access.failures import PROBLEMS, network_error, read_whole
from smd_notebook.access.guard import discreet
from smd_notebook.access.listener import LocalHttps
from smd_notebook.access.notices import MAX_BYTES, Inbox, Notice, drained, notified
from smd_notebook.access.redact import guard_logs, hide
from smd_notebook.access.transport import OriginAdapter, client_context
from smd_notebook.errors import ConfigurationError, Network, ReadError, SmdError, warn
from smd_notebook.espi.resources import Secret

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Directory", "Inbox", "LocalHttps", "Notice", "Paste", "PollUrl"]

_HALF_WRITTEN = 30.0  # s; a file that cannot be read may still be being written
_POLL = 1.0  # s
_LARGEST = 1 << 24  # bytes of a relay's answer
_RELAY = "Look whether it runs, and whether the token and the address, to the end of its path, are those that it was given."


class _Passive:
    """An inbox that needs no opening."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


class _Polled(_Passive):
    """An inbox that looks again and again."""

    def __init__(self) -> None:
        self._found: list[Notice] = []  # what an error in the midst of looking must not lose: it comes once

    @discreet
    def wait(self, timeout: float) -> list[Notice]:
        """Return what has come since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait if that is nothing [s].
        """
        until = time.monotonic() + timeout
        self._look()
        while not self._found and (left := until - time.monotonic()) > 0:
            time.sleep(min(_POLL, left))
            self._look()
        found, self._found = self._found, []
        return found

    def _look(self) -> None:
        """Add what has come to `_found`."""
        raise NotImplementedError


class Directory(_Polled):
    """A folder that something else puts notifications into, a file each.

    A file that has been read is moved to ``taken/`` within it, one that is no notification to ``refused/``. Files whose names begin with
    a dot or end in ``.tmp`` or ``.part`` are being written, and left alone.

    Parameters
    ----------
    folder : str or Path
        The folder, which must be there.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or a file in it can be neither read nor moved (on waiting).

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "1.xml").write_text("<BatchList><resources>https://utility.example/Batch/1</resources></BatchList>")
    >>> [notice.addresses for notice in Directory(folder).wait(0)]
    [('https://utility.example/Batch/1',)]
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise ConfigurationError(f"there is no folder {self.folder.name}", hint="Make it, and have notifications put into it.")

    def __repr__(self) -> str:
        return f"Directory({str(self.folder)!r})"

    def _look(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.suffix in (".tmp", ".part") or not path.is_file():
                continue
            try:
                with path.open("rb") as file:
                    arrived, body = os.fstat(file.fileno()).st_mtime, file.read(MAX_BYTES + 1)
            except FileNotFoundError:  # somebody else's notebook took it
                continue
            except OSError as error:
                raise _out_of_reach(path, "read", error) from None
            try:
                addresses = notified(body)
            except ReadError as error:
                if time.time() - arrived > _HALF_WRITTEN and self._moved(path, "refused"):
                    warn(f"{path.name} is in {self.folder.name} and is no notification: {error.args[0]}")
                continue
            if self._moved(path, "taken"):
                self._found.append(Notice(addresses, arrived))

    def _moved(self, path: Path, where: str) -> bool:
        """Move a file, and say whether it was this program that did."""
        target = self.folder / where
        try:
            target.mkdir(mode=0o700, exist_ok=True)
            name = path.name if not (target / path.name).exists() else f"{path.stem}-{time.time_ns()}{path.suffix}"
            path.rename(target / name)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _out_of_reach(path, f"moved to {where}", error) from None
        return True


def _out_of_reach(path: Path, what: str, error: OSError) -> ConfigurationError:
    hint = "Whatever puts notifications there has to let this user read them, and the folder has to be writable."
    return ConfigurationError(f"{path.name} in {path.parent.name} cannot be {what} ({error.strerror or type(error).__name__})", hint=hint)


class Paste(_Passive):
    """Notifications that a person hands over, as copied from a server's log or a mail.

    Examples
    --------
    >>> inbox = Paste()
    >>> inbox.paste("https://utility.example/Batch/1")
    >>> [notice.addresses for notice in inbox.wait(0)]
    [('https://utility.example/Batch/1',)]
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[Notice] = queue.Queue()

    def paste(self, text: str | bytes) -> None:
        """Hand a notification over.

        Parameters
        ----------
        text : str or bytes
            The XML, or the addresses in it with white space between.

        Raises
        ------
        ReadError
            If it is neither.
        """
        body = (text.encode() if isinstance(text, str) else text).strip()
        addresses = tuple(body.decode(errors="replace").split()) if body.startswith(b"https://") else notified(body)
        self._queue.put(Notice(addresses, time.time()))

    def wait(self, timeout: float) -> list[Notice]:
        """Return what has been pasted since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait if that is nothing [s].
        """
        return drained(self._queue, timeout)


class PollUrl(_Polled):
    """A relay that others can reach and that keeps notifications until they are fetched; the page on inboxes has one to set up.

    Parameters
    ----------
    address : str
        Where the relay hands them out: ``GET address?after=N`` answers with a JSON list of objects with ``id``, an integer above N, and
        ``body``, the text of the notification.
    token : Secret or str
        What is shown as Bearer token.
    ca_bundle : str or Path, optional
        PEM file of the authorities that the relay's own certificate may come from.
    every : float, default 5
        How often to ask [s].

    Raises
    ------
    ConfigurationError
        If the address is not one of https, or `ca_bundle` cannot be read.
    Network
        If the relay cannot be reached or answers otherwise (on waiting).
    """

    def __init__(self, address: str, token: Secret | str, *, ca_bundle: str | Path | None = None, every: float = 5.0) -> None:
        if not origin_of(address).startswith("https:"):
            raise ConfigurationError("a relay's address begins with https://")
        super().__init__()
        self._address, self._token, self._every = address, token if isinstance(token, Secret) else Secret(token), every
        self._tls = client_context(total=60.0, ca_bundle=ca_bundle)
        hide(self._token)
        guard_logs()
        self._last, self._next = 0, 0.0

    def __repr__(self) -> str:
        return f"PollUrl({origin_of(self._address)!r})"

    def _look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every
        for number, body in sorted(self._fetched()):
            if number > self._last:
                self._last = number
                try:
                    self._found.append(Notice(notified(body.encode(errors="replace")), time.time()))
                except ReadError as error:
                    warn(f"the relay holds what is no notification: {error.args[0]}")

    def _fetched(self) -> list[tuple[int, str]]:
        with Conversation(OriginAdapter((origin_of(self._address),), self._tls, (10.0, 30.0))) as http:
            reply = self._asked(http)
        if isinstance(reply, SmdError):
            raise Network(f"nothing came from the relay: {reply.args[0]}", hint=f"{_RELAY} ca_bundle= names its authority.", retryable=True)
        if reply.status_code != 200:
            raise Network(f"the relay answered {reply.status_code}", hint=_RELAY, status_code=reply.status_code)
        try:
            return [(int(one["id"]), str(one["body"])) for one in json.loads(reply.content)]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise Network("the relay answered with something else than a list of notifications", hint=_RELAY) from None

    def _asked(self, http: Conversation) -> Response | SmdError:
        shown = {"Authorization": f"Bearer {self._token.reveal()}"}
        try:
            reply = http.get(self._address, params={"after": self._last}, headers=shown, stream=True)
        except PROBLEMS as error:
            return network_error(error)
        return read_whole(reply, _LARGEST) or reply
