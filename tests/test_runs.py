"""The fast path and the plain path are always equal: on the corpus, and on feeds that were mutated, damaged and cut into any pieces."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from smd_notebook.errors import ReadError
from smd_notebook.espi.model import COLUMNS, Document
from smd_notebook.espi.reader import read_document
from smd_notebook.espi.runs import Cutter
from smd_notebook.espi.source import handles

HEAD = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:{p}="http://naesb.org/espi" xmlns:x="urn:x"><entry><content><{p}:IntervalBlock>'
TAIL = "</{p}:IntervalBlock></content></entry></feed>"


class Pieces:
    """A stream that comes in pieces of a given size."""

    name = "made"

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), self._size):
            yield self._data[at : at + self._size]


def read(data: bytes, *, plain: bool, size: int = 1 << 20) -> Document | str:
    """The document; the error's text where it is refused."""
    try:
        return read_document(Pieces(data, size), fast=not plain)  # type: ignore[arg-type]
    except ReadError as error:
        return f"{type(error).__name__}: {error}"


def same(one: Document | str, other: Document | str) -> None:
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert len(one.blocks) == len(other.blocks)
    for left, right in zip(one.blocks, other.blocks, strict=True):
        for name in COLUMNS:
            here, there = getattr(left.readings, name), getattr(right.readings, name)
            assert here.dtype == there.dtype, name
            assert np.array_equal(here, there), name
        assert left.readings.extra == right.readings.extra
        assert left.readings.exponent == right.readings.exponent
        assert (left.interval, left.entry, left.extra) == (right.interval, right.entry, right.extra)
    assert one.findings == other.findings
    assert one.others == other.others


def reading(rng: Random, p: str, at: int, shape: str, blank: str) -> str:
    parts = {
        "cost": f"<{p}:cost>{rng.randrange(10**6)}</{p}:cost>",
        "quality": f"<{p}:ReadingQuality>{blank}<{p}:quality>{rng.choice([8, 14, 17, 19])}</{p}:quality>{blank}</{p}:ReadingQuality>",
        "time": f"<{p}:timePeriod>{blank}<{p}:duration>900</{p}:duration>{blank}<{p}:start>{at}</{p}:start>{blank}</{p}:timePeriod>",
        "value": f"<{p}:value>{rng.randrange(-(10**5), 10 ** rng.randrange(1, 9))}</{p}:value>",
        "tou": f"<{p}:tou>{rng.randrange(1, 9)}</{p}:tou>",
    }
    return f"<{p}:IntervalReading>{blank}" + blank.join(parts[name] for name in shape.split()) + f"{blank}</{p}:IntervalReading>"


