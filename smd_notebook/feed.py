"""The researcher's object: everything one or several feeds hold, its frames and its findings."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from smd_notebook.errors import ConfigurationError, Finding, NotEspiError, enforce, is_strict, needs, warn
from smd_notebook.espi.channels import cut
from smd_notebook.espi.dialects import Dialect, dialect_named
from smd_notebook.espi.links import find_by_links, link, point_key_of
from smd_notebook.espi.merge import merge_documents
from smd_notebook.espi.model import Channel, Document, UsagePoint
from smd_notebook.espi.portal_csv import read_table
from smd_notebook.espi.portal_rows import looks_like_csv
from smd_notebook.espi.reader import looks_like_xml, read_document
from smd_notebook.espi.source import Handle, handles
from smd_notebook.glance import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from smd_notebook.selection import Series

__all__ = ["Feed", "merge", "read"]


def read(source: Any, *, clock: str = "declared", tz: str | None = None, dialect: str | None = None, floor_starts: bool = False) -> Feed:
    """Read whatever the utility gave you.

    Parameters
    ----------
    source : path, glob, directory, bytes, open file, Download, or a list of them
        Green Button (ESPI) XML, or the table that portals call Download My Data (CSV); plain, gzipped or in zip files. Several files
        become one Feed, whatever their order.
    clock : str
        What the times mean. ``"declared"``: UTC, as the standard has it, with a warning where the readings disprove it. ``"auto"``: the
        same, but a clock that is proved wrong is put right. ``"utc"``: UTC, unquestioned. ``"wall"``, ``"standard"``: local wall-clock or
        standard time that was written as UTC. ``"as:America/New_York"``: wall-clock time that was converted by another zone's rules.
    tz : str, optional
        IANA zone, where the feed's own is wrong or missing.
    dialect : str, optional
        The utility's short name, such as ``"pge"``, where the links in the feed do not tell it.
    floor_starts : bool
        Whether starts a second past the minute (hh:00:01) are put on it.

    Returns
    -------
    Feed
        What it holds.

    Raises
    ------
    ReadError
        Where something cannot be read: `NotEspiError`, `BrokenXmlError`, `ArchiveError`. It names file, member, line and entry.
    TimeZoneError
        Where `tz` is no IANA name.
    ConfigurationError
        Where no dialect or no clock has this name.

    Warns
    -----
    SmdWarning
        Where the readings disprove the clock, or the times cannot be recovered.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> smd.read(b'<ReadingType xmlns="http://naesb.org/espi"><uom>72</uom></ReadingType>')
    <Feed: no channels; ReadingType>
    """
    if tz is not None:
        from smd_notebook.clock import valid_zone

        valid_zone(tz)
    chosen = dialect_named(dialect) if dialect else None
    documents, skipped = [], []
    for handle in handles(source):
        document = _read_one(handle, tz, chosen)
        if document is None:
            skipped.append(handle)
        else:
            documents.append(document)
    if not documents:
        raise NotEspiError(
            "there is no Green Button data in it", source=skipped[0].name, hint="Download the data as Green Button (ESPI) XML."
        )
    notes = tuple(
        Finding("file-skipped", "info", "a file that is not Green Button data was left out", source=handle.name) for handle in skipped
    )
    document, told = _with_clock(merge_documents(documents), clock, tz, floor=floor_starts)
    for finding in told:
        if finding.severity == "error":
            warn(f"{finding.channel}: {finding.message}. {finding.suggestion}", finding)
    return _allowed(Feed(document, tz=tz, findings=(*notes, *told)))


def _allowed(feed: Feed) -> Feed:
    """Return the feed, unless `strict` does not allow what is found in it; elsewhere findings wait until they are asked for."""
    if is_strict():
        enforce(feed.listed)
    return feed


def _with_clock(document: Document, clock: str, tz: str | None, *, floor: bool) -> tuple[Document, list[Finding]]:
    """Return the document with its clocks as the caller wants them, and what was found about them."""
    from smd_notebook.repairs import with_bills, with_clock
    from smd_notebook.selection import stated_zone

    zones = [stated_zone(channel, tz)[0] for channel in document.channels]
    channels, told, undone = with_clock(document.channels, zones, clock, floor=floor)
    if all(one is other for one, other in zip(channels, document.channels, strict=True)):
        return document, told
    bills, moved = with_bills(document.summaries, [point_key_of(one.entry, document) for one in document.summaries], undone)
    blocks = tuple(block for one in channels for block in one.blocks)
    return replace(document, channels=tuple(channels), blocks=blocks, summaries=bills), [*told, *moved]


def _read_one(handle: Handle, tz: str | None, dialect: Dialect | None) -> Document | None:
    """Return what a stream holds; None where it was only found beside others and is something else."""
    head = handle.head()
    table = looks_like_csv(head)
    if handle.found and not table and not looks_like_xml(head):
        return None
    try:
        return read_table(handle, tz=tz, dialect=dialect) if table else link(read_document(handle), dialect)
    except NotEspiError:
        if handle.found:
            return None
        raise


def merge(feeds: Iterable[Feed]) -> Feed:
    """Merge feeds into one; idempotent, and independent of their order.

    Readings that stand in several count once; where they disagree, the one whose block was updated later is taken, else the one of
    better quality, and a finding says so. What one lacks, such as the ReadingType of its readings, is taken from another that has it.

    Parameters
    ----------
    feeds : iterable of Feed
        What to merge.

    Returns
    -------
    Feed
        Everything that they hold.

    Raises
    ------
    ConfigurationError
        Where there is none, they were read with different `tz`, or something is no Feed.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> home = smd.sample("lapse2024")
    >>> smd.merge([home, home]).tidy().equals(home.tidy())
    True
    """
    given = list(feeds)
    if not given:
        raise ConfigurationError("there is nothing to merge", hint="Pass a list of feeds.")
    if any(not isinstance(one, Feed) for one in given):
        raise ConfigurationError("what is merged must be feeds", hint="Files are merged as they are read: smd.read([...]).")
    zones = {feed.tz for feed in given}
    if len(zones) > 1:
        raise ConfigurationError("feeds that were read with different tz= cannot be merged", hint="Read them with the same tz=.")
    findings = tuple(dict.fromkeys(finding for feed in given for finding in feed.noticed))
    return _allowed(Feed(merge_documents(feed.document for feed in given), tz=zones.pop(), findings=findings))


class Feed:
    """Everything one or several feeds hold. Immutable: every method that changes something returns a new one.

    Parameters
    ----------
    document : Document
        A linked document.
    tz : str, optional
        Zone that overrides the feed's own.
    findings : tuple of Finding
        What was noticed before.
    """

    def __init__(self, document: Document, *, tz: str | None = None, findings: tuple[Finding, ...] = ()) -> None:
        self.document = document
        self.tz = tz
        self.noticed = findings

    @property
    def usage_points(self) -> list[UsagePoint]:
        """The points where service is delivered and measured."""
        return list(self.document.usage_points)

    @property
    def channels(self) -> list[Channel]:
        """The series: what is measured at which usage point, in which unit and direction."""
        return list(self.document.channels)

    @property
    def resources(self) -> dict[str, list[Any]]:
        """Everything else, by the name of its ESPI element; secrets are never shown."""
        found: dict[str, list[Any]] = {}
        for name, items in (
            ("LocalTimeParameters", self.document.local_times),
            ("ReadingType", self.document.reading_types),
            ("UsageSummary", self.document.summaries),
            ("ElectricPowerQualitySummary", self.document.quality_summaries),
            ("ProgramIdMappings", self.document.program_mappings),
        ):
            if items:
                found[name] = list(items)
        for other in self.document.others:
            found.setdefault(getattr(other, "element", type(other).__name__), []).append(other)
        return found

    @cached_property
    def _resolved(self) -> tuple[list[Series], list[Finding]]:
        from smd_notebook.bills import bill_findings
        from smd_notebook.selection import series_of, zones_of

        zones, noticed = zones_of(self.document, self.tz)
        series, found = series_of(self.document, zones)
        return series, [*self.noticed, *self.document.findings, *noticed, *found, *bill_findings(self.document)]

    @property
    def _zones(self) -> dict[str, str]:
        """Key of each usage point to its zone; of one without readings, the caller's, its clock's or the utility's."""
        from smd_notebook.clock import zone_of

        document = self.document
        points = {point_key_of(one.entry, document): one.entry for one in document.usage_points}
        zones: dict[str, str] = {}
        for entry in (summary.entry for summary in document.summaries):
            key = point_key_of(entry, document)
            if key in document.dialects:
                continue
            clock = find_by_links(document.local_times, points.get(key), entry)
            own = zone_of(clock, document.dialect.zone)[0] if clock else None
            zones[key] = self.tz or own or document.dialect.zone or "UTC"
        return zones | {one.channel.usage_point: one.zone for one in self._resolved[0]}

    def bills(self) -> pd.DataFrame:
        """Return one row a bill: its period, what it cost, and the energy that it is for.

        Returns
        -------
        DataFrame
            `usage_point`, `service`, `zone`, `start`, `end`; `bill`, `bill_to_date`, `additional`, `lines_total` [currency], `currency`;
            `energy` [unit], `unit`; `energy_to_date` [unit_to_date]; `peak_demand` [peak_unit]; `quality`, `tariff`, `n_lines`.
        """
        from smd_notebook.bills import bills_frame

        return bills_frame(self.document, self._zones)

    def bill_lines(self) -> pd.DataFrame:
        """Return one row a line of a bill, keyed by `usage_point` and the bill's `start`.

        Returns
        -------
        DataFrame
            `usage_point`, `zone`, `start`, `end` of the bill; `line` from 1, `kind`, `note`, `amount` [currency], `currency`, `quantity`
            [unit], `unit`, `unit_cost` [currency], `item_start`, `item_end`, `date_time`.
        """
        from smd_notebook.bills import bill_lines_frame

        return bill_lines_frame(self.document, self._zones)

    def tidy(
        self,
        *,
        tz: str | None = None,
        unit: str | None = None,
        duplicates: Literal["resolve", "keep"] = "resolve",
        raw: bool = False,
    ) -> pd.DataFrame:
        """Return one row an interval.

        Parameters
        ----------
        tz : str, optional
            IANA zone; by default the feed's own.
        unit : str, optional
            Unit to convert to, such as ``"kWh"``; by default each channel's own, without prefix.
        duplicates : {"resolve", "keep"}
            One row for each interval of a channel, sorted by channel and start; or every row as written, in document order.
        raw : bool
            Whether to add the raw integers (`raw_value`) and their power of ten (`power_of_ten`).

        Returns
        -------
        DataFrame, shape (n_intervals, 18)
            `usage_point`, `channel`, `service`, `measure`, `flow`, `zone`, `start`, `end`, `duration`, `value` [unit], `unit`,
            `quality`, `tou`, `tou_name`, `tier`, `cpp`, `cost` [currency], `currency`. `start` is the interval's start.

        Raises
        ------
        UnitError
            Where a channel cannot be converted to `unit`.
        TimeZoneError
            Where `tz` is no IANA name.
        ConfigurationError
            Where `duplicates` is neither word.

        Examples
        --------
        >>> import smd_notebook as smd
        >>> frame = smd.sample("lapse2024").tidy(unit="kWh")
        >>> float(frame[(frame["usage_point"] == "lapse2024-net") & (frame["flow"] == "delivered")]["value"].sum().round(3))
        9748.676
        """
        from smd_notebook.frames import tidy
        from smd_notebook.selection import series_of, zones_of

        if duplicates not in ("resolve", "keep"):
            raise ConfigurationError(f"duplicates={duplicates!r} is not known", hint="Say 'resolve' or 'keep'.")
        keep = duplicates == "keep"
        if keep or tz is not None:
            zones, _ = zones_of(self.document, self.tz if tz is None else tz)
            series, _ = series_of(self.document, zones, keep=keep)
        else:
            series, _ = self._resolved
        return tidy(series, self.document, unit=unit, raw=raw, in_order=keep, tz=tz or self.tz)

    to_dataframe = tidy

    def select(
        self,
        *,
        channel: str | Iterable[str] | None = None,
        usage_point: str | Iterable[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> Feed:
        """Return a Feed with some of the channels, or with some of the time.

        Parameters
        ----------
        channel, usage_point : str or iterable of str, optional
            Labels of channels, keys of usage points, as they stand in `tidy`. Bills of other usage points are left out.
        start, end : str, datetime or Timestamp, optional
            Readings that start at or after `start` and before `end` are kept. Without an offset they are wall-clock time in the
            channel's zone.

        Raises
        ------
        ConfigurationError
            Where no channel has this label, no usage point this key, or `start` or `end` is no instant: no date, or a wall-clock time
            that the clock jumps over or shows twice.

        Examples
        --------
        >>> import smd_notebook as smd
        >>> july = smd.sample("lapse2024").select(channel="electricity delivered (2)", start="2024-07-01", end="2024-08-01")
        >>> len(july.tidy())
        2976
        """
        from smd_notebook.selection import zones_of

        chosen = list(zip(self.document.channels, zones_of(self.document, self.tz)[0], strict=True))
        for name, wanted in (("channel", channel), ("usage_point", usage_point)):
            if wanted is None:
                continue
            names = {wanted} if isinstance(wanted, str) else set(wanted)
            attribute = "label" if name == "channel" else name
            there = {getattr(one, attribute) for one in self.document.channels}
            if names - there:
                known = ", ".join(repr(one) for one in sorted(there))
                raise ConfigurationError(f"there is no {name} {min(names - there)!r} in this feed", hint=f"There is: {known}.")
            chosen = [(one, zone) for one, zone in chosen if getattr(one, attribute) in names]
        channels = tuple(cut(one, _seconds(start, zone), _seconds(end, zone)) for one, zone in chosen)
        points = {one.usage_point for one in channels}
        document = replace(
            self.document,
            channels=channels,
            blocks=tuple(block for one in channels for block in one.blocks),
            usage_points=tuple(one for one in self.document.usage_points if point_key_of(one.entry, self.document) in points),
        )
        if channel is not None or usage_point is not None:
            bills = tuple(one for one in self.document.summaries if point_key_of(one.entry, self.document) in points)
            document = replace(document, summaries=bills)
        return Feed(document, tz=self.tz, findings=self.noticed)

    @property
    def findings(self) -> pd.DataFrame:
        """What was noticed about the data, one row each: code, severity, channel, start, end, n, value, message, suggestion, source.

        It is looked for when first asked for, which takes a moment.

        Raises
        ------
        FindingError
            Inside of `smd_notebook.strict`, where something is found that it does not allow.
        """
        from smd_notebook.findings import as_frame

        enforce(self.listed)
        return as_frame(self.listed)

    @cached_property
    def listed(self) -> list[Finding]:
        """The findings as objects."""
        from smd_notebook.findings import in_feed

        return [*self._resolved[1], *in_feed(self.document, self.tidy(), self.bills())]

    # -- other shapes ------------------------------------------------------------------------------------------------------------------

    def to_xarray(self) -> xr.Dataset:
        """Return one Dataset of all channels, over naive UTC `time` with CF attributes, bounds and local coordinates.

        Returns
        -------
        Dataset
            A variable for each channel, named after its label [its unit, in the attributes], over `time` (interval start); coordinates
            `time_bnds`, `local_time`, `local_date`, `utc_offset` [s].

        Raises
        ------
        ConfigurationError
            Where channels have unlike steps or zones; `to_datatree` takes them all.
        """
        from smd_notebook.datasets import dataset

        return dataset(self._resolved[0], self.document)

    def to_datatree(self) -> xr.DataTree:
        """Return a DataTree with a group for each channel, such as ``up1/delivered``, each with its own time axis."""
        from smd_notebook.datasets import datatree

        return datatree(self._resolved[0], self.document)

    def to_csv(self, path: str | Path) -> None:
        """Write the tidy frame as CSV, with `start_utc` and `end_utc` as ISO 8601 with a Z; `smd_notebook.read_tidy` reads it back.

        It warns where a name would be a formula in a spreadsheet; in the file it stands as it is.
        """
        from smd_notebook.tables import write_csv

        write_csv(self.tidy(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write the tidy frame as Parquet, with timestamps in UTC; `smd_notebook.read_tidy` reads it back.

        Raises
        ------
        ConfigurationError
            Where pyarrow is not installed.
        """
        from smd_notebook.tables import write_parquet

        write_parquet(self.tidy(), path)

    def to_netcdf(self, path: str | Path) -> None:
        """Write the DataTree as netCDF 4; ``xarray.open_datatree`` reads it back.

        Raises
        ------
        ConfigurationError
            Where h5netcdf is not installed.
        """
        needs("netCDF", "h5netcdf", "io")
        self.to_datatree().to_netcdf(path, engine="h5netcdf")

    def to_zarr(self, path: str | Path) -> None:
        """Write the DataTree as Zarr; ``xarray.open_datatree`` reads it back.

        Raises
        ------
        ConfigurationError
            Where zarr is not installed.
        """
        needs("Zarr", "zarr", "cohort")
        self.to_datatree().to_zarr(path, consolidated=False)  # consolidated metadata is no part of Zarr 3

    def to_espi(self, path: str | Path) -> None:
        """Write everything as one ESPI feed (a name that ends in .gz is compressed); secrets are not written."""
        from smd_notebook.espi.writer import write_document

        data = write_document(self.document)
        Path(path).write_bytes(gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)

    def alias(self) -> Feed:
        """Return a Feed for publishing: no identifier, address, name or link of the utility's is left in it.

        Usage points get names made from their readings, so that the same data has the same name and unlike homes never share one.
        Customers, authorizations and everything else that is not usage or bills is left out; a finding says how much.

        Examples
        --------
        >>> import smd_notebook as smd
        >>> home = smd.sample("lapse2024").alias()
        >>> all(point.startswith("home-") for point in home.tidy()["usage_point"].unique())
        True
        """
        from smd_notebook.espi.alias import aliased

        return Feed(aliased(self.document), tz=self.tz)

    def customers(self) -> pd.DataFrame:
        """Return the retail-customer resources (espi customer.xsd) as a long frame: what a feed says of a person, so handle it with care.

        Returns
        -------
        DataFrame
            `resource` (Customer, ServiceLocation, …), `number` of the resource, `field` (its path, such as ``mainAddress.postalCode``),
            `value` as text.
        """
        from smd_notebook.bills import customers_frame

        return customers_frame(self.document)

    # -- how it looks ------------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return as_text(self._resolved[0], self.resources, self.listed)

    def _repr_html_(self) -> str:
        return as_html(self._resolved[0], self.resources, self.listed, banner=self.noticed)


def _seconds(moment: Any, zone: str) -> float | None:
    """Return an instant as UTC seconds; without an offset it is wall-clock time in `zone`."""
    if moment is None:
        return None
    import pandas as pd

    try:
        stamp = pd.Timestamp(moment)
        return float((stamp if stamp.tzinfo else stamp.tz_localize(zone)).timestamp())
    except Exception as error:  # pandas has a dozen, and pytz's beside them
        if isinstance(error, (ValueError, TypeError, OverflowError)) or "Time" in type(error).__name__:
            text = f"{moment!r} is no instant in {zone}"
            hint = "Give a date, such as '2024-07-01'; where the clock jumps or repeats an hour, give the offset: '2024-11-03T01:30-08:00'."
            raise ConfigurationError(text, hint=hint) from None
        raise
