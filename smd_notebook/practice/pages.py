"""The portal's pages: plain accessible HTML, nothing from elsewhere, no scripts, relative addresses only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from smd_notebook.practice.clock import iso
from smd_notebook.practice.customers import GROUPS, Customer
from smd_notebook.practice.grants import Authorization

__all__ = ["STYLE", "Choice", "callback_page", "consent_page", "home_page", "login_page", "message_page"]

STYLE = Path(__file__).with_name("style.css")


@dataclass(frozen=True)
class Choice:
    """What stands in the consent page's form: what is ticked, and until when."""

    agreements: Sequence[str]
    groups: Sequence[str] = ("usage", "billing")
    until: str = ""
    earliest: str = ""


def _page(title: str, body: str, where: str = "Share My Data") -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Practice Utility</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        '<link rel="stylesheet" href="style.css"><link rel="icon" href="data:,"></head><body>'
        '<a class="skip" href="#main">Skip to the main part</a>'
        '<div class="practice" role="note"><strong>Practice utility.</strong> Everything here is make-believe: '
        "no real company, customer or meter.</div>"
        f'<header class="brand"><div><a href="./">Practice Utility</a><span>{escape(where)}</span></div></header>'
        f'<main id="main">{body}</main>'
        "<footer>A part of smd_notebook, for learning and testing. Never type a real password here.</footer></body></html>"
    )


def _alert(error: str) -> str:
    return f'<div class="alert" role="alert">{escape(error)}</div>' if error else ""


def _field(name: str, label: str, *, kind: str = "text", auto: str = "off", hint: str = "") -> str:
    about = f' aria-describedby="{name}-hint"' if hint else ""
    below = f'<p class="hint" id="{name}-hint">{escape(hint)}</p>' if hint else ""
    return (
        f'<div class="field"><label for="{name}">{escape(label)}</label>{below}'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{auto}" required{about}></div>'
    )


