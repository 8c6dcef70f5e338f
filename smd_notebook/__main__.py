"""The command line: ``smd-notebook summary FILE...`` and its like."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TextIO

from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from smd_notebook.access.credentials import Credentials
    from smd_notebook.access.custodian import Custodian

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
    collecting = commands.add_parser("collect", help="have a customer consent, and put months of usage into one CSV file")
    collecting.add_argument(
        "--custodian", default="pge", metavar="NAME", help="a known utility's short name, or a TOML file; by default pge"
    )
    collecting.add_argument("--months", type=int, default=12, help="how many months back from now; by default 12")
    collecting.add_argument("--csv", type=Path, default=Path("usage.csv"), metavar="OUT", help="file to write; by default usage.csv")
    collecting.add_argument("--to", type=Path, default=Path("raw"), metavar="DIR", help="folder for the raw replies; by default raw")
    collecting.add_argument("--keep", action="store_true", help="do not delete the authorization in the end")
    doctor = commands.add_parser("doctor", help="check certificate, clock, token and the utility's service, or make a key and a request")
    doctor.add_argument("--custodian", default="pge", metavar="NAME", help="a known utility's short name, or a TOML file; by default pge")
    doctor.add_argument(
        "--credentials", type=Path, metavar="FILE", help="TOML file of the credentials; by default the environment's SMD_..."
    )
    doctor.add_argument("--offline", action="store_true", help="look at the certificate only, and ask nobody")
    doctor.add_argument("--new-key", type=Path, metavar="DIR", help="make a private key, and a request to send to a certificate authority")
    doctor.add_argument("--host", metavar="NAME", help="of --new-key: the host name that the certificate is for")
    doctor.add_argument("--organization", metavar="NAME", help="of --new-key: who asks")
    scan = commands.add_parser("scan", help="find secrets, account numbers and addresses in notebooks before they are published")
    scan.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", type=Path, help=".ipynb file, or a folder of them")
    versions = commands.add_parser("versions", help="show the versions of everything that matters")
    sandbox = commands.add_parser("sandbox", help="run a practice utility on this machine, for any third party's software")
    sandbox.add_argument(
        "--dir", required=True, metavar="DIR", help="folder for sandbox.json (all that a client needs), certificates and keys"
    )
    sandbox.add_argument("--port", type=int, default=0, metavar="N", help="port of the API; by default any that is free")
    sandbox.add_argument("--portal-port", type=int, default=0, metavar="M", help="port of the portal; by default any that is free")
    sandbox.add_argument(
        "--notify-url", metavar="URL", help="where notifications go; an https server there needs inbox_certificate of sandbox.json"
    )
    sandbox.add_argument("--portal-uri", metavar="URL", help="where customers go who begin at the utility")
    sandbox.add_argument("--scope-selection-uri", metavar="URL", help="where the OAuth test begins")
    sandbox.add_argument(
        "--redirect-uri", action="append", default=[], metavar="URL", help="address for codes; those of this machine need none"
    )
    sandbox.add_argument(
        "--variant", nargs="+", action="extend", default=[], metavar="NAME", help="behave otherwise than PG&E: see docs/practice.md"
    )
    sandbox.add_argument(
        "--household", nargs="+", action="extend", metavar="NAME", help="whose data the customers have: solar-home, apartment:2, ..."
    )
    sandbox.add_argument("--rate-limits", action="store_true", help="refuse more than 1 request a second, 2000 an hour, 20 000 a day")
    summary.set_defaults(run=_summary)
    sandbox.set_defaults(run=_sandbox)
    convert.set_defaults(run=_convert)
    collecting.set_defaults(run=_collect)
    doctor.set_defaults(run=_doctor)
    scan.set_defaults(run=_scan)
    versions.set_defaults(run=_versions)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except (SmdError, OSError) as error:
        _say(f"smd-notebook: {error}", sys.stderr)
        return 1


def _say(text: object, file: TextIO | None = None) -> None:
    """Print what may hold words of a file: a terminal would obey the control characters among them."""
    print("".join(one if one.isprintable() or one == "\n" else "?" for one in str(text)), file=file)


def _summary(chosen: argparse.Namespace) -> None:
    import warnings

    from smd_notebook.errors import SmdWarning
    from smd_notebook.feed import read

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmdWarning)  # of which each is a finding, and told below
        feed = read(chosen.files, tz=chosen.tz)
        findings = feed.findings
    _say(feed)
    for _, row in findings.iterrows():
        where = f" [{row['channel']}]" if row["channel"] else ""
        times = f" (x{row['n']})" if row["n"] > 1 else ""
        _say(f"{row['severity']:<8}{row['code']}{where}{times}: {row['message']}. {row['suggestion']}".rstrip())
    if len(findings):
        print("What each of these means: docs/findings.md. In place of tz='…' type --tz …; all else is for smd.read in Python.")


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


def _sandbox(chosen: argparse.Namespace) -> None:
    from smd_notebook.practice.sandbox import Sandbox

    settings = {"households": chosen.household} if chosen.household else {}
    stop = Event()
    before = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        (Path(chosen.dir) / "sandbox.json").unlink(missing_ok=True)  # of a run that was killed: whoever waits for it waits for ours
        with Sandbox(
            folder=chosen.dir,
            port=chosen.port,
            portal_port=chosen.portal_port,
            notify_url=chosen.notify_url,
            portal_uri=chosen.portal_uri,
            scope_selection_uri=chosen.scope_selection_uri,
            redirect_uris=chosen.redirect_uri,
            variants=chosen.variant,
            rate_limits=chosen.rate_limits,
            **settings,
        ) as utility:
            print(f"{utility.write_description()}: all that a client needs\nportal: {utility.portal_url}\nCtrl-C ends it", flush=True)
            while not stop.wait(1):  # on Windows a signal does not end a longer wait
                pass
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _parties(custodian: str, credentials: Path | None = None) -> tuple[Custodian, Credentials]:
    """Return a custodian, by a known one's name or a TOML file, and what to show to it."""
    from smd_notebook.access import custodians
    from smd_notebook.access.credentials import Credentials

    who = custodians.Custodian.from_toml(custodian) if custodian.endswith(".toml") else custodians.named(custodian)
    return who, Credentials.from_file(credentials) if credentials else Credentials.from_env()


