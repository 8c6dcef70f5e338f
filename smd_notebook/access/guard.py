"""Functions that secrets go through: what leaves them shows none, and an interrupt loses none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["discreet", "uninterrupted"]

P = ParamSpec("P")
T = TypeVar("T")


def discreet(call: Callable[P, T]) -> Callable[P, T]:
    """Let errors and interrupts leave a function bare.

    A verbose traceback (IPython's ``%xmode Verbose``) shows the variables of all frames on an exception's way, and those of the libraries
    below hold tokens and the client secret in plain text.

    Parameters
    ----------
    call : callable
        The function.

    Examples
    --------
    >>> @discreet
    ... def shout(word: str) -> str:
    ...     raise KeyboardInterrupt
    >>> try:
    ...     shout("canary")
    ... except KeyboardInterrupt as error:
    ...     names = []
    ...     while error.__traceback__:
    ...         names.append(error.__traceback__.tb_frame.f_code.co_name)
    ...         error.__traceback__ = error.__traceback__.tb_next
    >>> names
    ['<module>', 'guarded']
    """

    @wraps(call)
    def guarded(*given: P.args, **named: P.kwargs) -> T:
        try:
            return call(*given, **named)
        except BaseException as error:  # noqa: BLE001 - interrupts as well; raised below
            problem = error.with_traceback(None)
        del given, named
        problem.__cause__ = problem.__context__ = None
        try:
            raise problem
        finally:
            del problem  # or it would hold its own frame

    return guarded


def uninterrupted(work: Callable[[], T]) -> T:
    """Return what `work` returns; an interrupt (Ctrl-C) waits until it is done, and a second one does not.

    Parameters
    ----------
    work : callable
        What must not be left half done, and is soon over. After a second interrupt it still goes on to its end, in its thread.

    Examples
    --------
    >>> uninterrupted(lambda: "token")
    'token'
    """
    if threading.current_thread() is not threading.main_thread():
        return work()  # interrupts come to the main thread
    with ThreadPoolExecutor(1, "smd token") as pool:
        return pool.submit(copy_context().run, work).result()
