"""Encrypts the secrets that the database keeps: channel secrets, tokens, SMS passwords.

AES-256 in GCM with a random nonce. Each sealed value names its key, so that several can be in use
while keys are exchanged, and is bound to its place (`context`), so that a value copied into
another row or column does not open. Source: NIST SP 800-38D.
"""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Vault", "VaultError", "kept_key"]

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "v1"
_KEY_FILE = "secret.key"


class VaultError(Exception):
    """A key is malformed, or a value cannot be opened with the keys at hand."""


class Vault:
    """Seals with the first key, opens with any of them.

    keys: LINEGATE_SECRET_KEY: base64 of 32 bytes; to exchange a key, the new one, a comma and the
          old one. Raises: VaultError for anything else.
    """

    def __init__(self, keys: str) -> None:
        parsed = [_decoded(text.strip()) for text in keys.split(",")]
        self._ciphers = {_key_id(key): AESGCM(key) for key in parsed}
        self._first = _key_id(parsed[0])
        self._fingerprints = [_fingerprint(key) for key in parsed]

    def seal(self, secret: str, *, context: str) -> bytes:
        """The secret encrypted, in ASCII: `v1.KEY.BASE64`.

        context: where it is kept, such as `sender:17:channel_secret`; needed again to open it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = self._ciphers[self._first]
        sealed = nonce + cipher.encrypt(nonce, secret.encode(), context.encode())
        return f"{_VERSION}.{self._first}.{base64.urlsafe_b64encode(sealed).decode()}".encode()

    def open(self, sealed: bytes, *, context: str) -> str:
        """The secret that `seal` was given with the same context.

        Raises: VaultError for another key, another context or a damaged value.
        """
        version, _, rest = sealed.decode("ascii", "replace").partition(".")
        key, _, text = rest.partition(".")
        cipher = self._ciphers.get(key)
        if version != _VERSION or cipher is None:
            raise VaultError(f"the secret of {context} was sealed with another LINEGATE_SECRET_KEY")
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
            plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"the secret of {context} is damaged or in the wrong place") from error
        return plain.decode()

    def is_sealed_with_first(self, sealed: bytes) -> bool:
        """Whether a value need not be sealed anew after the key was exchanged."""
        return sealed.startswith(f"{_VERSION}.{self._first}.".encode())

    def fingerprint(self) -> str:
        """What the database keeps of the first key: enough to recognise it, nothing to use."""
        return self._fingerprints[0]

    def recognises(self, fingerprint: str) -> bool:
        """Whether a stored fingerprint is of one of our keys; False must stop the start."""
        return fingerprint in self._fingerprints


def kept_key(home: Path) -> str:
    """The key kept in `home/secret.key`, made there (0600) if there is none.

    For the embedded database only: with an external one every machine must be given the same key.
    Raises: VaultError if others may read the file.
    """
    path = home / _KEY_FILE
    if not path.exists():
        _write_new(path, base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
    if path.stat().st_mode & 0o077:
        raise VaultError(f"others may read {path}: chmod 600 it, and consider the key known")
    return path.read_text(encoding="ascii").strip()


def _write_new(path: Path, text: str) -> None:
    """Write the file whole or not at all; if another process was quicker, its file stays."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    finally:
        partial.unlink()
    # The name must be on disk before the first secret is: without the key it is lost.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise VaultError(
            "LINEGATE_SECRET_KEY is not base64 of 32 bytes: make one with 'openssl rand -base64 32'"
        )
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"linegate key id:" + key).hexdigest()[:8]


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(b"linegate key fingerprint:" + key).hexdigest()
