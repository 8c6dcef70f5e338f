"""The rules and oddities of Green Button files, each on a tiny file in `data/` that is named by its rule."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smd_notebook.errors import BrokenXmlError, NotEspiError, ReadError
from smd_notebook.espi.model import MISSING, Other
from smd_notebook.espi.reader import read_document
from smd_notebook.espi.resources import MAX_DEPTH
from smd_notebook.espi.source import Handle, handles
from smd_notebook.feed import Feed
from tests.build import START, block, blocks, codes_of, feed_xml, read_feed, reading, reading_type, rows_of, small

DATA = Path(__file__).parent / "data"
#: What most of the tiny files hold: two hours from START.
TWO = [(START, 3600, 100.0), (START + 3600, 3600, 250.0)]


def rule(name: str) -> Feed:
    return read_feed(DATA / f"{name}.xml")


def read(text: str) -> Feed:
    return read_feed(text.encode())


def hours(*values: float | None) -> list[tuple[int, int, float | None]]:
    return [(START + 3600 * hour, 3600, value) for hour, value in enumerate(values)]


def known(feed: Feed) -> list[tuple[int, int, float | None]]:
    return [(start, duration, None if math.isnan(value) else value) for start, duration, value in rows_of(feed)]


# -- rules of structure: all of these say the same, and nothing needs telling -------------------------------------------------------------

QUIET = [
    "prefix_none_and_no_namespace",
    "prefix_default_for_both",
    "prefix_any",
    "prefix_misleading",
    "prefix_bound_anew",
    "prefix_declared_on_every_element",
    "namespace_none_inside",
    "namespace_foreign_children",
    "namespace_atom_for_customer",
    "blocks_before_reading_type",
    "blocks_without_readings",
    "entries_with_text_between",
    "comments_and_instructions",
    "links_by_up_only",
    "links_by_related_only",
    "links_self_before_up",
    "links_of_unlike_hosts",
    "links_one_href_usage_point_twice",
    "links_unused_usage_points",
    "links_usage_point_by_related",
    "links_back_to_usage_point",
    "usage_point_as_address",
    "names_in_other_case",
    "number_with_spaces",
    "element_unknown",
    "unit_against_service",
    "titles_of_the_world",
    "register",
    "flow_two_ways",
    "zone_two",
    "zone_without_dst",
    "cost_zero_throughout",
]
#: Those that say the same, and the codes of what is told of them.
TOLD = {
    "prefix_undeclared": {"undeclared-prefix"},
    "namespace_foreign_containers": {"not-modelled"},
    "links_none": {"link-guessed"},
    "links_one_href_two_reading_types": {"link-guessed"},
    "time_period_empty": {"times-from-block"},
    "time_period_without_duration": {"duration-missing"},
    "element_repeated": {"repeated-element"},
    "reading_outside_its_block": {"outside-block"},
    "quality_default": {"quality-default"},
    "links_to_missing_reading_type": {"reading-type-missing"},
    "resources_several_in_one_content": {"link-guessed"},
    "root_block": {"reading-type-missing"},
    "quality_unknown": {"not-understood"},
}
#: What the file leaves open and no rule is about.
ALWAYS = {"zone-unknown"}


@pytest.mark.parametrize("name", QUIET)
def test_says_the_same_and_nothing_is_told(name: str) -> None:
    feed = rule(name)
    assert sorted(rows_of(feed)) == TWO if name != "flow_two_ways" else sorted(rows_of(feed)) == [TWO[0], (START, 3600, 250.0)]
    assert codes_of(feed) <= ALWAYS


@pytest.mark.parametrize("name", TOLD)
def test_says_the_same_and_it_is_told(name: str) -> None:
    feed = rule(name)
    expected = TWO if name != "reading_outside_its_block" else [TWO[0], (START + 86400, 3600, 250.0)]
    assert sorted(rows_of(feed)) == expected
    assert codes_of(feed) - ALWAYS == TOLD[name]


WITH_UNIT = [name for name in [*QUIET, *TOLD] if name not in ("links_to_missing_reading_type", "root_block")]


@pytest.mark.parametrize("name", WITH_UNIT)
def test_the_unit_is_found(name: str) -> None:
    frame = rule(name).tidy()
    assert set(frame["unit"].astype(object)) == {"Wh"}
    assert set(frame["measure"].astype(object)) == {"register" if name == "register" else "energy"}


# -- rules with figures of their own ------------------------------------------------------------------------------------------------------

FIGURES: dict[str, tuple[list[tuple[int, int, float | None]], set[str]]] = {
    "blocks_several_in_one_content": (hours(100, 250, 7), set()),
    "time_period_missing": (hours(100, 250, 7), {"times-from-block"}),
    "time_period_missing_at_some": (
        [(START, 3600, 100), (START + 7200, 7200, 250), (START + 14400, 3600, 7)],
        {"times-from-block"},
    ),
    "time_period_missing_and_no_length": ([(START + 900 * k, 900, k + 1.0) for k in range(4)], {"times-from-block"}),
    "start_fractional": ([(START, 3600, 100), (START + 3600, 3600, 250), (-1, 3600, 7)], {"fractional-time"}),
    "duration_zero": ([(START, 0, 100), (START + 3600, 3600, 250)], set()),
    "number_decimal": (hours(0.38, 250, -1.125, 4), {"decimal-values"}),
    "number_signed_and_padded": (hours(100, 250, -7), set()),
    "number_not_a_number": (hours(100, *[None] * 10), {"not-understood"}),
    "number_missing": (hours(100, None, 7), set()),
    "number_too_large": (hours(2.0**63, -(2.0**63), None, None, None), {"not-understood"}),
    "number_in_pieces": (hours(100, 250, 7), set()),
    "number_negative": (hours(-100.5, 250, 0), set()),
    "number_nil": (hours(100, None, 7), set()),
    "newest_first": (hours(1, 2, 3, 4)[::-1], set()),
    "quality_several": (hours(100, 250, 7, 8), set()),
    "tou_tier_cpp": (hours(100, 250, 7), set()),
    "cost": (hours(100, 250, 7), set()),
    "energy_and_power": ([(START, 3600, 100), (START, 3600, 250)], set()),
    "unit_unknown": (hours(100, 250), set()),
    "links_none_at_blocks": (hours(100, 250), {"link-guessed"}),
    "secrets": ([], {"not-modelled"}),
    "root_entry": ([], set()),
    "root_usage_point": ([], set()),
    "root_feed_of_nothing": ([], set()),
    "root_batch_list": ([], set()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str) -> None:
    expected, told = FIGURES[name]
    feed = rule(name)
    assert known(feed) == expected
    assert codes_of(feed) - ALWAYS == told


def test_every_rule_has_its_test() -> None:
    tested = {*QUIET, *TOLD, *FIGURES, "time_period_missing_and_no_interval"}
    assert {path.stem for path in DATA.glob("*.xml")} == tested


# -- what stands in the frame beside times and values -------------------------------------------------------------------------------------


def column(name: str, which: str) -> list[Any]:
    found = rule(name).tidy(duplicates="keep")[which]
    return found.astype(object).where(found.notna(), None).tolist()


@pytest.mark.parametrize(
    ("name", "which", "expected"),
    [
        ("quality_several", "quality", ["estimated", "validated", "questionable", None]),
        ("quality_default", "quality", ["estimated", "validated"]),
        ("quality_unknown", "quality", ["quality42", None]),
        ("tou_tier_cpp", "tou", [6, 3, None]),
        ("tou_tier_cpp", "tou_name", ["WOP", None, None]),
        ("tou_tier_cpp", "tier", [2, None, None]),
        ("tou_tier_cpp", "cpp", [1, None, None]),
        ("cost", "cost", [0.00974, -0.16615, None]),
        ("cost", "currency", ["USD", "USD", "USD"]),
        ("cost_zero_throughout", "cost", [None, None]),
        ("flow_two_ways", "flow", ["delivered", "received"]),
        ("energy_and_power", "measure", ["energy", "power"]),
        ("energy_and_power", "unit", ["Wh", "W"]),
        ("register", "measure", ["register", "register"]),
        ("unit_unknown", "unit", ["uom9999", None]),
        ("unit_unknown", "measure", ["other", "other"]),
        ("unit_against_service", "service", ["gas", "gas"]),
        ("links_usage_point_by_related", "service", ["gas", "gas"]),
        ("links_back_to_usage_point", "service", ["gas", "gas"]),
        ("links_to_missing_reading_type", "unit", [None, None]),
        ("links_to_missing_reading_type", "value", [100.0, 250.0]),
        ("links_by_up_only", "flow", ["delivered", "delivered"]),
        ("links_by_related_only", "flow", ["delivered", "delivered"]),
        ("links_self_before_up", "flow", ["delivered", "delivered"]),
        ("number_negative", "flow", ["net", "net", "net"]),
        ("zone_two", "zone", ["America/Los_Angeles", "America/New_York"]),
        ("zone_without_dst", "zone", ["America/Phoenix", "America/Phoenix"]),
        ("links_unused_usage_points", "usage_point", ["espi/UsagePoint/1"] * 2),
    ],
)
def test_columns(name: str, which: str, expected: list[Any]) -> None:
    assert column(name, which) == expected


def test_each_block_has_its_meter_reading_where_there_are_no_links() -> None:
    first, second = rule("links_none_at_blocks").document.channels
    assert [(channel.flow, channel.blocks[0].readings.value.tolist()) for channel in (first, second)] == [
        ("delivered", [100]),
        ("received", [250]),
    ]


def test_two_channels_of_unlike_kind_have_labels_that_tell() -> None:
    assert [channel.label for channel in rule("energy_and_power").channels] == ["electricity delivered", "electricity delivered power"]
    assert [channel.label for channel in rule("flow_two_ways").channels] == ["electricity delivered", "electricity received"]


def test_readings_without_any_time_have_no_start_and_an_error() -> None:
    feed = rule("time_period_missing_and_no_interval")
    frame = feed.tidy()
    assert frame["start"].isna().all()
    assert frame["value"].tolist() == [100.0, 250.0]
    assert set(feed.findings[feed.findings["severity"] == "error"]["code"]) == {"time-missing"}


# -- nothing is lost: what is not modelled stands in `extra` ------------------------------------------------------------------------------


def test_unknown_elements_are_kept_where_they_stood() -> None:
    (found,) = rule("element_unknown").document.blocks
    assert found.readings.extra == {0: {"colour": "blue"}, 1: {"timePeriod": [{"timezone": "-0800"}]}}
    assert found.extra == {"weather": "fair"}


def test_repeated_elements_are_kept() -> None:
    (found,) = rule("element_repeated").document.blocks
    assert found.readings.extra == {0: {"value": ["999"]}, 1: {"timePeriod": [{"duration": "1", "start": "1"}]}}


def test_what_is_no_number_is_kept_as_written() -> None:
    (found,) = rule("number_not_a_number").document.blocks
    kept = {row: node["value"] for row, node in found.readings.extra.items()}
    assert kept == dict(zip([1, *range(3, 11)], ["n/a", "NaN", "INF", "0x10", "1,000", "1_000", "１００", "1 000", "--5"], strict=True))


def test_foreign_elements_are_kept_under_their_namespace() -> None:
    feed = rule("namespace_foreign_children")
    (found,) = feed.document.blocks
    assert found.readings.extra[0]["{http://example.org/ext}value"] == "999"
    assert found.readings.extra[1]["{http://example.org/ext}note"] == {"value": "999"}
    assert found.extra == {"{http://example.org/ext}IntervalReading": {"value": "999"}}
    (kind,) = feed.document.reading_types
    assert (kind.uom, kind.power_of_ten) == (72, 0)
    assert kind.extra == {"{http://example.org/ext}uom": "38", "{http://example.org/ext}powerOfTenMultiplier": "3"}


def test_all_qualities_are_kept_where_there_are_several() -> None:
    (found,) = rule("quality_several").document.blocks
    assert found.readings.extra[0]["ReadingQuality"] == [{"quality": "19"}, {"quality": "8"}]
    assert sorted(found.readings.extra) == [0, 2]


def test_resources_that_are_not_modelled_are_kept_by_name() -> None:
    feed = rule("usage_point_as_address")
    assert len(feed.usage_points) == 1
    (kept,) = feed.resources["ServiceLocation"]
    assert isinstance(kept, Other)
    assert kept.node == {"UsagePoints": {"UsagePoint": "/espi/UsagePoint/7"}}
    assert [one.node for one in rule("namespace_atom_for_customer").resources["Customer"]] == [{"name": "someone"}]


def test_addresses_of_a_notification() -> None:
    (found,) = rule("root_batch_list").resources["BatchList"]
    assert found.resources == ("https://utility.example/espi/Batch/1", "https://utility.example/espi/Batch/2")


def test_secrets_are_hidden_everywhere() -> None:
    feed = rule("secrets")
    shown = repr(feed) + feed._repr_html_() + repr(feed.resources) + repr(feed.document) + feed.findings.to_csv()
    shown += "".join(repr(getattr(one, "node", {})) + repr(one.extra if hasattr(one, "extra") else {}) for one in feed.document.others)
    assert "CANARY" not in shown
    assert feed.resources["ApplicationInformation"][0].client_secret.reveal() == "CANARY-1"


def test_titles_are_kept() -> None:
    feed = rule("titles_of_the_world")
    assert feed.document.usage_points[0].entry.title == "Größe & Zähler"
    assert feed.document.meter_readings[0].entry.title == "電力メーター"
    assert feed.document.reading_types[0].entry.title == "\U0001f50c عداد"
    assert feed.document.blocks[0].entry.title == "<b>x</b>"


# -- encodings and bytes around the document ----------------------------------------------------------------------------------------------

TEXT = small(head="")
TITLED = TEXT.replace("<entry>", "<entry><title>Größe</title>", 1)


def declared(encoding: str, text: str = TITLED) -> str:
    return f"<?xml version='1.0' encoding='{encoding}'?>\n{text}"


ENCODED = {
    "utf-8": declared("utf-8").encode(),
    "utf-8 undeclared": TITLED.encode(),
    "utf-8 with BOM": b"\xef\xbb\xbf" + declared("UTF-8").encode(),
    "utf-8 with BOM, undeclared": b"\xef\xbb\xbf" + TITLED.encode(),
    "utf-8 with blank lines before the declaration": b"\r\n \n" + declared("UTF-8").encode(),
    "utf-8 with BOM and blank lines": b"\xef\xbb\xbf\n\n" + declared("UTF-8").encode(),
    "utf-16 little": b"\xff\xfe" + declared("UTF-16").encode("utf-16-le"),
    "utf-16 big": b"\xfe\xff" + declared("UTF-16").encode("utf-16-be"),
    "utf-16 little, undeclared": b"\xff\xfe" + TITLED.encode("utf-16-le"),
    "utf-16 big, undeclared": b"\xfe\xff" + TITLED.encode("utf-16-be"),
    "latin-1": declared("ISO-8859-1").encode("latin-1"),
    "windows-1252": declared("windows-1252").encode("cp1252"),
    "CRLF": declared("UTF-8").replace("\n", "\r\n").encode(),
    "CR": declared("UTF-8").replace("\n", "\r").encode(),
    "ascii with references": declared("US-ASCII", TITLED.replace("ö", "&#246;").replace("ß", "&#xDF;")).encode("ascii"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encodings(name: str) -> None:
    feed = read_feed(ENCODED[name])
    assert rows_of(feed) == TWO
    assert feed.document.usage_points[0].entry.title == "Größe"
    assert not codes_of(feed)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("claimed", ["UTF-8", "ISO-8859-1", "x-unknown"])
def test_utf16_that_claims_to_be_something_else(encoding: str, mark: str, claimed: str) -> None:
    feed = read_feed((mark + declared(claimed)).encode(encoding))
    assert rows_of(feed) == TWO
    assert feed.document.usage_points[0].entry.title == "Größe"
    assert codes_of(feed) == {"encoding"}


def test_windows_1252_differs_from_latin_1() -> None:
    text = declared("windows-1252", TITLED.replace("Größe", "5 € – “x”"))
    assert read_feed(text.encode("cp1252")).document.usage_points[0].entry.title == "5 € – “x”"


@pytest.mark.parametrize("claimed", ["UTF-16", "utf-16le", "UCS-2", "x-unknown", "Shift_JIS", "utf-7", "hex"])
def test_utf8_that_claims_to_be_something_else(claimed: str) -> None:
    feed = read_feed(declared(claimed).encode())
    assert rows_of(feed) == TWO
    assert feed.document.usage_points[0].entry.title == "Größe"
    assert codes_of(feed) == {"encoding"}


def test_bytes_that_are_not_in_their_encoding() -> None:
    with pytest.raises(BrokenXmlError, match="line 2"):
        read_feed(declared("UTF-8").encode("latin-1"))


JUNK = {
    "text": b"that is all, folks",
    "NUL bytes": b"\0" * 100,
    "a second document": b"\n" + TEXT.encode(),
    "a second declaration": b"\n" + declared("UTF-8").encode(),
    "an end tag": b"</feed>",
    "a chunk's length": b"\r\n0\r\n\r\n",
    "a DOCTYPE": b"<!DOCTYPE x>",
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_after_the_root(name: str) -> None:
    feed = read_feed(TEXT.encode() + JUNK[name])
    assert rows_of(feed) == TWO
    assert codes_of(feed) == {"junk-after-root"}


@pytest.mark.parametrize("after", [b"", b"\n", b"\r\n  \n", b"<!-- made by a machine -->\n", b"<?done?>"])
def test_what_may_stand_after_the_root(after: bytes) -> None:
    feed = read_feed(TEXT.encode() + after)
    assert rows_of(feed) == TWO
    assert not codes_of(feed)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("name", ["utf-8 with BOM and blank lines", "utf-16 little", "windows-1252", "utf-8 with BOM, undeclared"])
def test_reads_the_same_in_pieces_of_any_size(name: str, size: int) -> None:
    """A network or an archive may hand over any number of bytes at a time."""
    from smd_notebook.espi.links import link

    (handle,) = handles(ENCODED[name])
    whole = handle.chunks
    pieces = [data[at : at + size] for data in whole() for at in range(0, len(data), size)]

    class Slow:
        name = "slow"

        def chunks(self) -> Any:
            return iter(pieces)

    assert rows_of(Feed(link(read_document(Slow())))) == TWO  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize("claimed", ["UTF-16", "x-unknown"])
def test_a_wrong_encoding_is_seen_in_pieces_of_any_size(claimed: str, size: int) -> None:
    data = declared(claimed).encode()

    class Slow:
        name = "slow"

        def chunks(self) -> Any:
            return iter([data[at : at + size] for at in range(0, len(data), size)])

    assert len(read_document(Slow()).blocks) == 1  # type: ignore[arg-type]


# -- what is refused ----------------------------------------------------------------------------------------------------------------------

LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY a 'lol'>"
    + "".join(f"<!ENTITY {n} '{f'&{m};' * 10}'>" for m, n in zip("abcdefg", "bcdefgh", strict=True))
    + "]>"
)
DOCTYPES = {
    "empty": "<!DOCTYPE feed>",
    "system": '<!DOCTYPE feed SYSTEM "http://192.0.2.1/x.dtd">',
    "public": '<!DOCTYPE feed PUBLIC "-//x//y" "http://192.0.2.1/x.dtd">',
    "internal entity": '<!DOCTYPE feed [<!ENTITY v "100">]>',
    "external entity": '<!DOCTYPE feed [<!ENTITY v SYSTEM "file:///etc/passwd">]>',
    "parameter entity": '<!DOCTYPE feed [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    "billion laughs": LAUGHS,
    "quadratic": "<!DOCTYPE feed [<!ENTITY v '" + "9" * 10_000 + "'>]>",
    "default attributes": "<!DOCTYPE feed [<!ATTLIST feed x CDATA 'y'>]>",
    "after a comment": "<!-- x --><!DOCTYPE feed>",
}


@pytest.mark.parametrize("name", DOCTYPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_doctype_is_refused(name: str, encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?>\n" + DOCTYPES[name] + small(reading(value="&v;"), head="")
    with pytest.raises(BrokenXmlError, match="DOCTYPE") as caught:
        read_feed(text.encode(encoding))
    assert caught.value.line == 2


def test_undefined_entities_are_refused() -> None:
    with pytest.raises(BrokenXmlError, match=r"line 6, entry 5: .*undefined entity"):
        read(small(reading(value="&v;")))


def test_depth_is_bounded() -> None:
    inside = "<e:extension>" * 10_000 + "</e:extension>" * 10_000
    with pytest.raises(BrokenXmlError, match="nested deeper"):
        read(small(reading(more=inside)))
    inside = "<e:extension>" * (MAX_DEPTH - 10) + "</e:extension>" * (MAX_DEPTH - 10)
    assert len(rows_of(read(small(reading(more=inside))))) == 1


def test_a_huge_token_is_no_number() -> None:
    """A million digits: no reading, and no seconds spent on making an integer of them."""
    feed = read(small(reading(value="9" * 1_000_000), reading(START + 3600, "1" + "0" * 30_000), reading(START + 7200, 7)))
    assert known(feed) == hours(None, None, 7)
    assert "not-understood" in codes_of(feed)


def test_a_huge_text_is_read_in_linear_time() -> None:
    feed = read(small(reading(value="<!-- -->".join("7" * 3) + " " * 5_000_000)))
    assert known(feed) == hours(777)


NOT_ESPI = {
    "a web page": b"<html><head><title>Sign in</title></head><body>secret</body></html>",
    "a web page with its DOCTYPE": b"<!DOCTYPE html>\n<html><body></body></html>",
    "a web page as they are": b'<!doctype HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">\n<HTML><HEAD><meta charset=utf-8></HEAD>secret &nbsp;',
    "a web page that is not XML": b"<html lang=en><head><meta charset=utf-8></head><p>secret<br></html>",
    "a page in a namespace": b'<html xmlns="http://www.w3.org/1999/xhtml"><p>secret</html>',
    "another feed's root": b"<rss><channel/></rss>",
    "text": b"TYPE,DATE,START TIME\nElectric usage,2024-01-01,00:00",
    "JSON": b'{"feed": []}',
    "nothing": b"",
    "blanks": b" \r\n\t",
    "a BOM": b"\xef\xbb\xbf",
    "a PDF": b"%PDF-1.7\n",
    "NUL bytes": b"\0" * 64,
}


@pytest.mark.parametrize("name", NOT_ESPI)
def test_what_is_not_green_button(name: str) -> None:
    with pytest.raises((NotEspiError, BrokenXmlError)) as caught:
        read_feed(NOT_ESPI[name])
    assert "secret" not in str(caught.value)
    if name != "a BOM":
        assert isinstance(caught.value, NotEspiError)
        assert str(caught.value).startswith("bytes: ")


# -- a file that was cut short ------------------------------------------------------------------------------------------------------------

CUT = small(reading(START, 100, quality=17), reading(START + 3600, 250, cost=12), more="<!-- x -->").encode() + b"\n \n"
LAST = CUT.rindex(b">") + 1


def outcome(data: bytes) -> Any:
    try:
        return rows_of(read_feed(data))
    except (BrokenXmlError, NotEspiError) as error:
        return type(error)


def test_cut_at_every_byte() -> None:
    """Whatever is left is refused, or only blanks were lost; nothing in between, and no other exception."""
    for at in range(len(CUT)):
        found = outcome(CUT[:at])
        assert found == TWO if at >= LAST else found in (BrokenXmlError, NotEspiError), at


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_cut_at_every_byte_of_utf16(encoding: str) -> None:
    data = ("\ufeff" + CUT.decode().replace("UTF-8", "UTF-16").rstrip()).encode(encoding)
    for at in range(0, len(data), 7):
        assert outcome(data[:at]) in (BrokenXmlError, NotEspiError), at
    assert outcome(data) == TWO


def test_a_cut_file_says_where() -> None:
    data = CUT[: CUT.index(b"250")]
    with pytest.raises(BrokenXmlError, match="cut short") as caught:
        read_feed(data)
    line = data.count(b"\n") + 1
    assert (caught.value.line, caught.value.entry) == (line, 5)
    assert str(caught.value).startswith(f"bytes, line {line}, entry 5: ")
    assert "250" not in str(caught.value)


@given(st.integers(0, len(CUT) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_crashes(at: int, byte: int) -> None:
    """Anything but our own errors would be a crash; what is read is a list of rows."""
    found = outcome(CUT[:at] + bytes([byte]) + CUT[at + 1 :])
    assert isinstance(found, list) or found in (BrokenXmlError, NotEspiError)


@given(st.binary(max_size=60), st.sampled_from([b"", b"<", b"<?xml version='1.0'?>", b"<feed>", b"\xff\xfe<\0", b"\xfe\xff\0<"]))
def test_any_bytes_never_crash(data: bytes, before: bytes) -> None:
    with contextlib.suppress(ReadError):
        assert rows_of(read_feed(before + data)) == []


# -- errors say where, and never what -----------------------------------------------------------------------------------------------------

CANARY = st.integers(10**9, 10**15).map(lambda number: f"7{number}3")


@given(
    CANARY, CANARY, st.sampled_from(["</e:oops>", "<e:x", "&nbsp;", "<x:y></z>", "\x01", "<!DOCTYPE x>", "]]>", "<e:a b=1/>", "</a:feed>"])
)
def test_errors_never_hold_what_the_file_says(number: str, name: str, fault: str) -> None:
    text = small(
        reading(value=number, cost=number, more=fault), more=f"<a:title>{name}</a:title><a:author><a:name>{name}</a:name></a:author>"
    )
    with pytest.raises((BrokenXmlError, NotEspiError)) as caught:
        read_feed(text.replace("/espi/", f"/{name}/").encode())
    shown = str(caught.value) + repr(caught.value) + caught.value.hint
    assert number not in shown
    assert name not in shown


@given(CANARY)
@settings(max_examples=20)
def test_findings_never_hold_what_the_file_says(canary: str) -> None:
    text = small(
        reading(value=f"x{canary}", cost=f"{canary}y", tou=canary, quality=canary, more=f"<e:value>{canary}</e:value>"),
        reading(START + 3600, canary + canary, tier=canary),
        clock=(canary, 3600, "360E2000", canary),
    )
    feed = read(text + canary)
    shown = feed.findings.to_csv() + repr(feed) + feed._repr_html_()
    assert canary not in shown


def test_no_python_text_leaks_from_the_parser() -> None:
    with pytest.raises(BrokenXmlError) as caught:
        read("<feed><entry><title>Jane Doe 12345</title></wrong></feed>")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Jane" not in str(caught.value)
    assert caught.value.entry == 1


def test_lines_count_blank_ones_before_the_declaration() -> None:
    with pytest.raises(BrokenXmlError) as caught:
        read_feed(b"\n\n\n" + declared("UTF-8", "<feed>\n<x></y></feed>").encode())
    assert caught.value.line == 6


def test_a_root_that_is_long_is_shortened() -> None:
    with pytest.raises(NotEspiError) as caught:
        read(f"<{'x' * 10_000}/>")
    assert len(str(caught.value)) < 300


# -- names of resources -------------------------------------------------------------------------------------------------------------------


def test_one_reading_many_blocks_of_one_content_in_order() -> None:
    found = [block(reading(START + 3600 * hour, hour)) for hour in range(500)]
    feed = read(feed_xml(blocks(*found)))
    assert [value for _, _, value in rows_of(feed)] == list(range(500))
    assert len(feed.document.blocks) == 500


def test_a_start_in_milliseconds_is_told_and_left_out() -> None:
    feed = read(small(reading(START * 1000, 100), reading(START, 250)))
    frame = feed.tidy()
    assert "time-implausible" in codes_of(feed)
    assert frame["start"].isna().tolist().count(True) == 1
    assert frame["value"].sum() == 350


def test_missing_is_not_a_value_a_file_may_smuggle_in() -> None:
    """-2**63 stands for "missing" in the columns; a file that writes it is told, not believed."""
    feed = read(small(reading(MISSING, 100), reading(START, MISSING), reading(START + 3600, 7, MISSING)))
    assert "not-understood" in codes_of(feed)
    frame = feed.tidy(duplicates="keep")
    assert frame["start"].isna().tolist() == [True, False, False] or len(frame) == 3
    assert math.isnan(frame["value"].iloc[1])


def test_the_handle_is_named_in_findings() -> None:
    feed = read_feed(DATA / "number_not_a_number.xml")
    assert set(feed.findings[feed.findings["code"] == "not-understood"]["source"]) == {"number_not_a_number.xml"}


def test_reading_type_alone_is_no_channel() -> None:
    feed = read(feed_xml(reading_type()))
    assert feed.channels == []
    assert re.search("no channels; ReadingType", repr(feed))


def test_handles_are_read_again_and_again() -> None:
    (handle,) = handles(TEXT.encode())
    assert isinstance(handle, Handle)
    assert read_document(handle).blocks[0].readings.value.tolist() == read_document(handle).blocks[0].readings.value.tolist() == [100, 250]
