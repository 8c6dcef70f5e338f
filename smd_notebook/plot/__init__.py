"""Figures that can be published: every function returns a plotly Figure."""

from smd_notebook.plot.amounts import energy, flows, monthly
from smd_notebook.plot.clusters import typical_days
from smd_notebook.plot.homes import cohort
from smd_notebook.plot.lines import peak_days, series
from smd_notebook.plot.maps import heatmap, quality
from smd_notebook.plot.money import bill, tou
from smd_notebook.plot.shapes import duration, profile
from smd_notebook.plot.weather import temperature

__all__ = [
    "bill",
    "cohort",
    "duration",
    "energy",
    "flows",
    "heatmap",
    "monthly",
    "peak_days",
    "profile",
    "quality",
    "series",
    "temperature",
    "tou",
    "typical_days",
]
