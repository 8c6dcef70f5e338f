"""The stop button of a notebook, as ipykernel has it for a cell that awaits: the cell is cancelled, and the loop is not woken for it."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import pytest


async def stopped(cell: asyncio.Task[Any]) -> None:
    """Press it while a cell awaits; the cell has to end before anything else happens."""
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon(cell.cancel))
    late: list[bool] = []
    watch = loop.call_later(300, late.append, True)
    threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    try:
        with pytest.raises(asyncio.CancelledError):
            await cell
    finally:
        signal.signal(signal.SIGINT, before)
        watch.cancel()
    assert not late
