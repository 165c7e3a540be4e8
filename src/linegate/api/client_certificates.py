"""/subscriptions/1/certificates: what we show to endpoints that want to see a certificate."""

import base64
import binascii
from datetime import datetime
from typing import Any

from cryptography import x509
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused
from linegate.api.notifying import Notifying, answer, created, page_of, paged
from linegate.api.schemas_subscriptions import CertificateBody, CertificateTestBody
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection
from linegate.postgres.subscriptions import (
    CertificateRow,
    Page,
    delete_certificate,
    insert_certificate,
    list_certificates,
)
from linegate.webhook.client import PostOptions, WebhookClient
from linegate.webhook.tls import CertificateError, tls_context

__all__ = ["ClientCertificates", "add_certificate", "try_certificate"]


class ClientCertificates:
    """Upload, read, try and delete; the private key is never shown again."""

    def __init__(self, notifying: Notifying, client: WebhookClient) -> None:
        """Keep them as `notifying` says; try them through `client`."""
        self._with = notifying
        self._client = client

    async def list(self, request: Request) -> Response:
        """One page of details."""
        return await self._page(request, _details)

    async def list_statuses(self, request: Request) -> Response:
        """One page of statuses."""
        return await self._page(request, _status)

    async def create(self, request: Request) -> Response:
        """Take a new certificate with its private key."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, CertificateBody)
        async with acting(self._with.pool, caller.name) as conn:
            row = await add_certificate(conn, self._with, caller.account_id, body)
        now = self._with.clock.now()
        return created(request, row.certificate_id, _status(row, now))

    async def show(self, request: Request) -> Response:
        """One's details."""
        row = await self._row(request, request.path_params["id"])
        return answer(_details(row, self._with.clock.now()))

    async def show_status(self, request: Request) -> Response:
        """Whether one can be used."""
        row = await self._row(request, request.path_params["id"])
        return answer(_status(row, self._with.clock.now()))

    async def remove(self, request: Request) -> Response:
        """Delete one that no profile uses."""
        caller = await self._with.caller(request)
        certificate_id = request.path_params["id"]
        async with acting(self._with.pool, caller.name) as conn:
            is_gone = await delete_certificate(conn, caller.account_id, certificate_id)
        if is_gone is None:
            raise Refused(400, [Violation("certificateId", "is used by a profile")])
        if not is_gone:
            raise Refused(404)
        return answer({"certificateId": certificate_id})

    async def test(self, request: Request) -> Response:
        """Call a URL once with a certificate and say what came of it."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, CertificateTestBody)
        row = await self._row(request, body.certificate_id)
        account_id, url = caller.account_id, body.webhook_url
        reason = await try_certificate(self._with, self._client, account_id, row, url)
        tried = {"certificateId": body.certificate_id, "webhookUrl": body.webhook_url}
        if not reason:
            return answer({**tried, "result": "SUCCESS"})
        hint = "Check the URL, and that its server trusts the issuer of the certificate."
        return answer({**tried, "result": "FAIL", "failReasons": [reason], "hint": hint})

    async def _page(self, request: Request, shown: Any) -> Response:
        caller = await self._with.caller(request)
        page, number = page_of(request)
        now = self._with.clock.now()
        async with self._with.pool.acquire() as conn:
            rows, total = await list_certificates(conn, caller.account_id, page)
        return paged([shown(row, now) for row in rows], total, page, number)

    async def _row(self, request: Request, certificate_id: str) -> CertificateRow:
        caller = await self._with.caller(request)
        async with self._with.pool.acquire() as conn:
            rows, _ = await list_certificates(conn, caller.account_id, Page(id=certificate_id))
        if not rows:
            raise Refused(404)
        return rows[0]


async def try_certificate(
    notifying: Notifying, client: WebhookClient, account_id: int, row: CertificateRow, url: str
) -> str:
    """Show a certificate to a URL, once and with no report; gives why that failed, or ''."""
    async with notifying.pool.acquire() as conn:
        kept = await notifying.open(conn, account_id, "webhook_certificate", row.pem)
    context = tls_context(pem=kept["pem"].encode(), passphrase=kept.get("passphrase"))
    outcome = await client.fetch(
        url,
        body=b'{"results":[]}',
        content_type="application/json",
        headers={},
        options=PostOptions(tls=context),
    )
    if isinstance(outcome, str):
        return outcome
    return "" if 200 <= outcome.code <= 299 else f"answered {outcome.code}"


async def add_certificate(
    conn: Connection, notifying: Notifying, account_id: int, body: CertificateBody
) -> CertificateRow:
    """Keep a new certificate with its private key, sealed. Raises: Refused."""
    pem = _decoded(body.certificate_content, "certificateContent")
    passphrase = _decoded(body.passphrase or "", "passphrase") or None
    read = await run_in_threadpool(_read, pem, passphrase)
    kept = {"pem": pem, "passphrase": passphrase}
    sealed = await notifying.seal(conn, account_id, "webhook_certificate", kept)
    row = CertificateRow(
        body.certificate_id,
        read.issuer.rfc4514_string(),
        read.subject.rfc4514_string(),
        f"{read.serial_number:x}",
        read.not_valid_before_utc,
        read.not_valid_after_utc,
        sealed,
    )
    if not await insert_certificate(conn, account_id, row, now=notifying.clock.now()):
        raise Refused(400, [Violation("certificateId", "is already used")])
    return row


def _decoded(text: str, name: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(400, [Violation(name, "must be text in base64")]) from error


def _read(pem: str, passphrase: str | None) -> x509.Certificate:
    try:
        tls_context(pem=pem.encode(), passphrase=passphrase)
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except CertificateError as error:
        raise Refused(400, [Violation("certificateContent", str(error))]) from error
    except ValueError as error:
        raise Refused(400, [Violation("certificateContent", "must be a certificate")]) from error


def _status(row: CertificateRow, now: datetime) -> dict[str, Any]:
    is_over = row.valid_until <= now
    return {"certificateId": row.certificate_id, "status": "EXPIRED" if is_over else "READY"}


def _details(row: CertificateRow, now: datetime) -> dict[str, Any]:
    return {
        "certificateId": row.certificate_id,
        "issuedBy": row.issued_by,
        "issuedTo": row.issued_to,
        "validFrom": int(row.valid_from.timestamp() * 1000),
        "validUntil": int(row.valid_until.timestamp() * 1000),
        "certificateStatus": _status(row, now)["status"],
        "serialNumber": row.serial_number,
    }
