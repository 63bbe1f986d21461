"""Requests that a browser sends on its own, or for a page of another site: they start no run.

Browsers say so themselves, and a page cannot forge these headers. curl and Cloud Scheduler send none of them.
Sources: https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header, https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

from starlette.datastructures import Headers

from crm_bridge.handlers.responses import Failed

_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_IN_ADVANCE = ("prefetch", "prerender", "preview")
_OWN = ("same-origin", "none")  # a page of ours, or an address that a person typed
_INSIDE_A_PAGE = ("iframe", "frame", "embed", "object", "fencedframe")


def refusal(headers: Headers) -> Failed | None:
    """Refuse what no person has opened on purpose; None for all else."""
    purposes = " ".join(headers.get(name, "") for name in _PURPOSES).lower()
    if any(word in purposes for word in _IN_ADVANCE):
        return Failed(403, "A browser's prefetch starts no run")
    if headers.get("sec-fetch-site", "none") in _OWN:
        return None
    # A link on another site is a navigation, and so is a frame there, which a person may not even see.
    if headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") in _INSIDE_A_PAGE:
        return Failed(403, "A page of another site starts no run")
    return None
