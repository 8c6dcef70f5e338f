"""Errors: one base, light, picklable, and they say where."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import smd_notebook as smd
from smd_notebook import errors
from smd_notebook.errors import ArchiveError, BrokenXmlError, Finding, NotEspiError, ReadError, SmdError

CLASSES = [
    getattr(errors, name)
    for name in errors.__all__
    if isinstance(getattr(errors, name), type) and issubclass(getattr(errors, name), SmdError)
]


def full(cls: Any) -> SmdError:
    error = cls("what is wrong", hint="what to do")
    error.status_code, error.retryable, error.retry_after = 503, True, 2.5
    if isinstance(error, ReadError):
        error.source, error.line, error.entry = "a.zip: b.xml", 7, 3
    return error


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_a_pickle(cls: Any, protocol: int) -> None:
    """They cross processes in a cohort of homes."""
    error = full(cls)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert vars(again) == vars(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert str(copy.copy(error)) == str(error)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_have_one_base_and_one_shape(cls: Any) -> None:
    error = cls("what is wrong")
    assert isinstance(error, SmdError)
    assert (error.status_code, error.retryable, error.retry_after, error.hint) == (None, False, None, "")
    assert str(error) == "what is wrong"
    assert str(cls("what is wrong", hint="what to do")) == "what is wrong\nwhat to do"
    assert isinstance(str(cls()), str)


def test_errors_of_reading_are_value_errors() -> None:
    for cls in (ReadError, NotEspiError, BrokenXmlError, ArchiveError, errors.UnitError, errors.TimeZoneError):
        assert issubclass(cls, ValueError)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "cut"),
        ({"source": "a.xml"}, "a.xml: cut"),
        ({"source": "a.xml", "line": 7}, "a.xml, line 7: cut"),
        ({"source": "a.xml", "line": 7, "entry": 3}, "a.xml, line 7, entry 3: cut"),
        ({"line": 0}, "line 0: cut"),
        ({"entry": 3}, "entry 3: cut"),
        ({"source": "a.xml", "hint": "Again."}, "a.xml: cut\nAgain."),
    ],
)
def test_where(given: dict[str, Any], text: str) -> None:
    assert str(ReadError("cut", **given)) == text


def test_real_errors_survive_a_pickle() -> None:
    for data in (b"", b"<html/>", b"<feed><entry>", b"PK\x03\x04", b"<!DOCTYPE x><feed/>"):
        with pytest.raises(ReadError) as caught:
            smd.read(data)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_findings_are_plain_data() -> None:
    one = Finding("gap", "warning", "text", channel="electricity", start=1, end=2)
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(copy.copy(one))
    with pytest.raises(AttributeError):
        one.code = "x"  # type: ignore[misc]
