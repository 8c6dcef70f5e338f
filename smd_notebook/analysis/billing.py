"""Billing periods, as a feed's own bills state them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["billing_periods"]


def billing_periods(x: Any, usage_point: str, service: str | None) -> tuple[Ints, Ints]:
    """Return when the billing periods of a usage point begin and end [us], in order; bills without a period are none.

    Raises
    ------
    ConfigurationError
        If `x` is no Feed, or the feed states no billing period for the usage point.
    SmdError
        If billing periods overlap.
    """
    if not hasattr(x, "bills"):
        text = f"bins of billing periods need the bills of a feed, and this is a {type(x).__name__}"
        raise ConfigurationError(text, hint='Give the Feed itself: smd.resample(feed, "bill"); or the boundaries as a list of edges.')
    bills = x.bills()
    stated = bills["service"].isna() | (bills["service"] == service) if service is not None else True
    bills = bills[(bills["usage_point"] == usage_point) & stated & (bills["end"] > bills["start"])]
    begin, end = (np.asarray(pd.DatetimeIndex(bills[name]).as_unit("us").asi8) for name in ("start", "end"))
    periods = np.unique(np.column_stack([begin, end]), axis=0)
    if not len(periods):
        text = "the feed states no billing period for one of the usage points"
        raise ConfigurationError(text, hint="See feed.bills(); select what has bills with feed.select(usage_point=...), or give edges.")
    if (periods[1:, 0] < periods[:-1, 1]).any():
        text = f"{int((periods[1:, 0] < periods[:-1, 1]).sum())} billing period(s) of the feed begin before the one before has ended"
        raise SmdError(text, hint="See feed.bills(), and give the boundaries that are meant as a list of edges.")
    return periods[:, 0], periods[:, 1]
