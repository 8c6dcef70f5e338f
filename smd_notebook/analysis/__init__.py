"""Pure functions on tidy frames: from intervals to numbers that can be cited."""

from smd_notebook.analysis.bins import net, resample, wide
from smd_notebook.analysis.days import heatmap
from smd_notebook.analysis.passport import cite, stamp

__all__ = ["cite", "heatmap", "net", "resample", "stamp", "wide"]
