"""The pages say what the code does: every finding, every error, every public name and parameter."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import smd_notebook as smd
from smd_notebook import errors
from smd_notebook.catalogue import CODES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "smd_notebook"
SOURCES = sorted(PACKAGE.rglob("*.py"))
#: Functions that make or note a finding, whose first text is its code.
NOTERS = {"Finding", "_finding", "note", "_note"}
#: What calls one of them with a code that it was given itself, or makes the code of something else.
PASSED_ON = {"code"}


def codes_in(path: Path) -> Iterator[str]:
    """Yield the finding codes that a source file can make."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in NOTERS and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    yield code.value
                else:
                    assert isinstance(code, ast.Name), f"{path.name}:{node.lineno}: the code of a finding is made up at run time"
                    assert code.id in PASSED_ON, f"{path.name}:{node.lineno}: the code of a finding is made up at run time"


def described() -> dict[str, str]:
    """Return each code that docs/findings.md has a paragraph on, with its severities."""
    text = (ROOT / "docs/findings.md").read_text(encoding="utf-8")
    found = re.findall(r"^\*\*`([a-z-]+)`\*\* \(([a-z ]+)[^)]*\)\.", text, re.MULTILINE)
    assert len(found) == len(dict(found)), "a code has two paragraphs"
    return dict(found)


def test_every_finding_has_a_paragraph_and_every_paragraph_a_finding() -> None:
    made = {code for path in SOURCES for code in codes_in(path)}
    assert made
    assert made == set(described())


def test_the_catalogue_lists_every_finding_in_order() -> None:
    assert list(CODES) == sorted(described())


def test_every_finding_has_a_test() -> None:
    """A code that no test names may never have been seen."""
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_docs.py")
    assert sorted(code for code in described() if not re.search(rf"""["']{code}["']""", tests)) == []


def test_severities_are_as_the_page_says() -> None:
    severities: dict[str, set[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Finding", "_finding") and len(node.args) > 1:
                code, severity = node.args[:2]
                if isinstance(code, ast.Constant) and isinstance(severity, ast.Constant):
                    severities.setdefault(code.value, set()).add(severity.value)
    assert severities
    page = described()
    assert {code: found for code, found in severities.items() if found != set(re.split(r" or ", page[code]))} == {}


def test_every_error_has_a_row_and_every_row_an_error() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert len(rows) == len(set(rows))
    classes = {
        name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for name in (node.name,)
        if any(getattr(base, "id", "").endswith("Error") for base in node.bases)
    }
    assert {name for name in classes if not name.startswith("_")} - {"SmdError"} == set(rows)
    assert "`SmdError`" in text
    for name in rows:
        assert issubclass(getattr(errors, name), errors.SmdError)


def pages() -> str:
    """Return the text of README, docs and notebooks."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        texts += ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    return "\n".join(texts)


def test_type_checkers_learn_what_every_function_takes() -> None:
    functions = [
        function for home in (smd, smd.analysis, smd.plot) for name in home.__all__ if inspect.isfunction(function := getattr(home, name))
    ]
    taken = {
        function.__qualname__: inspect.signature(function).parameters["x"].annotation
        for function in functions
        if "x" in inspect.signature(function).parameters
    }
    assert len(taken) > 20
    # a check of any frame does not know feeds; a cohort's figure says itself what it cannot draw
    assert {name for name, kind in taken.items() if "DataFrame" not in kind} == {"check", "cohort"}


def test_every_public_name_is_on_a_page() -> None:
    text = pages()
    absent = [name for name in smd.__all__ if not re.search(rf"\bsmd\.{name}\b|`{name}`", text)]
    assert absent == []


def public(thing: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield everything under a public name that a person may call."""
    if inspect.ismodule(thing):
        for inner in thing.__all__:
            yield from public(getattr(thing, inner), f"{name}.{inner}")
    elif inspect.isclass(thing):
        yield name, thing
        for inner, member in inspect.getmembers(thing, inspect.isfunction):
            if not inner.startswith("_") and member.__module__.startswith(smd.__name__):
                yield f"{name}.{inner}", member
    elif callable(thing):
        yield name, thing


CALLABLE = dict(pair for name in smd.__all__ for pair in public(getattr(smd, name), name))


@pytest.mark.parametrize("name", sorted(CALLABLE))
def test_public_docstrings_say_what_each_parameter_is(name: str) -> None:
    thing = CALLABLE[name]
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        return  # made as the class above it is
    parameters = [
        parameter.name
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", text, re.MULTILINE | re.DOTALL)
    documented = (
        {one.strip() for line in re.findall(r"^([\w*, ]+) :", section[1], re.MULTILINE) for one in line.split(",")} if section else set()
    )
    if not section and parameters == ["path"]:
        return  # the summary says what is written there
    assert [one for one in parameters if one not in documented] == [], f"{name}: not documented"


def test_links_of_the_pages_lead_somewhere() -> None:
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "GLOSSARY.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
