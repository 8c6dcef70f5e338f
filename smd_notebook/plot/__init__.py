"""Figures that can be published: every function returns a plotly Figure."""

from smd_notebook.plot.amounts import energy, flows, monthly
from smd_notebook.plot.lines import peak_days, series
from smd_notebook.plot.maps import heatmap, quality

__all__ = ["energy", "flows", "heatmap", "monthly", "peak_days", "quality", "series"]
