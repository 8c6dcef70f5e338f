"""What every test gets: no network but loopback, the corpus where there is one, settings of hypothesis."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import be_patient

# A slow machine is no failure. In CI the same examples every time: a red run must mean that the change is at fault.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def is_loopback(host: Any) -> bool:
    """Tell whether a host, as the socket functions take it, is this machine."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def guard_network(patch: pytest.MonkeyPatch) -> None:
    """Let sockets connect, send and look up names on this machine only."""

    def refuse(host: Any) -> None:
        if not is_loopback(host):
            pytest.fail(f"a test reached for the network: {host}")  # no Exception, so that no `except` in the package hides it

    def guarded(name: str) -> Any:
        real = getattr(socket.socket, name)

        def call(self: socket.socket, *args: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(args[-1], tuple):
                refuse(args[-1][0])
            return real(self, *args)

        return call

    real_getaddrinfo = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return real_getaddrinfo(host, *args, **kwargs)

    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, guarded(name))
    patch.setattr(socket, "getaddrinfo", getaddrinfo)


# Not a fixture: this holds for the package's doctests too, and while tests are collected, when the package is imported.
_patch = pytest.MonkeyPatch()


def pytest_configure() -> None:
    """Close the network before anything is imported, and be patient."""
    guard_network(_patch)
    be_patient(_patch)


def pytest_unconfigure() -> None:
    """Open it again, and be as patient as others are."""
    _patch.undo()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real and official Green Button files, named by the variable SMD_CORPUS."""
    folder = os.environ.get("SMD_CORPUS")
    if not folder:
        pytest.skip("SMD_CORPUS is not set: it names a folder of real Green Button files, which are not ours to ship")
    path = Path(folder).resolve()
    assert path.is_dir(), f"SMD_CORPUS names {path}, which is no folder"
    return path
