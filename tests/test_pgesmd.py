"""pgesmd-self-access 0.0.6 as published completes its token, status and bulk flow against ``smd-notebook sandbox``.

Its code is as it comes from the package index; its hosts are redirected by its own arguments. It lives in an environment of its own, and
needs Python 3.11: ``python3.11 -m venv .venv-pgesmd && .venv-pgesmd/bin/pip install --require-hashes -r locks/pgesmd.txt``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

import smd_notebook as smd

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-pgesmd/bin/python"
#: What a user of that package would write; PORT is fixed in its server.
PROGRAM = """
import json, socket, sys, threading, time
from urllib.parse import urlsplit
from pgesmd_self_access.api import SelfAccessApi
from pgesmd_self_access.server import SelfAccessServer

at = json.load(open(sys.argv[1]))
host = "{0.scheme}://{0.netloc}".format(urlsplit(at["resource_endpoint"]))
api = SelfAccessApi(
    at["bulk_id"], at["client_id"], at["client_secret"], at["certificate"], at["key"],
    token_uri=at["token_endpoint"], utility_uri=host, service_status_uri=at["resource_endpoint"] + "/ReadServiceStatus",
)
assert api.get_service_status()

@staticmethod
def save(xml, filename=None):
    open(sys.argv[2], "w", encoding="utf-8").write(xml)
    return sys.argv[2]

def taken():
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only where somebody listens is it taken
        try:
            one.bind(("", 7999))
        except OSError:
            return True
    return False

how = {"save_file": save, "to_db": False, "close_after": True}
listener = threading.Thread(target=SelfAccessServer, args=(api,), kwargs=how, daemon=True)
listener.start()
while not taken():
    time.sleep(0.05)
assert api.request_historical_data(days=365)
listener.join(300)
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-pgesmd: see the head of this file")
def test_the_published_client_gets_its_data(tmp_path: Path) -> None:
    (ROOT / "build").mkdir(exist_ok=True)
    with FileLock(ROOT / "build/port-7999.lock", timeout=3000):  # its port is fixed, and suites run side by side
        feed = smd.read(fetched(tmp_path))
    (quarters,) = (len(one) for one in feed.channels if one.flow == "delivered" and one.service == "electricity")
    assert 363 * 96 <= quarters <= 366 * 96  # a year up to yesterday, or the day before


def fetched(tmp_path: Path) -> Path:
    home, got = tmp_path / "utility", tmp_path / "got.xml"
    command = [sys.executable, "-m", "smd_notebook", "sandbox", "--dir", str(home), "--variant", "self-access"]
    utility = subprocess.Popen([*command, "--notify-url", "https://localhost:7999/pgesmd"], stdout=subprocess.DEVNULL, cwd=ROOT)
    try:
        for _ in range(3000):
            if (home / "sandbox.json").exists():
                break
            assert utility.poll() is None
            time.sleep(0.1)
        authority = json.loads((home / "sandbox.json").read_text())["ca"]
        variables = {**os.environ, "REQUESTS_CA_BUNDLE": authority, "LOGLEVEL": "ERROR"}
        done = subprocess.run(
            [str(PYTHON), "-c", PROGRAM, str(home / "sandbox.json"), str(got)],
            env=variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    finally:
        utility.send_signal(signal.SIGTERM)
        utility.wait(300)
    return got
