"""Anything a person has, as streams: paths, archives, open files; and what is refused."""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.errors import ArchiveError, BrokenXmlError, NotEspiError, ReadError
from smd_notebook.espi import source
from smd_notebook.espi.source import handles
from tests.build import START, codes_of, read_feed, reading, rows_of, small

ONE = small(reading(START, 100)).encode()
TWO = small(reading(START + 3600, 250)).encode()
BOTH = [(START, 3600, 100.0), (START + 3600, 3600, 250.0)]


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def rows(given: Any) -> list[tuple[int, int, float]]:
    return sorted(rows_of(read_feed(given)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.xml").write_bytes(ONE)
    (tmp_path / "two.xml").write_bytes(TWO)
    return tmp_path


# -- what is taken ------------------------------------------------------------------------------------------------------------------------


def test_a_path(folder: Path) -> None:
    assert rows(folder / "one.xml") == rows(str(folder / "one.xml")) == BOTH[:1]


def test_a_path_as_any_path_like(folder: Path) -> None:
    class Like:
        def __fspath__(self) -> str:
            return str(folder / "one.xml")

    assert rows(Like()) == BOTH[:1]


def test_a_path_from_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert rows("~/one.xml") == BOTH[:1]


@pytest.mark.parametrize("pattern", ["*.xml", "**/*.xml", "[ot][nw][eo].xml", "???.xml"])
def test_a_glob(folder: Path, pattern: str) -> None:
    assert rows(f"{folder}/{pattern}") == BOTH


def test_a_path_with_magic_characters_is_a_path_where_it_exists(folder: Path) -> None:
    (folder / "usage[1].xml").write_bytes(ONE)
    (folder / "usage1.xml").write_bytes(TWO)
    assert rows(f"{folder}/usage[1].xml") == BOTH[:1]


def test_a_directory(folder: Path) -> None:
    assert rows(folder) == BOTH


def test_a_directory_below_a_directory(folder: Path) -> None:
    (folder / "year").mkdir()
    (folder / "two.xml").rename(folder / "year" / "two.xml")
    assert rows(folder) == BOTH


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("notes.txt", b"hello"),
        (".hidden.xml", b"<broken"),
        ("page.html", b"<html><body/></html>"),
        ("page.htm", b"<!DOCTYPE html><html><p>hello<br></html>"),
        ("picture.png", b"\x89PNG\r\n"),
        ("empty.xml", b""),
        ("other.xml", b"<rss/>"),
        ("__MACOSX/one.xml", b"\0\0"),
    ],
)
def test_a_directory_or_archive_may_hold_other_things(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    assert rows(folder) == BOTH
    told = codes_of(read_feed(folder))
    assert ("file-skipped" in told) == (not name.startswith((".", "__")))
    assert rows(zipped(("one.xml", ONE), (name, data), ("two.xml", TWO))) == BOTH


def test_a_directory_of_nothing_but_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NotEspiError, match=r"notes\.txt"):
        read_feed(tmp_path)


def test_a_directory_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="nothing to read"):
        read_feed(tmp_path)


def test_what_was_named_must_be_green_button(folder: Path) -> None:
    """What is found in a directory may be anything; what the caller names may not."""
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(NotEspiError, match=r"notes\.txt"):
        read_feed([folder / "one.xml", folder / "notes.txt"])


def test_a_list_of_all_kinds(folder: Path) -> None:
    given = [
        folder / "one.xml",
        str(folder / "two.xml"),
        ONE,
        io.BytesIO(TWO),
        zipped(("a.xml", ONE)),
        gzip.compress(TWO),
        folder,
        f"{folder}/*.xml",
    ]
    assert rows(given) == BOTH
    assert rows(iter(given[:3])) == BOTH
    assert rows(folder / name for name in ("one.xml", "two.xml")) == BOTH


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind: Any) -> None:
    assert rows(kind(ONE)) == BOTH[:1]


