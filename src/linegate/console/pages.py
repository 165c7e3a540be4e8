"""Templates to answers, with the headers that keep a browser from running anything but ours."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from linegate.console.states import HOLDS
from linegate.console.visit import Visit
from linegate.domain.ids import public_id
from linegate.domain.status import ERRORS, STATUSES

__all__ = ["STATIC", "bare_page", "duration", "page", "shown_minute", "static_file"]

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Pictures of bubbles are their senders', wherever those keep them; all else is ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MENU = {
    "Overview": "/console/",
    "Messages": "/console/messages",
    "Bulks": "/console/bulks",
    "Compose": "/console/compose",
    "Templates": "/console/templates",
    "Webhooks": "/console/webhooks",
    "Senders": "/console/senders",
    "Keys": "/console/keys",
    "Users": "/console/users",
    "Applications": "/console/parts",
    "Accounts": "/console/accounts",
    "Audit": "/console/audit",
    "Set-up": "/console/guide",
    "Sandbox": "/console/sandbox",
}


def page(visit: Visit, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a piece of one, for somebody who is logged in."""
    viewer = visit.viewer
    text = (
        _environment()
        .get_template(template)
        .render(
            viewer=viewer,
            csrf=visit.csrf,
            now=visit.now,
            here=visit.request.url.path,
            said=visit.said,
            is_bad=bool(visit.query.text("bad")),
            menu={name: path for name, path in _MENU.items() if path in visit.paths},
            **values,
        )
    )
    return HTMLResponse(text, status, _HEADERS)


def bare_page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for anybody."""
    text = _environment().get_template(template).render(**values)
    return HTMLResponse(text, status, _HEADERS)


async def static_file(request: Request) -> Response:
    """A file of ours; its address changes with what it holds."""
    path = STATIC / request.path_params["name"]
    if path.parent != STATIC or path.suffix not in _KINDS or not path.is_file():
        return Response("", 404)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return FileResponse(path, headers=headers, media_type=_KINDS[path.suffix])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {
        "ago": _ago,
        "instant": _instant,
        "moment": _moment,
        "minute": shown_minute,
        "seconds": duration,
        "spaced": _spaced,
        "number": lambda value: f"{value:,}".replace(",", "\u202f"),
        "id": public_id,
        "status": lambda id_: STATUSES[id_].name if id_ in STATUSES else str(id_),
        "told": _told,
        "breakable": lambda name: Markup("_<wbr>").join(name.split("_")),
        "group": lambda id_: STATUSES[id_].group_name if id_ in STATUSES else "PENDING",
        "error": lambda id_: ERRORS[id_].name if id_ in ERRORS else str(id_),
        "why": lambda id_: ERRORS[id_].description if id_ in ERRORS else "",
        "phone": lambda digits: f"+{digits}" if digits.isdecimal() else digits,
    }
    environment.filters.update(filters)
    environment.globals["asset"] = _asset
    environment.globals["holds"] = HOLDS
    return environment


@cache
def _asset(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/console/static/{name}?v={digest}"


def _spaced(name: str) -> str:
    """A name of the API or of a column in words: `request id` for `requestId`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


def _told(value: Any) -> str:
    """A value of the audit log as people say it."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "nothing"
    return str(value)


def _instant(at: datetime | None) -> Markup:
    """An instant to the second, in UTC, for people and machines."""
    if at is None:
        return Markup("")
    plain = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        plain.isoformat(), plain.strftime("%Y-%m-%d %H:%M:%S")
    )


def shown_minute(at: datetime | None) -> str:
    """An instant as a field of date and time holds it, in UTC; '' for none."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def _moment(at: datetime | None) -> Markup:
    """An instant to the millisecond."""
    if at is None:
        return Markup("")
    plain = at.astimezone(UTC)
    text = plain.strftime("%H:%M:%S.") + f"{plain.microsecond // 1000:03d}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        plain.isoformat(), plain.strftime("%Y-%m-%d"), text
    )


def _ago(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else duration((now - at).total_seconds())


def duration(seconds: float | timedelta | None) -> str:
    """A span of time in two figures or so: 240 ms, 1.5 s, 12 s, 5 min, 3 h, 2 d."""
    if seconds is None:
        return "-"
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2g} s"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
