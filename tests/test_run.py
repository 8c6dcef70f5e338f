"""The front door, without making any environment."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run() -> Any:
    """Return a module of its own for each test, to bend as the test likes."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- an old Python ----


def test_old_pythons_can_parse_it() -> None:
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13), (2, 7, 18)])
def test_an_old_python_is_told_so(run: Any, version: tuple[int, ...]) -> None:
    sentence = run.too_old(version)
    assert "3.11 or newer" in sentence
    assert f"this is {version[0]}.{version[1]}:" in sentence


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 0), (4, 0, 0)])
def test_a_newer_python_is_not(run: Any, version: tuple[int, ...]) -> None:
    assert run.too_old(version) == ""


# ---- the environment ----


class World:
    """A project folder in which `setup` thinks it makes environments."""

    def __init__(self, run: Any, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.home = folder / ".venv"
        self.lock = folder / "lock.txt"
        self.project = folder / "pyproject.toml"
        self.done: list[str] = []
        self.breaks = False
        self.lock.write_text("numpy==1")
        self.project.write_text("[project]")
        patch.setattr(run, "ROOT", folder)
        patch.setattr(run, "LOCKS", [self.lock])
        patch.setattr(run, "create", self.create)
        patch.setattr(run, "run", self.pip)

    def create(self, home: Path) -> None:
        python = self.run.python(home)
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        (home / "installed-from").unlink(missing_ok=True)  # as clear=True does
        self.done.append("create")

    def pip(self, *args: str, home: Path) -> None:
        assert home == self.home
        if self.breaks:
            raise KeyboardInterrupt
        self.done.append("locks" if "--require-hashes" in args else "project")

    def setup(self) -> list[str]:
        """Return what was done by this call."""
        self.done.clear()
        self.run.setup(self.home)
        return list(self.done)


@pytest.fixture
def world(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(run, tmp_path, monkeypatch)


WHOLE = ["create", "locks", "project"]


def test_it_is_made_once(world: World) -> None:
    assert world.setup() == WHOLE
    assert world.setup() == []


def test_a_changed_lock_makes_it_anew(world: World) -> None:
    world.setup()
    world.lock.write_text("numpy==2")
    assert world.setup() == WHOLE
    assert world.setup() == []


def test_another_interpreter_makes_it_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.setup()
    monkeypatch.setattr(sys, "version", "3.99.0 (main)")
    assert world.setup() == WHOLE


def test_a_lost_interpreter_makes_it_anew(world: World) -> None:
    world.setup()
    world.run.python(world.home).unlink()
    assert world.setup() == WHOLE


def test_a_changed_project_is_installed_again_and_no_more(world: World) -> None:
    world.setup()
    world.project.write_text("[project.scripts]")
    assert world.setup() == ["project"]


def test_an_interrupted_setup_is_begun_again(world: World) -> None:
    world.breaks = True
    with pytest.raises(KeyboardInterrupt):
        world.setup()
    world.breaks = False
    assert world.setup() == WHOLE


def test_an_interrupted_refresh_is_begun_again(world: World) -> None:
    world.setup()
    before = world.lock.read_text()
    world.lock.write_text("numpy==2")
    world.breaks = True
    with pytest.raises(KeyboardInterrupt):
        world.setup()
    world.breaks = False
    world.lock.write_text(before)  # the old lock again, but what is installed is neither
    assert world.setup() == WHOLE


# ---- what Binder makes ----


@pytest.fixture
def steps(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is done to make Binder's environment, while nothing is."""
    done: list[str] = []
    for name in ("locks/binder.txt", "binder/requirements.txt", "binder/runtime.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("python-3.11")

    def process(command: list[str], **how: Any) -> None:
        if "venv" in command:
            python = run.python(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        else:
            assert how["env"]["PATH"].startswith(str(run.python(tmp_path / "b").parent))  # its own pip
            assert how["cwd"] == tmp_path
        done.append(Path(command[0]).name)

    def python(*args: str, home: Path) -> None:
        assert home == tmp_path / "b"
        done.append(Path(args[-1]).name)

    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "interpreter", lambda version: f"python{version}")
    monkeypatch.setattr(run.subprocess, "run", process)
    monkeypatch.setattr(run, "run", python)
    return done


def test_binder_is_made_in_its_order(run: Any, steps: list[str], tmp_path: Path) -> None:
    run.binder(tmp_path / "b")
    assert steps == ["python3.11", "binder.txt", "requirements.txt", "postBuild", "check"]
    steps.clear()
    run.binder(tmp_path / "b")
    assert steps == ["postBuild", "check"]  # the package itself is installed again each time


def test_the_interpreter_is_the_one_asked_for(run: Any) -> None:
    have = ".".join(map(str, sys.version_info[:2]))
    assert run.interpreter(have) == sys.executable
    with pytest.raises(SystemExit, match=r"Binder runs Python 2\.0"):
        run.interpreter("2.0")


# ---- the demo ----


def cell(source: str | list[str], *tags: str, kind: str = "code") -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {"tags": list(tags)} if tags else {}, "source": source}


NOTEBOOK = {
    "nbformat": 4,
    "cells": [
        cell("# First look", kind="markdown"),
        cell(["import smd_notebook as smd\n", "\n", "feed = smd.sample('lapse2024')\n", "feed"], "load"),
        cell("The sample has 366 days.", "sample", kind="markdown"),
        cell("assert len(feed.tidy()) == 4", "sample", "other"),
        cell("smd.plot.series(feed)"),
    ],
}


def test_the_readers_files_take_the_samples_place(run: Any, tmp_path: Path) -> None:
    before = json.dumps(NOTEBOOK)
    odd = tmp_path / "it's\\odd.xml"
    got = run.rewrite(NOTEBOOK, [tmp_path / "a.xml", odd])
    sources = [cell["source"] for cell in got["cells"]]
    assert sources[0] == "# First look"
    assert sources[2:] == ["smd.plot.series(feed)"]
    given: list[Any] = []
    exec(sources[1].replace("import smd_notebook as smd", ""), {"smd": type("Smd", (), {"read": lambda files, **_: given.extend(files)})})
    assert sources[1].startswith("import smd_notebook as smd\n")
    assert given == [str((tmp_path / "a.xml").resolve()), str(odd.resolve())]
    assert got["nbformat"] == 4
    assert json.dumps(NOTEBOOK) == before


def test_files_are_absolute(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(str((tmp_path / "a.xml").resolve())) in run.rewrite(NOTEBOOK, [Path("a.xml")])["cells"][1]["source"]


def test_a_notebook_without_the_tag_is_refused(run: Any) -> None:
    with pytest.raises(SystemExit, match="tagged `load`, and has 0"):
        run.rewrite({"cells": [cell("1")]}, [])


def test_a_missing_file_is_named_before_anything_runs(run: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"there is no .*gone\.xml"):
        run.demo([str(tmp_path / "gone.xml")])


def test_the_page_fetches_nothing(run: Any) -> None:
    page = (
        '<title>x</title><script src="https://cdn.example/require.js"></script><script src=""> </script>'
        '<script>Plotly.newPlot("a")</script><p>kept</p><script type="module">\nimport("https://cdn.example/mermaid")\n</script>end'
    )
    assert run.offline(page) == '<title>x</title><script>Plotly.newPlot("a")</script><p>kept</p>end'


def test_an_error_is_short(run: Any) -> None:
    log = (
        "[NbConvertApp] Converting\nTraceback (most recent call last):\n  File x\n"
        "nbclient.exceptions.CellExecutionError: An error occurred while executing the following cell:\n----\nfeed.tidy()\n"
        "\x1b[31mTimeZoneError\x1b[39m: the zone is unknown\nName one: smd.read(..., tz='Europe/London')\n\n"
    )
    assert run.last_error(log) == "TimeZoneError: the zone is unknown\nName one: smd.read(..., tz='Europe/London')"
    assert run.last_error("no traceback\nhere") == "no traceback\nhere"


# ---- what is in the folder ----


def test_every_command_is_handled(run: Any) -> None:
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    for command in set(run.COMMANDS) - set(run.PYTEST) - {"setup"}:
        assert f'command == "{command}"' in source
