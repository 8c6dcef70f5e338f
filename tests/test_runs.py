"""The fast path and the plain path are always equal: on the corpus, and on feeds that were mutated, damaged and cut into any pieces."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lxml import etree

from smd_notebook.errors import ReadError
from smd_notebook.espi import entries
from smd_notebook.espi.entries import Matcher
from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Document
from smd_notebook.espi.reader import read_document
from smd_notebook.espi.runs import Cutter
from smd_notebook.espi.source import handles
from tests.oracle import Found

HEAD = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:{p}="http://naesb.org/espi" xmlns:x="urn:x"><entry><content><{p}:IntervalBlock>'
TAIL = "</{p}:IntervalBlock></content></entry></feed>"


@pytest.fixture(autouse=True)
def _stencils_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small feeds shall take the way of large ones."""
    monkeypatch.setattr(entries, "_WORTH", 3)


class Pieces:
    """A stream that comes in pieces, cut at some places."""

    name = "made"

    def __init__(self, data: bytes, cuts: Iterable[int]) -> None:
        self._data, self._edges = data, [0, *sorted(cuts), len(data)]

    def chunks(self) -> Iterator[bytes]:
        for begin, end in pairwise(self._edges):
            if begin < end:
                yield self._data[begin:end]


def read(data: bytes, *, plain: bool, cuts: Iterable[int] = ()) -> Document | str:
    """The document; the error's text where it is refused."""
    try:
        return read_document(Pieces(data, cuts), fast=not plain)  # type: ignore[arg-type]
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
        assert (left.interval, left.entry, left.updated, left.extra) == (right.interval, right.entry, right.updated, right.extra)
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
    """A feed of one to forty readings, now and then five hundred, in any prefix, order of children and white space; in one or two entries,
    or in many that are alike."""
    if rng.random() < 0.4:
        return many_entries(rng)
    p = rng.choice(["espi", "ns0", "e"])
    blank = rng.choice(["", "\n  ", "\r\n\t", " "])
    shape = rng.choice(["time value", "cost quality time value", "quality time value tou", "value time", "cost time value tou"])
    n = 500 if rng.random() < 0.01 else rng.choice([1, 7, 9, 12, 20, 40])
    readings = [reading(rng, p, 1_600_000_000 + 900 * k, shape, blank) for k in range(n)]
    if rng.random() < 0.3:  # children that come and go
        for k in rng.sample(range(len(readings)), max(1, len(readings) // rng.choice([4, 20]))):
            readings[k] = reading(rng, p, 1_600_000_000 + 900 * k, rng.choice(["time value", "time", "value", "time value value"]), blank)
    cut = rng.randrange(len(readings) + 1)
    middle = (
        TAIL.format(p=p).removesuffix("</feed>") + HEAD.format(p=p).partition("<feed")[2].partition(">")[2] if rng.random() < 0.4 else ""
    )
    return HEAD.format(p=p) + blank.join(readings[:cut]) + middle + blank.join(readings[cut:]) + TAIL.format(p=p)


def many_entries(rng: Random) -> str:
    """A feed of many small entries, each with links, dates and an interval, that differ in what they say only, or in more."""
    p, a = rng.choice(["espi", "ns0"]), rng.choice(["", "a:"])
    blank = rng.choice(["", "\n  ", " "])
    extra = rng.choice(["", "", f"<{a}author><{a}name>me</{a}name></{a}author>", "<x:y>1</x:y>"])
    found = []
    for k in range(20 if rng.random() < 0.05 else rng.choice([3, 5, 8])):
        at = 1_600_000_000 + 86_400 * k
        readings = [reading(rng, p, at + 900 * j, "quality time value tou", blank) for j in range(rng.choice([3, 9, 9]))]
        parts = [
            f'<{a}link href="https://u.example/UsagePoint/1/MeterReading/{rng.choice([1, 1, 2])}/IntervalBlock/{k}" rel="self"/>',
            f'<{a}link rel="up" href="https://u.example/UsagePoint/1/MeterReading/1/IntervalBlock"/>',
            f"<{a}id>urn:uuid:{rng.randrange(10**9)}</{a}id>",
            f"<{a}title>{rng.choice(['a title', 'title 2', '', ' x ', 'café', 'A &amp; B', '12'])}</{a}title>",
            f"<{a}updated>2024-01-{k + 1:02}T00:00:00Z</{a}updated>",
            extra if rng.random() < 0.9 else "",
        ]
        interval = f"<{p}:interval><{p}:duration>86400</{p}:duration>{blank}<{p}:start>{at}</{p}:start></{p}:interval>"
        inner = interval + blank + blank.join(readings) + (blank if rng.random() < 0.9 else " ")
        parts.append(f"<{a}content><{p}:IntervalBlock>{inner}</{p}:IntervalBlock></{a}content>")
        found.append(f"<{a}entry>" + blank.join(part for part in parts if part) + f"</{a}entry>")
    atom = 'xmlns:a="http://www.w3.org/2005/Atom"' if a else 'xmlns="http://www.w3.org/2005/Atom"'
    if a and rng.random() < 0.3:  # each entry declares its own prefix, as some utilities do
        found = [one.replace("a:", "b:").replace("<b:entry", '<b:entry xmlns:b="http://www.w3.org/2005/Atom"') for one in found]
    root = f'<{a}feed {atom} xmlns:{p}="http://naesb.org/espi" xmlns:x="urn:x">'
    return root + f"<{a}updated>2023-05-05T00:00:00Z</{a}updated>" + blank.join(found) + f"</{a}feed>"


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
    "</entry>",
    "<entry>",
    "<title>t</title>",
    "<espi:interval><espi:duration>1</espi:duration></espi:interval>",
    '<link rel="related" href="x"/>',
    "<!--",
    "-->",
    "]]>",
    "<![CDATA[",
    "\x00",
    "é",
]


def mutate(rng: Random, text: str) -> bytes:
    """Insert, remove, double or damage something, up to twice."""
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
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


#: What lxml refuses and XML without namespaces allows, as prefixes that are not declared (libxml2's codes).
NAMESPACE_ERRORS = {99, *range(200, 206)}


def trial(seed: int) -> bool:
    """Compare the two paths on one feed; return whether it was refused."""
    rng = Random(seed)
    data = mutate(rng, feed(rng))
    plain = read(data, plain=True)
    same(read(data, plain=False), plain)
    # anywhere, and now and then byte by byte
    cuts = {
        min(at + k, len(data)) for at in rng.choices(range(len(data) + 1), k=rng.choice([1, 4, 12])) for k in range(rng.choice([1, 1, 20]))
    }
    same(read(data, plain=False, cuts=cuts), plain)
    if not isinstance(plain, str):
        as_a_third_reader_has_it(plain, data)
    return isinstance(plain, str)


def as_a_third_reader_has_it(document: Document, data: bytes) -> None:
    """Hold what both paths say against a reader on another parser, where nothing was out of order."""
    columns = ("start", "duration", "value", "cost", "tou", "tier", "cpp")
    if document.findings or any(one.readings.exponent or one.readings.extra for one in document.blocks):
        return
    try:
        found = Found(data)
    except etree.XMLSyntaxError as error:
        if error.code not in NAMESPACE_ERRORS:
            raise
        return
    rows = [row for one in document.blocks for row in zip(*(known(getattr(one.readings, name)) for name in columns), strict=True)]
    assert rows == [tuple(getattr(row, name) for name in columns) for row in found.rows()]


def known(column: npt.NDArray[np.signedinteger[Any]]) -> list[int | None]:
    missing = MISSING if column.dtype == np.int64 else MISSING_SMALL
    return [None if one == missing else one for one in column.tolist()]


def test_mutated_feeds_read_equal() -> None:
    refused = sum(trial(seed) for seed in range(400))
    assert 50 < refused < 350  # else the mutations would be too wild, or too tame


@pytest.mark.prove
@pytest.mark.parametrize("first", range(1_000, 101_000, 2_500))
def test_a_hundred_thousand_mutated_feeds_read_equal(first: int) -> None:
    for seed in range(first, first + 2_500):
        trial(seed)


def test_entries_that_are_alike_are_matched_and_not_parsed() -> None:
    matched = 0
    for seed in range(20):
        rng = Random(seed)
        rest, runs = (cutter := Cutter()).cut(many_entries(rng).encode(), final=True)
        matcher = Matcher(cutter.name, lambda data: read_document(handles(data)[0], fast=False))
        matcher.begin(rest)
        left, alike = matcher.cut(rest)
        texts = [one for _, group in alike for one in group]
        assert len(alike) == left.count(b".entry/>")
        assert len(runs) == len(texts) + left.count(cutter.name.encode() + b"/>")
        matched += len(texts)
    assert matched > 20


#: Feeds on which the two paths were unlike once, each with what was wrong.
PAST_FAILURES = {
    "the marker of an entry took the prefix that the entry declared for itself": (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">'
        + "".join(
            f'<q:entry xmlns:q="http://www.w3.org/2005/Atom"><q:id>urn:{k}</q:id><q:content><e:IntervalBlock>'
            + "".join(
                f"<e:IntervalReading><e:timePeriod><e:duration>900</e:duration><e:start>{9000 * k + 900 * j}</e:start></e:timePeriod>"
                f"<e:value>{j}</e:value></e:IntervalReading>"
                for j in range(10)
            )
            + "</e:IntervalBlock></q:content></q:entry>"
            for k in range(5)
        )
        + "</feed>"
    ),
    **{
        f"a code that is the same everywhere and does not fit ({code})": '<IntervalBlock xmlns="http://naesb.org/espi">'
        + "".join(
            f"<IntervalReading><timePeriod><duration>900</duration><start>{900 * k}</start></timePeriod><value>{k}</value>"
            f"<tou>{code}</tou></IntervalReading>"
            for k in range(20)
        )
        + "</IntervalBlock>"
        for code in (-32768, 99999)
    },
}


@pytest.mark.parametrize("what", PAST_FAILURES)
def test_past_failures_stay_mended(what: str) -> None:
    data = PAST_FAILURES[what].encode()
    plain = read(data, plain=True)
    assert not isinstance(plain, str)
    same(read(data, plain=False), plain)
    as_a_third_reader_has_it(plain, data)


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
