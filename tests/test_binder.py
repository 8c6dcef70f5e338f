"""What Binder gets: the same locked run time as everyone else, on a Python that we test."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
LOCKS = [BINDER / "requirements.txt", *sorted((ROOT / "locks").glob("*.txt"))]


def pins(lock: Path) -> dict[str, str]:
    """Return name -> version; where a lock pins one for each Python, the last."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_by_hash_and_names_no_registry(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    requirements = re.sub(r"\\\n\s*", " ", text).splitlines()
    assert len(requirements) > (5 if lock.name == "pgesmd.txt" else 30)
    assert [line for line in requirements if not re.match(r"[\w.-]+==\S+.* --hash=sha256:[0-9a-f]{64}", line)] == []
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), re.MULTILINE)  # no -r, no -c, no --index-url, no local path


def test_the_kernel_is_one_whose_threads_reach_the_browser() -> None:
    assert number(pins(BINDER / "requirements.txt")["ipykernel"]) >= (7, 1)


def test_binder_brings_its_own_lab_and_can_install_the_package() -> None:
    assert "jupyterlab" not in pins(BINDER / "requirements.txt")
    assert "hatchling" in pins(BINDER / "requirements.txt")  # postBuild fetches nothing


@pytest.mark.skipif(importlib.util.find_spec("repo2docker") is None, reason="repo2docker is not in this environment")
def test_the_lab_that_stands_for_binders_is_binders() -> None:
    """`run.py browser --binder` begins with what repo2docker freezes for our Python."""
    version = (BINDER / "runtime.txt").read_text().strip()[len("python-") :]
    package = Path(importlib.util.find_spec("repo2docker").origin).parent
    frozen = package / f"buildpacks/conda/environment.py-{version}-linux-64.lock"
    theirs = dict(re.findall(r"/([\w.-]+?)-(\d[\w.]*)-[^-/]+\.(?:conda|tar\.bz2)#", frozen.read_text(encoding="utf-8")))
    group = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["binder"]
    ours = dict(one.split("==") for one in group)
    alias = {"jupyter-server": "jupyter_server", "jupyterlab-widgets": "jupyterlab_widgets", "jupyterhub": "jupyterhub-base"}
    assert ours == {name: theirs[alias.get(name, name)] for name in ours}
    assert ours.items() <= pins(ROOT / "locks/binder.txt").items()


def test_the_locks_agree() -> None:
    first, second = pins(LOCKS[0]), pins(ROOT / "locks/dev.txt")
    assert {name: (first[name], second[name]) for name in first.keys() & second.keys() if first[name] != second[name]} == {}


def test_the_oldest_pair_is_what_it_says() -> None:
    assert pins(ROOT / "locks/pandas22.txt")["pandas"].startswith("2.2.")
    assert pins(ROOT / "binder/requirements.txt")["pandas"].startswith("3.")


def test_the_python_is_a_supported_one() -> None:
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.11"
    assert not (ROOT / ".binder").exists()  # both folders at once are an error


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bit")
def test_post_build_can_run() -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    assert (BINDER / "postBuild").read_bytes().startswith(b"#!/bin/sh\n")


@pytest.mark.skipif(importlib.util.find_spec("repo2docker") is None, reason="repo2docker is not in this environment")
def test_repo2docker_reads_it_as_we_mean_it(tmp_path: Path) -> None:
    shutil.copytree(BINDER, tmp_path / "binder")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(tmp_path)]
    dockerfile = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    assert "environment-2epy-2d3-2e11-" in dockerfile  # its own spelling of environment.py-3.11
    install = dockerfile.index('pip install --no-cache-dir -r "binder/requirements.txt"')
    copy = re.search(r"^COPY .*\bsrc/ \$\{REPO_DIR\}", dockerfile, re.MULTILINE)
    assert copy is not None
    # before the repository is copied: a commit that leaves the lock alone reuses that layer
    assert install < copy.start() < dockerfile.index("RUN ./binder/postBuild")
