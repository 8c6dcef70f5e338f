"""The custodians that are known: PG&E, and platforms of other utilities.

Those that are not `verified` are put together from what is published; for a utility that is not here, or whose settings have changed,
write a TOML file and read it by `Custodian.from_toml`.
"""

from __future__ import annotations

from dataclasses import replace

from smd_notebook.access.custodian import Custodian, Limits
from smd_notebook.errors import ConfigurationError

__all__ = [
    "CONED",
    "CONSUMERS",
    "ENBRIDGE",
    "GBA_SANDBOX",
    "LGE_KU",
    "LONDON_HYDRO",
    "PGE",
    "PGE_TEST",
    "SAVAGE_SANDBOX",
    "TORONTO_HYDRO",
    "UTILITYAPI_DEMO",
    "XCEL",
    "Custodian",
    "Limits",
    "named",
]

#: Nothing is published of the others' limits: be as gentle as with PG&E, and count no hours and days that nobody set.
_GENTLE = Limits(per_second=1, per_hour=None, per_day=None)

PGE = Custodian(
    name="pge",
    title="PG&E Share My Data",
    authorization_endpoint="https://sharemydata.pge.com/myAuthorization",
    token_endpoint="https://api.pge.com/datacustodian/oauth/v2/token",
    resource_endpoint="https://api.pge.com/GreenButtonConnect/espi/1_1/resource",
    mutual_tls=True,
    zone="America/Los_Angeles",
    identity_unique=True,
    authorization_is_subscription=True,
    verified=True,
    notes="The authorization endpoint is also in ApplicationInformation; where they differ, believe ApplicationInformation.",
)
PGE_TEST = replace(
    PGE,
    name="pge-test",
    title="PG&E Share My Data (connectivity tests)",
    authorization_endpoint="https://api.pge.com/datacustodian/test/oauth/v2/authorize",
    token_endpoint="https://api.pge.com/datacustodian/test/oauth/v2/token",
    vendor="pge",
    notes="Only the OAuth endpoints are of the test; the resources are the same.",
)

