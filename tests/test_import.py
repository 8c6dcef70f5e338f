"""What is loaded when: an import costs the standard library only, and what is heavy comes where it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "pandas",
    "xarray",
    "plotly",
    "ipywidgets",
    "anywidget",
    "requests",
    "requests_oauthlib",
    "xmltodict",
    "tqdm",
    "cryptography",
    "lxml",
)
BLOCK = "b'<IntervalBlock xmlns=\"http://naesb.org/espi\"><interval><duration>7200</duration><start>1704096000</start></interval></IntervalBlock>'"


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after `code`."""
    code += "\nimport sys\nprint(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    ["import smd_notebook", "import smd_notebook; dir(smd_notebook)", "import smd_notebook.errors", "from smd_notebook import SmdError"],
)
def test_an_import_loads_nothing_heavy(code: str) -> None:
    found = loaded_by(code)
    assert "smd_notebook" in found
    assert not found & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        f"import smd_notebook; feed = smd_notebook.read({BLOCK}); feed.usage_points, feed.channels",
        "import smd_notebook.espi.writer, smd_notebook.espi.merge",
    ],
)
def test_reading_loads_no_pandas(code: str) -> None:
    found = loaded_by(code)
    assert "numpy" in found
    assert not found & {"pandas", "xarray", "plotly", "ipywidgets", "anywidget", "requests", "requests_oauthlib", "lxml"}


def test_a_frame_loads_no_figures() -> None:
    found = loaded_by(f"import smd_notebook; smd_notebook.read({BLOCK}).tidy()")
    assert "pandas" in found
    assert not found & {"plotly", "ipywidgets", "requests", "xarray"}


def test_what_xarray_loads_to_ask_whose_file_it_is_loads_no_reader() -> None:
    code = "import smd_notebook.engine, sys; assert not {'smd_notebook.feed', 'smd_notebook.espi.model'} & set(sys.modules)"
    assert "xarray" in loaded_by(code)


def test_every_public_name_is_there() -> None:
    code = "import smd_notebook as smd\nfor name in smd.__all__: getattr(smd, name)\nassert set(smd.__all__) <= set(dir(smd))\n"
    code += "try: smd.nothing\nexcept AttributeError as error: assert 'nothing' in str(error)\nelse: raise SystemExit('smd.nothing exists')"
    assert "smd_notebook" in loaded_by(code)


def test_no_public_function_shares_its_name_with_a_module() -> None:
    """A lazy face would give the module the second time."""
    code = (
        "import smd_notebook as smd, types, importlib\n"
        "first = {name: getattr(smd, name) for name in smd.__all__}\n"
        "for name, one in first.items(): assert getattr(smd, name) is one, name\n"
        "for name, one in first.items(): assert not isinstance(one, types.ModuleType) or one.__name__.rpartition('.')[2] == name, name"
    )
    assert "smd_notebook" in loaded_by(code)
