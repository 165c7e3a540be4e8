"""One delivery to an endpoint: the request as it was sent, and what came back."""

import json
from xml.dom import minidom

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.endpoints import find_endpoint
from linegate.console.pages import page
from linegate.console.visit import Visit
from linegate.domain.ids import read_public_id
from linegate.postgres.pool import Pool
from linegate.postgres.posts import Post, find_post, post_reports
from linegate.report.again import Again
from linegate.report.batches import id_of_reports
from linegate.report.bodies import encode_reports
from linegate.report.posting import digest_of_body

__all__ = ["DeliveryPages"]

_SHOWN = 64 * 1024
_LISTED = 100
_MOST_CHOSEN = 30
_WITHHELD = "(withheld)"


class DeliveryPages:
    """Shows requests to endpoints, and sends their reports again."""

    def __init__(self, pool: Pool) -> None:
        """Read and write over `pool`."""
        self._pool = pool
        self._again = Again(pool)

    async def show(self, visit: Visit) -> Response:
        """One request with its answer."""
        endpoint = await find_endpoint(self._pool, visit)
        post_id = read_public_id(visit.path["post_id"])
        if endpoint is None or post_id is None:
            return missing(visit, "delivery")
        async with self._pool.acquire() as conn:
            found = await find_post(conn, endpoint.id, post_id)
            if found is None:
                return missing(visit, "delivery")
            reports = await post_reports(conn, found)
        post = found.post
        body = encode_reports(reports, post.content_type)
        return page(
            visit,
            "delivery.html",
            endpoint=endpoint,
            post_id=post_id,
            post=post,
            headers=_headers(post),
            body=_readable(body, post.content_type)[:_SHOWN],
            is_cut=len(body) > _SHOWN,
            is_as_sent=post.body_digest == digest_of_body(body),
            erased=len(post.reports) - len(reports),
            messages=reports[:_LISTED],
        )

    async def replay(self, visit: Visit) -> Response:
        """Push the reports of the ticked deliveries again, or those of the one."""
        endpoint = await find_endpoint(self._pool, visit)
        if endpoint is None:
            return missing(visit, "endpoint")
        given = [read_public_id(text) for text in visit.form.all("post")[:_MOST_CHOSEN]]
        chosen = [id_ for id_ in given if id_ is not None]
        if not chosen:
            return refused(visit, "Nothing is ticked.")
        count = await self._again.posts(endpoint.id, chosen, visit.by)
        said = f"{count} reports are pushed again."
        return back(visit, f"/console/webhooks/{endpoint.id}", said)


def _headers(post: Post) -> dict[str, str]:
    """The headers of the request; what may be secret is withheld."""
    return {
        "Content-Type": post.content_type,
        "Content-Length": str(post.body_size),
        "User-Agent": "linegate",
        **dict.fromkeys(post.headers, _WITHHELD),
        "webhook-id": id_of_reports(post.reports),
        "webhook-timestamp": str(int(post.started_at.timestamp())),
        "webhook-signature": "v1,(made anew for each try)",
    }


def _readable(body: bytes, content_type: str) -> str:
    """A body of ours with line breaks."""
    if content_type == "application/xml":
        return minidom.parseString(body).toprettyxml(indent="  ")  # noqa: S318 - we made it
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
