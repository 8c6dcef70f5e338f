"""The xarray backend "espi": ``xr.open_dataset("usage.xml")``, found by what the file holds and not by its name."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint

from smd_notebook.errors import SmdError
from smd_notebook.espi.source import handles
from smd_notebook.feed import read

__all__ = ["EspiBackend"]

_MARK = b"naesb.org/espi"
#: How far into a file [bytes], and into how many files of an archive, it is looked for.
_HEAD, _MEMBERS = 1 << 16, 20


class EspiBackend(BackendEntrypoint):
    """Opens Green Button (ESPI) files as Datasets and DataTrees."""

    description = "Green Button (NAESB ESPI) XML, plain, gzipped or zipped"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables", "tz")
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is a file whose first bytes name ESPI; never raises."""
        try:
            if not isinstance(filename_or_obj, (str, os.PathLike)) or not Path(filename_or_obj).is_file():
                return False
            heads = [handle.head(_HEAD) for handle in islice(handles(Path(filename_or_obj)), _MEMBERS)]
        except (SmdError, OSError, ValueError):
            return False
        return any(_MARK in head or _MARK in head.replace(b"\0", b"") for head in heads)

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None, tz: str | None = None) -> xr.Dataset:
        """Return all channels as one Dataset.

        Raises
        ------
        ConfigurationError
            Where channels have unlike steps; it names the groups that `open_datatree` gives.
        ReadError
            As `smd_notebook.read`.
        """
        return read(filename_or_obj, tz=tz).to_xarray().drop_vars(drop_variables or [], errors="ignore")

    def open_datatree(self, filename_or_obj: Any, *, drop_variables: Any = None, tz: str | None = None) -> xr.DataTree:
        """Return a DataTree with a group a channel."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables, tz=tz))

    def open_groups_as_dict(self, filename_or_obj: Any, *, drop_variables: Any = None, tz: str | None = None) -> dict[str, xr.Dataset]:
        """Return the DataTree's groups by path."""
        tree = read(filename_or_obj, tz=tz).to_datatree()
        return {node.path: node.to_dataset().drop_vars(drop_variables or [], errors="ignore") for node in tree.subtree}
