"""`smd-notebook sandbox`: the practice utility on its own, for software that is not ours."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from smd_notebook.__main__ import main


@contextmanager
def running(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the command until the block ends; give it and what sandbox.json holds."""
    command = [sys.executable, "-W", "error", "-m", "smd_notebook", "sandbox", "--dir", str(folder), "--household", "apartment", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(3))
            about = json.loads((folder / "sandbox.json").read_text())
            assert str(folder / "sandbox.json") in said
            assert about["portal"] in said
            yield process, about
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_told_to_stop(how: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    more = ["--variant", "xml-tokens", "no-rotation", "--rate-limits", "--notify-url", "https://127.0.0.1:1/", "--variant", "tls-1.2"]
    with running(folder, *more) as (process, about), requests.Session() as session:
        assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
        assert about["variants"] == ["no-rotation", "tls-1.2", "xml-tokens"]
        assert about["rate_limits"] is True
        assert about["notify_url"] == "https://127.0.0.1:1/"
        session.trust_env, session.verify, session.cert = False, about["ca"], (about["certificate"], about["key"])
        auth = (about["client_id"], about["client_secret"])
        reply = session.post(about["token_endpoint"], auth=auth, data={"grant_type": "client_credentials"}, timeout=30)
        assert reply.status_code == 200
        assert "<client_access_token>" in reply.text
        assert session.get(about["portal"], timeout=30).status_code == 200
        process.send_signal(how)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0
        assert err == ""
        assert out == ""
    assert list(folder.iterdir()) == []


def test_settings_that_cannot_be_taken_are_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    assert main(["sandbox", "--dir", str(tmp_path), "--variant", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("smd-notebook: no variant is called 'nonsense'")
    assert main(["sandbox", "--dir", str(tmp_path), "--port", "70000"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert {one: signal.getsignal(one) for one in before} == before
