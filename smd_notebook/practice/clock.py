"""The utility's clock, which tests may put forward, and how it writes times."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "iso"]


class Clock:
    """What time it is for the utility [s since 1970-01-01T00:00Z]: the time of `base`, plus what it was put forward.

    Parameters
    ----------
    base : callable, optional
        What to ask; by default this machine's clock.

    Examples
    --------
    >>> clock = Clock(lambda: 1000.0)
    >>> clock.advance(3600)
    >>> clock()
    4600.0
    """

    def __init__(self, base: Callable[[], float] | None = None) -> None:
        self._base = time.time if base is None else base
        self._ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock forward.

        Parameters
        ----------
        seconds : float
            How far [s].
        """
        self._ahead += seconds


def iso(moment: float) -> str:
    """Return a moment as ISO 8601 in UTC, in whole seconds.

    >>> iso(1735718400.9)
    '2025-01-01T08:00:00Z'
    """
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
