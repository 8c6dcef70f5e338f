"""The command line: what it prints, writes and returns; every failure one line of words and not a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.__main__ import main
from tests.build import START, assert_same, reading, small
from tests.test_identity import homes


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.xml"
    path.write_bytes(small(reading(START, 100), reading(START + 3600, 250), reading(START, 100)).encode())
    return path


def test_summary(usage: Path, capsys: Any) -> None:
    assert main(["summary", str(usage)]) == 0
    shown = capsys.readouterr()
    assert "electricity delivered" in shown.out
    assert "duplicate-same [electricity delivered]" in shown.out
    assert "docs/findings.md" in shown.out
    assert shown.err == ""


def test_a_terminal_gets_no_commands_from_a_file(usage: Path, capsys: Any) -> None:
    """U+009B begins one, as ESC [ does; U+202E turns what follows around."""
    usage.write_text(usage.read_text().replace("UsagePoint/", "UsagePoint/\x9b2J\u202e"), encoding="utf-8")
    assert main(["summary", str(usage)]) == 0
    assert main(["summary", str(usage.with_name("\x1b[2J.xml"))]) == 1
    shown = "".join(capsys.readouterr())
    assert "?2J?" in shown
    assert shown.replace("\n", "").isprintable()


def test_summary_tells_of_a_wrong_clock_once(corpus: Path, capsys: Any) -> None:
    assert main(["summary", str(corpus / "files" / "eversource-gas__abridged.xml")]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("cannot be recovered") == 1
    assert shown.err == ""


def test_summary_in_another_zone(usage: Path, capsys: Any) -> None:
    assert main(["summary", str(usage), "--tz", "Asia/Tokyo"]) == 0
    assert "17:00 JST" in capsys.readouterr().out


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".CSV", ".parquet", ".xml", ".xml.gz", ".nc", ".zarr"])
def test_convert(ending: str, usage: Path, capsys: Any) -> None:
    out = usage.with_name(f"out{ending}")
    assert main(["convert", str(usage), "--to", str(out)]) == 0
    assert "readings of 1 channels" in capsys.readouterr().out
    expected = smd.read(usage)
    if ending in (".nc", ".zarr"):
        with xr.open_datatree(out, **({"engine": "h5netcdf"} if ending == ".nc" else {"engine": "zarr", "consolidated": False})) as tree:
            assert tree["up1/delivered"]["energy"].values.tolist() == [100, 250]
    elif "xml" in ending:
        assert_same(smd.read(out).tidy(), expected.tidy())
    else:
        assert_same(smd.read_tidy(out), expected.tidy())


def test_convert_of_several_files_merges_them(usage: Path, tmp_path: Path) -> None:
    (tmp_path / "more.xml").write_bytes(small(reading(START + 3600, 250), reading(START + 7200, 5)).encode())
    assert main(["convert", str(usage), str(tmp_path / "more.xml"), "--to", str(tmp_path / "a.csv")]) == 0
    assert smd.read_tidy(tmp_path / "a.csv")["value"].tolist() == [100, 250, 5]


def test_convert_for_publishing(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(homes(base="/QCANARY/RetailCustomer"))
    assert main(["convert", "--alias", str(tmp_path / "a.xml"), "--to", str(tmp_path / "b.csv")]) == 0
    text = (tmp_path / "b.csv").read_text(encoding="utf-8")
    assert "QCANARY" not in text
    assert text.count("home-") == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["summary", "none.xml"], "no such file"),
        (["summary", "{usage}", "--tz", "Mars/Olympus"], "no time zone"),
        (["convert", "none.xml", "--to", "a.csv"], "no such file"),
        (["convert", "{usage}", "--to", "a.docx"], "cannot be told"),
        (["convert", "{usage}", "--to", "a"], "cannot be told"),
        (["convert", "{usage}", "--to", "a.gz"], "cannot be told"),
        (["convert", "{usage}", "--to", "a.parquet.gz"], "cannot be told"),
        (["convert", "{usage}", "--to", "no/such/folder/a.csv"], ""),
        (["convert", "{usage}", "--to", "no/such/folder/a.xml"], ""),
        (["convert", "{usage}", "--to", "no/such/folder/a.parquet"], ""),
        (["convert", "{usage}", "--to", "no/such/folder/a.nc"], ""),
    ],
)
def test_what_fails_is_said_in_words(arguments: list[str], words: str, usage: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(usage.parent)
    assert main([one.format(usage=usage) for one in arguments]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("smd-notebook: ")
    assert words in shown.err
    assert "Traceback" not in shown.err


def test_a_zarr_that_is_there_is_not_overwritten_by_chance(usage: Path, capsys: Any) -> None:
    out = str(usage.with_name("out.zarr"))
    assert main(["convert", str(usage), "--to", out]) == 0
    code = main(["convert", str(usage), "--to", out])
    shown = capsys.readouterr()
    assert code == 1
    assert shown.err.startswith("smd-notebook: ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["convert", "a.xml"], ["summary"]])
def test_what_is_no_command_gets_help(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: smd-notebook" in capsys.readouterr().err


def test_versions(capsys: Any) -> None:
    assert main(["versions"]) == 0
    assert "pandas" in capsys.readouterr().out


def test_as_a_program(usage: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "smd_notebook", "summary", str(usage)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "3 intervals" in done.stdout or "2 intervals" in done.stdout
    done = subprocess.run([sys.executable, "-m", "smd_notebook", "summary", "none.xml"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_collect_puts_months_of_usage_into_one_file(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """The practice utility as any other: its settings in a TOML file, the credentials in the environment."""
    import getpass

    with smd.Sandbox(households=["apartment"], clock=lambda: 1740873600.0) as utility:
        made, custodian = utility.describe(), utility.custodian
        settings = {name: getattr(custodian, name) for name in ("authorization_endpoint", "token_endpoint", "resource_endpoint")}
        settings |= {"name": "practice", "ca_bundle": made["ca"], "zone": "America/Los_Angeles"}
        lines = [f'{name} = "{value}"' for name, value in settings.items()]
        lines += ["mutual_tls = true", "identity_unique = true", "authorization_is_subscription = true"]
        lines += ["[limits]", "per_second = 0", "per_hour = 0", "per_day = 0"]
        (tmp_path / "practice.toml").write_text("\n".join(lines))
        names = {"CLIENT_ID": "client_id", "CLIENT_SECRET": "client_secret", "CERT": "certificate", "KEY": "key"}
        for name, key in names.items():
            monkeypatch.setenv(f"SMD_{name}", made[key])
        monkeypatch.setenv("SMD_REDIRECT_URI", made["redirect_uris"][0])
        monkeypatch.setitem(smd.Client.__init__.__kwdefaults__, "clock", utility.clock)
        monkeypatch.setattr(getpass, "getpass", lambda _: utility.consent(capsys.readouterr().out.split()[-1]))
        out = tmp_path / "usage.csv"
        arguments = ["--custodian", str(tmp_path / "practice.toml"), "--months", "1", "--csv", str(out), "--to", str(tmp_path / "raw")]
        assert main(["collect", *arguments]) == 0
        assert "the authorization is deleted" in capsys.readouterr().out
        assert len(smd.read_tidy(out)) > 600
        assert main(["collect", "--custodian", "nobody"]) == 1
        assert "no custodian" in capsys.readouterr().err
