"""Answers that many pages give."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from linegate.console.pages import page
from linegate.console.visit import Visit

__all__ = ["back", "missing", "refused"]


def back(visit: Visit, path: str, said: str, *, is_bad: bool = False) -> Response:
    """To a page that says what was done; signed, so that no link of others can put words there.

    is_bad: it was done, and what came of it is bad news.
    """
    said = said[:300]
    mark = f"mark={visit.mark(said)}{'&bad=1' if is_bad else ''}"
    return RedirectResponse(f"{path}?said={quote(said)}&{mark}", 303)


def missing(visit: Visit, what: str) -> Response:
    """There is none of that id among what this viewer may see."""
    return page(visit, "missing.html", status=404, what=what)


def refused(visit: Visit, words: str) -> Response:
    """What was asked for is not done, and why."""
    return page(visit, "refused.html", status=400, words=words)
