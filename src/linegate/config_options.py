"""The options of the configuration: one table, from which the documentation is made too.

Each is `name = value` in the TOML file and `LINEGATE_NAME` in the environment; a secret may also be
given as a file's path in `LINEGATE_NAME_FILE`. Values only: this file reads nothing.
"""

import textwrap

from linegate.config_values import Option

__all__ = ["OPTIONS", "default_file", "describe"]

OPTIONS: tuple[Option, ...] = (
    Option(
        "home",
        "path",
        "~/.local/share/linegate",
        "folder",
        "Data directory: the embedded database and its keys. Run by root: /var/lib/linegate.",
    ),
    Option(
        "database_url",
        "text",
        None,
        "postgresql://...",
        "An external PostgreSQL (15 or newer). Not set: linegate runs its own below home.",
        is_secret=True,
    ),
    Option(
        "database_connections",
        "count",
        12,
        "connections",
        "Most connections of one process, which it opens as it needs them. The embedded server"
        " has room for those of `linegate up` with its workers, and takes 60 at least; of your own,"
        " allow as many as all processes together may have: `linegate doctor` compares.",
        least=6,
        most=1000,
    ),
    Option(
        "secret_key",
        "text",
        None,
        "base64 of 32 bytes",
        "Encrypts channel secrets, tokens and SMS passwords at rest. Not set: made and kept in"
        " home. Must be given with database_url. Without it those secrets are lost: keep a copy.",
        is_secret=True,
    ),
    Option("host", "text", "127.0.0.1", "address", "Address to listen on."),
    Option("port", "port", 8080, "port", "Port to listen on.", least=1, most=65535),
    Option(
        "workers", "count", 1, "processes", "Worker processes of `linegate up`.", least=1, most=64
    ),
    Option(
        "body_limit",
        "size",
        "10MB",
        "bytes",
        "Largest request body; larger is refused.",
        least=1024,
    ),
    Option(
        "destinations_limit",
        "count",
        50_000,
        "destinations",
        "Most destinations of one request.",
        least=1,
    ),
    Option(
        "line_api_url",
        "url",
        "https://api.line.me",
        "URL",
        "Base URL of the LINE Platform; another one only for the simulator and tests.",
    ),
    Option(
        "public_url",
        "url",
        None,
        "URL",
        "How this API is reached from outside, for the receipts of HTTP SMS providers. Not set:"
        " none are asked for, and an SMS handed over to them ends as status 2.",
    ),
    Option(
        "line_timeout",
        "span",
        "10s",
        "time",
        "Longest wait for LINE's answer; after it the outcome is unknown. Shorter than lease_for.",
    ),
    Option(
        "line_connections",
        "count",
        256,
        "connections",
        "Most connections of one worker process to LINE.",
        least=1,
        most=4096,
    ),
    Option(
        "line_template_catalogue",
        "path",
        None,
        "file",
        "The keys of LINE's own templates, as JSON (docs/reference/templates.md). Not set: those"
        " that linegate comes with, which are a part of LINE's.",
    ),
    Option(
        "in_flight",
        "count",
        256,
        "messages",
        "Most messages that one worker process has claimed and not settled, at most 256: a crash"
        " leaves that many with an unknown outcome.",
        least=1,
    ),
    Option(
        "lease_for",
        "span",
        "15s",
        "time",
        "How long a worker's claim holds unless renewed, at most 15s: a dead worker's messages wait"
        " that long.",
    ),
    Option(
        "resend_unknown_after",
        "span",
        "120s",
        "time",
        "How long a message whose outcome is unknown waits for LINE's delivery event before it is"
        " sent again. 0: never sent again. A resend may reach the recipient twice.",
    ),
    Option(
        "resend_unknown_limit",
        "count",
        1,
        "resends",
        "Most resends of one message whose outcome is unknown; the wait doubles each time.",
        most=10,
    ),
    Option(
        "sms_resend_unknown",
        "count",
        1,
        "resends",
        "Resends of an SMS whose submit was never answered. 0: final, status 29.",
        most=1,
    ),
    Option(
        "webhook_allow_private",
        "flag",
        False,
        "yes or no",
        "Whether client webhooks may point to private and loopback addresses. Danger: a client can"
        " then make linegate call your internal services.",
    ),
    Option(
        "retention_days",
        "count",
        30,
        "days",
        "How long finished messages are kept.",
        least=1,
        most=3650,
    ),
    Option(
        "waiting_limit",
        "count",
        50_000_000,
        "messages",
        "Most messages of all accounts that were accepted and have not ended; more are answered"
        " with 503. 0: no limit.",
    ),
    Option(
        "disk_reserve",
        "size",
        "1GB",
        "bytes",
        "Space that must stay free on the disk of the embedded database; with less, messages are"
        " answered with 503. 0: not looked at.",
    ),
    Option(
        "metrics_host",
        "text",
        "127.0.0.1",
        "address",
        "Address of a lone worker's health and metrics.",
    ),
    Option(
        "metrics_port",
        "port",
        0,
        "port",
        "Port of a lone worker's health and metrics. 0: none.",
        most=65535,
    ),
    Option(
        "log_level",
        "choice",
        "info",
        "level",
        "Least level that is logged.",
        choices=("debug", "info", "warning", "error"),
    ),
    Option(
        "log_format",
        "choice",
        "auto",
        "form",
        "json: a line an event; console: for reading; auto: console on a terminal.",
        choices=("auto", "json", "console"),
    ),
    Option(
        "log_attempts",
        "count",
        100,
        "lines a second",
        "Most lines about single attempts that one worker logs in a second; more are counted in one"
        " line. 0: none at all.",
    ),
    Option(
        "trace_endpoint",
        "url",
        None,
        "URL",
        "Base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as"
        " http://collector:4318. Needs the extra linegate[otel]. Not set: nothing is traced.",
    ),
    Option(
        "trace_share",
        "share",
        "0.01",
        "0 to 1",
        "Share of the requests that are traced if their caller does not say, by a traceparent"
        " header, whether they are.",
    ),
)


def describe() -> list[dict[str, str]]:
    """Every option as documented: option, variable, default, unit, meaning."""
    return [
        {
            "option": option.name,
            "variable": option.variable,
            "default": _as_toml(option.default),
            "unit": " | ".join(option.choices) or option.unit,
            "meaning": option.meaning,
        }
        for option in OPTIONS
    ]


def default_file() -> str:
    """The text of config.default.toml: every option commented out at its default."""
    parts = [
        "# Every option of linegate at its default. Copy what you change into a file of your own",
        "# and name it with --config or LINEGATE_CONFIG. The environment wins over the file.",
        "# Times: 500ms, 10s, 2m, 1h or a number of seconds. Sizes: 512KB, 10MB or bytes.",
    ]
    for option in OPTIONS:
        parts += ["", *_wrapped(option.meaning), f"# {option.variable} ({_unit(option)})"]
        parts.append(f"#{option.name} = " + (_as_toml(option.default) or '""'))
    return "\n".join(parts) + "\n"


def _as_toml(default: str | int | bool | None) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str) else str(default)


def _unit(option: Option) -> str:
    secret = "; a secret: may be given as a file, with _FILE appended" if option.is_secret else ""
    return (" | ".join(option.choices) or option.unit) + secret


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width=98, initial_indent="# ", subsequent_indent="# ")
