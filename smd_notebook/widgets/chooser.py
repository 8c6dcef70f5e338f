"""The form of `Explore`: what one looks at is chosen in it, and the code is taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

__all__ = ["Chooser"]

_HERE = Path(__file__)


class Chooser(anywidget.AnyWidget):
    """Shows a view, and reports what is chosen.

    Everything shown is in the trait `view`, which Jupyter saves with the notebook; so no identifier of a meter is in it.

    Parameters
    ----------
    act : callable
        Is told what to do, and with what.
    """

    _esm = "".join(_HERE.with_name(name).read_text(encoding="utf-8") for name in ("common.js", "chooser.js"))
    _css = "".join(_HERE.with_name(name).read_text(encoding="utf-8") for name in ("panel.css", "chooser.css"))
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, act: Callable[[str, dict[str, Any]], None]) -> None:
        super().__init__()
        self._act = act
        self._turn = 0
        self.on_msg(self._told)

    def _told(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Take a message of the page."""
        self._turn = content.get("turn", self._turn)
        self._act(str(content.get("do")), content.get("with") or {})

    def show(self, view: dict[str, Any]) -> None:
        """Show a view.

        Parameters
        ----------
        view : dict
            Texts and choices; with it goes the number of the last message that it answers.
        """
        self.view = {**view, "turn": self._turn}
