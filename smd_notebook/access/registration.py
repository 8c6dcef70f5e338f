"""PG&E's registration as a checklist: which tests a third party has to pass, which are passed, and what comes next.

From acceptance there are 90 days. What is done is kept in a file, so that it can be taken up again on another day; a practice utility
(`Sandbox`) takes the same steps, to rehearse.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from smd_notebook.access.custodian import Custodian, origin_of
from smd_notebook.access.doctor import Checkup, check_client, check_credentials
from smd_notebook.access.files import private_folder, read_private, write_private
from smd_notebook.access.guard import discreet
from smd_notebook.access.redirect import parse_first_redirect
from smd_notebook.errors import AuthorizationError, BadRequest, ConfigurationError, SmdError, Unavailable
from smd_notebook.espi.resources import Secret

if TYPE_CHECKING:
    from smd_notebook.access.client import Client

__all__ = ["Milestone", "Registration", "registered_as"]

UserType = Literal["standard", "self-access", "energy-efficiency-finance", "community-choice-aggregator"]
_FILE = "registration.json"
DAYS = 90  # from acceptance; then the registration expires
#: What each milestone is called, and which user types need it; in the order in which they build on each other
_ALL = get_args(UserType)
_MILESTONES: dict[str, tuple[str, tuple[str, ...]]] = {
    "certificate": ("The certificate is one that the utility takes", _ALL),
    "token": ("API connectivity test: a client access token", _ALL),
    "service-status": ("API connectivity test: ReadServiceStatus", _ALL),
    "sample-data": ("API connectivity test: DownloadSampleData", _ALL),
    "oauth": ("OAuth test: consent, code, tokens", ("standard", "energy-efficiency-finance")),
    "application-information": ("ApplicationInformation names the production endpoints", _ALL),
    "production": ("A token from the production endpoint", _ALL),
}
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "resource_endpoint")
_BY_HAND = {
    "oauth": (
        "Start the OAuth test in the utility's portal. Where it sends your browser first, copy the address, and open what "
        "registration.begin_oauth(address) returns; pass the address where that ends to registration.finish_oauth(address)."
    ),
    "application-information": (
        "Set SMD_REGISTRATION_TOKEN to the registration access token that the portal shows beside this milestone, then run() again."
    ),
}


@dataclass(frozen=True, slots=True)
class Milestone:
    """One test, or what has to be there before one.

    Parameters
    ----------
    name : str
        Such as ``"sample-data"``.
    title : str
        What it is, in words.
    done_at : float or None
        When it was passed [s since 1970].
    problem : str
        Why it was not passed when it was last tried.
    advice : str
        What to do.
    refused : bool
        Whether what was shown to the utility, such as a token, was not taken when it was last tried.
    """

    name: str
    title: str
    done_at: float | None = None
    problem: str = ""
    advice: str = ""
    refused: bool = False


class Registration:
    """A registration as it stands.

    Parameters
    ----------
    client : Client
        Of the test endpoints, such as ``Client(custodians.PGE_TEST, Credentials.from_env())``.
    production : Custodian
        Whose settings hold after the tests, such as ``custodians.PGE``; ApplicationInformation may name other endpoints.
    user_type : {"standard", "self-access", "energy-efficiency-finance", "community-choice-aggregator"}
        As chosen at registration.
    folder : str or Path
        Where to keep what is done; one for each registration.
    accepted : datetime, optional
        When the utility accepted the registration, with a time zone; by default when this was first called for the folder.
    make : callable, optional
        Makes the client of the production endpoints from a custodian.

    Raises
    ------
    ConfigurationError
        If the user type is not known, or the folder is another registration's.

    Examples
    --------
    >>> import tempfile
    >>> import smd_notebook as smd
    >>> from smd_notebook.access.registration import Registration
    >>> with smd.Sandbox(households=["apartment"], variants=["self-access"]) as utility:
    ...     client = smd.Client(utility.custodian, utility.credentials)
    ...     mine = Registration(client, utility.custodian, user_type="self-access", folder=tempfile.mkdtemp())
    ...     [milestone.name for milestone in mine.run() if milestone.problem]
    []
    """

    def __init__(
        self,
        client: Client,
        production: Custodian,
        *,
        user_type: UserType,
        folder: str | Path,
        accepted: datetime | None = None,
        make: Callable[[Custodian], Client] | None = None,
    ) -> None:
        if user_type not in _ALL:
            raise ConfigurationError(f"there is no user type {user_type!r}", hint="There are: " + ", ".join(_ALL) + ".")
        if accepted is not None and accepted.tzinfo is None:
            raise ConfigurationError("accepted needs a time zone", hint="datetime(2026, 1, 1, tzinfo=UTC), for example.")
        self.client, self.user_type, self._given = client, user_type, production
        self._make = make or (lambda custodian: type(client)(custodian, client.credentials))
        self._file = private_folder(Path(folder).expanduser()) / _FILE
        state = self._read()
        if state["user_type"] != user_type or state["client_id"] != client.credentials.client_id:
            raise ConfigurationError(
                "this folder is of another registration", hint="Choose another folder, or the client and user type it was made for."
            )
        if accepted is not None:
            state["accepted"] = accepted.timestamp()
        self._state = state
        self._write()

    def _read(self) -> dict[str, Any]:
        mine = {"user_type": self.user_type, "client_id": self.client.credentials.client_id}
        return _kept(self._file) or {**mine, "accepted": float(self.client.now()), "endpoints": {}, "milestones": {}}

    def _write(self) -> None:
        write_private(self._file, json.dumps(self._state, indent=1).encode())

    # -- what there is -------------------------------------------------------------------------------------------------------------------

    @property
    def milestones(self) -> list[Milestone]:
        """What this user type has to pass, in order."""
        kept = self._state["milestones"]
        return [Milestone(name, title, **kept.get(name, {})) for name, (title, who) in _MILESTONES.items() if self.user_type in who]

    @property
    def ends(self) -> datetime:
        """When the registration expires unless all is passed."""
        return datetime.fromtimestamp(self._state["accepted"], UTC) + timedelta(days=DAYS)

    @property
    def days_left(self) -> int:
        """How many days are left until then, one that has begun counted whole; negative where it has expired."""
        left = (self.ends - datetime.fromtimestamp(self.client.now(), UTC)) / timedelta(days=1)
        return math.ceil(left) if left > 0 else math.floor(left)

    @property
    def done(self) -> bool:
        """Whether all is passed."""
        return all(one.done_at is not None for one in self.milestones)

    @property
    def production(self) -> Custodian:
        """The custodian's settings for production, with the endpoints that ApplicationInformation names, once all is passed.

        Raises
        ------
        ConfigurationError
            While a test is not passed, or where ApplicationInformation names another host.
        """
        waiting = next((one for one in self.milestones if one.done_at is None), None)
        if waiting is not None:
            hint = "Go on with the tests; the registration says what is wanted when it is printed."
            raise ConfigurationError(f"not all is passed yet; next is: {waiting.title}", hint=hint)
        return self._settings()

    def _settings(self) -> Custodian:
        return replace(self._given, **self._checked(self._state["endpoints"]))

    def _checked(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the endpoints among `named`: certificate and secret go where they lead, and the file may be somebody else's work.

        Another host than the one that is known is for a person to look at.
        """
        endpoints = {name: str(named[name]) for name in _ENDPOINTS if named.get(name)}
        for name, one in endpoints.items():
            known = getattr(self._given, name)
            if known and name != "authorization_endpoint" and origin_of(one) != origin_of(known):
                raise ConfigurationError(
                    f"ApplicationInformation names another host than the custodian's settings as {name}",
                    hint="Ask the utility; if it is right, read the custodian from a TOML file that says so.",
                )
        return endpoints

    def __str__(self) -> str:
        lines = [self._headline()]
        for one in self.milestones:
            lines.append(f"{'✓' if one.done_at is not None else '✗' if one.problem else '·'} {one.title}")
            lines += [f"  {text}" for text in (one.problem, one.advice) if text and one.done_at is None]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for one in self.milestones:
            when = "" if one.done_at is None else f"{datetime.fromtimestamp(one.done_at, UTC):%Y-%m-%d %H:%M} UTC"
            state = "✓ passed" if when else "✗ failed" if one.problem else "· to do"
            cells = (state, one.title, when, "" if when else " ".join(filter(None, (one.problem, one.advice))))
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
        head = "<tr><th>state</th><th>milestone</th><th>when</th><th>what to do</th></tr>"
        return f"<p>{html.escape(self._headline())}</p><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    def _headline(self) -> str:
        end = "all passed" if self.done else f"{self.days_left} days left" if self.days_left >= 0 else "expired: register anew"
        return f"Registration as {self.user_type} user at {self.client.custodian.title}: {end}"

    # -- going on ------------------------------------------------------------------------------------------------------------------------

    def run(self) -> list[Milestone]:
        """Take every test that needs no person, up to the first that fails or does; what is passed is not taken again.

        Returns
        -------
        list of Milestone
            How things stand afterwards; what a utility answers is in them, and nothing is raised.
        """
        while (one := self.advance()) and one.done_at is not None:
            pass
        return self.milestones

    def advance(self) -> Milestone | None:
        """Take the next test, where it needs no person.

        Returns
        -------
        Milestone or None
            How it stands afterwards; None where all is passed.
        """
        at = next((number for number, one in enumerate(self.milestones) if one.done_at is None), None)
        if at is None:
            return None
        name = self.milestones[at].name
        if name == "oauth":
            self._keep(name, problem="", advice=_BY_HAND[name])
        else:
            try:
                getattr(self, f"_pass_{name.replace('-', '_')}")()
            except SmdError as error:
                self._refused(name, error)
            else:
                self._keep(name, done_at=float(self.client.now()))
        return self.milestones[at]

    def _keep(self, name: str, **found: Any) -> None:
        self._state["milestones"][name] = {key: one for key, one in found.items() if one not in ("", None)}
        self._write()

    def _refused(self, name: str, error: SmdError) -> None:
        """Keep why a test was not passed, with the numbers by which the utility finds the request."""
        ids = ", ".join(f"{key} {value}" for key, value in getattr(error, "ids", {}).items())
        quote = f"If you write to the utility, quote {ids}." if ids else ""
        refused = isinstance(error, AuthorizationError)
        self._keep(name, problem=str(error.args[0]), advice=" ".join(filter(None, (error.hint, quote))), refused=refused)

    def _pass_certificate(self) -> None:
        for check in check_credentials(self.client.custodian, self.client.credentials):
            if check.outcome == "failed":
                raise ConfigurationError(f"{check.name}: {check.found}", hint=check.advice)

    def _pass_token(self) -> None:
        self.client.client_token()

    def _pass_service_status(self) -> None:
        if not self.client.service_status().normal:
            raise Unavailable("the utility says that its service is not up", hint="Try again later.")

    def _pass_sample_data(self) -> None:
        if not self.client.sample_data():
            raise Unavailable("the utility sent no sample", hint="Try again; if it stays so, write to the utility.")

    def _pass_application_information(self) -> None:
        if self.client.credentials.registration_token is None:
            raise ConfigurationError("the registration access token is missing", hint=_BY_HAND["application-information"])
        found = self.client.application_information()
        self._state["endpoints"] = self._checked({name: getattr(found, name) for name in _ENDPOINTS})

    def _pass_production(self) -> None:
        try:
            self._make(self._settings()).client_token()
        except BadRequest as error:
            raise BadRequest(
                str(error.args[0]),
                hint="The utility may still have to switch the registration to production.",
                status_code=error.status_code,
                ids=error.ids,
            ) from None

    def check(self) -> Checkup:
        """Return a check-up of certificate, clock, token and service, for when a milestone fails."""
        return check_client(self.client)

    # -- the OAuth test ------------------------------------------------------------------------------------------------------------------

    @discreet
    def begin_oauth(self, address: Secret | str, *, state: Secret | None = None, redirect_uri: str | None = None) -> str:
        """Return the address to open next, in the OAuth test.

        Parameters
        ----------
        address : Secret or str
            Where the utility's test sent the browser first: the registered OAuth URL, with ``scope`` and ``ThirdPartyID``.
        state : Secret, optional
            What the answer has to bring back; by default fresh.
        redirect_uri : str, optional
            Where the answer comes back to; by default the address of the credentials.

        Raises
        ------
        StateMismatch
            If it is meant for another third party.
        ConfigurationError
            If there is no scope in it.
        """
        text = address.reveal() if isinstance(address, Secret) else address
        found = parse_first_redirect(text, self.client.credentials.third_party_id or "")
        return self.client.authorization_url(state, scope=found.scope, redirect_uri=redirect_uri)

    @discreet
    def finish_oauth(self, address: Secret | str, *, go_on: bool = True) -> list[Milestone]:
        """Finish the OAuth test, and go on with what needs no person.

        Parameters
        ----------
        address : Secret or str
            Where the browser ended.
        go_on : bool, default True
            Whether to go on.

        Returns
        -------
        list of Milestone
            How things stand.

        Raises
        ------
        AuthorizationError, ServiceError
            If the code is not exchanged for tokens; begin_oauth again.
        """
        try:
            subscription = self.client.exchange(address)
            self.client.refresh(subscription)
        except SmdError as error:
            self._refused("oauth", error)
            raise
        self._keep("oauth", done_at=float(self.client.now()))
        return self.run() if go_on else self.milestones


def registered_as(folder: str | Path) -> UserType | None:
    """Return the user type of the registration that is kept in a folder.

    Parameters
    ----------
    folder : str or Path
        As for `Registration`.

    Returns
    -------
    str or None
        None where there is none yet.

    Raises
    ------
    ConfigurationError
        If its file is damaged, or others may read it.

    Examples
    --------
    >>> registered_as("not-begun") is None
    True
    """
    kept = _kept(Path(folder).expanduser() / _FILE)
    return None if kept is None else kept["user_type"]


def _kept(file: Path) -> dict[str, Any] | None:
    """Return what a registration's file holds; None where there is none."""
    try:
        found = json.loads(read_private(file))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"user_type", "client_id", "accepted", "endpoints", "milestones"} <= found.keys():
        raise ConfigurationError(f"{file.name} is damaged", hint="Delete it; the tests are passed again in a minute.")
    return found
