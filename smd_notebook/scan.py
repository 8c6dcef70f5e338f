"""What a notebook gives away: secrets, account numbers and addresses in what would be published with it.

Two kinds of search: for what looks like a secret or a person, wherever it comes from, and for the very secrets that this machine holds,
in whatever words they stand. A hit says where and what kind, and never the thing itself.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from smd_notebook.access.credentials import on_binder
from smd_notebook.access.stores import FileStore
from smd_notebook.errors import ReadError

__all__ = ["Hit", "own_secrets", "scan_notebook"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TAG = re.compile(r"<[^>]*>")
#: What may be base64 within a text: the picture of a page, or the client id and secret of a Basic header.
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}")
#: What plotly puts into a notebook once where the front end has no plotly of its own: megabytes with its authors' addresses.
_PLOTLY = re.compile(r"<script[^>]*>/\*\*\s+\* plotly\.js v.*?</script>", re.DOTALL)
#: The page's half of a widget, which is the library's own: of a plotly figure the same megabytes.
_CODE = ("_esm", "_css")
_OWN = re.compile(r"SECRET|TOKEN|PASSPHRASE|PASSWORD|API_?KEY")
_MEDIA = ("image/", "audio/", "video/", "application/pdf")
_LEAST = 8  # a shorter secret would be found in any text

_NAMES = (
    r"(?:\w*(?:access|refresh|registration|client|id|api|bearer)[_-]?token|\w*client[_-]?secret"
    r"|\w*pass(?:phrase|word)|\w*api[_-]?key|assertion|code_verifier)"
)
_BETWEEN = r"""\\*["']?\s*[:=]\s*b?\\*["']"""
#: No secret, but what is written in its place.
_PLACEHOLDER = r"(?!\[?redacted|<|\{|\$|\*|\.\.\.|…|x+\b|your\b|my[-_]|change|example|secret\b|password\b)"
_CUSTOMER = (
    r"(?:accountId|accountNumber|agreementId|customerName|addressGeneral|streetDetail|townDetail|postalCode|mainAddress|email1|phone1)"
)
_STREET = "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Way|Place|Pl|Terrace|Highway|Hwy|Parkway|Pkwy|Circle|Cir"

#: What a secret looks like, in source as well.
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    "an Authorization header": re.compile(rf"""\b(?:Basic|[Bb]earer)\s+{_PLACEHOLDER}(?=[\w+/.~-]*\d)[\w+/.~-]{{12,}}=*"""),
    "a token, secret or password": re.compile(rf"""\b{_NAMES}{_BETWEEN}{_PLACEHOLDER}[^"'\s\\]{{6,}}""", re.IGNORECASE),
    "an authorization code or token in an address": re.compile(
        rf"[?&](?:authorization_code|code|\w*token|client_secret)={_PLACEHOLDER}[\w%.~+/-]{{6,}}", re.IGNORECASE
    ),
}
#: Besides, in outputs, metadata and widgets: in source these are names of variables, and an author's own address.
_SHOWN = {
    "a token, secret or password": re.compile(
        rf"\b{_NAMES}\b(?:\s*[:=]\s*|>){_PLACEHOLDER}(?=[\w+/.~-]*\d)[\w+/.~-]{{8,}}(?![\w(\[])", re.IGNORECASE
    ),
    "an e-mail address": re.compile(
        r"\b[\w.+-]+@(?!(?:[\w-]+\.)*(?:example|invalid|test|localhost)\b)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"
    ),
    "a street address": re.compile(
        rf"\b\d{{1,5}}[A-Z]? (?:[NSEW]\.? )?(?:[A-Z][A-Za-z']+ ){{1,3}}(?:{_STREET}|{_STREET.upper()})\b"
        r"|\b[A-Z][A-Za-z]+,? [A-Z]{2},? \d{5}(?:-\d{4})?\b"
    ),
    "an id of the utility's": re.compile(
        r"\b(?:RetailCustomer|Customer|CustomerAccount|CustomerAgreement|ServiceLocation|BillingAccount|User|Subscription|UsagePoint|Bulk"
        r"|Authorization)/(?=[\w%-]*\d)[\w%=-]{5,}"
    ),
    "customer data": re.compile(
        rf"<(?:\w+:)?{_CUSTOMER}\b[^>]*>\s*[^<\s]"
        rf"""|\b{_CUSTOMER}{_BETWEEN}[^"'\s]"""
        r"|\b(?:Customer|CustomerAccount|CustomerAgreement|ServiceLocation)\s+(?:\d+\s+[\w.]+|\.\.\.)\s+\w"
    ),
}
#: Likewise, and in source too.
_ACCOUNT = re.compile(
    r"""\b(?:account|acct|agreement|premise|usage[ _]?point|meter|subscription)s?(?:[ _]?(?:number|num|no\.?|id|serial))?"""
    r"""\\*["']?\s*[:=#,]?\s*\\*["']?\d{7,}""",
    re.IGNORECASE,
)
#: A table or a Feed with usage points, where one is a bare number, as PG&E's are.
_POINTS = re.compile(r"\busage[ _]point\b|<Feed:")
_NUMBER = re.compile(r"(?<![\w.,:+/-])\d{8,16}(?![\w.:/-])")


