"""Scope strings (``FB=4_5_15;HistoryLength=63072000;…``): parsed, kept whole, and said in words.

A scope says which *function blocks* of ESPI (NAESB REQ.21) a customer granted, and how far back. Utilities add keys of their own, so
nothing here is dropped: `Scope.text` is what the utility wrote, to the letter.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cached_property

__all__ = ["FUNCTION_BLOCKS", "Scope"]

#: Function block -> its name, of the Green Button Alliance's list; those marked as withdrawn there are still granted by utilities.
FUNCTION_BLOCKS = {
    1: "common elements of usage data",
    2: "Download My Data",
    3: "Connect My Data",
    4: "interval readings",
    5: "interval readings of electricity",
    6: "electric demand",
    7: "net metering",
    8: "energy delivered and received, metered apart",
    9: "register values",
    10: "gas",
    11: "water",
    12: "cost of each interval",
    13: "security and privacy classes",
    14: "authorization by OAuth",
    15: "usage summaries: what was billed",
    16: "usage summaries with their cost",
    17: "power quality summaries",
    18: "several usage points",
    19: "updates of a part of the data",
    27: "usage summaries with demand and the previous day",
    28: "cost of the current billing period",
    29: "temperature",
    30: "common user experience",
    31: "core REST services",
    32: "REST by resource",
    33: "management by REST",
    34: "bulk transfer by SFTP",
    35: "bulk transfer by REST",
    36: "registration of third parties by REST",
    37: "windows of time in a request",
    38: "requests without a notification before",
    39: "notifications that data is ready",
    40: "authorization on paper",
    41: "management of the application's information",
    44: "management of authorizations",
    46: "retail customer: name, account, programs",
    47: "retail customer, in bulk",
    51: "common elements of the retail customer",
    52: "retail customer: Download My Data",
    53: "retail customer: Connect My Data",
    54: "retail customer: basic information",
    55: "retail customer: address",
    56: "retail customer: billing",
    57: "retail customer: account and agreement",
    58: "retail customer: service location",
    59: "retail customer: supplier",
    60: "retail customer: meter",
    61: "retail customer: devices",
    62: "retail customer: programs",
    63: "retail customer: common user experience",
    64: "retail customer: security and privacy classes",
    65: "retail customer: authorization",
    66: "retail customer: bulk transfer by SFTP",
    67: "retail customer: bulk transfer by REST",
    68: "retail customer: windows of time in a request",
    69: "retail customer: notifications",
    70: "retail customer: authorization on paper",
}
_SERVICES = {5: "electricity", 10: "gas", 11: "water", 29: "temperature"}
_CUSTOMER = frozenset({46, 47, *range(51, 71)})
#: A history of at most so many is one of months: 83 years; as seconds it would be a quarter of an hour.
_MOST_MONTHS = 1000
_MONTH = 365.2425 * 86400 / 12


@dataclass(frozen=True)
class Scope:
    """What a customer granted.

    Parameters
    ----------
    text : str
        The scope as the utility writes it.

    Examples
    --------
    >>> scope = Scope("FB=1_3_4_5_15;IntervalDuration=900_3600;BlockDuration=Daily;HistoryLength=63072000;Own=x")
    >>> scope.blocks, scope.interval_durations, scope.get("Own")
    ((1, 3, 4, 5, 15), (900, 3600), 'x')
    >>> for line in scope.explain():
    ...     print(line)
    interval readings of electricity, every 15 min or 1 h
    what was billed, without its cost
    a history of about 24 months
    delivered in blocks: Daily
    Own: x (a term of the utility's own)
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @cached_property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Keys and values in the order in which they stand; a part without ``=`` has the key ``""``."""
        parts = [part.strip() for part in self.text.split(";")]
        return tuple((key, value) if found else ("", key) for key, found, value in (part.partition("=") for part in parts) if key or value)

    def get(self, key: str, default: str = "") -> str:
        """Return the first value of a key, in upper or lower case alike.

        Parameters
        ----------
        key : str
            Such as ``"HistoryLength"``.
        default : str
            What to return where there is none.
        """
        return next((value for name, value in self.parts if name.lower() == key.lower()), default)

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        """The numbers of the function blocks; ``1_3_4`` alone, as it was written before 2018, is a list of them too."""
        written = self.get("FB") or next((value for key, value in self.parts if not key and re.fullmatch(r"\d{1,3}(_\d{1,3})+", value)), "")
        return tuple(int(one) for one in written.split("_") if one.isascii() and one.isdigit() and len(one) < 4)

    @property
    def interval_durations(self) -> tuple[int, ...]:
        """Lengths of intervals that may come [s]."""
        return tuple(int(one) for one in self.get("IntervalDuration").split("_") if one.isascii() and one.isdigit() and len(one) < 10)

    @property
    def history_months(self) -> float | None:
        """How far back the data may go [months]: utilities write seconds, examples of the standard months; at most 1000 is months."""
        written = self.get("HistoryLength")
        if not (written.isascii() and written.isdigit() and len(written) < 12):
            return None
        number = int(written)
        return float(number) if number <= _MOST_MONTHS else number / _MONTH

    def explain(self) -> tuple[str, ...]:
        """Say in words what was granted, one line a matter, and nothing of what every grant has."""
        blocks = set(self.blocks)
        lines = []
        if blocks & {4, *_SERVICES}:
            services = [name for block, name in _SERVICES.items() if block in blocks]
            steps = [_span(step) for step in self.interval_durations]
            of = f" of {_listed(services, 'and')}" if services else ""
            lines.append(f"interval readings{of}" + (f", every {_listed(steps, 'or')}" if steps else ""))
        if 16 in blocks:
            lines.append("what was billed, with its cost")
        elif 15 in blocks:
            lines.append("what was billed, without its cost")
        if blocks & _CUSTOMER:
            lines.append("the customer's name, account or programs")
        if 40 in blocks:
            lines.append("authorizations may have been given on paper")
        return tuple(_shown(line) for line in (*lines, *self._terms()))

    def _terms(self) -> list[str]:
        """Say in words what stands beside the function blocks."""
        lines = []
        if self.history_months is not None:
            lines.append(f"a history of about {self.history_months:.0f} months")
        for key, value in self.parts:
            name = key.lower()
            if name == "additionalscope":
                lines.append(f"chosen by the customer: {_listed(value.split('_'), 'and')}")
            elif name == "blockduration":
                lines.append(f"delivered in blocks: {value}")
            elif name == "subscriptionfrequency":
                lines.append(f"renewed: {value}")
            elif name == "accountcollection":
                lines.append(f"service agreements: {'several' if value == 'n' else value}")  # PG&E writes the letter
            elif name == "br":
                lines.append(f"third party (bulk id): {value}")
            elif name == "datacustodianid":
                lines.append(f"data custodian: {value}")
            elif name in ("minauthenddate", "preferredauthenddate"):
                lines.append(f"{'earliest' if name.startswith('min') else 'preferred'} end of the authorization: {value}")
            elif name not in ("fb", "intervalduration") and not (name == "historylength" and self.history_months is not None):
                whole = f"{key}: {value}" if key else value
                if key or not self.blocks:
                    lines.append(f"{whole} (a term of the utility's own)")
        return lines

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.explain())
        rows = "".join(
            f"<tr><td>{block}</td><td style='text-align:left'>{html.escape(FUNCTION_BLOCKS.get(block, 'not known'))}</td></tr>"
            for block in self.blocks
        )
        table = f"<details><summary>function blocks</summary><table>{rows}</table></details>" if rows else ""
        return f"<div><b>Granted</b><ul>{lines}</ul>{table}</div>"


def _listed(words: list[str], last: str) -> str:
    """Join words as English does.

    >>> _listed(["a", "b", "c"], "and")
    'a, b and c'
    """
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shown(text: str) -> str:
    r"""Return a text without what moves a terminal's cursor or turns the direction of writing: a scope is of the utility's making.

    >>> ascii(_shown("a\x1b[2Jb\u202ec"))
    "'a\\ufffd[2Jb\\ufffdc'"
    """
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _span(seconds: int) -> str:
    """Say how long a step is.

    >>> _span(900), _span(3600), _span(86400), _span(30)
    ('15 min', '1 h', '1 day', '30 s')
    """
    for size, name in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
