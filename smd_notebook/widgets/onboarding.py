"""`Onboarding`: a cell in which the tests of a registration are taken one after the other, over as many days as it takes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from smd_notebook.access.certificates import Check
from smd_notebook.access.client import Client
from smd_notebook.access.credentials import Credentials
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.doctor import Checkup, check_credentials
from smd_notebook.access.guard import discreet
from smd_notebook.access.redirect import parse_redirect
from smd_notebook.access.registration import Milestone, Registration, UserType, registered_as
from smd_notebook.access.stations import Problem
from smd_notebook.errors import AuthorizationError, ConfigurationError, SmdError, StateMismatch
from smd_notebook.espi.resources import Secret
from smd_notebook.widgets.checklist import USER_TYPES, Scene, Stage, listed
from smd_notebook.widgets.errands import Errands, Turns
from smd_notebook.widgets.panel import Panel
from smd_notebook.widgets.receivers import PasteBack, receiver_for
from smd_notebook.widgets.wording import problem_of

__all__ = ["Onboarding"]

T = TypeVar("T")
#: How the kind of user is said without a click
_IN_CODE = 'smd.Onboarding(..., user_type="self-access"); or "' + '", "'.join(list(USER_TYPES)[1:]) + '"'


class Onboarding:
    """A widget that walks a registration: certificate, connectivity tests, OAuth test, ApplicationInformation, production.

    Show it in a cell. It says what is passed, takes the tests that need no person, and asks for what it needs of one. What is passed is
    kept in a folder, with no secret among it: the same cell, tomorrow or after a restart of the kernel, goes on from there. No cell waits.

    Parameters
    ----------
    test : Custodian
        The settings of the tests, such as ``smd.custodians.PGE_TEST``.
    production : Custodian
        Those that hold afterwards, such as ``smd.custodians.PGE``.
    credentials : Credentials
        What the utility knows this third party by.
    user_type : {"self-access", "standard", "energy-efficiency-finance", "community-choice-aggregator"}, optional
        As chosen at registration; by default what the folder says, or what is clicked.
    folder : str or Path, default "registration"
        Where to keep what is passed; one for each registration.
    accepted : datetime, optional
        When the utility accepted the registration, with a time zone: 90 days are counted from then, by default from the first call.
    receiver : PasteBack, optional
        How the answer of the OAuth test comes back, as for `Authorize`.
    make : callable, optional
        Makes a client from a custodian and the credentials.

    Attributes
    ----------
    registration : Registration or None
        What it walks; None until the user type is known and the credentials can be used.
    error : BaseException or None
        What went wrong last.

    Examples
    --------
    >>> import tempfile
    >>> import smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"], variants=["self-access"]) as utility:
    ...     work = smd.Onboarding(
    ...         utility.test_custodian, utility.custodian, utility.credentials, user_type="self-access", folder=tempfile.mkdtemp()
    ...     )
    ...     before = work.status
    ...     work.go()
    ...     before, work.status
    ('ready', 'done')
    >>> work.close()
    """

    def __init__(
        self,
        test: Custodian,
        production: Custodian,
        credentials: Credentials,
        *,
        user_type: UserType | None = None,
        folder: str | Path = "registration",
        accepted: datetime | None = None,
        receiver: PasteBack | None = None,
        make: Callable[[Custodian, Credentials], Client] = Client,
    ) -> None:
        self.registration: Registration | None = None
        self.error: BaseException | None = None
        self._test, self._production, self._credentials = test, production, credentials
        self._user_type, self._folder, self._accepted = user_type, folder, accepted
        self._chosen, self._make = receiver, make
        self._receiver = PasteBack()
        self._running, self._listens, self._url, self._state = False, False, "", Secret("")
        self._trouble: Problem | None = None
        self._checks: tuple[Check, ...] = ()
        self._turns, self._errands = Turns(), Errands()
        self._panel = Panel(self._act, lambda: self.link)
        self._open()
        self._show()

    # -- what a researcher uses ----------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Stage:
        """Where it is: ``"choosing"``, ``"blocked"``, ``"ready"``, ``"running"``, ``"failed"``, ``"oauth"`` and so on to ``"done"``."""
        if self._running:
            return "running"
        if self.registration is None:
            return "blocked" if self._trouble else "choosing"
        one = self._current()
        if one is None:
            return "done"
        if one.name == "oauth":
            return "consenting" if self._url else "oauth"
        if one.name == "application-information" and self._credentials.registration_token is None:
            return "token"
        return "failed" if one.problem else "ready"

    @property
    def link(self) -> str:
        """The address to open next, as the browser reaches it: the test's consent page, or the utility's portal; else empty."""
        wanted = self._url or (self._portal() if self.status in ("oauth", "token") else "")
        return self._receiver.reach(wanted) if wanted else ""

    @property
    def production(self) -> Custodian:
        """The settings to go on with once all is passed.

        Raises
        ------
        ConfigurationError
            While a test is not passed.
        """
        return self._registered().production

    def go(self) -> None:
        """Do what the first button does: take the tests that need no person, up to the first that fails or does need one.

        Raises
        ------
        ConfigurationError
            Where the user type is not chosen yet.
        """
        self._errands.here()
        if self.status == "choosing":
            raise _not_chosen()
        self._checks, self._trouble = (), None
        if self.registration is None:
            self._open()
        elif self.status in ("ready", "failed"):
            self._run(self.registration.advance, self._advance)
        self._show()

    @discreet
    def paste(self, text: Secret | str) -> None:
        """Take what is asked for: an address of the OAuth test, or the registration access token.

        Parameters
        ----------
        text : Secret or str
            What was copied. In a notebook use ``getpass.getpass()``, so that it is not saved.

        Raises
        ------
        ConfigurationError
            Where nothing is asked for, or the user type is not chosen yet.
        """
        self._errands.here()
        self._take(self._wanted(), text if isinstance(text, Secret) else Secret(text))

    async def wait(self, timeout: float | None = None) -> Stage:
        """Wait while tests run, and while the answer of the OAuth test is awaited. Clicks and other widgets go on meanwhile.

        Where it is for a person to go on, as in ``"choosing"`` or ``"ready"``, it returns at once.

        Parameters
        ----------
        timeout : float, optional
            How long at most [s]; by default as long as it takes.

        Returns
        -------
        str
            The status then, which says what is to be done.

        Raises
        ------
        TimeoutError
            Where it takes longer.
        """
        self._errands.here()
        async with asyncio.timeout(timeout):
            await self._turns.until(lambda: self.status not in ("running", "consenting"))
        return self.status

    def close(self) -> None:
        """Stop listening, and take the widget off the page. What is passed stays."""
        self._stop()
        if self.registration is not None:
            self.registration.client.session.close()
        self._panel.close()

    def __repr__(self) -> str:
        view = listed(self._scene())
        lines = [f"<Onboarding: {self._production.title}, {self.status}>", view["status"]]
        lines += [f"{one['mark']} {one['text']} ({one['note']})" for one in view["steps"]]
        lines += [*view["problem"], *view["lines"], *(view[part] for part in ("lead", "code") if part in view)]
        if self.status == "choosing":
            lines.append(f"In code: {_IN_CODE}.")
        if self.link and not self._errands.here():
            lines += [f"{view['link']['text']}:", self.link]
        if "field" in view:
            lines.append(f"{view['field']['label']}: work.paste(...)")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Show the widget; where there is no widget manager, this text. It is saved with the notebook: no link in it."""
        return self._panel.bundle(
            f"<Onboarding: {self._production.title}>\n"
            f"Without buttons: {_IN_CODE}.\n"
            "Then `work.go()` and `await work.wait()`, then print(work), which says what is wanted; "
            "work.link is what to open, and work.paste(getpass.getpass()) takes what is asked for.",
            **more,
        )

    # -- what happens --------------------------------------------------------------------------------------------------------------------

    def _act(self, name: str, text: Secret) -> None:
        """Handle a click. Jupyter swallows what a handler raises, so it is shown here."""
        self._errands.here()
        try:
            match name:
                case "go":
                    self.go()
                case "first" | "last" | "token":
                    self._take(name, text)
                case "cancel":
                    self._stop()
                    self._trouble = None
                case "checkup":
                    self._trouble = None
                    self._run(self._registered().check, self._checked)
                case _ if name in USER_TYPES and self.status == "choosing":
                    self._user_type = name
                    self._open()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen
            self._trouble = self._problem(error)
        self._show()

    def _open(self) -> None:
        """Take up what is in the folder. Where the credentials cannot be used there is no client, and the doctor says why."""
        try:
            self._user_type = self._user_type or registered_as(self._folder)
            if self._user_type is None:
                return
            client = self._made(self._test)
            self.registration = Registration(
                client, self._production, user_type=self._user_type, folder=self._folder, accepted=self._accepted, make=self._made
            )
            self._receiver = self._chosen or receiver_for(client)
        except SmdError as error:
            self._trouble = self._problem(error)
            self._checks = tuple(one for one in check_credentials(self._test, self._credentials) if one.outcome != "ok")

    def _made(self, custodian: Custodian) -> Client:
        return self._make(custodian, self._credentials)

    def _run(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do something that takes a while, unless something is under way; what it raises is shown."""
        if self._running:
            return
        self._running = True
        self._show()

        def attempt() -> T | Problem:
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - shown
                return self._problem(error)

        def done(found: T | Problem) -> None:
            self._running = False
            if isinstance(found, Problem):
                self._trouble = found
            else:
                then(found)
            self._show()

        self._errands.run(attempt, done)

    def _advance(self, _: object = None) -> None:
        """Take the next test, where it needs no person and none has just failed."""
        if self.registration is not None and self.status == "ready":
            self._run(self.registration.advance, self._advance)

    def _checked(self, found: Checkup) -> None:
        self._checks = found

    def _wanted(self) -> str:
        """Return what is asked for; empty where nothing is."""
        field = listed(self._scene()).get("field", {})
        return str(field.get("name", ""))

    def _take(self, name: str, text: Secret) -> None:
        """Take what was pasted, or what the browser brought."""
        registration = self._registered()
        if not name or name != self._wanted():
            raise ConfigurationError("nothing of the kind is asked for now", hint="print(work) says what is next.")
        self._trouble = None
        if name == "first":
            self._begin(registration, text)
        elif name == "last":
            self._end(registration, text)
        else:
            self._credentials = replace(self._credentials, registration_token=Secret(text.reveal().strip()))
            registration.client.session.close()
            self.registration = None
            self._open()
            self.go()
        self._show()

    # -- the OAuth test ------------------------------------------------------------------------------------------------------------------

    def _begin(self, registration: Registration, address: Secret) -> None:
        try:
            self._receiver.open(lambda text: self._errands.post(lambda: self._act("last", text)), lambda: self._errands.post(self._unheard))
            self._listens = self._receiver.listens
        except OSError:
            self._listens = False  # the port is taken: then the answer is pasted
        self._state = Secret(secrets.token_urlsafe(32))
        try:
            self._url = registration.begin_oauth(address, state=self._state, redirect_uri=self._receiver.redirect_uri)
        finally:
            if not self._url:
                self._stop()

    def _unheard(self) -> None:
        """Another form has taken the port over: from here on the answer has to be pasted."""
        self._listens = False
        self._show()

    def _end(self, registration: Registration, text: Secret) -> None:
        """Take the answer. What is wrong with it is said, and a better one may follow: anybody can call a listener."""
        try:
            parse_redirect(text.reveal(), self._state)
        except (StateMismatch, ConfigurationError) as error:
            self._trouble = self._problem(error)
            return
        except AuthorizationError:
            pass  # the utility's refusal is kept with the milestone
        self._stop()
        self._run(lambda: registration.finish_oauth(text, go_on=False), self._advance)

    def _stop(self) -> None:
        self._url = ""
        self._receiver.close()

    # -- what is shown -------------------------------------------------------------------------------------------------------------------

    def _registered(self) -> Registration:
        if self.status == "choosing":
            raise _not_chosen()
        if self.registration is None:
            raise ConfigurationError("there is no registration yet", hint="print(work) says what is next.")
        return self.registration

    def _current(self) -> Milestone | None:
        return None if self.registration is None else next((one for one in self.registration.milestones if one.done_at is None), None)

    def _portal(self) -> str:
        """Return the first page of the utility's portal: where its consent page is."""
        parts = urlsplit(self._production.authorization_endpoint or "")
        return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else ""

    def _scene(self) -> Scene:
        mine = self.registration
        return Scene(
            self.status,
            self._production.title,
            self._user_type,
            tuple(mine.milestones) if mine else (),
            mine.days_left if mine else 0,
            urlsplit(self._portal()).hostname or "",
            self._listens,
            self._checks,
            self._trouble,
        )

    def _show(self) -> None:
        self._panel.show(listed(self._scene()))
        self._turns.tell()

    def _problem(self, error: Exception) -> Problem:
        """Say what an exception means; it stays in `error`."""
        self.error = error
        return problem_of(error, "work.error")


def _not_chosen() -> ConfigurationError:
    return ConfigurationError("it is not said yet which kind of user the registration is of", hint=f"Click it, or in code: {_IN_CODE}.")
