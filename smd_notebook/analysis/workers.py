"""Work in pieces, in this process, in others or on a cluster; results come in the order of the pieces."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any

from smd_notebook.errors import ConfigurationError, SmdError, on_disk

__all__ = ["check_workers", "in_order", "unbroken", "writing"]

_TRIES = 3


def in_order(
    work: Callable[..., Any], pieces: Iterable[tuple[Any, ...]], *, client: Any = None, processes: int | None = None
) -> Iterator[Any]:
    """Yield ``work(*piece)`` for each piece, few of them at a time.

    Parameters
    ----------
    work : callable
        A function of a module, so that other processes know it.
    pieces : iterable of tuple
        Its arguments.
    client : dask.distributed.Client, optional
        Where to work; it repeats what a worker took with it when it died.
    processes : int, optional
        How many processes otherwise: 1 is this one, and nothing is started; by default one for each core.

    Raises
    ------
    ConfigurationError
        As `check_workers`, before anything is worked at.
    SmdError
        If workers die again and again.
    """
    check_workers(client, processes)
    return _in_order(work, pieces, client, processes)


def check_workers(client: object, processes: object) -> None:
    """Refuse what no work can be given to.

    Parameters
    ----------
    client, processes : Any
        What `in_order` takes.

    Raises
    ------
    ConfigurationError
        If `client` is none, or `processes` no number from 1.
    """
    if client is not None and not hasattr(client, "get_executor"):
        text = f"client must be a dask.distributed.Client, not a {type(client).__name__}"
        raise ConfigurationError(text, hint='client=distributed.Client("tcp://..."); processes=2 works on this machine.')
    if processes is not None and (not isinstance(processes, Integral) or processes < 1):
        raise ConfigurationError("processes must be a whole number from 1", hint="1 works in this process, None in one for each core.")


def _in_order(work: Callable[..., Any], pieces: Iterable[tuple[Any, ...]], client: Any, processes: int | None) -> Iterator[Any]:
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n = n if processes is None else int(processes)
    if client is not None:
        threads = sum(client.nthreads().values()) or 1
        pending: deque[Any] = deque()
        with client.get_executor(pure=False, retries=_TRIES) as executor:
            try:
                yield from _windowed(executor, work, iter(pieces), pending, 2 * threads)
            finally:
                for _, future in pending:  # none, but after an interrupt
                    future.cancel()
    elif n == 1:
        for piece in pieces:
            yield work(*piece)
    else:
        yield from _pooled(work, iter(pieces), n)


def _pooled(work: Callable[..., Any], pieces: Iterator[tuple[Any, ...]], n: int) -> Iterator[Any]:
    """Yield from a pool of processes; where one of them dies, go on with a new pool."""
    pending: deque[tuple[tuple[Any, ...], Any]] = deque()
    died = 0
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    while True:
        with ProcessPoolExecutor(n, mp_context=context, initializer=_begin, initargs=(stop,)) as pool:
            try:
                for done in _windowed(pool, partial(_unless_stopped, work), pieces, pending, 2 * n):
                    died = 0
                    yield done
                return
            except BrokenProcessPool:
                died += 1
                if died == _TRIES:
                    text = "worker processes died again and again"
                    hint = 'Memory may be short, or a script lacks `if __name__ == "__main__":`; processes=1 starts none.'
                    raise SmdError(text, hint=hint) from None
            except BaseException:  # such as an interrupt; a worker that was killed while it sends would leave the pool waiting for ever
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise


@contextmanager
def unbroken() -> Iterator[None]:
    """Put an interrupt off until what is begun is done, as is right for the few moments of a write.

    Zarr writes in a thread of its own, which would go on with half of it; and it leaves a warning of Python's about coroutines.
    """
    # other threads are never interrupted, and may not say who is; nor may Python where a host program, such as R, takes interrupts
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Keep other processes from writing into a store.

    Raises
    ------
    ConfigurationError
        Where another one is at it, or there can be no folder.
    """
    from filelock import FileLock, Timeout

    path = path.absolute()
    with on_disk(path, "Name another store."):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):  # then there is nothing to write, or it fails anyhow
        yield
        return
    with on_disk(path, "Make room, or name another store."):
        try:
            lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0).acquire()
        except Timeout:
            hint = "Wait until it ends, and run this again: what it has read is not read again."
            raise ConfigurationError(f"another process is reading homes into {path.name!r}", hint=hint) from None
    with lock:
        yield


#: In a worker, whether it shall begin nothing more.
_stopped: list[Any] = []


def _begin(stop: Any) -> None:
    """Set a worker up: an interrupt is for the process that started it, and what is imported by now is no garbage."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stopped.append(stop)
    gc.freeze()
    gc.set_threshold(50_000)


def _unless_stopped(work: Callable[..., Any], *piece: Any) -> Any:
    return None if _stopped[0].is_set() else work(*piece)


@contextmanager
def _deaf() -> Iterator[None]:
    """Put interrupts off, and for good in processes that are started meanwhile: they are for the one that started them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _windowed(executor: Any, work: Callable[..., Any], pieces: Iterator[tuple[Any, ...]], pending: deque[Any], size: int) -> Iterator[Any]:
    """Yield results in order, with `size` pieces under way; a piece leaves `pending` when its result is there."""
    again = [piece for piece, _ in pending]
    pending.clear()
    coming = chain(again, pieces)
    while True:
        while len(pending) < size and (piece := next(coming, None)) is not None:
            with _deaf():
                pending.append((piece, executor.submit(work, *piece)))
        if not pending:
            return
        done = pending[0][1].result()
        pending.popleft()
        yield done
