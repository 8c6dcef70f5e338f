"""Redirected addresses: what is taken, what is refused, and that nothing of them is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.access.redirect import FirstRedirect, parse_first_redirect, parse_redirect
from smd_notebook.errors import AuthorizationError, ConfigurationError, Denied, SmdError, StateMismatch
from smd_notebook.espi.resources import Secret

STATE = Secret("canary-state")
CODE = "canary-code.1~2_3"


@pytest.mark.parametrize("name", ["code", "authorization_code", "CODE"])
@pytest.mark.parametrize("before", ["https://localhost:8080/OAuthCallback?", "http://127.0.0.1/cb?", "/proxy/8000/cb?", "?", "", "  ?"])
def test_both_names_of_the_code_in_every_form_of_address(name, before):
    found = parse_redirect(f"{before}{name}={CODE}&state=canary-state&scope=FB%3D4_5%3BX%3D1", STATE)
    assert (found.code.reveal(), found.scope, found.proved) == (CODE, "FB=4_5;X=1", True)
    assert "canary" not in repr(found)


@pytest.mark.parametrize("code", [CODE, "abcd", "YWJjZA==", "a/b+c"])
def test_a_code_alone_may_be_pasted(code):
    found = parse_redirect(f" {code}\n", STATE)
    assert (found.code.reveal(), found.proved) == (code, False)


def test_codes_are_unescaped():
    assert parse_redirect("https://x/cb?code=a%2Fb%3D%3D&state=canary-state", STATE).code.reveal() == "a/b=="


@pytest.mark.parametrize("state", ["", "&state=", "&state=canary-stat", "&state=other", "&state=CANARY-STATE", "&state=é"])
def test_another_state_or_none_is_refused(state):
    with pytest.raises(StateMismatch) as caught:
        parse_redirect(f"https://x/cb?code={CODE}{state}", STATE)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        f"code={CODE}&code=other&state=canary-state",
        f"code={CODE}&code={CODE}&state=canary-state",
        f"code={CODE}&authorization_code=other&state=canary-state",
        f"code={CODE}&state=other&state=canary-state",
        f"code={CODE}&CODE=other&state=canary-state",
        "state=canary-state",
        "code=&state=canary-state",
        "code=%ff&state=canary-state",
        "",
        "&".join(f"a{n}=1" for n in range(100)),
        "code=" + "x" * 20000,
    ],
)
def test_doubled_missing_and_damaged_parameters_are_refused(query):
    with pytest.raises(SmdError) as caught:
        parse_redirect(f"https://x/cb?{query}", STATE)
    assert type(caught.value) in (ConfigurationError, StateMismatch)
    assert "canary" not in str(caught.value)
    assert caught.value.hint


def test_an_address_that_is_none():
    with pytest.raises(ConfigurationError):
        parse_redirect("https://[::1/cb?code=abcd", None)


def test_the_customer_may_say_no():
    with pytest.raises(Denied, match="did not agree"):
        parse_redirect("https://x/cb?error=access_denied&error_description=canary&state=canary-state", STATE)
    with pytest.raises(StateMismatch):
        parse_redirect("https://x/cb?error=access_denied", STATE)


@pytest.mark.parametrize(("word", "again"), [("invalid_request", False), ("invalid_scope", False), ("server_error", True)])
def test_errors_of_the_utility_say_which(word, again):
    with pytest.raises(AuthorizationError, match=word) as caught:
        parse_redirect(f"https://x/cb?error={word}&state=canary-state&code={CODE}", STATE)
    assert caught.value.retryable is again


def test_an_unknown_error_is_not_quoted():
    with pytest.raises(AuthorizationError) as caught:
        parse_redirect("https://x/cb?error=<script>canary&state=canary-state", STATE)
    assert "canary" not in str(caught.value)


def test_another_issuer_is_refused():
    address = f"https://x/cb?code={CODE}&state=canary-state&iss=https%3A%2F%2Fa.example"
    assert parse_redirect(address, STATE, issuer="https://a.example").code.reveal() == CODE
    with pytest.raises(StateMismatch, match="another authorization server"):
        parse_redirect(address, STATE, issuer="https://b.example")


@given(st.text(max_size=80))
def test_any_paste_gives_a_code_or_one_of_our_errors(text):
    for given_text in (text, f"https://x/cb?{text}", f"code=a&state={text}"):
        try:
            found = parse_redirect(given_text, STATE)
        except SmdError:
            continue
        assert found.code.reveal()


def test_the_first_redirect_of_the_oauth_test():
    address = "https://third.example/ThirdPartyScope?scope=FB%3D1_3_4%3BHistoryLength%3D13&ThirdPartyID=50098"
    assert parse_first_redirect(address, "50098") == FirstRedirect("FB=1_3_4;HistoryLength=13", "50098")
    assert parse_first_redirect("scope=1_3_4_5").scope == "1_3_4_5"
    with pytest.raises(StateMismatch, match="another application"):
        parse_first_redirect(address, "50099")
    for text in ("https://third.example/ThirdPartyScope?ThirdPartyID=50098", "scope=a&scope=b", ""):
        with pytest.raises(ConfigurationError):
            parse_first_redirect(text, "50098")
