"""From a utility's Green Button to a load profile you can publish, without leaving the notebook.

Names are imported when they are first used (PEP 562): ``import smd_notebook`` loads the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smd_notebook import analysis as analysis
    from smd_notebook import errors as errors
    from smd_notebook import plot as plot
    from smd_notebook.access import custodians as custodians
    from smd_notebook.access import doctor as doctor
    from smd_notebook.access import inbox as inbox
    from smd_notebook.access import registration as registration
    from smd_notebook.access.client import Client as Client
    from smd_notebook.access.credentials import Credentials as Credentials
    from smd_notebook.access.fapi import FapiSession as FapiSession
    from smd_notebook.analysis.bins import resample as resample
    from smd_notebook.analysis.filling import fill as fill
    from smd_notebook.analysis.homes import Cohort as Cohort
    from smd_notebook.analysis.measures import metrics as metrics
    from smd_notebook.analysis.passport import cite as cite
    from smd_notebook.analysis.profiles import profile as profile
    from smd_notebook.analysis.sides import net as net
    from smd_notebook.analysis.sides import wide as wide
    from smd_notebook.errors import Finding as Finding
    from smd_notebook.errors import SmdError as SmdError
    from smd_notebook.errors import SmdWarning as SmdWarning
    from smd_notebook.errors import strict as strict
    from smd_notebook.feed import Feed as Feed
    from smd_notebook.feed import merge as merge
    from smd_notebook.feed import read as read
    from smd_notebook.findings import check as check
    from smd_notebook.households import sample as sample
    from smd_notebook.households import sample_cohort as sample_cohort
    from smd_notebook.practice.sandbox import Sandbox as Sandbox
    from smd_notebook.study import collect as collect
    from smd_notebook.tables import read_tidy as read_tidy
    from smd_notebook.versions import show_versions as show_versions
    from smd_notebook.widgets.authorize import Authorize as Authorize
    from smd_notebook.widgets.explore import Explore as Explore
    from smd_notebook.widgets.onboarding import Onboarding as Onboarding

    __version__: str

#: Public name -> module it lives in; a module whose own name it is, is meant itself.
_PUBLIC = {
    "Authorize": "widgets.authorize",
    "Client": "access.client",
    "Cohort": "analysis.homes",
    "Credentials": "access.credentials",
    "Explore": "widgets.explore",
    "FapiSession": "access.fapi",
    "Feed": "feed",
    "Finding": "errors",
    "Onboarding": "widgets.onboarding",
    "Sandbox": "practice.sandbox",
    "SmdError": "errors",
    "SmdWarning": "errors",
    "analysis": "analysis",
    "check": "findings",
    "cite": "analysis.passport",
    "collect": "study",
    "custodians": "access.custodians",
    "doctor": "access.doctor",
    "errors": "errors",
    "fill": "analysis.filling",
    "inbox": "access.inbox",
    "merge": "feed",
    "metrics": "analysis.measures",
    "net": "analysis.sides",
    "plot": "plot",
    "profile": "analysis.profiles",
    "read": "feed",
    "read_tidy": "tables",
    "resample": "analysis.bins",
    "registration": "access.registration",
    "sample": "households",
    "sample_cohort": "households",
    "show_versions": "versions",
    "strict": "errors",
    "wide": "analysis.sides",
}
__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - one list of names, not two

if not TYPE_CHECKING:  # type checkers would take any misspelt name for one that it knows

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("smd_notebook")
        if name not in _PUBLIC:
            raise AttributeError(f"module 'smd_notebook' has no attribute {name!r}")
        module = import_module(f"smd_notebook.{_PUBLIC[name]}")
        found = module if _PUBLIC[name].rpartition(".")[2] == name else getattr(module, name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
