"""What comes into a cohort twice: the same bytes, the same meter, or the same readings under another name."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.errors import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["copied", "digest_of", "like", "repeated"]

#: How often values have to change before two homes cannot well have the same by chance, as empty ones do.
_CHANGES = 30


def digest_of(start: Ints, value: Ints, power_of_ten: int) -> str:
    """Return a hash of readings, by which the same are known again; empty where they are too few or too steady to tell homes apart.

    Parameters
    ----------
    start, value : array, shape (n,)
        When they begin [s since 1970], and raw values.
    power_of_ten : int
        What the values are multiplied by.

    Examples
    --------
    >>> day = np.arange(96)
    >>> digest_of(900 * day, day % 7, 0) == digest_of(900 * day, day % 7 * 100, -2) != digest_of(900 * day, day % 5, 0)
    True
    >>> digest_of(900 * day, day * 0, 0)
    ''
    """
    if np.count_nonzero(value[1:] != value[:-1]) < _CHANGES:
        return ""
    while not (value[:9] % 10).any() and not (value % 10).any():  # 1200 Wh and 1.2 kWh are the same
        value, power_of_ten = value // 10, power_of_ten + 1
    # with all times it would take twice as long
    found = blake2b(start[[0, -1]].tobytes() + str(power_of_ten).encode(), digest_size=8)
    found.update(value.tobytes())
    return found.hexdigest()


def copied(source: str, other: str) -> dict[str, Any]:
    """Return the finding for a source that has the bytes of another one."""
    text = f"this source is a copy of {other!r}, byte by byte, and counts once"
    hint = "If it should be another home, download that again; or leave the copy out."
    return asdict(Finding("source-copied", "warning", text, hint, source=source))


def repeated(source: str, channel: str, *, changed: bool) -> dict[str, Any]:
    """Return the finding for a meter that is there already, from another source or as the same source was before."""
    if changed:
        text = "this source has changed since it was read; the meter stays as it was"
        hint = "Read all sources again, into another store."
    else:
        text = "this meter is in the cohort already, from another source; it counts once, as it was there"
        hint = "Files of one home belong together: Cohort.read([['jan.xml', 'feb.xml'], ...])."
        hint += " Homes whose files give them the same id need names: Cohort.read({'home 1': 'one.xml', 'home 2': 'other.xml'})."
    return asdict(Finding("meter-repeated", "error", text, hint, channel=channel, source=source))


def like(source: str, channel: str, other: str) -> dict[str, Any]:
    """Return the finding for a meter whose readings are those of another one."""
    text = f"its readings are those of another meter, from {other!r}, all of them: one home may be here under two ids, and counts twice"
    hint = "If it is one, leave it out: cohort.select(cohort.meters['source'] != ...)."
    return asdict(Finding("meter-like", "warning", text, hint, channel=channel, source=source))
