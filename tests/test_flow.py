"""The authorization's state machine: every state with every event, and any order of them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.access import flow as machine
from smd_notebook.access import stations as flow
from smd_notebook.access.flow import step
from smd_notebook.espi.resources import Secret

P = flow.Problem("what", "utility", "todo", (("x-transaction-id", "1"),))
TOKEN = Secret("canary-state")
GRANT = flow.Grant("38475", "FB=4", 3600.0)
GOOD = Secret("https://localhost/cb?code=canary-code&state=canary-state&scope=FB%3D4")
INBOUND = Secret("https://third.example/scope?scope=FB%3D1_3&ThirdPartyID=50098")

STATES = {
    "Unconfigured": flow.Unconfigured(),
    "Checking": flow.Checking(),
    "Blocked": flow.Blocked("certificate", P),
    "Ready": flow.Ready(),
    "Awaiting": flow.Awaiting(TOKEN, 1800.0),
    "Exchanging": flow.Exchanging(Secret("canary-code")),
    "Authorized": flow.Authorized(GRANT),
    "Refreshing": flow.Refreshing(GRANT),
    "ConfirmRevoke": flow.ConfirmRevoke(GRANT),
    "Revoking": flow.Revoking(GRANT),
    "Denied": flow.Denied(P),
    "Expired": flow.Expired(P),
    "Failed": flow.Failed(P),
    "Uncertain": flow.Uncertain(P),
    "NeedsReauth": flow.NeedsReauth(P, GRANT),
    "Revoked": flow.Revoked("38475"),
}
EVENTS = {
    "Configured": flow.Configured(),
    "Misconfigured": flow.Misconfigured(P),
    "Checked": flow.Checked(),
    "CheckFailed": flow.CheckFailed("offline", P),
    "Start": flow.Start(TOKEN, 0.0, "FB=4"),
    "Inbound": flow.Inbound(INBOUND, TOKEN, 0.0, "50098"),
    "Inbound, another's": flow.Inbound(INBOUND, TOKEN, 0.0, "1"),
    "SelfAccess": flow.SelfAccess("50952"),
    "Redirected": flow.Redirected(GOOD),
    "Redirected, code alone": flow.Redirected(Secret("canary-code")),
    "Redirected, another state": flow.Redirected(Secret("https://localhost/cb?code=canary-code&state=x")),
    "Redirected, rubbish": flow.Redirected(Secret("https://localhost/cb?state=canary-state")),
    "Redirected, no": flow.Redirected(Secret("https://localhost/cb?error=access_denied&state=canary-state")),
    "Redirected, error": flow.Redirected(Secret("https://localhost/cb?error=invalid_request&state=canary-state")),
    "ListenerLost": flow.ListenerLost(),
    "Tick, early": flow.Tick(10.0),
    "Tick, late": flow.Tick(3500.0),
    "Cancel": flow.Cancel(),
    "Exchanged": flow.Exchanged(GRANT),
    "ExchangeFailed, lapsed": flow.ExchangeFailed("lapsed", P),
    "ExchangeFailed, unsent": flow.ExchangeFailed("unsent", P),
    "ExchangeFailed, unanswered": flow.ExchangeFailed("unanswered", P),
    "ExchangeFailed, refused": flow.ExchangeFailed("refused", P),
    "Rejected": flow.Rejected(),
    "Refreshed": flow.Refreshed(7200.0),
    "RefreshFailed, lapsed": flow.RefreshFailed("lapsed", P),
    "RefreshFailed, network": flow.RefreshFailed("network", P),
    "Revoke": flow.Revoke(),
    "Confirm": flow.Confirm(),
    "Deleted": flow.Deleted(),
    "DeleteFailed": flow.DeleteFailed(P),
    "Restart": flow.Restart(),
}
#: Of each state, what leads where, and with which effects. Whatever is not here leaves everything as it is.
TABLE = {
    ("Unconfigured", "Configured"): "Checking: Check",
    ("Unconfigured", "Misconfigured"): "Unconfigured:",
    ("Checking", "Checked"): "Ready:",
    ("Checking", "CheckFailed"): "Blocked:",
    ("Ready", "Start"): "Awaiting: Consent",
    ("Ready", "Inbound"): "Awaiting: Consent",
    ("Ready", "Inbound, another's"): "Ready:",
    ("Ready", "SelfAccess"): "Authorized:",
    ("Awaiting", "Inbound"): "Awaiting: StopListening Consent",
    ("Awaiting", "Inbound, another's"): "Awaiting:",
    ("Awaiting", "Redirected"): "Exchanging: StopListening Exchange",
    ("Awaiting", "Redirected, code alone"): "Exchanging: StopListening Exchange",
    ("Awaiting", "Redirected, another state"): "Awaiting:",
    ("Awaiting", "Redirected, rubbish"): "Awaiting:",
    ("Awaiting", "Redirected, no"): "Denied: StopListening",
    ("Awaiting", "Redirected, error"): "Failed: StopListening",
    ("Awaiting", "ListenerLost"): "Awaiting:",
    ("Awaiting", "Tick, late"): "Expired: StopListening",
    ("Awaiting", "Cancel"): "Ready: StopListening",
    ("Exchanging", "Exchanged"): "Authorized:",
    ("Exchanging", "ExchangeFailed, lapsed"): "Expired:",
    ("Exchanging", "ExchangeFailed, unsent"): "Exchanging: Exchange",
    ("Exchanging", "ExchangeFailed, unanswered"): "Uncertain:",
    ("Exchanging", "ExchangeFailed, refused"): "Failed:",
    ("Authorized", "Tick, late"): "Refreshing: Refresh",
    ("Authorized", "Rejected"): "Refreshing: Refresh",
    ("Authorized", "Revoke"): "ConfirmRevoke:",
    ("Authorized", "Refreshed"): "Authorized:",
    ("Authorized", "RefreshFailed, lapsed"): "NeedsReauth:",
    ("Authorized", "Deleted"): "Revoked: Forget",
    ("Refreshing", "Deleted"): "Revoked: Forget",
    ("ConfirmRevoke", "Deleted"): "Revoked: Forget",
    ("ConfirmRevoke", "RefreshFailed, lapsed"): "NeedsReauth:",
    ("Refreshing", "Refreshed"): "Authorized:",
    ("Refreshing", "RefreshFailed, lapsed"): "NeedsReauth:",
    ("Refreshing", "RefreshFailed, network"): "Authorized:",
    ("ConfirmRevoke", "Confirm"): "Revoking: Delete",
    ("ConfirmRevoke", "Cancel"): "Authorized:",
    ("Revoking", "Deleted"): "Revoked: Forget",
    ("Revoking", "DeleteFailed"): "Authorized:",
    ("Blocked", "Restart"): "Checking: Check",
    ("Failed", "Restart"): "Checking: Check",
    ("Denied", "Restart"): "Ready:",
    ("Expired", "Restart"): "Ready:",
    ("Uncertain", "Restart"): "Ready:",
    ("NeedsReauth", "Restart"): "Ready:",
    ("Revoked", "Restart"): "Ready:",
}


def test_the_table_knows_every_state_and_every_event():
    assert {type(state) for state in STATES.values()} == set(flow.STATES)
    assert {type(event) for event in EVENTS.values()} == set(flow.EVENTS)
    assert {name for pair in TABLE for name in pair} <= {*STATES, *EVENTS}


@pytest.mark.parametrize("state", STATES)
def test_every_state_with_every_event(state):
    for event, happened in EVENTS.items():
        after, effects = step(STATES[state], happened)
        if (state, event) in TABLE:
            assert " ".join([f"{type(after).__name__}:", *(type(one).__name__ for one in effects)]) == TABLE[state, event], event
        else:
            assert (after, effects) == (STATES[state], ()), event


def run(state, *events):
    effects = ()
    for event in events:
        state, effects = step(state, event)
    return state, effects


def test_what_the_states_and_effects_hold():
    awaiting, (consent,) = step(flow.Ready(), flow.Start(TOKEN, 100.0, "FB=4"))
    assert (consent.token, consent.scope, consent.deadline) == (TOKEN, "FB=4", awaiting.deadline)
    assert awaiting.deadline == 100.0 + machine.PATIENCE
    exchanging, (_, exchange) = step(awaiting, flow.Redirected(GOOD))
    assert (exchange.code.reveal(), exchange.scope) == ("canary-code", "FB=4")
    assert step(exchanging, flow.Exchanged(GRANT))[0] == flow.Authorized(GRANT)
    assert step(flow.Ready(), flow.SelfAccess("50952"))[0].grant == flow.Grant("50952", kind="bulk")
    awaiting, (consent,) = step(flow.Ready(), flow.Inbound(INBOUND, TOKEN, 0.0))
    assert consent.scope == "FB=1_3"  # the scope that the utility's test sent us with
    assert run(flow.Authorized(GRANT), flow.Rejected(), flow.Refreshed(9.0))[0].grant.expires_at == 9.0
    revoking, (delete,) = run(flow.Authorized(GRANT), flow.Revoke(), flow.Confirm())
    assert delete.subscription == "38475"
    assert step(revoking, flow.Deleted())[1] == (flow.Forget("38475"),)


def test_a_lost_listener_leaves_pasting():
    state, _ = step(STATES["Awaiting"], flow.ListenerLost())
    assert not state.listening
    assert isinstance(step(state, flow.Redirected(GOOD))[0], flow.Exchanging)


def test_wrong_answers_are_counted_and_end():
    state = STATES["Awaiting"]
    for attempt in range(1, machine.MOST_ATTEMPTS):
        state, effects = step(state, EVENTS["Redirected, another state"])
        assert (state.attempts, effects) == (attempt, ())
        assert state.problem.todo
    assert isinstance(step(state, EVENTS["Redirected"])[0], flow.Exchanging)  # a right one is taken still
    state, effects = step(state, EVENTS["Redirected, rubbish"])
    assert isinstance(state, flow.Failed)
    assert effects == (flow.StopListening(),)


def test_wrong_answers_to_the_listener_end_nothing():
    """Any page in the browser, and any program of this machine, can send them."""
    state = STATES["Awaiting"]
    for _ in range(3 * machine.MOST_ATTEMPTS):
        state, effects = step(state, flow.Redirected(Secret("?code=x&state=y"), heard=True))
        assert isinstance(state, flow.Awaiting)
        assert state.problem
        assert effects == ()
    assert isinstance(step(state, flow.Redirected(GOOD, heard=True))[0], flow.Exchanging)


def test_a_code_is_sent_again_only_where_it_never_left_and_not_for_ever():
    state, sent = STATES["Exchanging"], 1
    while isinstance(state, flow.Exchanging):
        state, effects = step(state, EVENTS["ExchangeFailed, unsent"])
        sent += len(effects)
    assert isinstance(state, flow.Failed)
    assert sent == machine.MOST_SENDS
    assert step(STATES["Exchanging"], EVENTS["ExchangeFailed, unanswered"])[1] == ()


def test_a_bulk_grant_is_neither_renewed_nor_deleted_here():
    state = flow.Authorized(flow.Grant("50952", expires_at=0.0, kind="bulk"))
    for name, event in EVENTS.items():
        assert step(state, event) == ((flow.Ready() if name == "Restart" else state), ())


def test_tokens_are_renewed_before_they_expire():
    before, after = GRANT.expires_at - machine.LEEWAY - 1, GRANT.expires_at - machine.LEEWAY
    assert step(flow.Authorized(GRANT), flow.Tick(before)) == (flow.Authorized(GRANT), ())
    assert isinstance(step(flow.Authorized(GRANT), flow.Tick(after))[0], flow.Refreshing)


ANSWERS = [event.text.reveal() for event in EVENTS.values() if isinstance(event, flow.Redirected)]
TEXT = st.builds(Secret, st.one_of(st.text(max_size=30), st.sampled_from(ANSWERS)))
ANY_EVENT = st.one_of(
    st.sampled_from(list(EVENTS.values())),
    st.builds(flow.Redirected, TEXT),
    st.builds(flow.Inbound, TEXT, st.just(TOKEN), st.floats(0, 1e10), st.text(max_size=3)),
    st.builds(flow.Tick, st.floats(allow_nan=True)),
)


@given(st.lists(ANY_EVENT, max_size=40))
def test_any_order_of_events(events):
    """None raises, ends are left by a restart only, and no secret is in what is shown."""
    state = flow.Unconfigured()
    for event in events:
        before = state
        state, effects = step(state, event)
        assert type(state) in flow.STATES
        assert all(type(one) in flow.EFFECTS for one in effects)
        if isinstance(before, flow.ENDS) and state != before:
            assert isinstance(event, flow.Restart)
        assert "canary" not in repr((state, effects, event)) + str((state, effects))


def test_all_is_frozen():
    for cls in (*flow.STATES, *flow.EVENTS, *flow.EFFECTS):
        assert is_dataclass(cls)
        assert cls.__dataclass_params__.frozen
        assert all("Secret" in one.type for one in fields(cls) if one.name in ("token", "code", "text", "address"))
