"""Batches that are made in one's own time, and the notifications that say that they are ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread, current_thread
from time import monotonic
from uuid import uuid4

from smd_notebook.practice.customers import Window

__all__ = ["Batch", "Courier", "Notice"]


@dataclass(frozen=True)
class Batch:
    """What was asked for, and is fetched by its correlation id."""

    path: str
    kind: str
    ids: tuple[str, ...]
    point: str | None
    window: Window
    correlation: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Notice:
    """A notification: the body, and whether the other side took it (None: there is nobody registered to take it)."""

    body: bytes
    delivered: bool | None


class Courier:
    """Brings notifications to their address, each at its time, in a thread of its own.

    Parameters
    ----------
    deliver : callable
        Brings a body, and tells whether it was taken; None where no address is registered.
    """

    def __init__(self, deliver: Callable[[bytes], bool] | None) -> None:
        self._deliver = deliver
        self._changed = Condition()
        self._waiting: list[tuple[float, int, bytes]] = []
        self._order = count()
        self._closed = False
        self.sent: list[Notice] = []
        self._thread = Thread(target=self._run, name="practice utility, notifications", daemon=True)
        self._thread.start()

    def send(self, body: bytes, after: float) -> None:
        """Have a notification brought in a while [s]."""
        with self._changed:
            heappush(self._waiting, (monotonic() + after, next(self._order), body))
            self._changed.notify_all()

    def bring(self, body: bytes) -> None:
        """Bring a notification now, and return when that is done."""
        delivered = None
        if self._deliver is not None:
            delivered = False
            with suppress(Exception):  # nobody is at home; PG&E says nothing of trying again
                delivered = self._deliver(body)
        with self._changed:
            self.sent.append(Notice(body, delivered))
            self._changed.notify_all()

    def wait(self, number: int, timeout: float) -> bool:
        """Wait until so many were sent; tell whether they were."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.sent) >= number, timeout)

    def close(self) -> None:
        """Send no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (self._waiting and self._waiting[0][0] <= monotonic()):
                    self._changed.wait(self._waiting[0][0] - monotonic() if self._waiting else None)
                if self._closed:
                    return
                _, _, body = heappop(self._waiting)
            self.bring(body)