@dataclass(frozen=True)
class Hit:
    """Something in a notebook that should not be published.

    Parameters
    ----------
    file : Path
        The notebook.
    place : str
        Where in it, such as ``"cell 3, output 1"``; cells and outputs are counted from 1.
    kind : str
        What it is, such as ``"a private key"``; never the thing itself.
    """

    file: Path
    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.kind}"


def own_secrets() -> dict[str, str]:
    """Return the secrets of this machine's user, each by what it is: in variables of the environment, and tokens that are kept.

    Raises
    ------
    ConfigurationError
        Where others may read the file of a token, or it is damaged.
    """
    found = {value: f"the value of {name}" for name, value in os.environ.items() if _OWN.search(name)}
    store = None if on_binder() else FileStore()
    for key in store.keys() if store else ():
        token = store.get(key) if store else None
        for one in (token.access_token, token.refresh_token) if token else ():
            if one is not None:
                found[one.reveal()] = f"a token of {key.custodian}"
    return {value: name for value, name in found.items() if len(value) >= _LEAST}


def scan_notebook(path: str | Path, *, secrets: dict[str, str] | None = None) -> list[Hit]:
    """Look for secrets, account numbers and addresses in everything that a notebook keeps.

    Outputs, metadata, attachments and the state of widgets are searched for private keys, tokens, passwords, Authorization headers,
    JSON web tokens, the utility's ids, account numbers, and a customer's data, street and e-mail address; source is searched for secrets
    and account numbers.

    Parameters
    ----------
    path : str or Path
        The notebook.
    secrets : dict of str to str, optional
        Secrets to search for word by word, each with what to call it; by default `own_secrets`.

    Returns
    -------
    list of Hit
        Each kind once a place; empty where nothing was found.

    Raises
    ------
    ReadError
        Where it cannot be opened, or is no notebook of format 4.

    Examples
    --------
    >>> import json, tempfile
    >>> cell = {"cell_type": "code", "source": "token", "metadata": {}, "execution_count": 1}
    >>> output = {"output_type": "stream", "name": "stdout", "text": "Authorization: Bearer 0123456789abcdef"}
    >>> file = Path(tempfile.mkdtemp()) / "study.ipynb"
    >>> _ = file.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [{**cell, "outputs": [output]}]}))
    >>> [(hit.place, hit.kind) for hit in scan_notebook(file)]
    [('cell 1, output 1', 'an Authorization header')]
    """
    file = Path(path)
    try:
        notebook = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"it cannot be opened: {error.strerror}", source=str(file)) from None
    except ValueError:  # neither text nor JSON
        notebook = None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ReadError(
            "this is no notebook", source=str(file), hint="Notebooks end in .ipynb; older ones: jupyter nbconvert --to notebook."
        )
    known = own_secrets() if secrets is None else secrets
    hits = [Hit(file, place, kind) for place, text, how in _texts(notebook) for kind in _kinds(text, how, known)]
    return list(dict.fromkeys(hits))


