"""The command line: ``smd-notebook summary FILE...`` and its like."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from smd_notebook.errors import ConfigurationError, SmdError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands behind the command's name; by default what it was called with.
    """
    parser = argparse.ArgumentParser(prog="smd-notebook", description="From a utility's Green Button to a load profile.")
    commands = parser.add_subparsers(dest="command", required=True)
    summary = commands.add_parser("summary", help="say what Green Button files hold and what is wrong with them")
    summary.add_argument("files", nargs="+", metavar="FILE", help="XML, zip or gzip file, directory or pattern")
    summary.add_argument("--tz", help="IANA time zone, where the feed's own is wrong or missing")
    convert = commands.add_parser("convert", help="turn Green Button files into one table or dataset")
    convert.add_argument("files", nargs="+", metavar="FILE", help="XML, CSV, zip or gzip file, directory or pattern")
    convert.add_argument(
        "--to", required=True, type=Path, metavar="OUT", help="file to write: .csv, .csv.gz, .parquet, .nc, .zarr, .xml or .xml.gz"
    )
    convert.add_argument("--tz", help="IANA time zone, where the feed's own is wrong or missing")
    convert.add_argument("--alias", action="store_true", help="replace identifiers and leave out what is personal, for publishing")
    versions = commands.add_parser("versions", help="show the versions of everything that matters")
    summary.set_defaults(run=_summary)
    convert.set_defaults(run=_convert)
    versions.set_defaults(run=_versions)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except (SmdError, OSError) as error:
        print(f"smd-notebook: {error}", file=sys.stderr)
        return 1
    return 0


def _summary(chosen: argparse.Namespace) -> None:
    from smd_notebook.feed import read

    feed = read(chosen.files, tz=chosen.tz)
    print(feed)
    for _, row in feed.findings.iterrows():
        where = f" [{row['channel']}]" if row["channel"] else ""
        times = f" (x{row['n']})" if row["n"] > 1 else ""
        print(f"{row['severity']:<8}{row['code']}{where}{times}: {row['message']}. {row['suggestion']}".rstrip())


def _convert(chosen: argparse.Namespace) -> None:
    from smd_notebook.feed import read

    feed = read(chosen.files, tz=chosen.tz)
    feed = feed.alias() if chosen.alias else feed
    out: Path = chosen.to
    writers: dict[str, Callable[[Path], None]] = {
        ".csv": feed.to_csv,
        ".parquet": feed.to_parquet,
        ".xml": feed.to_espi,
        ".nc": feed.to_netcdf,
        ".zarr": feed.to_zarr,
    }
    suffix = out.suffix.lower()
    if suffix == ".gz":
        suffix = out.with_suffix("").suffix.lower()
        writers = {name: writers[name] for name in (".csv", ".xml")}
    if suffix not in writers:
        raise ConfigurationError(f"what {out.name} should be cannot be told from its ending", hint="Use one of " + ", ".join(writers) + ".")
    writers[suffix](out)
    print(f"{out}: {sum(map(len, feed.channels)):,} readings of {len(feed.channels)} channels")


def _versions(_: argparse.Namespace) -> None:
    from smd_notebook.versions import show_versions

    show_versions()


if __name__ == "__main__":
    sys.exit(main())
