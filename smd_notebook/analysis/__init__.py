"""Pure functions on tidy frames: from intervals to numbers that can be cited."""

from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.classes import quality_map
from smd_notebook.analysis.costs import bill, tou_shares
from smd_notebook.analysis.days import heatmap
from smd_notebook.analysis.filling import fill
from smd_notebook.analysis.passport import cite, stamp
from smd_notebook.analysis.rates import load_tariff
from smd_notebook.analysis.sides import net, wide

__all__ = ["bill", "cite", "fill", "heatmap", "load_tariff", "net", "quality_map", "resample", "stamp", "tou_shares", "wide"]
