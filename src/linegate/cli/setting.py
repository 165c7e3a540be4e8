"""How settings are given on the command line: what is not named stays, `none` takes one away."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TypeVar

import msgspec

from linegate.admin.desired import DocumentError, Secret
from linegate.admin.notes import Hands, Notes, Place
from linegate.admin.reading import read
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.cli.accounts import account_id_of
from linegate.cli.console import CommandError, actor
from linegate.clock import SystemClock
from linegate.postgres.pool import Connection, transaction
from linegate.postgres.store import Store

__all__ = ["CLEAR", "asked", "at_account", "hands_of", "listed", "told_as_command", "whole"]

CLEAR = "`none` sets none"
_NONE = "none"

Asked = TypeVar("Asked", bound=msgspec.Struct)


def whole(text: str | None) -> int | str | None:
    """A number where the text is one; anything else as it is, for `asked` to judge."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else text


def listed(given: list[str] | None) -> list[str] | str | None:
    """A list that was given; `none` alone takes it away."""
    return _NONE if given == [_NONE] else given or None


def asked(tree: Mapping[str, object], shape: type[Asked], **fixed: object) -> Asked:
    """The options that were given, as what they ask for. Raises: CommandError for a wrong value.

    fixed: what does not change anything by itself, such as a name.
    """
    given = {
        name: None if value == _NONE else value for name, value in tree.items() if value is not None
    }
    if not given:
        raise CommandError("name at least one setting to change")
    try:
        return read({**given, **fixed}, shape)
    except DocumentError as error:
        told = [f"{_option(each.property)} {each.violation}" for each in error.violations]
        raise CommandError("; ".join(told)) from error


# Options that may be given several times have the name of one.
_ONE = {
    "allowedAddresses": "--allow-address",
    "scopes": "--scope",
    "prefixes": "--prefix",
    "senders": "--sender",
}


def _option(path: str) -> str:
    """`--messages-per-day` for `messagesPerDay`."""
    name = path.partition("[")[0]
    if name in _ONE:
        return _ONE[name]
    return "--" + re.sub(r"([A-Z])", lambda match: "-" + match[1].lower(), path)


@contextlib.contextmanager
def told_as_command() -> Iterator[None]:
    """What cannot be set is told as the command's failure."""
    try:
        yield
    except DocumentError as error:
        raise CommandError(str(error)) from error


def hands_of(store: Store) -> Hands:
    """What a change needs; secrets were read from options and files before."""
    return Hands(store.vault, _plain, hash_password, read_wording, actor())


def _plain(secret: Secret) -> str:
    if isinstance(secret, str):
        return secret
    raise DocumentError("a secret must be text here")


@contextlib.asynccontextmanager
async def at_account(store: Store, owner: str) -> AsyncIterator[tuple[Connection, Place]]:
    """One transaction on an account. Raises: CommandError for what cannot be."""
    async with transaction(store.pool) as conn:
        account_id = await account_id_of(conn, owner)
        now = SystemClock().now()
        with told_as_command():
            yield conn, Place(account_id, owner, Notes(), now, hands_of(store))
