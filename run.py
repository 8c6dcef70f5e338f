#!/usr/bin/env python3
"""The front door: one command for each thing one does with this project.

It needs Python and nothing else: it makes ``.venv`` from the hash-pinned locks, and makes it anew when they change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

# This file has to parse on Python 3.8, so that whoever has an old Python reads a sentence and not a SyntaxError.
ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
BINDER = ROOT / ".venv-binder"
LOCKS = [ROOT / "binder/requirements.txt", ROOT / "locks/dev.txt"]
NOTEBOOK = ROOT / "notebooks/01_first_look.ipynb"
PIP = ["-m", "pip", "install", "-qq", "--disable-pip-version-check"]
COMMANDS = {
    "setup": "make or refresh .venv, and no more",
    "demo": "run the first notebook, on the sample or on [--tz=ZONE] FILE..., and write one HTML report into build/",
    "lab": "open JupyterLab",
    "test": "run the tests; what follows goes to pytest, as it does for notebooks, browser and prove",
    "check": "run the linters",
    "notebooks": "run every notebook from top to bottom",
    "browser": "run the tests that need Chromium; --binder: in the JupyterLab that Binder makes of the files in binder/",
    "bench": "run the benchmarks and print one table of them all; --full adds the large feeds",
    "prove": "run the proofs that are too long for every day",
    "lock": "remake the locks from pyproject.toml",
}
#: Tables of one line a row, as wide as the window, and text no wider than one can read; nbconvert's own breaks times into four lines.
STYLE = """<style>
.jp-RenderedMarkdown { max-width: 60rem; }
.jp-OutputArea-output { overflow-x: auto; }
.jp-RenderedHTMLCommon table { margin: 0.4em 0 0.8em; font-size: 12px; }
.jp-RenderedHTMLCommon :is(th, td) { padding: 0.4em 0.6em; white-space: nowrap; font-variant-numeric: tabular-nums; }
</style>
"""
PYTEST = {
    "test": [],
    "notebooks": ["-p", "tests.hygiene", "--nbmake", "--nbmake-timeout=1800", "notebooks"],
    "browser": ["-m", "browser"],
    "prove": ["-m", "prove"],
}
LAB = ["tests/browser", "--ignore=tests/browser/test_figures.py"]  # these need no JupyterLab


def too_old(version: tuple[int, ...]) -> str:
    """Say in one sentence that this Python is too old; nothing when it is not."""
    have = ".".join(map(str, version[:2]))
    return "" if version >= (3, 11) else f"smd_notebook needs Python 3.11 or newer, and this is {have}: try `python3.11 run.py`."


def say(text: str) -> None:
    """Print a line of our own, at once, so that it stands before what a child process prints."""
    print(f"run.py: {text}", file=sys.stderr, flush=True)


def run(*args: str, home: Path = VENV, check: bool = True) -> int:
    """Run an environment's Python with these arguments; when it fails, leave with its exit code, or return that."""
    code = subprocess.run([str(python(home)), *args], cwd=ROOT, check=False).returncode
    if check and code:
        sys.exit(code)
    return code


def python(home: Path) -> Path:
    """Return where an environment has its Python."""
    return home / "Scripts/python.exe" if os.name == "nt" else home / "bin/python"


