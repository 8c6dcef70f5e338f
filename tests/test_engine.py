"""``xr.open_dataset("usage.xml")``: found by what a file holds and not by its name, refused where it is something else."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.engine import EspiBackend
from smd_notebook.errors import BrokenXmlError, ConfigurationError, SmdError
from tests.build import START, block, blocks, feed_xml, meter_reading, reading, reading_type, small, usage_point
from tests.test_datasets import two

XML = small().encode()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


FILES = {
    "usage.xml": XML,
    "usage.greenbutton": XML,
    "usage": XML,
    "usage.nc": XML,
    "usage.zarr": XML,
    "usage.xml.gz": gzip.compress(XML),
    "usage.bin": gzip.compress(XML),
    "usage.zip": zipped(a_xml=XML),
    "with a readme.zip": zipped(a_readme=b"read me", usage_xml=XML, z_pdf=b"%PDF"),
    "utf16.xml": ('<?xml version="1.0" encoding="UTF-16"?>' + small(head="")).encode("utf-16"),
    "mark.xml": b"\xef\xbb\xbf" + XML,
    "a long comment.xml": XML.replace(b"<feed", b"<!--" + b" word" * 3000 + b"--><feed", 1),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_found_by_what_they_hold(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    for source in (path, str(path)):
        with xr.open_dataset(source) as data:
            assert data["electricity_delivered"].values.tolist() == [100, 250]
            assert data["time"].values.astype("datetime64[s]").astype(int).tolist() == [START, START + 3600]
        with xr.open_dataset(source, engine="espi") as data:
            assert data.sizes["time"] == 2
    with xr.open_datatree(path) as tree:
        assert tree["up1/delivered"]["energy"].values.tolist() == [100, 250]
        assert tree.identical(smd.read(path).to_datatree())


NOT_OURS = {
    "a.xml": b"<?xml version='1.0'?><rss/>",
    "a.csv": b"a,b\n1,2\n",
    "a.html": b"<html></html>",
    "empty.xml": b"",
    "a.zip": zipped(a_txt=b"text"),
    "broken.zip": b"PK\x03\x04 and no more",
    "broken.gz": b"\x1f\x8b\x08\x00 and no more",
    "a.nc": b"\x89HDF\r\n\x1a\n",
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_other_files_are_left_to_others(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(NOT_OURS[name])
    assert not EspiBackend().guess_can_open(path)
    assert not EspiBackend().guess_can_open(str(path))


@pytest.mark.parametrize("source", ["none.xml", "https://example.com/usage.xml", 5, None, b"<feed/>", ["a"], "\0", "x" * 5000])
def test_guessing_never_fails(source: Any) -> None:
    assert EspiBackend().guess_can_open(source) is False


def test_other_formats_still_open(tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", [1, 2])})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc") as back:
        assert back.identical(data)


def test_unlike_steps_raise_and_name_the_groups(tmp_path: Path) -> None:
    path = tmp_path / "usage.xml"
    two(reading(START, 1), second=(reading(START, 5, 900), reading(START + 900, 5, 900)), length=900).to_espi(path)
    with pytest.raises(ConfigurationError, match=r"(?s)up1/delivered.*up1/received"):
        xr.open_dataset(path)
    with xr.open_datatree(path) as tree:
        assert {node.path: node.sizes["time"] for node in tree.leaves} == {"/up1/delivered": 1, "/up1/received": 2}
    groups = xr.open_groups(path)
    assert set(groups) >= {"/up1/delivered", "/up1/received"}
    for name in ("up1/received", "/up1/received"):
        with xr.open_dataset(path, group=name) as data:
            assert data.identical(groups["/up1/received"])
    with pytest.raises(ConfigurationError, match=r"(?s)'up1/gas'.*'/up1/delivered', '/up1/received'"):
        xr.open_dataset(path, group="up1/gas")


def test_options(tmp_path: Path) -> None:
    path = tmp_path / "usage.xml"
    path.write_bytes(small(reading(START, 1, quality=17)).encode())
    assert "electricity_delivered_quality" in xr.open_dataset(path)
    for drop in ("electricity_delivered_quality", ["electricity_delivered_quality"], ["electricity_delivered_quality", "none"]):
        assert list(xr.open_dataset(path, drop_variables=drop).data_vars) == ["electricity_delivered"]
    assert xr.open_dataset(path, tz="Asia/Tokyo").attrs["zone"] == "Asia/Tokyo"
    wall = xr.open_dataset(path, clock="wall", tz="America/Los_Angeles")  # what was written as 08:00 UTC is 08:00 in winter there
    assert wall["time"].values[0] == np.datetime64(START + 8 * 3600, "s")
    with pytest.raises(ConfigurationError, match="'none'"):
        xr.open_datatree(path, dialect="none")
    assert xr.open_datatree(path, drop_variables="quality")["up1/delivered"].data_vars.keys() == {"energy"}


def test_what_is_broken_further_on_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(XML[:-30])
    with pytest.raises(BrokenXmlError, match="cut short"):
        xr.open_dataset(tmp_path / "a.xml")


def test_a_feed_without_readings_is_an_empty_dataset(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block())).encode())
    (tmp_path / "b.xml").write_bytes(feed_xml(reading_type()).encode())
    for name in ("a.xml", "b.xml"):
        assert xr.open_dataset(tmp_path / name).sizes["time"] == 0
        xr.open_datatree(tmp_path / name)


def test_every_readable_file_of_the_corpus_is_found(corpus: Path) -> None:
    backend = EspiBackend()
    found = 0
    for path in sorted((corpus / "files").iterdir()):
        try:
            smd.read(path, clock="utc")
        except SmdError:
            continue
        if b"naesb.org/espi" in (path.read_bytes() if path.suffix == ".xml" else b"naesb.org/espi"):
            assert backend.guess_can_open(path), path.name
            found += 1
    assert found > 55
