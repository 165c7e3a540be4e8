"""What a delivery report tells, before it is JSON or XML."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from linegate.domain.ids import public_id

__all__ = ["FinishedMessage"]


@dataclass(frozen=True, slots=True)
class FinishedMessage:
    """A message that has ended; status and error are ids in `status.py`.

    sent_at, done_at: None of one that is only logged and has not come so far.
    by_sms: its SMS leg ended it; sender, parts, price and mcc_mnc are then the SMS's.
    price: of one message that is delivered, with `currency`; None: reports show none.
    """

    id: int
    client_id: str | None
    bulk_id: int
    bulk_client_id: str | None
    destination: str
    sender: str
    status: int
    error: int
    sent_at: datetime | None
    done_at: datetime | None
    callback_data: str | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaign: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    by_sms: bool = False
    parts: int = 1
    mcc_mnc: str | None = None

    @property
    def public_message_id(self) -> str:
        """The messageId the client knows."""
        return self.client_id or public_id(self.id)

    @property
    def public_bulk_id(self) -> str:
        """The bulkId the client knows."""
        return self.bulk_client_id or public_id(self.bulk_id)
