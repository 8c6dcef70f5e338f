"""What the checklist of a registration says at each point: data for a `Panel`, with nothing secret in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from smd_notebook.access.certificates import Check
from smd_notebook.access.registration import Milestone, UserType
from smd_notebook.access.stations import Problem
from smd_notebook.widgets.wording import button, said

__all__ = ["USER_TYPES", "Scene", "Stage", "listed"]

Stage: TypeAlias = Literal["choosing", "blocked", "ready", "running", "failed", "oauth", "consenting", "token", "done"]
#: What each user type is called, and what it is for; the first is a researcher's own.
USER_TYPES: dict[UserType, tuple[str, str]] = {
    "self-access": ("Self Access", "your own data, in bulk; nobody has to be asked"),
    "standard": ("Standard", "customers' data; each of them is asked on the utility's pages"),
    "energy-efficiency-finance": ("Energy Efficiency Finance", "for those who finance energy efficiency; customers are asked as well"),
    "community-choice-aggregator": ("Community Choice Aggregator", "for communities that buy power for their customers; no consent page"),
}
#: Asks for the token of the registration, where that is what is missing or refused.
_ASKED: dict[str, Any] = {
    "field": {
        "name": "token",
        "label": "The registration access token (kept in memory; set SMD_REGISTRATION_TOKEN to have it on other days)",
        "text": "Use this token",
    }
}


@dataclass(frozen=True)
class Scene:
    """What there is to show.

    Parameters
    ----------
    stage : str
        Where the registration is.
    title : str
        The utility's.
    user_type : str, optional
        As chosen at registration.
    milestones : tuple of Milestone
        What has to be passed, and what is.
    days_left : int
        Until the registration expires.
    portal : str
        The host of the utility's portal; empty where it is not known.
    listens : bool
        Whether the answer of the OAuth test comes back by itself.
    checks : tuple of Check
        A check-up, where one was made.
    trouble : Problem, optional
        What went wrong beside the milestones.
    """

    stage: Stage
    title: str
    user_type: UserType | None = None
    milestones: tuple[Milestone, ...] = ()
    days_left: int = 0
    portal: str = ""
    listens: bool = False
    checks: tuple[Check, ...] = ()
    trouble: Problem | None = None

    @property
    def current(self) -> Milestone | None:
        """The first that is not passed."""
        return next((one for one in self.milestones if one.done_at is None), None)


def listed(scene: Scene) -> dict[str, Any]:
    """Return what to show: title, status, steps, problem, lines, lead and code, link, field and buttons.

    Parameters
    ----------
    scene : Scene
        What there is.

    Returns
    -------
    dict
        Texts only; the link's address and what is typed are not in it.
    """
    kind = f" as {USER_TYPES[scene.user_type][0]} user" if scene.user_type else ""
    view: dict[str, Any] = {"title": f"Registration at {scene.title}{kind}", "state": scene.stage, "busy": scene.stage == "running"}
    view["steps"] = [_step(one, scene) for one in scene.milestones]
    view |= _body(scene)
    view["lines"] = [*view.get("lines", []), *(_check(one) for one in scene.checks)]
    problem = scene.trouble or _of(scene.current)
    view["problem"] = said(problem) if problem and not view["busy"] else []
    return view


def _body(scene: Scene) -> dict[str, Any]:
    now = scene.current.title if scene.current else ""
    checkup = button("checkup", "Check-up")
    match scene.stage:
        case "choosing":
            return {
                "status": "Which kind of user are you registered as, or going to be?",
                "lines": [f"{title}: {words}" for title, words in USER_TYPES.values()],
                "buttons": [
                    button(name, title, "primary" if name == "self-access" else "plain") for name, (title, _) in USER_TYPES.items()
                ],
            }
        case "blocked":
            return {"status": "Something is not set up yet.", "buttons": [button("go", "Look again", "primary")]} | _new_key(scene)
        case "ready":
            passed = sum(one.done_at is not None for one in scene.milestones)
            go = button("go", "Go on" if passed else "Begin the tests", "primary")
            return {"status": f"{passed} of {len(scene.milestones)} passed. {_left(scene)}", "buttons": [go, checkup]}
        case "running":
            return {"status": f"Under way: {now} …"}
        case "failed":
            asked = _ASKED if scene.current and scene.current.name == "application-information" and scene.current.refused else {}
            return {"status": f"Not passed: {now}. {_left(scene)}", "buttons": [button("go", "Try again", "primary"), checkup]} | asked
        case "oauth":
            return {
                "status": f"The OAuth test needs you. {_left(scene)}",
                "lines": [
                    "Sign in to the utility's portal, and start the OAuth test there.",
                    "It sends your browser to the address that you registered for it. Nothing has to be there: copy the whole address.",
                ],
                "field": {"name": "first", "label": "The address that the browser shows then", "text": "Use this address"},
            } | _portal(scene)
        case "consenting":
            host = "the answer comes back by itself" if scene.listens else "then paste below what the browser shows in the end"
            paste = "If it does not come back: paste the whole address that the browser shows"
            return {
                "status": "Waiting for you on the test's consent page.",
                "link": {"text": "Open the test's consent page", "note": f"Agree there; {host}."},
                "field": {
                    "name": "last",
                    "label": paste if scene.listens else "The address that the browser shows",
                    "text": "Use this address",
                },
                "buttons": [button("cancel", "Cancel")],
            }
        case "token":
            status = f"The registration access token is wanted. {_left(scene)}"
            return {"status": status} | _ASKED | _portal(scene, "; it shows the token beside this milestone")
        case "done":
            alone = scene.user_type == "self-access"
            then = 'got = client.download_bulk(None, "2025-01-01", "2026-01-01", inbox=...)' if alone else "auth = smd.Authorize(client)"
            more = ", with the inbox that fits; docs/self-access.md says which" if alone else ""
            return {
                "status": "All is passed. You may go on with the utility's production service.",
                "lead": f"In code, where this form is called work{more}:",
                "code": f"client = smd.Client(work.production, credentials)\n{then}",
            }


def _left(scene: Scene) -> str:
    return f"{scene.days_left} days left." if scene.days_left >= 0 else "The time for it is over: ask the utility, or register anew."


def _new_key(scene: Scene) -> dict[str, Any]:
    """Say how to get a certificate, where there is none."""
    if not any(one.name == "certificate file" for one in scene.checks):
        return {}
    return {
        "lead": "A key, and the request for a certificate, are made in a terminal:",
        "code": "smd-notebook doctor --new-key FOLDER --host NAME --organization NAME",
    }


def _portal(scene: Scene, more: str = "") -> dict[str, Any]:
    return {"link": {"text": "Open the utility's portal", "note": f"It is at {scene.portal}{more}."}} if scene.portal else {}


def _of(one: Milestone | None) -> Problem | None:
    return Problem(one.problem, "you", one.advice) if one and one.problem else None


def _step(one: Milestone, scene: Scene) -> dict[str, str]:
    if one.done_at is not None:
        return {"mark": "✓", "text": one.title, "note": f"passed {datetime.fromtimestamp(one.done_at, UTC):%Y-%m-%d}", "state": "passed"}
    if one != scene.current:
        return {"mark": "·", "text": one.title, "note": "to do", "state": "later"}
    failed = bool(one.problem) and scene.stage != "running"
    note = "under way" if scene.stage == "running" else "not passed" if failed else "next"
    return {"mark": "✗" if failed else "›", "text": one.title, "note": note, "state": "now"}


def _check(one: Check) -> str:
    outcome = {"ok": "ok", "warning": "look at this", "failed": "failed", "unknown": "not known"}[one.outcome]
    return f"{one.name}: {outcome}, {one.found}{f'. {one.advice}' if one.advice else ''}"