def test_open_files(folder: Path) -> None:
    with (folder / "one.xml").open("rb") as file:
        assert rows(file) == BOTH[:1]
    with (folder / "one.xml").open(encoding="utf-8") as file:
        assert rows(file) == BOTH[:1]
    with tempfile.TemporaryFile() as file:  # its name is a number
        file.write(ONE)
        file.seek(0)
        assert rows(file) == BOTH[:1]


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-16", "ISO-8859-1", "windows-1252", "x-unknown"])
@pytest.mark.parametrize("quotes", ['"', "'"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n "])
def test_text_whose_declaration_no_longer_holds(encoding: str, quotes: str, before: str) -> None:
    """A StringIO is text: whatever encoding its declaration names, it is not in it any more."""
    text = f"{before}<?xml version='1.0'  encoding = {quotes}{encoding}{quotes} standalone='yes'?>\n" + small(reading(START, 100), head="")
    text = text.replace("<entry>", "<entry><title>Größe €</title>", 1)
    feed = read_feed(io.StringIO(text))
    assert rows_of(feed) == BOTH[:1]
    assert feed.document.usage_points[0].entry.title == "Größe €"
    assert not codes_of(feed)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip(method: int, tmp_path: Path) -> None:
    data = zipped(("b/two.xml", TWO), ("a.xml", ONE), method=method)
    (tmp_path / "usage.zip").write_bytes(data)
    assert rows(tmp_path / "usage.zip") == rows(data) == rows(io.BytesIO(data)) == BOTH
    assert [handle.name for handle in handles(tmp_path / "usage.zip")] == ["usage.zip: a.xml", "usage.zip: b/two.xml"]


def test_archives_are_told_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "usage.xml").write_bytes(zipped(("a.xml", ONE)))
    (tmp_path / "usage.zip").write_bytes(gzip.compress(TWO))
    (tmp_path / "plain.gz").write_bytes(ONE)
    assert rows(tmp_path / "usage.xml") == BOTH[:1]
    assert rows(tmp_path / "usage.zip") == BOTH[1:]
    assert rows(tmp_path / "plain.gz") == BOTH[:1]


@pytest.mark.parametrize("data", [gzip.compress(ONE), gzip.compress(ONE[:50]) + gzip.compress(ONE[50:]), gzip.compress(ONE) + b"\0" * 100])
def test_gzip(data: bytes) -> None:
    """One member, several, and padding as tapes leave it."""
    assert rows(data) == BOTH[:1]


@pytest.mark.parametrize(
    "data",
    [
        zipped(("inner.zip", zipped(("one.xml", ONE))), ("two.xml", TWO)),
        zipped(("inner.xml.gz", gzip.compress(ONE)), ("two.xml", TWO)),
    ],
)
def test_archives_in_archives(data: bytes) -> None:
    assert rows(data) == BOTH


def test_a_zip_with_something_in_front_is_no_zip() -> None:
    with pytest.raises(NotEspiError):
        read_feed(b"MZ" + zipped(("one.xml", ONE)))


def test_handles_can_be_opened_again() -> None:
    for handle in handles([ONE, zipped(("a.xml", ONE)), gzip.compress(ONE), io.BytesIO(ONE), zipped(("a.gz", gzip.compress(ONE)))]):
        assert b"".join(handle.chunks()) == b"".join(handle.chunks(7)) == ONE
        assert handle.head(10) == ONE[:10]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists a process's open files")
def test_files_are_closed(folder: Path) -> None:
    (folder / "a.zip").write_bytes(zipped(("one.xml", ONE), ("b.zip", zipped(("c.xml.gz", gzip.compress(TWO))))))
    (folder / "a.gz").write_bytes(gzip.compress(ONE))
    (folder / "broken.zip").write_bytes(zipped(("one.xml", ONE))[:-30])
    for _ in range(3):
        read_feed([folder / name for name in ("a.zip", "a.gz", "one.xml")])
        with pytest.raises(ArchiveError):
            read_feed(folder)
    gc.collect()
    still_open = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    assert not {name for name in still_open if name.startswith(str(folder))}


# -- what is refused ----------------------------------------------------------------------------------------------------------------------


def refused(given: Any, kind: type[ReadError] = ReadError) -> str:
    with pytest.raises(kind) as caught:
        read_feed(given)
    return str(caught.value)


@pytest.mark.parametrize("given", [None, 7, 3.5, object(), {"a": ONE}, True])
def test_other_types_are_refused(given: Any) -> None:
    assert "cannot be read" in refused(given)


def test_nothing_is_refused() -> None:
    assert "nothing to read" in refused([])


@pytest.mark.parametrize(
    "address", ["https://utility.example/espi", "http://192.0.2.1/x.xml", "ftp://x/y", "file:///etc/passwd", "s3://bucket/key"]
)
def test_addresses_are_not_fetched(address: str) -> None:
    assert "not fetched" in refused(address)


@pytest.mark.parametrize("text", ["<feed/>", "\n  <?xml version='1.0'?><feed/>", "\ufeff<feed/>", ONE.decode()])
def test_text_is_not_a_path(text: str) -> None:
    message = refused(text)
    assert "text of a document" in message
    assert "1704096000" not in message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.xml")
    assert "missing.xml" in refused(str(tmp_path / "missing.xml"))
    assert "no file matches" in refused(str(tmp_path / "*.xml"))


def test_a_path_that_is_too_long_or_impossible() -> None:
    for name in ("x" * 5000, "a\0b", "~nobody-of-this-name/x.xml", "TYPE,DATE\n" * 500):
        assert len(refused(name)) < 400


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    (folder / "one.xml").chmod(0)
    assert "one.xml: the file cannot be read" in refused(folder / "one.xml")


def test_a_file_that_vanishes(folder: Path) -> None:
    (handle,) = handles(folder / "one.xml")
    (folder / "one.xml").unlink()
    with pytest.raises(ReadError, match=r"one\.xml: the file cannot be read"):
        list(handle.chunks())


def encrypted() -> bytes:
    """Return a zip whose member's flag says that it is encrypted."""
    data = bytearray(zipped(("one.xml", ONE)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


LARGE = zipped(("one.xml", small(*[reading(START + 3600 * k, k * k) for k in range(500)]).encode()))
DAMAGED = {
    "zip without its end": LARGE[:-30],
    "zip cut in the middle": LARGE[: len(LARGE) // 2],
    "zip with a wrong byte": flipped(LARGE, len(LARGE) // 2),
    "zip of an unknown method": LARGE.replace(b"\x08\x00", b"\x61\x00"),
    "zip head alone": b"PK\x03\x04",
    "zip end alone, cut": b"PK\x05\x06\0\0",
    "encrypted zip": encrypted(),
    "gzip cut": gzip.compress(ONE)[:-20],
    "gzip with a wrong byte": flipped(gzip.compress(ONE), 60),
    "gzip with a wrong checksum": flipped(gzip.compress(ONE), -6),
    "gzip head alone": b"\x1f\x8b",
    "gzip of an unknown method": b"\x1f\x8b\x09" + b"\0" * 20,
    "gzip in zip, cut": zipped(("a.gz", gzip.compress(ONE)[:-20])),
    "zip in zip, cut": zipped(("a.zip", zipped(("one.xml", ONE))[:-30])),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives(name: str, tmp_path: Path) -> None:
    path = tmp_path / "usage.bin"
    path.write_bytes(DAMAGED[name])
    message = refused(path, ArchiveError)
    assert message.startswith("usage.bin")
    assert ("encrypted" in message) == name.startswith("encrypted")


@given(st.integers(0, len(LARGE) - 1), st.integers(1, 255))
def test_no_damage_to_a_zip_is_silent(at: int, change: int) -> None:
    """A zip has checksums: whatever byte is wrong, what is read is right, or there is an error of ours."""
    data = LARGE[:at] + bytes([LARGE[at] ^ change]) + LARGE[at + 1 :]
    expected = [(START + 3600 * k, 3600, float(k * k)) for k in range(500)]
    with contextlib.suppress(ReadError):
        assert rows_of(read_feed(data)) == expected


@given(st.integers(0, len(LARGE) - 1))
def test_no_cut_zip_is_read(length: int) -> None:
    refused(LARGE[:length])


def test_an_empty_zip(tmp_path: Path) -> None:
    refused(zipped())


def test_the_member_is_named() -> None:
    message = refused(zipped(("a.xml", ONE), ("b/broken.xml", ONE[:-20])), BrokenXmlError)
    assert message.startswith("bytes: b/broken.xml, line ")


def test_members_may_not_lead_out(tmp_path: Path) -> None:
    """Nothing is ever written: a member's path is only a name."""
    assert rows(zipped(("../../../../tmp/evil.xml", ONE), ("/etc/evil.xml", TWO))) == BOTH
    assert not Path("/etc/evil.xml").exists()


# -- bombs --------------------------------------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """Return seventy megabytes of blanks in a feed."""
    return ONE.replace(b"</feed>", b" " * (70 << 20) + b"</feed>")


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped(("a.xml", data))])
def test_a_bomb_is_refused(pack: Any) -> None:
    assert "more than is safe" in refused(pack(bomb()), ArchiveError)


def test_a_large_file_that_compresses_well_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small(*[reading(START + 900 * k, 0, 900) for k in range(2000)]).encode()
    assert len(text) / len(gzip.compress(text)) > 20
    assert len(rows(gzip.compress(text))) == 2000


def test_the_total_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 1000)
    assert "more than is safe" in refused(gzip.compress(ONE), ArchiveError)
    assert rows(ONE) == BOTH[:1]  # what was never packed is as large as it is


def test_the_number_of_members_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_MEMBERS", 3)
    assert "members" in refused(zipped(*[(f"{k}.xml", ONE) for k in range(4)]), ArchiveError)


def test_nesting_is_bounded() -> None:
    data = ONE
    for _ in range(5):
        data = zipped(("a.zip", data))
    assert "nested too deep" in refused(data, ArchiveError)
    data = ONE
    for _ in range(5):
        data = gzip.compress(data)
    refused(data)


def test_a_nested_archive_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_NESTED_BYTES", 100)
    assert "too large" in refused(zipped(("a.zip", zipped(("one.xml", ONE)))), ArchiveError)
