"""Signs what is pushed, the Standard Webhooks way, with the account's own secret."""

from collections.abc import Callable, Mapping
from datetime import datetime

from linegate.domain.ids import public_id
from linegate.postgres.reporting import Endpoint
from linegate.webhook.signing import signature_headers

__all__ = ["Signer"]

_REMEMBERED = 10_000


class Signer:
    """Gives each push its signature headers."""

    def __init__(self, opened: Callable[[str, bytes], str]) -> None:
        """`opened` gives the secret behind a sealed one of an account, by the account's name."""
        self._opened = opened
        self._secrets: dict[bytes, str] = {}

    def headers(
        self, endpoint: Endpoint, first_message: int, body: bytes, now: datetime
    ) -> Mapping[str, str]:
        """webhook-id, webhook-timestamp, webhook-signature.

        The id is that of the batch's first report: a batch that is pushed again starts with the
        same report and so can be told as a repeat.
        """
        return signature_headers(
            [self._secret(endpoint)],
            delivery_id=f"msg_{public_id(first_message)}",
            body=body,
            now=now,
        )

    def _secret(self, endpoint: Endpoint) -> str:
        sealed = endpoint.webhook_secret
        secret = self._secrets.get(sealed)
        if secret is None:
            if len(self._secrets) >= _REMEMBERED:
                self._secrets.clear()
            secret = self._secrets[sealed] = self._opened(endpoint.account, sealed)
        return secret
