"""Work off the kernel's loop, so that no cell waits for it, and its results back on the loop, so that they reach the page."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

__all__ = ["BEAT", "Errands", "Turns"]

#: ipykernel notices an interrupt of a cell that awaits when its loop turns next; so it is turned this often [s].
BEAT = 0.5

T = TypeVar("T")


class Errands:
    """Runs errands in threads. Where no loop runs, as in a plain script, everything is done at once.

    In ipykernel 7.0 what a thread sets reaches the page only in the context of the message that began it; so `here` keeps that.
    """

    def __init__(self) -> None:
        self._home: tuple[asyncio.AbstractEventLoop, contextvars.Context] | None = None
        self.here()

    def here(self) -> bool:
        """Remember the loop and the context of what is handled now; tell whether there is a loop."""
        try:
            self._home = asyncio.get_running_loop(), contextvars.copy_context()
        except RuntimeError:
            if self._home and not self._home[0].is_running():
                self._home = None
        return self._home is not None

    def post(self, call: Callable[[], object]) -> None:
        """Call something on the loop, from any thread.

        Parameters
        ----------
        call : callable
            What to call.
        """
        home = self._home
        if home and home[0].is_running():
            home[0].call_soon_threadsafe(call, context=home[1])
        else:
            call()

    def run(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do something that takes a while, and hand over what it returns.

        Parameters
        ----------
        work : callable
            What takes a while; it must not raise.
        then : callable
            Takes the result, on the loop.
        """

        def errand() -> None:
            found = work()
            self.post(lambda: then(found))

        if self._home and self._home[0].is_running():
            threading.Thread(target=errand, name="smd widget", daemon=True).start()
        else:
            errand()


class Turns:
    """Lets coroutines wait for something to change."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def tell(self) -> None:
        """Say that something has changed, from any thread: JupyterLab has clicks handled beside the cell that waits."""
        for loop, one in tuple(self._waiting):
            if loop.is_running():
                loop.call_soon_threadsafe(one.set)

    async def until(self, there: Callable[[], bool]) -> None:
        """Wait until it is so.

        Parameters
        ----------
        there : callable
            Tells whether it is.
        """
        changed = asyncio.Event()
        me = asyncio.get_running_loop(), changed
        self._waiting.append(me)
        try:
            while not there():
                changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT):
                        await changed.wait()
        finally:
            self._waiting.remove(me)
