"""A small form in a notebook: one status, one thing to do next; what is secret passes through it and is no part of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from smd_notebook.espi.resources import Secret

__all__ = ["Panel"]

_HERE = Path(__file__)


class Panel(anywidget.AnyWidget):
    """Shows a view, and reports what is clicked and typed.

    Everything shown is in the trait `view`, which Jupyter saves with the notebook; so nothing secret may ever be in it. What is typed into
    the field, and the link's address (which holds the state of the request), travel as messages, and are kept by neither side.

    Parameters
    ----------
    act : callable
        Is told which button it was, and what stood in the field.
    link : callable
        Returns the address of the view's link, when the page asks for it.
    """

    _esm = "".join(_HERE.with_name(name).read_text(encoding="utf-8") for name in ("common.js", "panel.js"))
    _css = _HERE.with_name("panel.css").read_text(encoding="utf-8")
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, act: Callable[[str, Secret], None], link: Callable[[], str]) -> None:
        super().__init__()
        self._act, self._link = act, link
        self.on_msg(self._told)

    def _told(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Take a message of the page."""
        name, text = content.get("do"), content.get("text")
        if name == "link":
            self.send({"link": self._link()})
        elif isinstance(name, str):
            self._act(name, Secret(text if isinstance(text, str) else ""))

    def show(self, view: dict[str, Any]) -> None:
        """Show a view, also where it is the one before: whoever clicked waits for an answer.

        Parameters
        ----------
        view : dict
            Texts, none of them secret.
        """
        self.view = {**view, "turn": self.view.get("turn", 0) + 1}

    def bundle(self, text: str, **more: Any) -> Any:
        """Return what a cell shows: the form, and a text for where there is no widget manager.

        Parameters
        ----------
        text : str
            The text. It is saved with the notebook.
        **more : Any
            As Jupyter gives it.
        """
        found = self._repr_mimebundle_(**more)
        data = found[0] if isinstance(found, tuple) else found
        if data is None:
            return {"text/plain": text}
        data["text/plain"] = text
        return found