def _collect(chosen: argparse.Namespace) -> None:
    from smd_notebook.access.client import Client
    from smd_notebook.study import collect_blocking

    client = Client(*_parties(chosen.custodian))
    made = collect_blocking(client, months=chosen.months, csv=chosen.csv, revoke=not chosen.keep, to=chosen.to)
    print(f"{made.csv}: {sum(map(len, made.feed.channels)):,} readings; the authorization is {'deleted' if made.revoked else 'kept'}")


def _doctor(chosen: argparse.Namespace) -> int:
    from smd_notebook.access.certificates import new_request
    from smd_notebook.access.client import Client
    from smd_notebook.access.doctor import check_client, check_credentials

    if chosen.new_key is not None:
        if not (chosen.host and chosen.organization):
            raise ConfigurationError("a request needs to say for whom it is", hint="Add --host NAME --organization NAME.")
        if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", chosen.host):
            raise ConfigurationError("--host is no host name", hint="Letters, digits, dots and hyphens: data.example.org.")
        key, request = new_request(chosen.new_key, common_name=chosen.host, organization=chosen.organization)
        print(
            f"{key}: keep it, and show it to nobody\n{request}: send it to a certificate authority, and ask for use by clients (clientAuth)"
        )
        return 0
    parties = _parties(chosen.custodian, chosen.credentials)
    found = check_credentials(*parties)
    if found.well and not chosen.offline:  # nothing can be asked with a certificate that cannot be shown
        found = check_client(Client(*parties))
    print(found)
    return 0 if found.well else 1


def _scan(chosen: argparse.Namespace) -> int:
    from smd_notebook.scan import scan_notebook

    files = [file for path in chosen.notebooks for file in (sorted(path.rglob("*.ipynb")) if path.is_dir() else [path])]
    hits = [hit for file in files for hit in scan_notebook(file)]
    if hits:
        _say("\n".join(map(str, hits)))
        print("Remove outputs and widgets with `nbstripout NOTEBOOK` (pip install nbstripout), and by hand what stands elsewhere.")
        print("A secret that was published must be replaced at the utility: see SECURITY.md.")
    else:
        print(f"{len(files)} notebook{'s' * (len(files) != 1)}: nothing found")
    return 1 if hits else 0


def _versions(_: argparse.Namespace) -> None:
    from smd_notebook.versions import show_versions

    show_versions()


if __name__ == "__main__":
    sys.exit(main())
