"""A plugin for `run.py notebooks`: every notebook runs with canaries for secrets, and what it would save gives none of them away.

It scans what nbmake's own execution leaves, with the state of the widgets in it, so that it costs no second one.
"""

from __future__ import annotations

import os
import tempfile
from functools import partialmethod
from pathlib import Path
from typing import Any

import nbformat

from smd_notebook.scan import scan_notebook

#: What no notebook prints by chance.
CANARIES = {name: f"canary-{name.lower()}-7f3a91c5d2e8" for name in ("SMD_CLIENT_SECRET", "SMD_KEY_PASSPHRASE", "SMD_REGISTRATION_TOKEN")}


def pytest_configure() -> None:
    """Let every kernel inherit the canaries, and have every execution scanned."""
    from nbclient import NotebookClient
    from nbmake.nb_result import NotebookError
    from nbmake.nb_run import NotebookRun

    os.environ.update(CANARIES, SMD_CLIENT_ID="canary-client-id")
    execute = NotebookRun.execute
    # a slow machine is no failure
    NotebookClient.__init__ = partialmethod(NotebookClient.__init__, startup_timeout=600, iopub_timeout=600)

    def scanned(self: Any) -> Any:
        result = execute(self)
        told = found(result.nb)
        if told and result.error is None:
            result.error = NotebookError(summary="the executed notebook gives something away", trace=told, failing_cell_index=0)
        return result

    NotebookRun.execute = scanned


def found(notebook: Any) -> str:
    """Say what an executed notebook would give away if it were saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "executed.ipynb"
        nbformat.write(notebook, path)
        return "\n".join(f"{hit.place}: {hit.kind}" for hit in scan_notebook(path))