def digest(*paths: Path) -> str:
    """Return one hash of the contents of some files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def create(home: Path) -> None:
    """Make an empty environment with pip in it."""
    try:
        venv.create(home, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        raise SystemExit("run.py: this Python cannot make an environment (on Debian and Ubuntu: apt install python3-venv)") from None


def setup(home: Path = VENV) -> None:
    """Make the environment where there is none, or where the locks or the interpreter are others; install the project in it."""
    made, installed = home / "made-from", home / "installed-from"
    want = f"{sys.implementation.cache_tag} {sys.version.split()[0]} {digest(*LOCKS)}"
    if not (python(home).exists() and made.is_file() and made.read_text() == want):
        say(f"making {home.name} (a minute or two, once)")
        made.unlink(missing_ok=True)  # goes first and comes last: half of an environment must not look like one
        create(home)
        run(*PIP, "--require-hashes", *[part for lock in LOCKS for part in ("-r", str(lock))], home=home)
        made.write_text(want)
    project = digest(ROOT / "pyproject.toml")  # its entry points are written down at installation
    if not (installed.is_file() and installed.read_text() == project):
        run(*PIP, "--no-deps", "--no-build-isolation", "-e", str(ROOT), home=home)
        installed.write_text(project)


def interpreter(version: str) -> str:
    """Return a Python of this version, such as ``3.11``: this one, or one on the PATH."""
    for candidate in (sys.executable, f"python{version}"):
        try:  # a name alone proves nothing: pyenv puts names on the PATH that fail
            told = subprocess.run([candidate, "-V"], capture_output=True, encoding="utf-8", check=False).stdout
        except OSError:
            continue
        if told.startswith(f"Python {version}."):
            return candidate
    raise SystemExit(f"run.py: Binder runs Python {version} (binder/runtime.txt), and there is none here")


def binder(home: Path = BINDER) -> None:
    """Make what Binder makes of the files in ``binder/``: its steps in its order, and nothing besides that only developers have.

    First its own JupyterLab, then our requirements, which replace parts of that, then ``postBuild``; repo2docker's system packages and its
    user are left out.
    """
    parts = [ROOT / name for name in ("locks/binder.txt", "binder/requirements.txt", "binder/runtime.txt")]
    made, want = home / "made-from", digest(*parts)
    if not (python(home).exists() and made.is_file() and made.read_text() == want):
        say(f"making {home.name} (a minute or two, once)")
        made.unlink(missing_ok=True)
        version = parts[2].read_text().strip().partition("-")[2]
        subprocess.run([interpreter(version), "-m", "venv", "--clear", str(home)], check=True)
        run(*PIP, "--require-hashes", "-r", str(parts[0]), home=home)
        for kernel in home.glob("lib/*/site-packages/ipykernel"):  # our requirements replace it; tests look at it, too
            shutil.copytree(kernel, home / "first-kernel/ipykernel")
        run(*PIP, "--require-hashes", "-r", str(parts[1]), home=home)
        made.write_text(want)
    path = os.pathsep.join([str(python(home).parent), os.environ.get("PATH", "")])
    subprocess.run([str(ROOT / "binder/postBuild")], cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    run("-m", "pip", "check", home=home)


def rewrite(notebook: dict[str, Any], files: list[Path], tz: str = "") -> dict[str, Any]:
    """Return the notebook with the reader's own files in place of the sample.

    The cell tagged ``load`` reads the files instead; cells tagged ``sample`` say what is true of the sample only, and are left out.
    """
    cells = [dict(cell) for cell in notebook["cells"] if "sample" not in cell["metadata"].get("tags", [])]
    loads = [cell for cell in cells if "load" in cell["metadata"].get("tags", [])]
    if len(loads) != 1:
        raise SystemExit(f"run.py: {NOTEBOOK.name} must have one cell tagged `load`, and has {len(loads)}")
    lines = "".join(loads[0]["source"]).splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    zone = f", tz={tz!r}" if tz else ""
    loads[0]["source"] = "\n".join([*imports, f'feed = smd.read({[str(path.resolve()) for path in files]!r}, clock="auto"{zone})'])
    return {**notebook, "cells": cells}


def offline(page: str) -> str:
    """Return the page without the scripts that nbconvert and plotly would fetch; our notebooks need none of them."""
    page = re.sub(r"<script[^>]*\ssrc=[^>]*>\s*</script>", "", page)  # require.js, MathJax, jupyter-widgets
    return re.sub(r'<script type="module">.*?</script>', "", page, flags=re.DOTALL)  # Mermaid


def last_error(log: str) -> str:
    """Return the last line of the traceback in what nbconvert printed, with the hint that follows it."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log).strip().splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception|Warning|Interrupt)\b(:|$)", line)]
    return "\n".join(lines[starts[-1] :] if starts else lines[-5:])


