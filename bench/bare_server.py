"""An API that does nothing, served as linegate's is: reads a request whole, answers at once.

`POST /line/1/messages` gets an id for each destination it names, anything else `{}`. Prints its
base URL; ends when standard input does.
"""

import asyncio
import sys

import uvloop
from starlette.types import Receive, Scope, Send

from linegate.http_server import served

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json")],
}
_ONE = b'{"messageId":"0123456789abcdef","to":"819012345678","status":{"groupId":1,"id":7}},'


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = b'{"messages":[%b]}' % (_ONE * body.count(b'"to":'))
    head = _HEAD | {
        "headers": [*_HEAD["headers"], (b"content-length", str(len(answer)).encode())]  # type: ignore[misc]
    }
    await send(head)
    await send({"type": "http.response.body", "body": answer})


async def _serve() -> None:
    async with served(_app, "127.0.0.1", 0) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve())
