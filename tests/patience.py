"""Time-outs of tests: a machine that has too much to do stops a process for many seconds, anywhere, and that is no failure."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

#: How long to wait for what comes at once on a machine that has nothing else to do [s].
LONG = 300.0


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Wait longer than the package does by itself."""
    from smd_notebook.access import listener, transport
    from smd_notebook.practice.sandbox import Sandbox
    from smd_notebook.widgets import receivers

    real = transport.OriginAdapter.__init__

    def init(self: Any, origins: Any, context: Any, timeout: tuple[float, float], proxy: str | None = None) -> None:
        real(self, origins, context, (LONG if timeout[0] == 10 else timeout[0], timeout[1]), proxy)  # 10 s is what all begin with

    patch.setattr(transport.OriginAdapter, "__init__", init)
    for place, name in ((listener, "_STALLED"), (listener, "_LONGEST"), (listener._Handler, "timeout"), (receivers._Handler, "timeout")):
        patch.setattr(place, name, LONG)
    patch.setitem(Sandbox.wait_for_notices.__kwdefaults__, "timeout", LONG)
    with suppress(ModuleNotFoundError):  # the practice utility is an extra
        patch.setattr(import_module("smd_notebook.practice.utility"), "_PATIENCE", LONG)