def feed(rng: Random) -> str:
    """A feed of one to five hundred readings, in any prefix, order of children and white space."""
    p = rng.choice(["espi", "ns0", "e"])
    blank = rng.choice(["", "\n  ", "\r\n\t", " "])
    shape = rng.choice(["time value", "cost quality time value", "quality time value tou", "value time", "cost time value tou"])
    readings = [reading(rng, p, 1_600_000_000 + 900 * k, shape, blank) for k in range(rng.choice([1, 7, 9, 40, 300, 500]))]
    if rng.random() < 0.3:  # children that come and go
        for k in rng.sample(range(len(readings)), max(1, len(readings) // 20)):
            readings[k] = reading(rng, p, 1_600_000_000 + 900 * k, rng.choice(["time value", "time", "value", "time value value"]), blank)
    cut = rng.randrange(len(readings) + 1)
    middle = (
        TAIL.format(p=p).removesuffix("</feed>") + HEAD.format(p=p).partition("<feed")[2].partition(">")[2] if rng.random() < 0.4 else ""
    )
    return HEAD.format(p=p) + blank.join(readings[:cut]) + middle + blank.join(readings[cut:]) + TAIL.format(p=p)


ODD = [
    "<!-- a comment -->",
    "<!-- </ns0:IntervalReading><ns0:IntervalReading> -->",
    "<![CDATA[7]]>",
    "<?pi 1?>",
    "&#55;",
    "&amp;",
    " ",
    "\n",
    "-",
    "+",
    "0",
    "9999999999999999999",
    ".5",
    "e3",
    "<x:value>3</x:value>",
    "<value>3</value>",
    "<extension>1</extension>",
    ' a="1"',
    ' xmlns:ns0="urn:x"',
    ' xmlns:espi="urn:x"',
    "</espi:IntervalBlock><espi:IntervalBlock>",
    "<espi:IntervalReading>",
    "</e:IntervalReading>",
    "\x00",
    "é",
]


def mutate(rng: Random, text: str) -> bytes:
    """Insert, remove, double or damage something, up to four times."""
    for _ in range(rng.randrange(5)):
        at = rng.randrange(len(text))
        if rng.random() < 0.7:  # at the edge of a tag, where it hurts
            at = max(text.find(rng.choice("<>"), at), 0) + rng.randrange(2)
        kind = rng.randrange(5)
        if kind < 3:
            text = text[:at] + rng.choice(ODD) + text[at:]
        elif kind == 3:
            text = text[:at] + text[at + rng.choice([1, 5, 40]) :]
        else:
            text = text[:at] + text[at : at + 60] + text[at:]
    data = text.encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data[: rng.randrange(len(data))] if rng.random() < 0.05 else data


def trial(seed: int) -> bool:
    """Compare the two paths on one feed; return whether it was refused."""
    rng = Random(seed)
    data = mutate(rng, feed(rng))
    plain = read(data, plain=True)
    same(read(data, plain=False), plain)
    same(read(data, plain=False, size=rng.choice([1, 37, 1000, 4096])) if len(data) < 20_000 else plain, plain)
    return isinstance(plain, str)


def test_mutated_feeds_read_equal() -> None:
    refused = sum(trial(seed) for seed in range(400))
    assert 50 < refused < 350  # else the mutations would be too wild, or too tame


@pytest.mark.prove
def test_a_hundred_thousand_mutated_feeds_read_equal() -> None:
    for seed in range(1000, 101_000):
        trial(seed)


def test_every_corpus_file_reads_equal(corpus: Path) -> None:
    with (corpus / "manifest.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)]
    proved = 0
    for name in names:
        data = b"".join(handles(corpus / "files" / name)[0].chunks())
        same(read(data, plain=False), read(data, plain=True))
        proved += bool(Cutter().cut(data, final=True)[1])
    assert proved > 25  # the fast path was really taken


def test_regular_runs_are_proved_and_odd_ones_are_not() -> None:
    rng = Random(3)
    regular = "".join(reading(rng, "e", 900 * k, "time value", "") for k in range(100))
    text = HEAD.format(p="e") + regular + TAIL.format(p="e")
    assert sum(map(len, Cutter().cut(text.encode(), final=True)[1])) == 100
    odd = text.replace("<e:value>", "<e:value >")
    assert Cutter().cut(odd.encode(), final=True) == (odd.encode(), [])


def test_a_run_in_a_comment_is_no_run() -> None:
    rng = Random(4)
    readings = "".join(reading(rng, "e", 900 * k, "time value", "") for k in range(50))
    text = HEAD.format(p="e") + f"<!--{readings}-->" + readings + TAIL.format(p="e")
    document = read(text.encode(), plain=False)
    assert not isinstance(document, str)
    assert [len(block.readings) for block in document.blocks] == [50]


def test_costs_with_decimals_are_rounded_and_kept_as_written() -> None:
    rng = Random(5)
    text = HEAD.format(p="e") + reading(rng, "e", 0, "cost time value", "") + TAIL.format(p="e")
    at, end = text.index("<e:cost>") + 8, text.index("</e:cost>")
    document = read((text[:at] + "12.5" + text[end:]).encode(), plain=False)
    assert not isinstance(document, str)
    assert document.blocks[0].readings.cost.tolist() == [12]  # half to even
    assert document.blocks[0].readings.extra == {0: {"cost": "12.5"}}
    assert [finding.code for finding in document.findings] == ["decimal-costs"]
