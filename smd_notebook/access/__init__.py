"""Authorized access: from a customer's consent to an archive of the utility's replies."""

from __future__ import annotations

__all__: list[str] = []
