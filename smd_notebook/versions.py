"""What is installed, for bug reports and for the methods section of a paper."""

from __future__ import annotations

__all__ = ["show_versions"]

_PACKAGES = (
    "numpy",
    "pandas",
    "xarray",
    "plotly",
    "ipywidgets",
    "requests-oauthlib",
    "xmltodict",
    "tzdata",
    "pyarrow",
    "zarr",
    "jupyterlab",
)


def show_versions() -> None:
    """Print the versions of Python, the platform, this package and what it builds on.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> smd.show_versions()  # doctest: +ELLIPSIS
    smd_notebook ...
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def of(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    rows = [
        ("smd_notebook", of("smd_notebook")),
        ("python", platform.python_version()),
        ("platform", f"{platform.system()} {platform.machine()}"),
    ]
    for name, text in [*rows, *((name, of(name)) for name in _PACKAGES)]:
        print(f"{name:<18} {text}")  # noqa: T201 - printing is what it is for
