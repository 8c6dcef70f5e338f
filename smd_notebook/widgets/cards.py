"""What `Explore` shows in the place of each figure: the figure with its title above it, or why there is none."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from smd_notebook.errors import SmdError
from smd_notebook.plot.base import sentence

if TYPE_CHECKING:
    from plotly import graph_objects as go

__all__ = ["refusal", "said", "shown_of"]

_HEADING = 56  # of a figure's height, its title and notes [px]


def said(error: Exception) -> list[str]:
    """Say what an error means, and what to do."""
    if isinstance(error, SmdError):
        return [line for line in (f"{sentence(str(error.args[0]))}.", error.hint) if line]
    return [f"{type(error).__name__}: {error}"]


def shown_of(figure: go.Figure) -> list[dict[str, Any]]:
    """Return a figure as the page shows it: its title and notes above it, where they wrap on a narrow screen."""
    whole = json.loads(figure.to_json())
    layout = whole["layout"]
    title = layout.pop("title")
    layout["height"] -= _HEADING
    layout["margin"]["t"] -= _HEADING
    notes = title.get("subtitle", {}).get("text", "")
    text = f'<div class="smd-told"><h4>{html.escape(title["text"])}</h4><p>{html.escape(notes)}</p></div>'
    return [
        {"text/html": text, "text/plain": title["text"]},
        {"application/vnd.plotly.v1+json": whole, "text/plain": figure.layout.meta["caption"]},
    ]


def refusal(name: str, error: Exception) -> dict[str, str]:
    """Return what stands in the place of a figure that cannot be drawn."""
    lines = [f"{name}: not drawn.", *said(error)]
    text = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return {"text/html": f'<div class="smd-told">{text}</div>', "text/plain": "\n".join(lines)}
