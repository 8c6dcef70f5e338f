"""Make-believe feeds of any length, as a stream of bytes: what PG&E and others send, down to the indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["POINT", "Style", "feed"]

ATOM, ESPI, XSI = "http://www.w3.org/2005/Atom", "http://naesb.org/espi", "http://www.w3.org/2001/XMLSchema-instance"
BASE = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource"
POINT = f"{BASE}/Subscription/500/UsagePoint/6345172663"
METER = f"{POINT}/MeterReading/NzI6bnVsbDo5MDA6MQ=="
TYPE, CLOCK = f"{BASE}/ReadingType/NzI6bnVsbDo5MDA6MQ==", f"{BASE}/LocalTimeParameters/1"
#: 2012-01-01T00:00 in Los Angeles [s since 1970-01-01T00:00Z]; ten years from there are 350,400 quarter hours and some.
START, DAY = 1_325_404_800, 86_400
_STAMP = "2025-02-03T04:05:06.789Z"


@dataclass(frozen=True, slots=True)
class Style:
    """How a feed looks.

    Parameters
    ----------
    atom, espi : str
        Prefixes with their colon; empty for the default namespace.
    verbose : bool
        Whether every entry declares its namespaces and types again, as PG&E's do.
    flat : bool
        Whether there is no indentation.
    step : int
        Length of an interval [s]. Blocks are days.
    irregular : float
        Share of readings without cost and tou.
    """

    atom: str = "ns1:"
    espi: str = "ns0:"
    verbose: bool = True
    flat: bool = False
    step: int = 900
    irregular: float = 0.0


def feed(n: int, style: Style, seed: int = 0) -> Iterator[bytes]:
    """Yield a feed of n readings, a day at a time; each seed has readings of its own."""
    dice = np.random.default_rng(n + seed)
    yield _faced(_HEAD % style.step, style).encode()
    per_day = DAY // style.step
    shapes = [_faced(_READING, style), _faced(_SHORT_READING, style)]
    begin, end = (_faced(part, style) for part in (_BLOCK, _BLOCK_END))
    for first in range(0, n, per_day):
        count = min(per_day, n - first)
        values, costs = dice.integers(10_000, 900_000, count).tolist(), dice.integers(100, 9_000, count).tolist()
        short = (dice.random(count) < style.irregular).tolist()
        at = START + first * style.step
        parts = [begin % {"at": at, "all": count * style.step}]
        parts += [
            shapes[short[k]]
            % {"cost": costs[k], "step": style.step, "at": at + k * style.step, "value": values[k], "tou": 1 + k * 6 // per_day}
            for k in range(count)
        ]
        parts.append(end)
        yield "".join(parts).encode()
    yield f"</{style.atom}feed>\n".encode()


def _faced(text: str, style: Style) -> str:
    typed = f' xmlns:xsi="{XSI}" xsi:type="{style.atom}\\1Type"'
    if style.verbose:
        text = re.sub(r"<a:(id|link|title|published|updated|content)(?=[ />])((?:[^>/]|/(?!>))*)", r"<a:\1\2" + typed, text)
        text = text.replace("<a:entry", f'<a:entry xmlns:{style.atom[:-1]}="{ATOM}"')
        text = re.sub(r"(<a:content[^>]*>\s*<e:\w+)", rf'\1 xmlns:{style.espi[:-1]}="{ESPI}"', text)
    if not style.espi:
        text = re.sub(r"(<a:content[^>]*>\s*<e:\w+)", rf'\1 xmlns="{ESPI}"', text)
    declared = "".join(f' xmlns{":" + prefix[:-1] if prefix else ""}="{uri}"' for prefix, uri in _namespaces(style))
    text = text.replace("<a:feed", "<a:feed" + declared)
    if style.flat:
        text = re.sub(r"\n *", "", text)
    return (
        text.replace("<a:", f"<{style.atom}")
        .replace("</a:", f"</{style.atom}")
        .replace("<e:", f"<{style.espi}")
        .replace("</e:", f"</{style.espi}")
    )


def _namespaces(style: Style) -> list[tuple[str, str]]:
    return [(style.atom, ATOM), *([(style.espi, ESPI)] if style.espi else [])]


def _entry(content: str, href: str, up: str, *related: str) -> str:
    links = "".join(
        f'\n    <a:link href="{one}" rel="{rel}"/>' for rel, one in (("up", up), ("self", href), *(("related", one) for one in related))
    )
    return f"""
  <a:entry>
    <a:id>8a79d119-a78b-461f-a763-a0bdaf9fff39</a:id>{links}
    <a:title>a title</a:title>
    <a:published>{_STAMP}</a:published>
    <a:updated>{_STAMP}</a:updated>
    <a:content>{content}
    </a:content>
  </a:entry>"""


_HEAD = (
    f"""<?xml version="1.0" encoding="UTF-8"?>
<a:feed>
  <a:id>3273df24-7b74-455b-976d-8c3321f2d213</a:id>
  <a:title>Green Button Usage Feed</a:title>
  <a:updated>{_STAMP}</a:updated>"""
    + _entry(
        """
      <e:LocalTimeParameters>
        <e:dstEndRule>B40E2000</e:dstEndRule>
        <e:dstOffset>3600</e:dstOffset>
        <e:dstStartRule>360E2000</e:dstStartRule>
        <e:tzOffset>-28800</e:tzOffset>
      </e:LocalTimeParameters>""",
        CLOCK,
        CLOCK.rpartition("/")[0],
    )
    + _entry(
        """
      <e:ReadingType>
        <e:accumulationBehaviour>4</e:accumulationBehaviour>
        <e:commodity>1</e:commodity>
        <e:currency>840</e:currency>
        <e:flowDirection>1</e:flowDirection>
        <e:intervalLength>%d</e:intervalLength>
        <e:kind>12</e:kind>
        <e:powerOfTenMultiplier>-3</e:powerOfTenMultiplier>
        <e:uom>72</e:uom>
      </e:ReadingType>""",
        TYPE,
        TYPE.rpartition("/")[0],
    )
    + _entry(
        """
      <e:UsagePoint>
        <e:ServiceCategory>
          <e:kind>0</e:kind>
        </e:ServiceCategory>
      </e:UsagePoint>""",
        POINT,
        POINT.rpartition("/")[0],
        f"{POINT}/MeterReading",
        CLOCK,
    )
    + _entry("\n      <e:MeterReading/>", METER, METER.rpartition("/")[0], f"{METER}/IntervalBlock", TYPE)
)
_BLOCK, _, _BLOCK_END = _entry(
    """
      <e:IntervalBlock>
        <e:interval>
          <e:duration>%(all)d</e:duration>
          <e:start>%(at)d</e:start>
        </e:interval>READINGS
      </e:IntervalBlock>""",
    f"{METER}/IntervalBlock/%(at)d",
    f"{METER}/IntervalBlock",
).partition("READINGS")
_READING = """
        <e:IntervalReading>
          <e:cost>%(cost)d</e:cost>
          <e:ReadingQuality>
            <e:quality>17</e:quality>
          </e:ReadingQuality>
          <e:timePeriod>
            <e:duration>%(step)d</e:duration>
            <e:start>%(at)d</e:start>
          </e:timePeriod>
          <e:value>%(value)d</e:value>
          <e:tou>%(tou)d</e:tou>
        </e:IntervalReading>"""
_SHORT_READING = re.sub(r"\n *<e:(cost|tou)>.*", "", _READING)
