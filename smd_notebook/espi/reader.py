"""One stream of bytes to one Document: structure, entries and resources; readings go to `readings`.

Elements are told by their local names once their namespaces are known to be ESPI's, Atom's or none: any prefix, none, or one that is
never declared. An element of any other namespace is kept in ``extra`` under ``{namespace}name`` and never mistaken for ESPI's.
"""

from __future__ import annotations

import io
import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Literal
from xml.parsers import expat

from smd_notebook.errors import BrokenXmlError, Finding, NotEspiError, ReadError
from smd_notebook.espi.entries import Matcher, Stencil
from smd_notebook.espi.model import (
    Block,
    Document,
    Entry,
    LocalTime,
    MeterReading,
    Other,
    ProgramMappings,
    QualitySummary,
    Readings,
    ReadingType,
    Summary,
    UsagePoint,
)
from smd_notebook.espi.readings import Columns
from smd_notebook.espi.resources import CUSTOMER_ELEMENTS, MAX_DEPTH, RESOURCES, Interval, Node, build, hidden, text_of
from smd_notebook.espi.runs import MARKER, Cutter
from smd_notebook.espi.source import Handle

Family = Literal["espi", "customer", "atom", "none", "undeclared", "foreign"]

_SPACE = b" \t\r\n"
#: How many sets of namespace declarations are remembered.
_SCOPES = 64
#: Bytes that tell what a stream is.
_ENOUGH = 4
_UTF8_BOM = b"\xef\xbb\xbf"
_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)""")
_WEB_PAGE = re.compile(rb"(?:<\?xml[^>]*+>|<!--(?:[^-]|-(?!->))*+-->|\s++)*+<(?:!doctype\s++)?html\b", re.IGNORECASE)
#: Encodings in which tags and digits are the bytes of ASCII and nothing else is.
_BYTEWISE = {b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"}
_XML_NS = "http://www.w3.org/XML/1998/namespace"
_USAGE = {
    "usagepoint": UsagePoint,
    "meterreading": MeterReading,
    "readingtype": ReadingType,
    "localtimeparameters": LocalTime,
    "timeconfiguration": LocalTime,
    "usagesummary": Summary,
    "electricpowerusagesummary": Summary,
    "electricpowerqualitysummary": QualitySummary,
    "programidmappings": ProgramMappings,
}
_ROOTS = _USAGE.keys() | CUSTOMER_ELEMENTS | RESOURCES.keys() | {"intervalblock"}


def looks_like_xml(head: bytes) -> bool:
    r"""Whether the first bytes of a stream are those of an XML document.

    >>> looks_like_xml(b"\xef\xbb\xbf <feed"), looks_like_xml(b"TYPE,DATE")
    (True, False)
    """
    return head.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")) or head.removeprefix(_UTF8_BOM).lstrip(_SPACE).startswith(b"<")


def read_document(handle: Handle, *, fast: bool = True) -> Document:
    """Read one stream; what belongs to what is found later, by `links.link`.

    Parameters
    ----------
    handle : Handle
        The stream.
    fast : bool
        Whether runs of readings may be proved instead of parsed (`runs`); the result is the same.

    Raises
    ------
    NotEspiError
        Where it is not XML, or XML of another kind.
    BrokenXmlError
        Where it is not well-formed, was cut short, holds a DOCTYPE or nests too deep.
    ArchiveError, ReadError
        As `Handle.chunks`.

    >>> from smd_notebook.espi.source import handles
    >>> feed = b'<e:ReadingType xmlns:e="http://naesb.org/espi"><e:uom>72</e:uom></e:ReadingType>'
    >>> read_document(handles(feed)[0]).reading_types[0].uom
    72
    """
    return _Reader(handle).read(fast=fast)


@dataclass(slots=True)
class _Frame:
    """An element that is open: its key, what it holds so far, and its text."""

    key: str
    node: Node
    text: list[str]
    scope: dict[str, str] | None


class _Reader:
    """Drives expat over one stream. Kept apart from `read_document` only because its parts share the open elements."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._fresh()

    def _fresh(self, encoding: str | None = None) -> None:
        self._cutter: Cutter | None = None
        self._runs: deque[Readings] = deque()
        self._matcher: Matcher | None = None
        self._alike: deque[tuple[Stencil, list[tuple[str, ...]]]] = deque()
        self._undeclared: set[str] = set()
        self._frames: list[_Frame] = []
        self._scope: dict[str, str] = {"xml": _XML_NS}
        self._keys: dict[str, str] = {}
        self._scopes: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
        self._entries = 0
        self._feed_entry_depth: int | None = None
        self._columns: Columns | None = None
        self._blocks_of_entry: list[tuple[Readings, Node]] = []
        self._root = ""
        self._closed = False
        self._lines_before = 0
        self._utf16 = ""
        self._notes: dict[tuple[str, str], int] = {}
        self._lists: dict[str, list[Any]] = {name: [] for name in ("feeds", "others", "blocks", *_LIST_OF.values())}
        parser = self._parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._doctype

    # -- the stream ------------------------------------------------------------------------------------------------------------------

    def read(self, *, fast: bool) -> Document:
        try:
            return self._read(fast=fast)
        finally:
            # parser and handlers hold each other; undone here, so that a file below is closed at once and not by the garbage collector
            del self._parser

    def _read(self, *, fast: bool) -> Document:
        if not (fast and self._fast()):
            # the plain path is the definition: of what is odd, and of what is wrong and in which line
            self._fresh()
            self._attempt()
        if not self._entries and self._root.lower() not in _ROOTS | {"feed", "entry"}:
            raise NotEspiError(
                f"this is XML, but not Green Button data (its root element is <{self._root[:40]}>)",
                source=self._handle.name,
                hint="Download the data as Green Button (ESPI) XML.",
            )
        return self._document()

    def _fast(self) -> bool:
        """Read with proved runs cut out; return whether all of them came back where they were put."""
        self._cutter = Cutter()
        self._matcher = Matcher(MARKER, _plainly)
        try:
            self._attempt()
        except (BrokenXmlError, OverflowError):
            return False
        return not self._runs and not self._alike

    def _attempt(self) -> None:
        try:
            self._feed()
        except _WrongEncodingError as error:
            encoding = str(error)
            self._fresh(encoding)
            self._note("encoding", f"the file names an encoding that it is not in; it was read as {encoding[:6].upper()}")
            self._feed()

    def _feed(self) -> None:
        head, begun = b"", False
        for chunk in self._handle.chunks():
            if not begun:
                head = self._bare(head + chunk)
                if len(head) < _ENOUGH:
                    continue
                chunk, begun = self._begin(head), True
                head = head[:_ENOUGH]
            if self._take(chunk):
                return
            del chunk  # so that the next takes its place in memory
        if not head:
            raise NotEspiError("the file is empty", source=self._handle.name, hint="Download it again.")
        if not begun and self._take(self._begin(head)):
            return
        if not self._take(b"", final=True):
            self._parse(b"", final=True)

    def _take(self, chunk: bytes, *, final: bool = False) -> bool:
        """Feed the parser with what is left when proved runs are cut out; return True where the rest of the stream is junk."""
        if self._cutter is None:
            return self._parse(chunk, final=False)
        rest, runs = self._cutter.cut(chunk, final=final)
        self._runs.extend(runs)
        if self._matcher is not None:
            rest, alike = self._matcher.cut(rest, final=final)
            self._alike.extend(alike)
        return self._parse(rest, final=False)

    def _bare(self, data: bytes) -> bytes:
        """Return the first bytes without mark and blanks: expat allows nothing before the XML declaration."""
        bare = data.removeprefix(_UTF8_BOM).lstrip(_SPACE)
        self._lines_before += data[: len(data) - len(bare)].count(b"\n")
        return bare

    def _begin(self, head: bytes) -> bytes:
        if not looks_like_xml(head):
            raise NotEspiError("this is not XML", source=self._handle.name, hint="Download the data as Green Button (ESPI) XML.")
        if _WEB_PAGE.match(head[:4096]):
            hint = "It may be the page that asks you to sign in. Download the data as Green Button (ESPI) XML."
            raise NotEspiError("this is a web page (<html>), not Green Button data", source=self._handle.name, hint=hint)
        named = _ENCODING.match(head)
        if named and named[1].lower() not in _BYTEWISE:
            self._cutter = None
        self._utf16 = "utf-16le" if head.startswith((b"\xff\xfe", b"<\0")) else "utf-16be" if head.startswith((b"\xfe\xff", b"\0<")) else ""
        if self._utf16:
            self._cutter = None
        if self._cutter is None:
            self._matcher = None
        if self._matcher is not None:
            self._matcher.begin(head)
        return head

    def _parse(self, data: bytes, *, final: bool) -> bool:
        """Feed the parser; return True where the rest of the stream is junk behind the root."""
        try:
            self._parser.Parse(data, final)
        except ReadError:
            raise
        except (LookupError, ValueError):  # Python's word for an encoding that it does not know, or that expat cannot take
            if self._root:
                raise
            raise _WrongEncodingError(self._utf16 or "utf-8") from None
        except expat.ExpatError as error:
            if self._closed:
                self._note("junk-after-root", "there is something behind the end of the document; it was not read")
                return True
            wrong = (
                expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING],
                expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING],
            )
            if error.code in wrong and not self._root:
                raise _WrongEncodingError(self._utf16 or "utf-8") from None
            cut = final and error.code in (
                expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
                expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
                expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
            )
            what = (
                "the file ends in the middle: it was cut short" if cut else f"the XML is not well-formed ({expat.ErrorString(error.code)})"
            )
            raise self._broken(what, hint="Download it again." if cut else "Download it again, or mend this line.") from None
        return False

    def _broken(self, what: str, *, hint: str) -> BrokenXmlError:
        line = self._parser.CurrentLineNumber + self._lines_before
        return BrokenXmlError(what, source=self._handle.name, line=line, entry=self._entries or None, hint=hint)

    def _note(self, code: str, text: str) -> None:
        self._notes[code, text] = self._notes.get((code, text), 0) + 1

    # -- names -----------------------------------------------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        """Return an element's local name, or ``{namespace}name`` where the namespace is none of ours."""
        key = self._keys.get(name)
        if key is None:
            prefix, _, local = name.rpartition(":")
            uri = self._scope.get(prefix)
            family = _family(uri, prefix)
            if family == "undeclared" and prefix not in self._undeclared:
                self._undeclared.add(prefix)
                self._note("undeclared-prefix", f"the prefix {prefix[:20]!r} is never declared; its elements were taken as ESPI's")
            key = self._keys[name] = f"{{{uri}}}{local}" if family == "foreign" else local
        return key

    def _declare(self, attributes: dict[str, str]) -> dict[str, str] | None:
        """Take in namespace declarations; return the scope to go back to where they change anything."""
        changed = None
        for name, value in attributes.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                prefix = name[6:]
                if self._scope.get(prefix, "" if not prefix else None) != value:
                    if changed is None:
                        changed, self._scope = self._scope, dict(self._scope)
                    self._scope[prefix] = value
        if changed is not None:
            self._keys = self._keys_of_scope()
        return changed

    def _keys_of_scope(self) -> dict[str, str]:
        """Return the keys that are known where these namespaces are declared: the same few scopes come again and again."""
        if len(self._scopes) > _SCOPES:
            self._scopes.clear()
        return self._scopes.setdefault(frozenset(self._scope.items()), {})

    # -- expat's handlers ------------------------------------------------------------------------------------------------------------

    def _doctype(self, *_: object) -> None:
        raise self._broken(
            "it holds a DOCTYPE, which ESPI never does and which is refused", hint="Delete the DOCTYPE if you trust the file."
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        frames = self._frames
        before = None
        node: Node = {}
        if attributes:
            before = self._declare(attributes)
            node = {"@" + key.rpartition(":")[2]: value for key, value in attributes.items() if not key.startswith(("xmlns", "xsi:"))}
        if len(frames) >= MAX_DEPTH:
            raise self._broken(f"elements are nested deeper than {MAX_DEPTH}", hint="This is not a Green Button file.")
        key = self._keys.get(name) or self._key(name)
        if not frames:
            self._root = key
        lower = key.lower()
        if lower == "entry" and self._feed_entry_depth is None:
            self._feed_entry_depth = len(frames)
            self._entries += 1
        elif lower == "intervalblock" and self._columns is None and self._holds_resources():
            self._columns = Columns(self._note)
        frames.append(_Frame(key, node, [], before))

    def _holds_resources(self) -> bool:
        """Whether the element that is open may hold resources: an entry's content, or nothing at all (a bare resource)."""
        return not self._frames or (self._feed_entry_depth is not None and self._frames[-1].key.lower() == "content")

    def _data(self, text: str) -> None:
        if self._frames:
            self._frames[-1].text.append(text)

    def _end(self, _: str) -> None:
        frame = self._frames.pop()
        text = "".join(frame.text)
        value: Any = frame.node
        if not value:
            value = text
        elif text := text.strip():
            value["#text"] = text
        if frame.scope is not None:
            self._scope = frame.scope
            self._keys = self._keys_of_scope()
        self._close(frame.key, value)
        if not self._frames:
            self._closed = True

    def _close(self, key: str, value: Any) -> None:
        """Hand a complete element to whom it concerns."""
        columns, depth = self._columns, len(self._frames)
        lower = key.lower()
        if self._cutter is not None and key == MARKER:
            if columns is not None and self._frames[-1].key.lower() == "intervalblock":
                columns.add_run(self._runs.popleft())
            return
        if self._matcher is not None and key == self._matcher.name:
            if depth == 1 and self._feed_entry_depth is None:
                stencil, alike = self._alike.popleft()
                runs = [self._runs.popleft() for _ in alike]
                self._lists["blocks"] += stencil.filled(alike, runs, self._handle.name, self._entries + 1)
                self._entries += len(alike)
            return
        if columns is not None:
            if lower == "intervalreading" and self._frames[-1].key.lower() == "intervalblock":
                columns.add(value if isinstance(value, dict) else {})
                return
            if lower == "intervalblock" and self._holds_resources():
                self._blocks_of_entry.append((columns.finish(), value if isinstance(value, dict) else {}))
                self._columns = None
                if not depth:
                    self._take_entry({})
                return
        if depth == self._feed_entry_depth and lower == "entry":
            self._feed_entry_depth = None
            self._take_entry(value if isinstance(value, dict) else {})
        elif depth:
            _put(self._frames[-1].node, key, value)
        elif lower in _ROOTS:
            self._take_entry({"content": {key: value}})
        else:
            self._take_feed(value if isinstance(value, dict) else {})

    # -- entries and resources -------------------------------------------------------------------------------------------------------

    def _take_feed(self, node: Node) -> None:
        if self._root.lower() == "feed":
            self._lists["feeds"].append(_entry(node, self._handle.name, 0))

    def _take_entry(self, node: Node) -> None:
        content = node.pop("content", None)
        entry = _entry(node, self._handle.name, self._entries)
        for one in content if isinstance(content, list) else [content]:
            if isinstance(one, dict):
                for key, value in one.items():
                    if not key.startswith(("@", "#")):
                        for item in value if isinstance(value, list) else [value]:
                            self._take_resource(key, item if isinstance(item, dict) else ({"#text": item} if item.strip() else {}), entry)
        for readings, block in self._blocks_of_entry:
            interval, extra = _interval(block, self._note)
            self._lists["blocks"].append(Block(readings, interval, entry, entry.updated, extra))
        self._blocks_of_entry = []

    def _take_resource(self, key: str, node: Node, entry: Entry) -> None:
        lower = key.lower()
        cls = _USAGE.get(lower)
        if cls is Summary:
            self._lists["summaries"].append(build(Summary, node, self._note, entry=entry, element=key))
        elif cls is not None:
            self._lists[_LIST_OF[cls]].append(build(cls, node, self._note, entry=entry))
        elif lower in RESOURCES:
            self._lists["others"].append(build(RESOURCES[lower], node, self._note, entry=entry))
        else:
            if lower not in CUSTOMER_ELEMENTS:
                self._note("not-modelled", "an entry holds something that is not a resource of ESPI; it is kept in `resources`")
            self._lists["others"].append(Other(key, hidden(node), entry=entry))

    def _document(self) -> Document:
        findings = tuple(
            Finding(code, _SEVERITY.get(code, "info"), text, _SUGGESTION.get(code, ""), n=count, source=self._handle.name)
            for (code, text), count in sorted(self._notes.items())
        )
        lists: dict[str, Any] = {name: tuple(items) for name, items in self._lists.items()}
        if lists["feeds"]:
            of_feed = lists["feeds"][0].updated
            lists["blocks"] = tuple(block if block.updated else replace(block, updated=of_feed) for block in lists["blocks"])
        return Document(sources=(self._handle.name,), findings=findings, **lists)


def _plainly(data: bytes) -> Document:
    """Read on the plain path."""
    return _Reader(Handle("", lambda: io.BytesIO(data))).read(fast=False)


class _WrongEncodingError(Exception):
    """The document is not in the encoding that it names, but in this one."""


_LIST_OF: dict[type, str] = {
    UsagePoint: "usage_points",
    MeterReading: "meter_readings",
    ReadingType: "reading_types",
    LocalTime: "local_times",
    Summary: "summaries",
    QualitySummary: "quality_summaries",
    ProgramMappings: "program_mappings",
}
_SEVERITY: dict[str, Literal["info", "warning", "error"]] = {
    "junk-after-root": "warning",
    "not-understood": "warning",
    "repeated-element": "warning",
    "encoding": "warning",
}
_SUGGESTION = {
    "junk-after-root": "If it is a second document, save it as a file of its own and read both.",
    "not-understood": "Look at it in `extra`, and ask the utility what it means.",
    "fractional-time": "The times are the utility's, not the meter's; see whether they make sense.",
}


def _family(uri: str | None, prefix: str) -> Family:
    if uri is None:
        return "undeclared" if prefix else "none"
    if not uri:
        return "none"
    bare = uri.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/").lower()
    if bare == "naesb.org/espi/customer":
        return "customer"
    if bare == "naesb.org/espi":
        return "espi"
    return "atom" if bare == "w3.org/2005/atom" else "foreign"


def _put(node: Node, key: str, value: Any) -> None:
    if key not in node:
        node[key] = value
    elif isinstance(node[key], list):
        node[key].append(value)
    else:
        node[key] = [node[key], value]


def _entry(node: Node, source: str, number: int) -> Entry:
    links: dict[str, list[str]] = {"self": [], "up": [], "related": []}
    extra: Node = {}
    found = node.pop("link", [])
    for link in found if isinstance(found, list) else [found]:
        rel = link.get("@rel", "related") if isinstance(link, dict) else ""
        href = link.get("@href", "") if isinstance(link, dict) else ""
        if href and rel in links and (rel == "related" or not links[rel]):
            links[rel].append(href.strip())
        else:
            _put(extra, "link", link)
    texts = {}
    for name in ("id", "title", "published", "updated"):
        value = node.pop(name, None)
        first, *others = value if isinstance(value, list) else [value]
        texts[name] = text_of(first) or ""
        for other in others:
            _put(extra, name, other)
    extra.update({key: value for key, value in node.items() if key != "entry" and not key.startswith(("@", "#"))})
    return Entry(
        href="".join(links["self"]),
        up="".join(links["up"]),
        related=tuple(links["related"]),
        source=source,
        number=number,
        extra=hidden(extra),
        **texts,
    )


def _interval(block: Node, note: Any) -> tuple[Interval | None, Node]:
    """Return an IntervalBlock's own interval, and what else it held."""
    interval, extra = None, {}
    for key, value in block.items():
        if key.lower() == "interval" and isinstance(value, dict):
            interval = build(Interval, value, note)
        elif key != "#text":
            extra[key] = value
    return interval, hidden(extra)
