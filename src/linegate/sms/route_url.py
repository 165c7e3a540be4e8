"""A route as one URL, as the operator gives it: `smpp://`, `smpps://`, `infobip://`, `twilio://`.

Names and passwords are percent-decoded. Whatever is unknown or out of range is refused with the
reason, before anything is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from linegate.sms.infobip.transport import InfobipOptions
from linegate.sms.smpp.transport import SmppOptions
from linegate.sms.twilio.transport import TwilioOptions

__all__ = ["RouteOptions", "RouteUrl", "RouteUrlError", "read_route_url"]

RouteOptions = SmppOptions | InfobipOptions | TwilioOptions

_SMPP_PORT = 2775
_SMPPS_PORT = 3550
_LONGEST_TEXT = 64  # SMPP 3.4 says 15, 8 and 12 characters; SMSCs in the field take more
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RouteUrlError(ValueError):
    """The URL names no route; the text says why, without its secrets."""


@dataclass(frozen=True, slots=True)
class RouteUrl:
    """A route's kind, how to reach it, and what may be shown of it."""

    kind: str
    options: RouteOptions = field(repr=False)
    shown: str


@dataclass(slots=True)
class _Query:
    """The options after `?`; what is left over at the end is unknown."""

    values: dict[str, str]

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self.values.pop(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise RouteUrlError(f"{name} must be a number") from None
        if not least <= value <= most:
            raise RouteUrlError(f"{name} must be from {least:g} to {most:g}")
        return value

    def word(self, name: str, *choices: str) -> str:
        value = self.values.pop(name, choices[0])
        if value not in choices:
            raise RouteUrlError(f"{name} must be one of {', '.join(choices)}")
        return value

    def text(self, name: str) -> str:
        return self.values.pop(name, "")

    def nothing_left(self) -> None:
        if self.values:
            raise RouteUrlError(f"unknown option {', '.join(sorted(self.values))}")


_Reader = Callable[[SplitResult, int | None, _Query], RouteOptions]


def read_route_url(url: str) -> RouteUrl:
    """The route a URL names. Raises: RouteUrlError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RouteUrlError("is not a URL") from None
    readers: dict[str, _Reader] = {
        "smpp": _smpp,
        "smpps": _smpp,
        "infobip": _infobip,
        "twilio": _twilio,
    }
    reader = readers.get(parts.scheme)
    if reader is None:
        raise RouteUrlError(f"must begin with one of {', '.join(f'{s}://' for s in readers)}")
    if not parts.hostname:
        raise RouteUrlError("names no host")
    if parts.path not in ("", "/"):
        raise RouteUrlError("must have no path")
    query = _Query(dict(parse_qsl(parts.query, keep_blank_values=True)))
    options = reader(parts, port, query)
    query.nothing_left()
    where = parts.hostname + (f":{port}" if port else "")
    return RouteUrl(parts.scheme, options, f"{parts.scheme}://{where}")


def _smpp(parts: SplitResult, port: int | None, query: _Query) -> SmppOptions:
    tls = parts.scheme == "smpps"
    texts = {
        "system_id": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "system_type": query.text("system_type"),
    }
    for name, text in texts.items():
        if not (text.isascii() and text.isprintable()):
            raise RouteUrlError(f"{name} must be printable ASCII")
        if len(text) > _LONGEST_TEXT:
            raise RouteUrlError(f"{name} must have at most {_LONGEST_TEXT} characters")
    if not texts["system_id"]:
        raise RouteUrlError("names no user: smpp://USER:PASSWORD@HOST:PORT")
    return SmppOptions(
        host=parts.hostname or "",
        port=port or (_SMPPS_PORT if tls else _SMPP_PORT),
        tls=tls,
        window=int(query.number("window", 10, 1, 1000)),
        throughput=query.number("throughput", 0, 0, 10_000),
        enquire_every=query.number("enquire_link", 30, 1, 3600),
        response_timeout=query.number("response_timeout", 30, 1, 300),
        in_payload=query.word("long", "udh", "payload") == "payload",
        ca_file=query.text("ca"),
        **texts,
    )


def _infobip(parts: SplitResult, port: int | None, query: _Query) -> InfobipOptions:
    key = unquote(parts.username or "")
    if not key:
        raise RouteUrlError("names no API key: infobip://KEY@HOST")
    return InfobipOptions(_base(parts, port, query), key, throughput=_throughput(query))


def _twilio(parts: SplitResult, port: int | None, query: _Query) -> TwilioOptions:
    sid, token = unquote(parts.username or ""), unquote(parts.password or "")
    if not sid or not token:
        raise RouteUrlError("names no account: twilio://SID:TOKEN@HOST")
    return TwilioOptions(_base(parts, port, query), sid, token, throughput=_throughput(query))


def _base(parts: SplitResult, port: int | None, query: _Query) -> str:
    """https, or http where the operator asks for it; on this machine http is the usual."""
    usual = ("http", "https") if parts.hostname in _LOOPBACK else ("https", "http")
    scheme = query.word("scheme", *usual)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{scheme}://{host}" + (f":{port}" if port else "")


def _throughput(query: _Query) -> float:
    return query.number("throughput", 0, 0, 10_000)