# -- what there is to read -------------------------------------------------------------------------------------------------------------


def _texts(notebook: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield everything a notebook holds: where, the text, and whether that is source, shown, a password box, or encoded bytes."""
    for number, cell in enumerate(notebook["cells"], 1):
        place = f"cell {number}"
        yield place + ", source", _joined(cell.get("source", "")), "source"
        for index, output in enumerate(cell.get("outputs", ()), 1):
            yield from _leaves(f"{place}, output {index}", output)
        yield from _leaves(place + ", metadata", cell.get("metadata", {}))
        yield from _leaves(place + ", attachment", cell.get("attachments", {}), encoded=True)
    rest = {name: value for name, value in notebook.items() if name != "cells"}
    metadata = dict(rest.pop("metadata", None) or {})
    widgets = metadata.pop("widgets", {})
    metadata.pop("authors", None)  # who wrote it wants to be known
    yield from _leaves("metadata of the notebook", [metadata, rest])
    yield from _leaves("state of the widgets", widgets)


def _leaves(place: str, value: Any, name: str = "", *, encoded: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yield each text in a value with the name before it, as they would stand in JSON."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = ("\n" if name == "traceback" else "").join(value)
    if isinstance(value, dict):
        if value.get("model_name") == "PasswordModel" and value.get("state", {}).get("value"):
            yield place, "", "password"
        yield place, "\n".join(f'"{key}"' for key, inner in value.items() if not isinstance(inner, str)), "shown"  # the others follow
        for key, inner in value.items():
            if key in _CODE:
                continue
            yield from _leaves(place, inner, key, encoded=encoded or (key.startswith(_MEDIA) and key != "image/svg+xml") or key == "bdata")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(place, inner, name, encoded=encoded)
    elif isinstance(value, str):
        yield (place, value, "encoded") if encoded or name == "data" else (place, f'"{name}": "{value}"', "shown")
    elif isinstance(value, int) and value >= 10**6:
        yield place, f'"{name}": {value}', "shown"


def _joined(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


# -- what it is ------------------------------------------------------------------------------------------------------------------------


def _kinds(text: str, how: str, known: dict[str, str]) -> Iterator[str]:
    """Yield what kinds of things stand in a text."""
    if how == "password":
        yield "what was typed into a password box"
        return
    forms = _decoded(text) if how == "encoded" else _forms(text)
    for form in forms:
        yield from (name for value, name in known.items() if value in form)
        yield from (name for text in map(_plain, _BASE64.findall(form)) for value, name in known.items() if value in text)
        yield from (kind for kind, pattern in _SECRETS.items() if pattern.search(form))
        if _ACCOUNT.search(form):
            yield "an account number"
        if how == "shown":
            yield from (kind for kind, pattern in _SHOWN.items() if pattern.search(form))
            if _POINTS.search(form) and _NUMBER.search(form):
                yield "an account number"


def _forms(text: str) -> Collection[str]:
    """Return a text as it stands, as a browser shows it, and as an address means it."""
    text = _PLOTLY.sub("", _ANSI.sub("", text))
    forms = {text: None}
    if "<" in text or "&" in text:
        forms[html.unescape(_TAG.sub(" ", text))] = None
        forms[html.unescape(_TAG.sub("", text))] = None  # colours may change within a word
    if "%" in text:
        forms[unquote(text)] = None
    return forms


def _plain(run: str) -> str:
    """Return what a run of base64 encodes, whatever stands in the place of its last bytes."""
    return base64.b64decode(run + "A" * (-len(run) % 4)).decode("latin-1")


def _decoded(text: str) -> Collection[str]:
    """Return what base64 encodes, as far as it is text; what is no base64 as it stands."""
    try:
        return [base64.b64decode("".join(text.split()), validate=True).decode("latin-1")]
    except ValueError:
        return _forms(text)
