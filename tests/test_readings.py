"""IntervalReadings to columns: the plain path by hand, and the fast path by its agreement with the plain one."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smd_notebook.errors import ReadError
from smd_notebook.espi.codes import QUALITY_WORST_FIRST
from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Readings
from smd_notebook.espi.reader import read_document
from smd_notebook.espi.readings import Columns
from smd_notebook.espi.source import handles
from tests.build import START, block, blocks, feed_xml, reading, reading_type, small
from tests.oracle import Found
from tests.strategies import Parts, parts


def columns_of(*nodes: dict[str, Any]) -> tuple[Readings, list[str]]:
    noted: list[str] = []
    columns = Columns(lambda code, text: noted.append(code))
    for node in nodes:
        columns.add(dict(node))
    return columns.finish(), noted


def value_of(text: str) -> tuple[int, int, list[str]]:
    readings, noted = columns_of({"value": text})
    return int(readings.value[0]), readings.exponent, noted


# -- numbers ------------------------------------------------------------------------------------------------------------------------------


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_of_64_bits_but_the_least_is_taken(number: int) -> None:
    assert value_of(str(number)) == (number, 0, [])


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63)))
def test_no_larger_integer_is_taken(number: int) -> None:
    assert value_of(str(number)) == (MISSING, 0, ["not-understood"])


@given(st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**12), max_value=10**12))
def test_decimals_are_exact(number: Any) -> None:
    value, exponent, _ = value_of(format(number, "f"))
    assert number == number.__class__(value).scaleb(exponent)
    assert exponent <= 0


def test_decimals_of_one_block_share_the_smallest_exponent() -> None:
    readings, noted = columns_of({"value": "1.5"}, {"value": "2"}, {"value": "-0.125"}, {})
    assert readings.exponent == -3
    assert readings.value.tolist() == [1500, 2000, -125, MISSING]
    assert set(noted) == {"decimal-values"}


@pytest.mark.parametrize("text", ["1e400", "1E+99", "-1e-99", "٣", "1 2", "0b1", "+", "-", ".", "1.2.3", "1,5", "½", "１"])
def test_what_is_not_a_number_is_kept(text: str) -> None:
    readings, noted = columns_of({"value": text})
    assert readings.value.tolist() == [MISSING]
    assert readings.extra == {0: {"value": text}}
    assert noted == ["not-understood"]


def test_one_bad_number_costs_nothing_but_itself() -> None:
    readings, _ = columns_of({"value": "1"}, {"value": "x"}, {"value": "3"})
    assert readings.value.tolist() == [1, MISSING, 3]


@pytest.mark.parametrize("name", ["tou", "consumptionTier", "cpp"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("32767", 32767), ("-32767", -32767), ("32768", MISSING_SMALL), ("-32768", MISSING_SMALL), ("1.5", MISSING_SMALL)],
)
def test_small_codes(name: str, text: str, expected: int) -> None:
    readings, noted = columns_of({name: text})
    column = readings.tier if name == "consumptionTier" else getattr(readings, name)
    assert column.tolist() == [expected]
    assert noted == ([] if expected != MISSING_SMALL else ["not-understood"]) or text == "1.5"


def test_a_small_code_with_decimals_is_told() -> None:
    """Nothing is dropped without a finding."""
    readings, noted = columns_of({"tou": "1.5"}, {"tou": "2"})
    assert noted
    assert readings.tou.tolist() == [MISSING_SMALL, 2]


def test_a_cost_with_decimals_is_rounded_and_kept() -> None:
    readings, _ = columns_of({"cost": "974.5"}, {"cost": "12"})
    assert readings.cost.tolist() == [974, 12]
    assert readings.extra == {0: {"cost": "974.5"}}


@given(st.lists(st.sampled_from(QUALITY_WORST_FIRST), min_size=1, max_size=4))
def test_the_worst_quality_counts(given_codes: list[int]) -> None:
    readings, _ = columns_of({"ReadingQuality": [{"quality": str(code)} for code in given_codes]})
    assert readings.quality.tolist() == [min(given_codes, key=QUALITY_WORST_FIRST.index)]


# -- two paths, one answer ----------------------------------------------------------------------------------------------------------------


def run_of(n: int, **more: Any) -> list[str]:
    return [
        reading(START + 900 * k, (k * 37) % 1000, 900, **{name: one(k) if callable(one) else one for name, one in more.items()})
        for k in range(n)
    ]


def feed_of(*found: str) -> bytes:
    return feed_xml(reading_type(), blocks(*found)).encode()


#: What a fast path may get wrong: each is a long run of readings with something in its way.
LONG = 400
PRETTY = [one.replace("><", ">\n  <") for one in run_of(LONG)]
CASES = {
    "plain": feed_of(block(*run_of(LONG))),
    "indented": feed_of(block(*[f"\n{one}" for one in PRETTY])),
    "everything": feed_of(block(*run_of(LONG, cost=lambda k: k % 7, quality=17, consumptionTier=1, tou=lambda k: k % 9, cpp=0))),
    "several blocks": feed_of(*[block(*run_of(LONG), start=START, duration=900 * LONG) for _ in range(5)]),
    "cost comes and goes": feed_of(block(*run_of(LONG, cost=lambda k: k if k % 5 else None))),
    "value comes and goes": feed_of(block(*[reading(START + 900 * k, k if k % 5 else None, 900) for k in range(LONG)])),
    "all come and go": feed_of(
        block(
            *[
                reading(
                    *((None, k, None) if k % 11 == 0 else (START + k, None if k % 7 == 0 else k, 900)),
                    quality=None if k % 3 else 17,
                    cost=None if k % 5 else -k,
                    tou=None if k % 2 else k % 9,
                    cpp=k if k % 4 else None,
                    more="<!-- a -->" if k % 6 else "",
                )
                for k in range(LONG)
            ]
        )
    ),
    "one decimal": feed_of(block(*run_of(LONG), reading(START, "1.5", 900), *run_of(LONG))),
    "one negative": feed_of(block(*run_of(LONG), reading(START, -5, 900), *run_of(LONG))),
    "all negative": feed_of(block(*[reading(START + 900 * k, -k, 900) for k in range(LONG)])),
    "one plus sign": feed_of(block(*run_of(LONG), reading(START, "+5", 900), *run_of(LONG))),
    "leading zeros": feed_of(block(*[reading(START + 900 * k, f"{k:06}", 900) for k in range(LONG)])),
    "18 and 19 digits": feed_of(block(*run_of(LONG), reading(START, "9" * 18, 900), reading(START, "9" * 19, 900), *run_of(LONG))),
    "64 bits": feed_of(block(*run_of(LONG), reading(START, 2**63 - 1, 900), reading(START, 2**63, 900), reading(START, -(2**63), 900))),
    "tou too large": feed_of(block(*run_of(LONG, tou=lambda k: 40_000 if k == 200 else 1))),
    "tou of 5 digits": feed_of(block(*run_of(LONG, tou=lambda k: 32_767 if k == 200 else 1))),
    "quality twice": feed_of(block(*run_of(LONG, quality=(17, 8)))),
    "quality twice once": feed_of(block(*run_of(LONG, quality=lambda k: (17, 8) if k == 99 else 17))),
    "comment among": feed_of(block(*run_of(LONG), "<!-- a comment -->", *run_of(LONG))),
    "comment inside": feed_of(block(*run_of(LONG, more="<!-- a --- not allowed is -- this -->".replace("--- not allowed is --", "b")))),
    "commented out": feed_of(block("<!--", *run_of(LONG), "-->", *run_of(20))),
    "in CDATA": feed_of(block("<![CDATA[", *run_of(LONG), "]]>", *run_of(20))),
    "in an instruction": feed_of(block("<?x ", *run_of(LONG), "?>", *run_of(20))),
    "in another element": feed_of(block("<e:extension>", *run_of(LONG), "</e:extension>", *run_of(20))),
    "in another namespace": feed_of(block("<e:extension xmlns:e='urn:x'>", *run_of(LONG), "</e:extension>", *run_of(20))),
    "no block around": feed_xml(blocks("<e:extension>" + "".join(run_of(LONG)) + "</e:extension>")).encode(),
    "prefix bound anew": feed_of(block(*run_of(LONG)).replace("<e:IntervalBlock>", "<e:IntervalBlock xmlns:e='urn:x'>")),
    "prefix bound to ours in the block": feed_of(
        block(*run_of(LONG)).replace("e:", "q:").replace("<q:IntervalBlock>", "<q:IntervalBlock xmlns:q='http://naesb.org/espi'>")
    ),
    "two prefixes": feed_of(block(*run_of(LONG), *[one.replace("e:", "q:") for one in run_of(LONG)])).replace(
        b"<feed", b"<feed xmlns:q='http://naesb.org/espi'", 1
    ),
    "undeclared prefix": feed_of(block(*[one.replace("e:", "q:") for one in run_of(LONG)])),
    "an attribute": feed_of(block(*run_of(LONG)).replace("<e:IntervalReading>", "<e:IntervalReading id='1'>", 3)),
    "character references": feed_of(block(*run_of(LONG), reading(START, "&#49;00", 900), *run_of(LONG))),
    "spaces in numbers": feed_of(block(*run_of(LONG), reading(START, " 100\n", 900), *run_of(LONG))),
    "all with spaces": feed_of(block(*[reading(f" {START + k} ", f" {k} ", " 900 ") for k in range(LONG)])),
    "empty values": feed_of(block(*run_of(LONG), reading(START, "", 900), *run_of(LONG))),
    "empty readings": feed_of(block(*["<e:IntervalReading></e:IntervalReading>"] * LONG)),
    "empty elements": feed_of(block(*["<e:IntervalReading/>"] * LONG)),
    "only values": feed_of(block(*[reading(None, k, None) for k in range(LONG)], start=START, duration=900 * LONG)),
    "start before duration": feed_of(
        block(*[re.sub(r"(<e:duration>.*</e:duration>)(<e:start>.*</e:start>)", r"\2\1", one) for one in run_of(LONG)])
    ),
    "value before time": feed_of(
        block(*[re.sub(r"(<e:timePeriod>.*</e:timePeriod>)(<e:value>.*</e:value>)", r"\2\1", one) for one in run_of(LONG)])
    ),
    "value twice": feed_of(block(*run_of(LONG), reading(START, 1, 900, more="<e:value>2</e:value>"), *run_of(LONG))),
    "all values twice": feed_of(block(*run_of(LONG, more="<e:value>2</e:value>"))),
    "two starts": feed_of(block(*[one.replace("</e:timePeriod>", "<e:start>1</e:start></e:timePeriod>") for one in run_of(LONG)])),
    "start outside of timePeriod": feed_of(block(*run_of(LONG, more="<e:start>1</e:start>"))),
    "quality outside": feed_of(block(*run_of(LONG, more="<e:quality>8</e:quality>"))),
    "value inside timePeriod": feed_of(
        block(*[one.replace("<e:timePeriod>", "<e:timePeriod><e:value>9</e:value>") for one in run_of(LONG)])
    ),
    "text between": feed_of(block("words".join(run_of(LONG)))),
    "text inside": feed_of(block(*[one.replace("<e:value>", "words<e:value>") for one in run_of(LONG)])),
    "literal backslash n": feed_of(block("\\n".join(run_of(LONG)))),
    "no-break space": feed_of(block(*run_of(LONG), "\u00a0", *run_of(LONG))),
    "form feed in a number": feed_of(block(*run_of(LONG), reading(START, "1\x0c", 900), *run_of(LONG))),
    "NUL in a number": feed_of(block(*run_of(LONG), reading(START, "1\0", 900), *run_of(LONG))),
    "comment with two hyphens": feed_of(block(*run_of(LONG), "<!-- a -- b -->", *run_of(LONG))),
    "comment with three hyphens at its end": feed_of(block(*run_of(LONG, more="<!-- a --->"))),
    "comment of bad bytes": feed_of(block(*run_of(LONG, more="<!-- X -->"))).replace(b"<!-- X", b"<!-- \xff"),
    "an unclosed reading": feed_of(block(*run_of(LONG), "<e:IntervalReading><e:value>1</e:value>", *run_of(LONG))),
    "an end tag too many": feed_of(block(*run_of(LONG), "</e:IntervalReading>", *run_of(LONG))),
    "wrong end tags": feed_of(block(*[one.replace("</e:value>", "</e:valeu>") for one in run_of(LONG)])),
    "end tag with a space": feed_of(block(*[one.replace("</e:value>", "</e:value >") for one in run_of(LONG)])),
    "readings in readings": feed_of(
        block(*[one.replace("</e:IntervalReading>", reading() + "</e:IntervalReading>") for one in run_of(LONG)])
    ),
    "blocks in blocks": feed_of(block(*run_of(LONG), block(*run_of(LONG)), *run_of(LONG))),
    "cut short": feed_of(block(*run_of(LONG)))[:-300],
    "cut in a run": feed_of(block(*run_of(LONG)))[:20_000],
    "junk behind": feed_of(block(*run_of(LONG))) + b"".join(one.encode() for one in run_of(LONG)),
    "latin-1": feed_of(block(*run_of(LONG, more="<e:x>\xe9</e:x>"))).decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"),
    "utf-16": feed_of(block(*run_of(LONG))).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "utf-7 is not read as such": feed_of(block(*run_of(LONG))).replace(b"UTF-8", b"utf-7"),
    "an unknown encoding": feed_of(block(*run_of(LONG))).replace(b"UTF-8", b"x-unknown"),
    "a DOCTYPE in front": feed_of(block(*run_of(LONG))).replace(b"?>\n", b"?>\n<!DOCTYPE feed>", 1),
    "an entity": feed_of(block(*run_of(LONG), reading(START, "&x;", 900))),
    "bare block": block(*run_of(LONG))
    .replace("e:", "")
    .replace("<IntervalBlock>", '<IntervalBlock xmlns="http://naesb.org/espi">')
    .encode(),
    "bare readings": "".join(run_of(LONG)).replace("e:", "").encode(),
    "a name that continues": feed_of(block(*[one.replace("IntervalReading>", "IntervalReadings>") for one in run_of(LONG)], *run_of(20))),
}


def said(data: bytes, *, fast: bool = True) -> Any:
    """Return everything that a document says of its readings, or the error."""
    try:
        document = read_document(handles(data)[0], fast=fast)
    except ReadError as error:
        return type(error).__name__, str(error)
    found = [
        (
            [getattr(one.readings, name).tolist() for name in COLUMNS],
            one.readings.exponent,
            one.readings.extra,
            one.interval,
            one.extra,
            one.entry,
        )
        for one in document.blocks
    ]
    return found, document.reading_types, document.others, sorted((one.code, one.n) for one in document.findings)


def said_plainly(data: bytes) -> Any:
    return said(data, fast=False)


@pytest.mark.parametrize("name", CASES)
def test_two_paths_agree(name: str) -> None:
    assert said(CASES[name]) == said_plainly(CASES[name])


@pytest.mark.parametrize(
    "name", ["plain", "indented", "everything", "several blocks", "cost comes and goes", "all negative", "leading zeros", "one negative"]
)
@pytest.mark.parametrize("size", [100, 1000, 4096])
def test_two_paths_agree_in_pieces_of_any_size(name: str, size: int) -> None:
    data = CASES[name]

    class Slow:
        name = "bytes"

        def chunks(self) -> Any:
            return iter([data[at : at + size] for at in range(0, len(data), size)])

    document = read_document(Slow())  # type: ignore[arg-type]
    columns = [[getattr(one.readings, column).tolist() for column in COLUMNS] for one in document.blocks]
    assert columns == [one[0] for one in said_plainly(data)[0]]


def test_the_cases_are_not_all_refused() -> None:
    assert sum(isinstance(said_plainly(data)[0], str) for data in CASES.values()) < len(CASES) / 3


@pytest.mark.parametrize(
    "name", ["plain", "indented", "everything", "several blocks", "cost comes and goes", "value comes and goes", "all negative"]
)
def test_long_runs_are_what_a_second_reader_finds(name: str) -> None:
    rows = Found(CASES[name]).rows()
    readings = [one.readings for one in read_document(handles(CASES[name])[0]).blocks]
    value = np.concatenate([one.value for one in readings]).tolist()
    assert [None if one == MISSING else one for one in value] == [one.value for one in rows]
    assert np.concatenate([one.start for one in readings]).tolist() == [one.start for one in rows]


@given(parts())
@settings(max_examples=25)
def test_two_paths_agree_on_made_up_feeds(made: Parts) -> None:
    data = made.xml()
    assert said(data) == said_plainly(data)


@given(parts())
@settings(max_examples=25)
def test_made_up_feeds_are_what_a_second_reader_finds(made: Parts) -> None:
    data = made.xml()
    document = read_document(handles(data)[0])
    ours = []
    for one in document.blocks:
        readings = one.readings
        for row in range(len(readings)):
            value = None if readings.value[row] == MISSING else int(readings.value[row]) * 10.0**readings.exponent
            codes = [None if code == MISSING_SMALL else int(code) for code in (readings.tou[row], readings.tier[row], readings.cpp[row])]
            cost = None if readings.cost[row] == MISSING else int(readings.cost[row])
            ours.append((int(readings.start[row]), int(readings.duration[row]), value, cost, *codes))
    theirs = [
        (one.start, one.duration, None if one.value is None else float(one.value), one.cost, one.tou, one.tier, one.cpp)
        for one in Found(data).rows()
    ]
    assert [one[:2] + one[3:] for one in ours] == [one[:2] + one[3:] for one in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[2] == (None if other[2] is None else pytest.approx(other[2], rel=1e-12, abs=1e-12))


HURTS = [
    b"<",
    b">",
    b"</e:value>",
    b"<!--",
    b"-->",
    b"]]>",
    b"<![CDATA[",
    b"&#49;",
    b"&amp;",
    b" ",
    b"-",
    b"+",
    b"\n",
    b"9" * 19,
    b"1.5",
    b"e:",
    b"\0",
    b"\xff",
]
HURTS += [
    b"<espi:value>7</espi:value>",
    b"</espi:IntervalReading>",
    b"<espi:IntervalReading>",
    b"<x:value>1</x:value>",
    b"<?x?>",
    b"</espi:IntervalBlock><espi:IntervalBlock>",
]


def hurt(data: bytes, seed: int) -> bytes:
    """Return a feed with a few bytes changed, lost, doubled or put in."""
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data))
        cut = dice.choice([0, 0, 1, 5, 40])
        data = data[:at] + dice.choice([*HURTS, data[at : at + 80], b""]) + data[at + cut :]
    return data


FEEDS = [CASES[name] for name in ("plain", "indented", "everything", "several blocks", "cost comes and goes")]
SHORT = [small(*run_of(12)).encode(), *FEEDS]


@given(st.integers(0, 2**32), st.integers(0, len(SHORT) - 1))
@settings(max_examples=80)
@example(0, 0)
def test_two_paths_agree_on_damaged_feeds(seed: int, which: int) -> None:
    data = hurt(SHORT[which], seed)
    assert said(data) == said_plainly(data)


@pytest.mark.prove
@pytest.mark.parametrize("first", range(0, 100_000, 5_000))
def test_two_paths_agree_on_many_damaged_feeds(first: int) -> None:
    for seed in range(first, first + 5_000):
        data = hurt(SHORT[seed % len(SHORT)], seed)
        assert said(data) == said_plainly(data), seed