UTILITYAPI_DEMO = Custodian(
    name="utilityapi-demo",
    title="UtilityAPI's demonstration utility",
    authorization_endpoint="https://utilityapi.com/DataCustodian/demo/oauth/authorize",
    token_endpoint="https://sandbox.utilityapi.com/DataCustodian/oauth/token",
    resource_endpoint="https://utilityapi.com/DataCustodian/espi/1_1/resource",
    authorization_scope="FB=4_16_51",
    refresh_scope="granted",
    window="iso",
    limits=_GENTLE,
    vendor="utilityapi",
    notes="Customers' names and addresses are behind customerResourceURI.",
)
CONSUMERS = replace(
    UTILITYAPI_DEMO,
    name="consumers",
    title="Consumers Energy (UtilityAPI platform)",
    authorization_endpoint="https://greenbutton.consumersenergy.com/oauth/authorize",
    token_endpoint="https://greenbutton.consumersenergy.com/oauth/token",
    zone="America/Detroit",
)
LONDON_HYDRO = Custodian(
    name="london-hydro",
    title="London Hydro platform",
    authorization_endpoint="https://greenbutton.londonhydro.com/oauth/authorize",
    token_endpoint="https://greenbutton.londonhydro.com/oauth/token",
    resource_endpoint="https://api.londonhydro.com/espi/1_1/resource",
    refresh_scope="granted",
    window="iso",
    limits=_GENTLE,
    zone="America/Toronto",
    notes="Set authorization_scope to the bare FB list that was agreed; anything beside it is refused. Each utility has a host of its own.",
)
TORONTO_HYDRO = Custodian(
    name="toronto-hydro",
    title="Toronto Hydro (Savage Data platform)",
    authorization_endpoint="https://torontohydrodc.savagedata.com/connect/authorize",
    token_endpoint="https://torontohydrodc.savagedata.com/connect/token",
    resource_endpoint="https://torontohydrodc.savagedata.com/DataCustodian/espi/1_1/resource",
    mutual_tls=True,
    refresh_scope="granted",
    window="date",
    limits=_GENTLE,
    vendor="savage",
    zone="America/Toronto",
    notes="Notifications may come before the 202 that they belong to, and wrapped in an Atom feed.",
)
SAVAGE_SANDBOX = replace(
    TORONTO_HYDRO,
    name="savage-sandbox",
    title="Savage Data's sandbox",
    authorization_endpoint="https://sandboxdc.savagedata.com:4243/connect/authorize",
    token_endpoint="https://sandboxdc.savagedata.com:4243/connect/token",
    resource_endpoint="https://sandboxdc.savagedata.com:4243/DataCustodian/espi/1_1/resource",
)
CONED = Custodian(
    name="coned",
    title="Con Edison",
    authorization_endpoint="https://www.coned.com/en/",
    token_endpoint="https://api.coned.com/gbc/espi/1_1/oauth/Token",
    resource_endpoint="https://api.coned.com/gbc/espi/1_1",
    client_token_scope="FB=34_35",
    refresh_scope="granted",
    code_lifetime=60,
    limits=_GENTLE,
    zone="America/New_York",
    notes="A code lives one minute. The path of its consent page is not published.",
)
XCEL = Custodian(
    name="xcel",
    title="Xcel Energy",
    authorization_endpoint="https://myenergy.xcelenergy.com/greenbutton-connect/gbc/espi/1_1/oauth/authorize",
    token_endpoint="https://myenergy.xcelenergy.com/greenbutton-connect/gbc/espi/1_1/oauth/token",
    resource_endpoint="https://myenergy.xcelenergy.com/greenbutton-connect/gbc/espi/1_1/resource",
    client_token_scope="FB=34_35",
    refresh_scope="granted",
    limits=_GENTLE,
    notes="Its territory has several time zones.",
)
LGE_KU = Custodian(
    name="lge-ku",
    title="Kentucky Utilities, LG&E",
    authorization_endpoint="https://mymeter.lge-ku.com/OAuthServer/authorize",
    token_endpoint="https://mymeter.lge-ku.com/OAuthServer/token",
    resource_endpoint="https://mymeter.lge-ku.com/espi/1_1/resource",
    refresh_scope="granted",
    limits=_GENTLE,
    notes="The resource endpoint is not published: see a token reply's resourceURI. Set authorization_scope: it wants the whole scope.",
)
ENBRIDGE = Custodian(
    name="enbridge",
    title="Enbridge Gas",
    token_endpoint="https://api.enbridgegas.com/oauth2/default/v1/token",
    resource_endpoint="https://api.enbridgegas.com/espi/1_1/resource",
    client_token_scope="FB=36_40",
    refresh_scope="granted",
    limits=_GENTLE,
    zone="America/Toronto",
    notes="Its consent page is not published.",
)
GBA_SANDBOX = Custodian(
    name="gba-sandbox",
    title="Green Button Alliance sandbox",
    authorization_endpoint="https://sandbox.greenbuttonalliance.org:8443/oauth/authorize",
    token_endpoint="https://sandbox.greenbuttonalliance.org:8443/oauth/token",
    resource_endpoint="https://sandbox.greenbuttonalliance.org:8443/DataCustodian/espi/1_1/resource",
    limits=_GENTLE,
    notes="It was down when last looked at, and a replacement announced.",
)

_ALL = (
    PGE,
    PGE_TEST,
    UTILITYAPI_DEMO,
    CONSUMERS,
    LONDON_HYDRO,
    TORONTO_HYDRO,
    SAVAGE_SANDBOX,
    CONED,
    XCEL,
    LGE_KU,
    ENBRIDGE,
    GBA_SANDBOX,
)


def named(name: str) -> Custodian:
    """Return the known custodian of a name.

    Parameters
    ----------
    name : str
        Its `name`, such as ``"pge"``.

    Raises
    ------
    ConfigurationError
        Where there is none.

    Examples
    --------
    >>> named("pge").title
    'PG&E Share My Data'
    """
    for custodian in _ALL:
        if custodian.name == name:
            return custodian
    raise ConfigurationError("no custodian of that name is known", hint="Known: " + ", ".join(one.name for one in _ALL) + ".")
