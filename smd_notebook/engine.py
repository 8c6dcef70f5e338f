"""The xarray backend "espi": ``xr.open_dataset("usage.xml")``, found by what the file holds and not by its name."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint

from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from smd_notebook.feed import Feed

__all__ = ["EspiBackend"]

_MARK = b"naesb.org/espi"
#: How far into a file [bytes], and into how many files of an archive, it is looked for.
_HEAD, _MEMBERS = 1 << 16, 20


class EspiBackend(BackendEntrypoint):
    """Opens Green Button (ESPI) files as Datasets and DataTrees; `clock`, `tz` and `dialect` are those of `smd_notebook.read`.

    xarray imports it in whoever opens any file without naming an engine, so what reads is imported where it is used.
    """

    description = "Green Button (NAESB ESPI) XML, plain, gzipped or zipped"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables", "group", "clock", "tz", "dialect")
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is a file whose first bytes name ESPI; never raises."""
        try:
            if not isinstance(filename_or_obj, (str, os.PathLike)) or not Path(filename_or_obj).is_file():
                return False
            from smd_notebook.espi.source import handles

            heads = [handle.head(_HEAD) for handle in islice(handles(Path(filename_or_obj)), _MEMBERS)]
        except (SmdError, OSError, ValueError):
            return False
        return any(_MARK in head or _MARK in head.replace(b"\0", b"") for head in heads)

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None, group: str | None = None, **how: Any) -> xr.Dataset:
        """Return all channels as one Dataset, or the channel of a group of the DataTree, such as ``"up1/delivered"``.

        Raises
        ------
        ConfigurationError
            Where channels have unlike steps, or there is no such group; it names those that there are.
        ReadError
            As `smd_notebook.read`.
        """
        if group is None:
            return _feed(filename_or_obj, **how).to_xarray().drop_vars(drop_variables or [], errors="ignore")
        groups = self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables, **how)
        path = f"/{group.strip('/')}"
        if path not in groups:
            named = ", ".join(repr(name) for name, one in groups.items() if one.data_vars)
            raise ConfigurationError(f"there is no group {group!r}", hint=f"There is: {named}.")
        return groups[path]

    def open_datatree(self, filename_or_obj: Any, *, drop_variables: Any = None, **how: Any) -> xr.DataTree:
        """Return a DataTree with a group a channel."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables, **how))

    def open_groups_as_dict(self, filename_or_obj: Any, *, drop_variables: Any = None, **how: Any) -> dict[str, xr.Dataset]:
        """Return the DataTree's groups by path."""
        tree = _feed(filename_or_obj, **how).to_datatree()
        return {node.path: node.to_dataset().drop_vars(drop_variables or [], errors="ignore") for node in tree.subtree}


def _feed(source: Any, *, clock: str = "declared", tz: str | None = None, dialect: str | None = None) -> Feed:
    from smd_notebook.feed import read

    return read(source, clock=clock, tz=tz, dialect=dialect)
