"""A practice utility on this machine: consent pages, token endpoints, mutual TLS resources, notifications, and all that may go wrong."""

from __future__ import annotations

from smd_notebook.practice.faults import FAULTS, Fault
from smd_notebook.practice.sandbox import Sandbox
from smd_notebook.practice.variants import VARIANTS

__all__ = ["FAULTS", "VARIANTS", "Fault", "Sandbox"]
