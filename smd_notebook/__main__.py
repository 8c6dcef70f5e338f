"""The command line: ``smd-notebook summary FILE...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from smd_notebook.errors import SmdError

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
    versions = commands.add_parser("versions", help="show the versions of everything that matters")
    summary.set_defaults(run=_summary)
    versions.set_defaults(run=_versions)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except SmdError as error:
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


def _versions(_: argparse.Namespace) -> None:
    from smd_notebook.versions import show_versions

    show_versions()


if __name__ == "__main__":
    sys.exit(main())
