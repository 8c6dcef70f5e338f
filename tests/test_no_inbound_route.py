"""A kernel that nobody can reach: which inbox works there. Three network namespaces, and a lab's relay as docs/self-access.md has it.

The kernel's namespace reaches the utility and the relay, the utility's reaches the relay; nothing reaches the kernel. What carries
connections across is a forwarder that listens in one namespace and connects in another, for just these three ways.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLONE_NEWNET = 0x40000000
RELAY = """
import os, ssl, sys
from wsgiref.simple_server import WSGIRequestHandler, make_server
from relay import application

class Quiet(WSGIRequestHandler):
    def log_message(self, *_): pass

server = make_server("127.0.0.1", int(sys.argv[1]), application, handler_class=Quiet)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
open(sys.argv[4], "w").close()
server.serve_forever()
"""
KERNEL = """
import json, sqlite3, sys, time
import smd_notebook as smd
from pathlib import Path
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.limits import RateGate
from smd_notebook.access.stores import MemoryStore
from smd_notebook.espi.resources import Secret

home = Path(sys.argv[1])
at = json.loads((home / "utility/sandbox.json").read_text())
custodian = Custodian(
    name="practice", token_endpoint=at["token_endpoint"], resource_endpoint=at["resource_endpoint"], mutual_tls=True,
    ca_bundle=at["ca"], zone="America/Los_Angeles", identity_unique=True,
)
credentials = smd.Credentials(
    client_id=at["client_id"], client_secret=at["client_secret"], certificate=at["certificate"], key=at["key"], bulk_id=at["bulk_id"]
)
gate = RateGate(custodian.limits, vendor="practice", client_id="kernel", folder=home / "gate")
client = smd.Client(custodian, credentials, store=MemoryStore(), gate=gate)
window = "2025-01-01", "2025-02-01"
said = {}
listener = smd.inbox.LocalHttps(at["inbox_certificate"], at["inbox_key"], port=int(sys.argv[2]), host="127.0.0.1", path="/notify/7f3a")
try:
    client.download_bulk(None, *window, inbox=listener, to=home / "raw", timeout=3)
except smd.errors.NotReady:
    said["LocalHttps"] = "nothing came"
relay = smd.inbox.PollUrl(f"https://localhost:{int(sys.argv[2]) + 1}/notices", Secret("open sesame"), ca_bundle=at["ca"], every=0.2)
got = client.download_bulk(None, *window, inbox=relay, to=home / "raw", timeout=300)
said["PollUrl"] = len(smd.read(got).select(channel="electricity delivered").tidy())

def copied(start, end):
    # ask for another window, and be who goes to the relay's file and takes the notification from there
    with sqlite3.connect(home / "relay.db") as store:
        (before,) = store.execute("SELECT MAX(id) FROM notices").fetchone()
    try:
        client.download_bulk(None, start, end, inbox=smd.inbox.Paste(), to=home / "raw", timeout=0)
    except smd.errors.NotReady:
        pass
    for _ in range(6000):
        with sqlite3.connect(home / "relay.db") as store:
            if rows := store.execute("SELECT body FROM notices WHERE id > ?", (before,)).fetchall():
                return rows[0][0]
        time.sleep(0.05)

window = "2025-02-01", "2025-03-01"
paste = smd.inbox.Paste()
paste.paste(copied(*window))
got = client.download_bulk(None, *window, inbox=paste, to=home / "raw", timeout=300)
said["Paste"] = len(smd.read(got).select(channel="electricity delivered").tidy())
window = "2025-04-01", "2025-05-01"
(home / "in").mkdir()
(home / "in/1.xml").write_text(copied(*window))
got = client.download_bulk(None, *window, inbox=smd.inbox.Directory(home / "in"), to=home / "raw", timeout=300)
said["Directory"] = len(smd.read(got).select(channel="electricity delivered").tidy())
print(json.dumps(said))
"""


def enter(name: str) -> None:
    """Put this thread into a network namespace."""
    with open(f"/run/netns/{name}") as file:  # noqa: PTH123
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def made() -> bool:
    """Tell whether namespaces can be made here."""
    if sys.platform != "linux" or os.geteuid() or shutil.which("ip") is None:
        return False
    name = f"smd-try-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return done


class Forwarder:
    """Listens at a port in one namespace, and connects to a port in another."""

    def __init__(self, origin: str, port: int, target: str, to: int) -> None:
        self._listener: socket.socket | None = None
        self._port, self._target, self._to = port, target, to
        ready = threading.Event()
        threading.Thread(target=self._listen, args=(origin, ready), daemon=True).start()
        assert ready.wait(300)

    def _listen(self, origin: str, ready: threading.Event) -> None:
        enter(origin)
        self._listener = socket.create_server(("127.0.0.1", self._port))
        ready.set()
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(one,), daemon=True).start()

    def _carry(self, one: socket.socket) -> None:
        enter(self._target)
        with contextlib.suppress(OSError), one, socket.create_connection(("127.0.0.1", self._to), timeout=60) as other:
            other.settimeout(None)
            back = threading.Thread(target=self._pump, args=(other, one), daemon=True)
            back.start()
            self._pump(one, other)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()


@pytest.fixture
def spaces() -> Iterator[dict[str, str]]:
    names = {role: f"smd-{role}-{os.getpid()}" for role in ("kernel", "utility", "relay")}
    try:
        for name in names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield names
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


def until(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if path.exists():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"{path.name} did not come")


@pytest.mark.skipif(not made(), reason="network namespaces need Linux, root and iproute2")
def test_a_relay_works_where_a_listener_cannot(spaces: dict[str, str], tmp_path: Path) -> None:
    home, api, port = tmp_path / "utility", 18443, 18444
    page = (ROOT / "docs/self-access.md").read_text(encoding="utf-8")
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def application" in block)
    (tmp_path / "relay.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "RELAY_TOKEN": "open sesame", "RELAY_PATH": "/notify/7f3a"}
    environment["RELAY_FILE"] = str(tmp_path / "relay.db")

    def start(role: str, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["ip", "netns", "exec", spaces[role], sys.executable, *args], env=environment, cwd=tmp_path)

    with ExitStack() as stack:

        def end(process: subprocess.Popen[bytes]) -> None:
            process.send_signal(signal.SIGTERM)
            process.wait(300)

        notify = f"https://localhost:{port}/notify/7f3a"
        options = ["--dir", str(home), "--port", str(api), "--variant", "self-access", "--household", "apartment", "--notify-url", notify]
        utility = start("utility", "-m", "smd_notebook", "sandbox", *options)
        stack.callback(end, utility)
        until(home / "sandbox.json", utility)
        about = json.loads((home / "sandbox.json").read_text())
        listens = tmp_path / "listens"
        relay = start("relay", "-c", RELAY, str(port), about["inbox_certificate"], about["inbox_key"], str(listens))
        stack.callback(end, relay)
        until(listens, relay)
        ways = (("kernel", api, "utility", api), ("utility", port, "relay", port), ("kernel", port + 1, "relay", port))
        for origin, at, target, to in ways:
            stack.callback(Forwarder(spaces[origin], at, spaces[target], to).close)
        done = subprocess.run(
            ["ip", "netns", "exec", spaces["kernel"], sys.executable, "-c", KERNEL, str(tmp_path), str(port)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    expected = {"LocalHttps": "nothing came", "PollUrl": 31 * 24, "Paste": 28 * 24, "Directory": 30 * 24}
    assert json.loads(done.stdout.splitlines()[-1]) == expected
