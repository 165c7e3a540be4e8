"""Things as operators are shown them, over HTTP and by `--json`: names as the API writes them."""

from linegate.admin.notes import Change as Applied
from linegate.admin.reading import camel
from linegate.domain.caller import PlatformRule
from linegate.domain.wiretime import format_instant
from linegate.postgres.admin import AccountListed
from linegate.postgres.audit import Change
from linegate.postgres.divisions import DivisionListed
from linegate.postgres.identities import KeyListed, UserListed
from linegate.postgres.sms_routes import ShownRoute

__all__ = [
    "shown_account",
    "shown_applied",
    "shown_change",
    "shown_division",
    "shown_key",
    "shown_route",
    "shown_user",
]


def shown_account(each: AccountListed) -> dict[str, object]:
    """An account with its settings."""
    return {
        "id": each.id,
        "name": each.name,
        "suspended": each.suspended_at is not None,
        "defaultSender": each.default_sender,
        "requestsPerSecond": each.requests_per_second,
        "messagesPerDay": each.messages_per_day,
        "messagesWaiting": each.messages_waiting,
        "retentionDays": each.retention_days,
        "webhook": each.webhook,
        "waiting": each.waiting,
    }


def shown_key(each: KeyListed) -> dict[str, object]:
    """A key with its rules; nothing that could be used in its place."""
    rules = each.rules
    return {
        "id": each.id,
        "name": each.name,
        "hint": each.hint,
        "enabled": each.enabled,
        "scopes": sorted(rules.scopes),
        "validFrom": format_instant(rules.valid_from) if rules.valid_from else None,
        "expires": format_instant(rules.expires_at) if rules.expires_at else None,
        "allowedAddresses": sorted(str(network) for network in rules.networks),
        **_shown_rule("Application", rules.application),
        **_shown_rule("Entity", rules.entity),
        "requestsPerSecond": each.limits.requests_per_second,
        "messagesPerDay": each.limits.messages_per_day,
        "messagesWaiting": each.limits.waiting,
        "waiting": each.waiting,
        "created": format_instant(each.created_at),
    }


def _shown_rule(what: str, rule: PlatformRule | None) -> dict[str, object]:
    forced = rule is not None and rule.forced
    value = rule.value if rule else None
    return {f"fill{what}": None if forced else value, f"force{what}": value if forced else None}


def shown_user(each: UserListed) -> dict[str, object]:
    """A user and what it may do."""
    return {
        "id": each.id,
        "name": each.name,
        "scopes": sorted(each.scopes),
        "allowedAddresses": sorted(str(network) for network in each.networks),
        "operator": each.is_operator,
        "enabled": each.enabled,
        "created": format_instant(each.created_at),
    }


def shown_division(each: DivisionListed) -> dict[str, object]:
    """An application or entity with its settings."""
    return {
        "id": each.id,
        "name": each.name,
        "defaultSender": each.default_sender,
        "webhook": each.url,
        "templates": each.templates,
        "messagesPerDay": each.messages_per_day,
    }


def shown_route(each: ShownRoute) -> dict[str, object]:
    """An SMS route and how it is doing, as the process that holds it sees it."""
    return {
        "id": each.id,
        "account": each.account,
        "name": each.name,
        "kind": each.kind,
        "url": each.shown,
        "prefixes": each.prefixes,
        "senders": each.senders,
        "defaultSender": each.default_sender,
        "priority": each.priority,
        "enabled": each.enabled,
        "up": each.is_up,
        "downSince": format_instant(each.down_since) if each.down_since else None,
        "trouble": each.trouble,
    }


def shown_change(each: Change) -> dict[str, object]:
    """One entry of the audit log."""
    return {
        "id": each.id,
        "at": each.at.isoformat(),
        "account": each.account,
        "actor": each.actor,
        "action": each.action,
        "kind": each.kind,
        "subject": each.subject,
        "changes": {camel(name): values for name, values in each.changes.items()},
    }


def shown_applied(each: Applied) -> dict[str, object]:
    """One difference between what was declared and what there was."""
    return {
        "subject": each.subject,
        "field": camel(each.field),
        "before": None if each.before is None else str(each.before),
        "after": None if each.after is None else str(each.after),
    }