def login_page(session: str, third_party: str, customers: Iterable[Customer], *, guest: bool, error: str = "") -> str:
    """Return the page on which the customer says who it is."""
    tabs = "".join(
        f'<li><a href="login?session={session}{tab}"{current}>{label}</a></li>'
        for label, tab, current in (
            ("Sign in", "", "" if guest else ' aria-current="page"'),
            ("Guest access", "&amp;tab=guest", ' aria-current="page"' if guest else ""),
        )
    )
    if guest:
        fields = _field("account", "Account number", hint="10 digits, on the first page of your bill") + _field(
            "postcode", "ZIP code of the service"
        )
        button, words = "Continue as guest", "No online account? Identify yourself by what stands on your bill."
    else:
        fields = _field("email", "Email", kind="email", auto="username") + _field(
            "password", "Password", kind="password", auto="current-password"
        )
        button, words = "Sign in", "Use the email and password of your online account."
    shown = (("Account number", "account"), ("ZIP", "postcode")) if guest else (("Email", "email"), ("Password", "password"))
    rows = [[escape(getattr(each, field)) for field in ("name", *(field for _, field in shown))] for each in customers]
    return _page(
        "Sign in",
        f"<h1>Sign in to share your data</h1><p><strong>{escape(third_party)}</strong> asks for your energy data. "
        "Sign in to see what it asks for, and to decide.</p>"
        f'<nav aria-label="Ways to sign in"><ul class="tabs">{tabs}</ul></nav>{_alert(error)}'
        f'<form method="post" action="login"><p class="hint">{words}</p><input type="hidden" name="session" value="{session}">'
        f'<input type="hidden" name="tab" value="{"guest" if guest else ""}">{fields}'
        f'<div class="actions"><button class="primary" name="go" value="sign-in">{button}</button>'
        '<button name="go" value="cancel" formnovalidate>Cancel</button></div></form>'
        '<aside aria-labelledby="people"><h2 id="people">Made-up customers to sign in as</h2>'
        f"{_table(('Name', *(head for head, _ in shown)), rows)}</aside>",
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{one}</td>" for one in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _choice(name: str, value: str, label: str, hint: str, *, checked: bool, kind: str = "checkbox") -> str:
    mark, own = " checked" if checked else "", f"{name}-{value}"
    return (
        f'<div class="choice"><input type="{kind}" id="{own}" name="{name}" value="{value}" aria-describedby="{own}-hint"{mark}>'
        f'<label for="{own}">{escape(label)}</label><p class="hint" id="{own}-hint">{escape(hint)}</p></div>'
    )


def consent_page(session: str, third_party: str, customer: Customer, choice: Choice, *, test: bool, error: str = "") -> str:
    """Return the page on which the customer decides what to share, and until when."""
    agreements = "".join(
        _choice(
            "agreement",
            one.usage_point,
            f"{one.service} service",
            f"{customer.address} · meter {one.usage_point}",
            checked=one.usage_point in choice.agreements,
        )
        for one in customer.agreements
    )
    groups = "".join(
        _choice("group", key, heading, f"{words}.", checked=key in choice.groups) for key, (heading, words, _) in GROUPS.items()
    )
    least = f" {third_party} asks for access until {choice.earliest} at least." if choice.earliest else ""
    earliest = f' min="{choice.earliest}"' if choice.earliest else ""
    which = "OAuth test" if test else "Authorization"
    return _page(
        "Share my data",
        f"<h1>Share your data with {escape(third_party)}</h1><p>Hello {escape(customer.name)}. "
        f"Choose what {escape(third_party)} may receive from us. Nothing is shared before you authorize it, "
        "and you can stop it at any time.</p>"
        f'{_alert(error)}<form method="post" action="decision"><input type="hidden" name="session" value="{session}">'
        f"<fieldset><legend>1. Service agreements</legend>{agreements}</fieldset>"
        f"<fieldset><legend>2. Kinds of data</legend>{groups}</fieldset>"
        f'<fieldset><legend>3. How long</legend><p class="hint" id="until-hint">The last day of access.{escape(least)}</p>'
        + _choice("length", "open", "Until I stop it", "You can do so on our website.", checked=not choice.until, kind="radio")
        + _choice("length", "date", "Until the end of this day", "Pacific time.", checked=bool(choice.until), kind="radio")
        + f'<div class="field"><label for="until">Last day</label><input type="date" id="until" name="until" '
        f'value="{escape(choice.until)}"{earliest} aria-describedby="until-hint"></div></fieldset>'
        f"<fieldset><legend>4. {which}</legend><p>By choosing Authorize I ask the utility to release the data chosen above to "
        f"{escape(third_party)}. What it does with them is between it and me; the utility is not responsible for it.</p></fieldset>"
        '<div class="actions"><button class="primary" name="go" value="authorize">Authorize</button>'
        '<button name="go" value="cancel" formnovalidate>Cancel</button></div></form>',
        "OAuth test" if test else "Share My Data",
    )


def home_page(
    form_token: str,
    third_party: str,
    customers: Iterable[Customer],
    granted: Sequence[Authorization],
    *,
    begin: bool,
    error: str = "",
) -> str:
    """Return the first page: who is here, what is shared, and what can be begun at the utility."""

    def button(action: str, label: str, more: str = "") -> str:
        token = f'<input type="hidden" name="form_token" value="{form_token}">'
        return f'<form method="post" action="{action}">{token}{more}<button>{label}</button></form>'

    shared = [
        [
            escape(one.customer.name),
            one.id,
            "until stopped" if one.until is None else f"until {iso(one.until)[:10]}",
            button("stop", "Stop sharing", f'<input type="hidden" name="authorization" value="{one.id}">'),
        ]
        for one in granted
    ]
    table = _table(("Customer", "Authorization", "How long", "Stop"), shared) if shared else '<p class="hint">Nothing is shared now.</p>'
    people = ", ".join(escape(one.name) for one in customers)
    missing = '<p class="hint">No address for this is registered (see the documentation of Sandbox).</p>'
    return _page(
        "Home",
        f"<h1>Welcome to the practice utility</h1><p>It behaves like a utility's Share My Data service, with made-up customers ({people}), "
        f"so that consent, download and what can go wrong can be learned and tested.</p>{_alert(error)}"
        f"<h2>What is shared with {escape(third_party)}</h2>{table}"
        f"<h2>Begin here</h2><p>A customer may start at the utility, and is sent to {escape(third_party)} from here.</p>"
        + (button("begin", f"Share my data with {escape(third_party)}") if begin else missing)
        + "<h2>OAuth test</h2><p>The utility's test of a newly registered company: first it sends the browser there with a scope.</p>"
        + button("test", "Start the OAuth test"),
        "Home",
    )


def callback_page(address: str, *, denied: bool, begins: bool = False) -> str:
    """Return the page of the third party that has no website: it shows where the customer was sent, to be copied."""
    said = "The customer did not authorize access." if denied else "The customer authorized access."
    if begins:
        said = "The utility begins its OAuth test here, and says what it may be asked for."
    hint = "" if denied or begins else '<p class="hint">It holds a code that is good for ten minutes, and for one use.</p>'
    return _page(
        "Back at the third party",
        f"<h1>Back at the third party</h1><p>{said} Copy this address, and paste it into your notebook.</p>"
        f'<div class="field"><label for="address">Address</label>'
        f'<textarea id="address" rows="6" readonly spellcheck="false">{escape(address)}</textarea></div>{hint}',
        "Load Profile Study",
    )


def message_page(title: str, text: str) -> str:
    """Return a page that says one thing."""
    return _page(title, f'<h1>{escape(title)}</h1><p role="alert">{escape(text)}</p>')
