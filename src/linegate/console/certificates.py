"""Client certificates: what linegate shows to endpoints that want to see one."""

import json
from base64 import b64encode

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands
from linegate.console.visit import Form, Visit
from linegate.postgres.audit import acting
from linegate.postgres.pool import Pool
from linegate.postgres.subscriptions import delete_certificate

__all__ = ["CertificatePages"]

_PATH = "/console/webhooks/profiles"
_LONGEST = 100_000
_WORDS = {
    "certificateId": "The id",
    "certificateContent": "The text",
    "passphrase": "The passphrase",
}


class CertificatePages:
    """Keeps, tries and deletes certificates, by the rules of the Subscriptions API."""

    def __init__(self, pool: Pool, hands: Hands) -> None:
        """Delete over `pool`; what is new is read and judged through `hands`."""
        self._pool = pool
        self._hands = hands

    async def save(self, visit: Visit) -> Response:
        """Keep a new one. Its private key is never shown again."""
        form, viewer = visit.form, visit.viewer
        id_ = form.text("certificate")
        body = {
            "certificateId": id_,
            "certificateContent": _in_base64(form, "pem"),
            "passphrase": _in_base64(form, "passphrase"),
        }
        given = json.dumps(body).encode()
        found = await self._hands.save_certificate(viewer.acting_id, visit.actor, given, True)
        if found:
            told = (
                f"{_WORDS.get(each.property, each.property)} {each.violation}" for each in found
            )
            return refused(visit, "; ".join(told) + ".")
        return back(visit, _PATH, f"The certificate {id_} was kept. Choose it in a profile.")

    async def try_out(self, visit: Visit) -> Response:
        """Show one to a URL, as a push would, but with no report."""
        id_, url = visit.form.text("certificate"), visit.form.text("url", 512)
        reason = await self._hands.try_certificate(visit.viewer.acting_id, id_, url)
        if reason is None:
            return missing(visit, "certificate")
        if reason:
            words = (
                f"The certificate {id_} was not taken by {url}: {reason}. Check the URL, and that"
            )
            return refused(visit, f"{words} its server trusts the issuer of the certificate.")
        return back(visit, _PATH, f"{url} takes the certificate {id_}.")

    async def delete(self, visit: Visit) -> Response:
        """Delete one that no profile uses."""
        id_ = visit.form.text("certificate")
        async with acting(self._pool, visit.actor) as conn:
            is_gone = await delete_certificate(conn, visit.viewer.acting_id, id_)
        if is_gone is None:
            return refused(visit, f"The certificate {id_} cannot be deleted: a profile uses it.")
        if not is_gone:
            return missing(visit, "certificate")
        return back(visit, _PATH, f"Deleted: certificate {id_}.")


def _in_base64(form: Form, name: str) -> str:
    """A field as the API wants texts that hold secrets; the passphrase keeps its blanks."""
    return b64encode(form.raw(name)[:_LONGEST].encode()).decode()