def demo(args: list[str]) -> None:
    """Run the first notebook, on the sample or on the reader's files, and write one HTML file that needs no network."""
    tz = "".join(arg[5:] for arg in args if arg.startswith("--tz="))
    files = [Path(arg) for arg in args if not arg.startswith("--tz=")]
    missing = [str(path) for path in files if not path.exists()]
    if missing:
        raise SystemExit(f"run.py: there is no {', '.join(missing)}")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    stem = f"demo-{files[0].name.partition('.')[0]}" if files else NOTEBOOK.stem
    BUILD.mkdir(exist_ok=True)
    source, report = BUILD / f"{stem}.ipynb", BUILD / f"{stem}.html"
    source.write_text(json.dumps(rewrite(notebook, files, tz) if files else notebook), encoding="utf-8")
    say(f"running {NOTEBOOK.name}")
    command = [str(python(VENV)), *"-m nbconvert --to html --execute --no-input --ExecutePreprocessor.store_widget_state=False".split()]
    variables = {**os.environ, "PLOTLY_RENDERER": "notebook", "PYTHONUTF8": "1"}  # this renderer puts plotly.js inside, once
    done = subprocess.run([*command, str(source)], cwd=ROOT, env=variables, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"run.py: the notebook stopped:\n{last_error(done.stderr)}")
    page = offline(report.read_text(encoding="utf-8")).replace("</head>", f"{STYLE}</head>", 1)
    report.write_text(page, encoding="utf-8")
    print(report)


def check() -> None:
    """Run every linter, also when an earlier one complains."""
    notebooks = [str(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    linters = {
        "ruff check": ["-m", "ruff", "check"],
        "ruff format": ["-m", "ruff", "format", "--check"],
        "mypy": ["-m", "mypy"],
        "import-linter": ["-c", "from importlinter.cli import lint_imports_command as main; main(['--no-logo'])"],
        "numpydoc": ["-m", "numpydoc", "lint", *map(str, sorted((ROOT / "smd_notebook").rglob("*.py")))],
        "nbstripout": ["-m", "nbstripout", "--verify", *notebooks],
    }
    failed = [name for name, command in linters.items() if run(*command, check=False)]
    if failed:
        raise SystemExit(f"run.py: not clean: {', '.join(failed)}")


def lock() -> None:
    """Remake the locks with uv, which has an environment of its own and is needed for nothing else."""
    home = BUILD / "uv"
    create(home)
    run(*PIP, "uv", home=home)
    compile_ = "-m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate".split()
    kernel = "pyproject.toml --extra practice --extra io --extra cluster --extra cohort --group kernel".split()
    run(*compile_, *kernel, "-o", "binder/requirements.txt", home=home)
    run(*compile_, *"--group dev -c binder/requirements.txt -o locks/dev.txt".split(), home=home)
    run(*compile_, *kernel, *"--group test --group pandas22 -o locks/pandas22.txt".split(), home=home)
    run(*compile_, *"pyproject.toml --group engines -c binder/requirements.txt -o locks/engines.txt".split(), home=home)
    run(*compile_, *"pyproject.toml --extra weather --group weather -o locks/weather.txt".split(), home=home)
    run(*compile_, *"--group binder -o locks/binder.txt".split(), home=home)
    run(*compile_, *"--group pgesmd -o locks/pgesmd.txt".split(), home=home)


def main() -> None:
    """Do what the command line says."""
    if too_old(sys.version_info[:3]):
        raise SystemExit(too_old(sys.version_info[:3]))
    commands = "\n".join(f"  {name:10} {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(epilog=commands, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="...")
    command, args = vars(parser.parse_args()).values()
    if command == "lock":
        lock()
        return
    setup()
    if command == "demo":
        demo(args)
    elif command == "lab":
        run("-m", "jupyterlab", *(args or [str(NOTEBOOK)]))
    elif command == "check":
        check()
    elif command == "bench":
        run(str(ROOT / "benchmarks/table.py"), *args)
    elif command == "browser" and "--binder" in args:
        binder()
        os.environ["SMD_LAB_PYTHON"] = str(python(BINDER))
        args.remove("--binder")
        run("-m", "pytest", *PYTEST[command], *LAB, *args)
    elif command in PYTEST:
        run("-m", "pytest", *PYTEST[command], *args)


if __name__ == "__main__":
    main()
