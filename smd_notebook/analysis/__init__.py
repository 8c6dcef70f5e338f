"""Pure functions on tidy frames: from intervals to numbers that can be cited."""

from smd_notebook.analysis import cubes as cubes
from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.classes import quality_map
from smd_notebook.analysis.costs import bill, tou_shares
from smd_notebook.analysis.days import heatmap
from smd_notebook.analysis.degrees import degree_day_models, degree_days
from smd_notebook.analysis.events import DR_RULES, dr_baseline
from smd_notebook.analysis.filling import fill
from smd_notebook.analysis.handover import to_opendsm, to_pysam, to_r
from smd_notebook.analysis.loads import coincidence, duration_curve, ramps
from smd_notebook.analysis.measures import metrics
from smd_notebook.analysis.passport import cite, stamp
from smd_notebook.analysis.profiles import across_homes, profile
from smd_notebook.analysis.rates import load_tariff
from smd_notebook.analysis.reconciliation import reconcile
from smd_notebook.analysis.release import RELEASE_RULES, release_screen
from smd_notebook.analysis.screening import screen
from smd_notebook.analysis.shapes import shape_metrics
from smd_notebook.analysis.sides import convert, net, wide
from smd_notebook.analysis.typical import TypicalDays, entropy, typical_days
from smd_notebook.analysis.weather import read_temperature

__all__ = [
    "DR_RULES",
    "RELEASE_RULES",
    "TypicalDays",
    "across_homes",
    "bill",
    "cite",
    "coincidence",
    "convert",
    "cubes",
    "degree_day_models",
    "degree_days",
    "dr_baseline",
    "duration_curve",
    "entropy",
    "fill",
    "heatmap",
    "load_tariff",
    "metrics",
    "net",
    "profile",
    "quality_map",
    "ramps",
    "read_temperature",
    "reconcile",
    "release_screen",
    "resample",
    "screen",
    "shape_metrics",
    "stamp",
    "to_opendsm",
    "to_pysam",
    "to_r",
    "tou_shares",
    "typical_days",
    "wide",
]
