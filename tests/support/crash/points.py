"""Where linegate is killed: before and after each commit and each call of another machine.

The one list. A statement that writes and stands in no table here fails a test, and so does a point
that the matrix never reaches. `before` a commit: everything of the transaction was said, nothing of
it is kept. `after`: it is kept, and nobody has been told.
"""

import re
from collections.abc import Iterable

from linegate.postgres.queries import bundled

__all__ = ["CALLS", "COMMANDS", "POINTS", "SCENES", "WRITES", "writing_statements"]

# Statements of sql/*.sql that write, by the scene of `scenes.py` in which they are reached.
WRITES: dict[str, tuple[str, ...]] = {
    "sending": (
        "claim_client_ids",
        "claim_keys",
        "keep_answers",
        "free_keys",
        "ensure_divisions",
        "take_quota",
        "lock_waiting",
        "add_waiting",
        "ensure_endpoint",
        "insert_accepted",
        "claim_due",
        "slow_sender",
        "renew_leases",
        "move",
        "finish",
        "deliver",
        "record_late",
        "insert_interim",
        "lease_endpoints",
        "release_endpoint",
        "reports_taken",
        "count_unheard",
        "hear",
        "end_monthly_holds",
        "fold_pulse",
        "roll_tally",
        "rolled_up",
    ),
    "scheduling": (
        "insert_runs",
        "insert_tracks",
        "release",
        "mark_eligible",
        "give_slots",
        "write_run",
        "write_counts",
        "wake_runs",
    ),
    "steering": (
        "make_run",
        "make_tracks",
        "say_status",
        "say_send_at",
        "unmark_eligible",
        "say_pace",
        "forget_eligible",
        "hold_due",
        "unhold",
        "shift_tracks",
        "pace_due",
        "unpace",
        "end_due",
        "end_due_sms",
        "end_waiting",
    ),
    "importing": (
        "begin_import",
        "import_object",
        "import_messages",
        "import_tracks",
        "touch_import",
        "open_import",
        "fail_import",
        "remove_messages",
        "remove_import",
    ),
    "texting": (
        "fail_over",
        "fail_over_waiting",
        "claim_sms",
        "renew_sms",
        "insert_sms_attempts",
        "move_sms",
        "insert_sms_parts",
        "insert_sms_interim",
        "finish_sms",
        "deliver_in_sms_leg",
        "mark_sms_parts",
        "insert_sms_receipts",
        "insert_late_receipts",
        "drop_told_parts",
        "keep_early",
        "take_early",
        "match_early",
        "forget_early",
        "forget_parts",
        "hold_sms_routes",
        "tell_sms_routes",
        "reroute_sms",
    ),
    "refusing": (
        "hold_object",
        "park_object",
        "resume_objects",
        "resume_held",
        "shift_object",
        "wake_run",
    ),
    "holding": ("hold_sender", "resume_sender", "mark_deaf"),
    "suspending": (
        "suspend_account",
        "mark_parked",
        "park_due",
        "park_sms",
        "resume_account",
        "unpark",
        "unpark_sms",
        "end_suspension",
    ),
    "relaying": ("insert_relay", "claim_relays", "defer_relay", "end_relay"),
    "pulling": ("pull_oldest", "pull_bulks", "pull_message"),
    "pushing": (
        "keep_endpoints",
        "reports_failed",
        "give_up_waiting",
        "retry_endpoint",
        "replay_given_up",
        "replay_taken",
    ),
    "stopping": (
        "give_back",
        "give_back_quota",
        "forget_pulse",
        "forget_relays",
        "release_sms_routes",
        "write_installation",
    ),
    "erasing": ("end_unfinished", "forget_early_receipts"),
    "forgetting": (
        "purge_messages",
        "purge_contents",
        "forget_leftovers",
        "forget_sums",
        "forget_pushes",
        "forget_keys",
        "forget_tokens",
        "write_line_count",
    ),
}

# Calls of other machines, and the answers that promise something, by scene.
CALLS: dict[str, tuple[str, ...]] = {
    "sending": (
        "call LINE with a message",
        "call the client with reports",
        "answer a request",
        "answer LINE's event",
    ),
    "steering": ("answer a word to a bulk",),
    "stopping": ("call LINE for a token", "call the SMSC to bind"),
    "importing": ("answer an import",),
    "texting": (
        "call the SMSC with an SMS",
        "call the SMS provider",
        "answer the SMSC's receipt",
        "answer the provider's receipt",
    ),
    "relaying": ("call the bot",),
    "pulling": ("answer a pull",),
    "forgetting": ("call LINE for its count",),
}

# Statements that move no message: of settings, one row each, written by one commit of a command or
# of a client's request (killed there, the setting is the old one or the new one), and of traces.
COMMANDS: dict[str, tuple[str, ...]] = {
    "accounts, keys and users": (
        "insert_account",
        "set_account",
        "remove_account",
        "remove_key",
        "remove_user",
        "insert_key",
        "enable_key",
        "rotate_key",
        "set_key_rules",
        "insert_user",
        "enable_user",
        "set_password",
        "set_user_rules",
        "make_operator",
        "insert_token",
        "touch_token",
        "end_token",
    ),
    "senders, routes and prices": (
        "insert_sender",
        "set_sender",
        "remove_sender",
        "serve_sms_route",
        "remove_sms_route",
        "insert_sms_route",
        "move_sms_route",
        "enable_sms_route",
        "set_price",
    ),
    "applications and entities": (
        "insert_division",
        "rename_division",
        "delete_division",
        "set_division",
    ),
    "templates and the blocklist": (
        "insert_template",
        "insert_version",
        "decide_template",
        "delete_template",
        "forget_versions",
        "forget_templates",
        "block",
        "unblock",
    ),
    "where reports go": (
        "set_default_endpoint",
        "insert_security",
        "update_security",
        "delete_security",
        "insert_certificate",
        "delete_certificate",
        "insert_profile",
        "update_profile",
        "delete_profile",
        "put_profile_endpoint",
        "remove_profile_endpoint",
        "insert_subscription",
        "update_subscription",
        "delete_subscription",
    ),
    "what a trace collector is still to be told": (
        "insert_untold",
        "claim_untold",
        "postpone_untold",
        "remove_untold",
        "forget_untold",
    ),
    "the console": ("note_change", "replay_some", "replay_posts"),
}

SCENES: tuple[str, ...] = tuple(WRITES)
_WRITING = re.compile(r"\b(INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w)", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b|'[^']*'", re.IGNORECASE)


def _both(names: Iterable[str]) -> list[str]:
    return [f"{when} {name}" for name in names for when in ("before", "after")]


# By name, with the scene that reaches each. The order is the order of the matrix.
POINTS: dict[str, str] = {
    point: scene for scene in SCENES for point in _both([*WRITES[scene], *CALLS.get(scene, ())])
}


def writing_statements() -> set[str]:
    """The names of all statements of sql/*.sql that write, as the files say."""
    return {query.name for query in bundled() if _WRITING.search(_LOCKING.sub(" ", query.sql))}
