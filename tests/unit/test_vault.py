"""Secrets open only with their key and in their place."""

import base64
from pathlib import Path

import pytest

from linegate.vault import Vault, VaultError, kept_key

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()


def test_a_sealed_secret_opens_again_and_never_looks_the_same_twice() -> None:
    vault = Vault(KEY)
    first, second = (vault.seal("hemligt ☂", context="a") for _ in range(2))
    assert first != second
    assert b"heml" not in first
    assert vault.open(first, context="a") == vault.open(second, context="a") == "hemligt ☂"


def test_a_secret_does_not_open_in_another_place_or_damaged() -> None:
    vault = Vault(KEY)
    sealed = vault.seal("s", context="sender:1")
    with pytest.raises(VaultError, match="wrong place"):
        vault.open(sealed, context="sender:2")
    for broken in (sealed[:-4] + b"AAA=", sealed[:14], b"v1", b"", b"\xff"):
        with pytest.raises(VaultError):
            vault.open(broken, context="sender:1")


def test_another_key_does_not_open_it_and_is_not_recognised() -> None:
    sealed = Vault(KEY).seal("s", context="a")
    with pytest.raises(VaultError, match="another LINEGATE_SECRET_KEY"):
        Vault(OTHER).open(sealed, context="a")
    assert not Vault(OTHER).recognises(Vault(KEY).fingerprint())


def test_after_an_exchange_old_values_open_and_new_ones_use_the_new_key() -> None:
    old, both = Vault(KEY), Vault(f"{OTHER}, {KEY}")
    sealed = old.seal("s", context="a")
    assert both.open(sealed, context="a") == "s"
    assert both.recognises(old.fingerprint())
    assert not both.is_sealed_with_first(sealed)
    fresh = both.seal("s", context="a")
    assert both.is_sealed_with_first(fresh)
    assert Vault(OTHER).open(fresh, context="a") == "s"


def test_the_fingerprint_does_not_hold_the_key() -> None:
    assert KEY not in Vault(KEY).fingerprint()
    assert Vault(KEY).fingerprint() == Vault(KEY).fingerprint() != Vault(OTHER).fingerprint()


@pytest.mark.parametrize("key", ["", "short", "x" * 44, KEY + ",", base64.b64encode(b"a").decode()])
def test_a_malformed_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(VaultError, match="openssl rand") as caught:
        Vault(key)
    assert not key or key not in str(caught.value)


def test_both_forms_of_base64_are_one_key() -> None:
    raw = b"\xfb\xff" * 16
    plain, urlsafe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert plain != urlsafe
    assert Vault(plain).fingerprint() == Vault(urlsafe).fingerprint()


def test_the_kept_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    assert Vault(key)
    assert kept_key(tmp_path) == key
    file = tmp_path / "secret.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    kept_key(tmp_path)
    (tmp_path / "secret.key").chmod(0o644)
    with pytest.raises(VaultError, match="others may read"):
        kept_key(tmp_path)
