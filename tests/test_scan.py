"""Scanning notebooks: what is found, where, in what words it is told, and what is let alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import smd_notebook as smd
from smd_notebook.__main__ import main
from smd_notebook.access.stores import FileStore, Key, Token
from smd_notebook.errors import ReadError
from smd_notebook.espi.resources import Secret
from smd_notebook.scan import own_secrets, scan_notebook
from tests.hygiene import found

CANARY = "Zx8-canary_41c07be2d95f"
KNOWN = {CANARY: "the value of SMD_CLIENT_SECRET"}


def code(source: str = "", *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": metadata, "execution_count": None}


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def shown(kind: str = "display_data", **data: Any) -> dict[str, Any]:
    names = {"text": "text/plain", "html": "text/html", "json": "application/json", "plot": "application/vnd.plotly.v1+json"}
    return {"output_type": kind, "metadata": {}, "data": {names.get(name, name): value for name, value in data.items()}}


def written(folder: Path, *cells: dict[str, Any], **metadata: Any) -> Path:
    path = folder / "study.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}), encoding="utf-8")
    return path


def state(name: str, **traits: Any) -> dict[str, Any]:
    return {"application/vnd.jupyter.widget-state+json": {"state": {"a1": {"model_name": name, "state": traits}}, "version_major": 2}}


def base64ed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLACES = {
    "cell 1, source": [code(f"secret = '{CANARY}'")],
    "cell 1, output 1": [code("", stream(f"a line\n{CANARY}\n"))],
    "cell 1, output 2": [code("", stream("a line"), shown("execute_result", text=[f"'{CANARY}'"]))],
    "cell 2, output 1": [code(), code("", shown(html=f"<b>{CANARY.replace('-', '&#45;')}</b>"))],
    "cell 3, output 1": [code(), code(), code("", shown(plot={"data": [{"name": CANARY}], "layout": {}}))],
    "cell 1, metadata": [code(study={"note": CANARY})],
    "cell 1, attachment": [
        {"cell_type": "markdown", "source": "", "metadata": {}, "attachments": {"a.txt": {"text/plain": base64ed(CANARY)}}}
    ],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_is_found_in_each_place(place: str, tmp_path: Path) -> None:
    (hit,) = scan_notebook(written(tmp_path, *PLACES[place]), secrets=KNOWN)
    assert (hit.place, hit.kind) == (place, "the value of SMD_CLIENT_SECRET")
    assert CANARY not in str(hit)
    assert str(hit).startswith(str(tmp_path / "study.ipynb"))


@pytest.mark.parametrize(
    "data",
    [
        {"text": base64ed(f"client-id:{CANARY}")},  # what a Basic header holds
        {"html": f'<img src="data:image/png;base64,{base64ed(f"Comment {CANARY}")}">'},
        {"html": f"<pre>{CANARY[:9]}<span>{CANARY[9:]}</span></pre>"},  # as a printer that colours numbers writes it
        {"json": {CANARY: {"a": 1}}},
    ],
)
def test_a_canary_in_disguise_is_found(data: dict[str, Any], tmp_path: Path) -> None:
    assert [hit.kind for hit in scan_notebook(written(tmp_path, code("", shown(**data))), secrets=KNOWN)] == [
        "the value of SMD_CLIENT_SECRET"
    ]


def test_in_a_traceback_with_its_colours(tmp_path: Path) -> None:
    lines = ["\x1b[31mValueError\x1b[39m", f"client_secret\x1b[38;5;241m=\x1b[39m\x1b[33m'{CANARY}'\x1b[39m"]
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": lines}
    (hit,) = scan_notebook(written(tmp_path, code("", error)), secrets={})
    assert (hit.place, hit.kind) == ("cell 1, output 1", "a token, secret or password")


@pytest.mark.parametrize(
    ("widgets", "kind"),
    [
        (state("HTMLModel", value=f"<b>{CANARY}</b>"), "the value of SMD_CLIENT_SECRET"),
        (state("PasswordModel", value="x"), "what was typed into a password box"),
        (state("OutputModel", outputs=[stream(CANARY)]), "the value of SMD_CLIENT_SECRET"),
        (
            {"application/vnd.jupyter.widget-state+json": {"state": {"a1": {"buffers": [{"data": base64ed(CANARY), "path": ["value"]}]}}}},
            "the value of SMD_CLIENT_SECRET",
        ),
    ],
)
def test_in_the_state_of_widgets(widgets: dict[str, Any], kind: str, tmp_path: Path) -> None:
    (hit,) = scan_notebook(written(tmp_path, widgets=widgets), secrets=KNOWN)
    assert (hit.place, hit.kind) == ("state of the widgets", kind)


def test_in_metadata_of_the_notebook(tmp_path: Path) -> None:
    path = written(tmp_path, study={"client": {"client_secret": "c0ffee-0123-4567"}}, authors=[{"email": "ada@lovelace.org"}])
    assert [(hit.place, hit.kind) for hit in scan_notebook(path, secrets={})] == [
        ("metadata of the notebook", "a token, secret or password")
    ]


KINDS = {
    "a private key": ["-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"],
    "a JSON web token": ["eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"],
    "an Authorization header": ["Authorization: Basic Y2xpZW50OnNlY3JldDE=", "{'Authorization': 'Bearer 2b1f7c1e-9a40-4f0c'}"],
    "a token, secret or password": [
        '{"access_token": "2b1f7c1e-9a40-4f0c"}',
        "{'client_access_token': b'2b1f7c1e9a404f0c'}",
        "refresh_token=2b1f7c1e9a404f0c",
        '"{\\"client_secret\\": \\"2b1f7c1e\\"}"',
        "<access_token>2b1f7c1e-9a40</access_token>",
        "passphrase: 'correct horse'",
    ],
    "an authorization code or token in an address": ["http://127.0.0.1:8080/cb?state=1&code=8f3a9c2b7d"],
    "an account number": [
        "Account Number,1234567890",
        "account number: 1234567890-1",
        "usage_point      5391320451",
        "<Feed: 1 channel of 1 usage point\n  5391320451, electricity delivered, Wh",
        "<table><th>usage_point</th><td>5391320451</td></table>",
    ],
    "an e-mail address": ["jane.doe@gmail.com"],
    "a street address": ["140 HAN RD", "1600 Pennsylvania Avenue", "OAKLAND, CA 94607", "Oakland CA 94607-1234"],
    "an id of the utility's": ["/espi/1_1/resource/RetailCustomer/9B6C7070/MeterReading/1", "v1/User/11597192/UsagePoint/01"],
    "customer data": [
        "<cust:accountId>12</cust:accountId>",
        "1  Customer  1  name  ACME INDUSTRIES",
        "{'mainAddress': 'somewhere'}",
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in KINDS.items() for text in texts])
def test_each_kind_is_told(kind: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path, code("", stream(text)))
    assert kind in {hit.kind for hit in scan_notebook(path, secrets={})}


INNOCENT = [
    "client_secret = os.environ['SMD_CLIENT_SECRET']",
    "token = client.refresh(subscription)",
    "Credentials(client_id='mine', client_secret=[redacted])",
    "{'access_token': '[redacted]', 'token_type': 'Bearer'}",
    "Authorization: Bearer [redacted]",
    'client_secret = "your-secret"',
    "write to someone@example.com",
    "solar-home-1-electricity, electricity delivered, Wh, 2025-01-01 00:00 PST, 35,040 intervals, 100 %",
    "usage_point channel value\nhome-1f3a9c electricity delivered 1067300.0 2025-01-01 00:00:00-08:00",
    "electricity delivered (2) 0.25 1735689600",
    "Subscription/5/UsagePoint/1",
    "3 Kinds of days: 261 weekdays and 104 Weekend days",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "the account number and the meter number are left out",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_is_let_alone(text: str, tmp_path: Path) -> None:
    assert scan_notebook(written(tmp_path, code("", stream(text))), secrets={}) == []


def test_a_library_in_an_output_is_let_alone_and_what_follows_is_not(tmp_path: Path) -> None:
    library = "<script>/**\n* plotly.js v4.1.1\n* by ada@lovelace.org, 1600 Pennsylvania Avenue */</script>"
    output = shown(html=[library, "<p>jane@gmail.com</p>"])
    assert [hit.kind for hit in scan_notebook(written(tmp_path, code("", output)), secrets={})] == ["an e-mail address"]
    assert scan_notebook(written(tmp_path, code("", shown(html=library))), secrets={}) == []


def test_the_code_of_a_widget_is_let_alone_and_what_it_shows_is_not(tmp_path: Path) -> None:
    widgets = state("AnyModel", _esm="// by ada@lovelace.org", _css="/* ada@lovelace.org */", view={"text": "jane@gmail.com"})
    assert [hit.kind for hit in scan_notebook(written(tmp_path, widgets=widgets), secrets={})] == ["an e-mail address"]
    widgets = state("AnyModel", _esm="// by ada@lovelace.org", view={"text": "nobody"})
    assert scan_notebook(written(tmp_path, widgets=widgets), secrets={}) == []


def test_source_may_name_its_author_and_its_variables(tmp_path: Path) -> None:
    prose = {"cell_type": "markdown", "source": "By Ada, ada@lovelace.org, 12 Saint James Square", "metadata": {}}
    source = "client_secret=secret_of(account)\nstore(access_token=token1234567)"
    assert scan_notebook(written(tmp_path, prose, code(source)), secrets={}) == []
    path = written(tmp_path, code("smd.Credentials('id', client_secret='2b1f7c1e9a40')"))
    assert [hit.kind for hit in scan_notebook(path, secrets={})] == ["a token, secret or password"]


def test_the_secrets_of_this_machine(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path))
    monkeypatch.setenv("SMD_REGISTRATION_TOKEN", CANARY)
    monkeypatch.setenv("SMD_KEY_PASSPHRASE", "short")
    key = Key("pge", "client", "subscription")
    store = FileStore()
    with store.lock(key):
        store.put(key, Token("access", Secret("opaque.access"), Secret("opaque.refresh")))
    own = own_secrets()
    assert own[CANARY] == "the value of SMD_REGISTRATION_TOKEN"
    assert own["opaque.access"] == own["opaque.refresh"] == "a token of pge"
    assert "short" not in own
    path = written(tmp_path, code("", stream("https://127.0.0.1/?x=opaque%2Erefresh")))
    assert [hit.kind for hit in scan_notebook(path)] == ["a token of pge"]


def test_frames_of_real_feeds_are_found(corpus: Path, tmp_path: Path) -> None:
    """Whatever a researcher shows of a feed that is not aliased names the meter or the person."""
    files = {"pge-smd__1day_2019-10-03.xml": "an account number", "opower-pge__gridium_A10S_15min_1day.xml": "an id of the utility's"}
    for name, kind in files.items():
        feed = smd.read(corpus / "files" / name)
        for thing in (feed, feed.tidy().head()):
            for output in (shown(text=repr(thing)), shown(html=thing._repr_html_())):
                assert {hit.kind for hit in scan_notebook(written(tmp_path, code("", output)), secrets={})} == {kind}, name
        again = feed.alias()
        output = shown("execute_result", text=repr(again), html=again._repr_html_())
        assert scan_notebook(written(tmp_path, code("", output)), secrets={}) == [], name
    people = smd.read(corpus / "files/pge-smd__verdigris_RetailCustomer.xml").customers()
    for output in (shown(text=repr(people)), shown(html=people._repr_html_())):
        assert "customer data" in {hit.kind for hit in scan_notebook(written(tmp_path, code("", output)), secrets={})}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]", b'{"cells": 1}', b'{"nbformat": 3, "worksheets": []}'])
def test_what_is_no_notebook_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.ipynb"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="no notebook"):
        scan_notebook(path)


def test_the_command(tmp_path: Path, capsys: Any) -> None:
    path = written(tmp_path, code("", stream('{"access_token": "2b1f7c1e9a404f0c"}')))
    assert main(["scan", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert f"{path}: cell 1, output 1: a token, secret or password" in told
    assert "nbstripout" in told
    assert "2b1f7c1e" not in told
    written(tmp_path, code("1 + 1"))
    assert main(["scan", str(path)]) == 0
    assert "1 notebook: nothing found" in capsys.readouterr().out
    assert main(["scan", str(tmp_path / "none.ipynb")]) == 1
    assert "cannot be opened" in capsys.readouterr().err


def test_our_notebooks_as_they_are_kept() -> None:
    assert main(["scan", str(Path(__file__).parents[1] / "notebooks")]) == 0


def test_widgets_of_an_execution_closed_or_not(monkeypatch: Any) -> None:
    """What Jupyter stores of a widget is scanned, though it was closed; what shows credentials shows none of their secrets."""
    monkeypatch.setenv("SMD_CLIENT_SECRET", CANARY)
    leak = "import os, ipywidgets as w\nbox = w.HTML(os.environ['SMD_CLIENT_SECRET'])\nbox.close()"
    clean = "import smd_notebook as smd\nfrom ipywidgets import HTML\nc = smd.Credentials('id', 'x' * 20)\ndisplay(HTML(repr(c)))\nc"
    told = []
    for source in (leak, clean):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        NotebookClient(notebook, kernel_name="python3", store_widget_state=True).execute()
        assert "widgets" in notebook.metadata
        told.append(found(notebook))
    assert told == ["state of the widgets: the value of SMD_CLIENT_SECRET", ""]
