"""Notifications: "the batch that you asked for is ready, at this address".

A notification is a hint and no more: whoever can reach an inbox can send one. So its addresses are only ever followed where they lead to
the custodian that was asked, which is the business of `Client.download_bulk`; here they are read and kept.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from smd_notebook.errors import ReadError
from smd_notebook.espi.resources import parse

__all__ = ["MAX_BYTES", "Inbox", "Notice", "drained", "notified"]

#: What a notification may be at most; PG&E's are of a few hundred bytes
MAX_BYTES = 1 << 20
MAX_ADDRESSES = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification.

    Parameters
    ----------
    addresses : tuple of str
        What is ready, each an address to GET (espi:BatchList/resources).
    arrived_at : float
        When it came, or was found [s since 1970].
    """

    addresses: tuple[str, ...]
    arrived_at: float


def notified(body: bytes) -> tuple[str, ...]:
    """Return the addresses in a notification.

    Parameters
    ----------
    body : bytes
        A BatchList, bare or in the entries of an Atom feed.

    Raises
    ------
    ReadError
        If it is something else, too long, or names too many addresses.

    Examples
    --------
    >>> notified(b'<n:BatchList xmlns:n="http://naesb.org/espi"><n:resources>https://utility.example/Batch/1</n:resources></n:BatchList>')
    ('https://utility.example/Batch/1',)
    """
    if len(body) > MAX_BYTES:
        raise ReadError(f"a notification of more than {MAX_BYTES:,} bytes is refused")
    name, node = parse(body)
    found = tuple(dict.fromkeys(_resources(name, node)))
    if not found:
        raise ReadError("this is no notification: it holds no BatchList with addresses", hint="Take the whole XML that the utility sent.")
    if len(found) > MAX_ADDRESSES:
        raise ReadError(f"a notification of more than {MAX_ADDRESSES:,} addresses is refused")
    return found


def _resources(name: str, node: Any) -> Iterator[str]:
    """Yield the addresses of every BatchList below a node."""
    if isinstance(node, list):
        for one in node:
            yield from _resources(name, one)
    elif isinstance(node, dict) and name == "BatchList":
        listed = node.get("resources") or []
        for one in listed if isinstance(listed, list) else [listed]:
            text = one.get("#text", "") if isinstance(one, dict) else one
            if text and text.strip():
                yield text.strip()
    elif isinstance(node, dict):
        for key, one in node.items():
            yield from _resources(key, one)


def drained(waiting: queue.Queue[Notice], timeout: float) -> list[Notice]:
    """Return all that waits; wait for up to `timeout` [s] if that is nothing."""
    found: list[Notice] = []
    with suppress(queue.Empty):
        found.append(waiting.get(timeout=timeout) if timeout > 0 else waiting.get_nowait())
        while True:
            found.append(waiting.get_nowait())
    return found


@runtime_checkable
class Inbox(Protocol):
    """What `Client.download_bulk` wants of an inbox: to be opened before it asks, and to be waited at."""

    def __enter__(self) -> Self:
        """Begin to take in notifications."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""

    def wait(self, timeout: float) -> list[Notice]:
        """Return what has come since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait if that is nothing [s].
        """
