"""Signs what is pushed, the Standard Webhooks way, with the account's secret."""

from collections.abc import Mapping
from datetime import datetime

from linegate.domain.ids import public_id
from linegate.postgres.reporting import Endpoint
from linegate.vault import Vault
from linegate.webhook.signing import secret_of, signature_headers

__all__ = ["Signer"]


class Signer:
    """Gives each push its signature headers."""

    def __init__(self, vault: Vault) -> None:
        """Secrets are derived from the installation's own key."""
        self._vault = vault

    def secret(self, account_id: int) -> str:
        """The account's signing secret (`whsec_...`): derived, so that it needs no row."""
        return secret_of(self._vault.derive(f"webhook-secret/{account_id}"))

    def headers(
        self, endpoint: Endpoint, first_message: int, body: bytes, now: datetime
    ) -> Mapping[str, str]:
        """webhook-id, webhook-timestamp, webhook-signature.

        The id is that of the batch's first report: a batch that is pushed again starts with the
        same report and so can be told as a repeat.
        """
        return signature_headers(
            [self.secret(endpoint.account_id)],
            delivery_id=f"msg_{public_id(first_message)}",
            body=body,
            now=now,
        )
