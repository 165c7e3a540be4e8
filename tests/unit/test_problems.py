"""Errors have the published shape and words, in the media type the client prefers."""

import contextlib
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.api.problems import accepts_xml, on_http_exception, on_unexpected, problem
from linegate.domain.violation import Violation

LISTED = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503]


def as_json(response: Response) -> Any:
    return json.loads(bytes(response.body))


@pytest.mark.parametrize("status", [*LISTED, 418, 502])
def test_every_status_has_all_five_members(status: int) -> None:
    response = problem(status)
    body = as_json(response)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert list(body) == ["errorCode", "description", "action", "violations", "resources"]
    assert body["errorCode"] == f"E{status}"
    assert body["description"]
    assert body["action"]


def test_bad_request_has_the_published_words_and_all_violations() -> None:
    body = as_json(problem(400, None, [Violation("a.b", "is required"), Violation("$", "x")]))
    assert body == {
        "errorCode": "E400",
        "description": "Request cannot be processed.",
        "action": "Check the syntax, violations and adjust the request.",
        "violations": [
            {"property": "a.b", "violation": "is required"},
            {"property": "$", "violation": "x"},
        ],
        "resources": [],
    }


def test_missing_credentials_link_to_the_resource_as_published() -> None:
    body = as_json(problem(401))
    assert body["description"] == (
        "The request lacks valid authentication credentials for the requested resource."
    )
    assert [resource["name"] for resource in body["resources"]] == ["API Authentication"]


@pytest.mark.parametrize(
    ("accept", "xml"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/xml", True),
        ("APPLICATION/XML", True),
        ("text/xml", True),
        ("application/xml, application/json", False),
        ("application/json;q=0.5, application/xml", True),
        ("application/xml;q=0.5, application/json;q=0.6", False),
        ("application/xml;q=0.8, */*;q=0.1", True),
        ("application/xml, */*", False),
        ("application/xml;q=0, */*;q=0.1", False),
        ("application/json;q=0, */*", False),
        ("application/json;q=0, application/xml;q=.1", True),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", True),
        ("application/xml;q=many", True),
        (";;,,q=1,application/xml; q = 1", True),
    ],
)
def test_xml_only_for_who_would_rather_have_it(accept: str | None, xml: bool) -> None:
    assert accepts_xml(accept) is xml


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_xml_has_the_same_members_and_is_well_formed(status: int) -> None:
    violation = Violation("a<b>&\x01", "must be < 5 & > 3")
    response = problem(status, "application/xml", [violation])
    assert response.headers["content-type"] == "application/xml"
    root = ET.fromstring(bytes(response.body))
    assert root.tag == "ApiError"
    members = [child.tag for child in root]
    assert members == ["errorCode", "description", "action", "violations", "resources"]
    assert root.findtext("errorCode") == f"E{status}"
    assert root.findtext("violations/violation/property") == "a<b>&\ufffd"
    assert root.findtext("violations/violation/violation") == "must be < 5 & > 3"
    names = [item["name"] for item in as_json(problem(status))["resources"]]
    assert [name.text for name in root.findall("resources/resource/name")] == names


def test_caches_are_told_that_the_answer_depends_on_accept() -> None:
    response = problem(429, headers={"Retry-After": "3"})
    assert response.headers["vary"] == "Accept"
    assert response.headers["retry-after"] == "3"


async def refuse(request: Request) -> Response:
    raise HTTPException(401, "internal words", {"WWW-Authenticate": "App"})


async def crash(request: Request) -> Response:
    raise RuntimeError("internal words")


APP = Starlette(
    routes=[Route("/refuse", refuse), Route("/crash", crash)],
    exception_handlers={HTTPException: on_http_exception, Exception: on_unexpected},
)


async def call(path: str, method: str = "GET", accept: str = "*/*") -> tuple[int, Any, bytes]:
    """Status, headers and body of one request to `APP`."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(b"accept", accept.encode())],
        "query_string": b"",
    }
    with contextlib.suppress(RuntimeError):  # Starlette answers, then lets a bug rise to the log
        await APP(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/refuse", 401, "E401"), ("/crash", 500, "E500"), ("/nowhere", 404, "E404")],
)
async def test_handlers_answer_without_saying_why(path: str, status: int, code: str) -> None:
    answered, _, body = await call(path)
    assert answered == status
    assert json.loads(body)["errorCode"] == code
    assert b"internal" not in body


async def test_handlers_keep_the_headers_and_the_preferred_media_type() -> None:
    _, headers, _ = await call("/refuse")
    assert headers["www-authenticate"] == "App"
    status, headers, body = await call("/crash", "POST", "application/xml")
    assert status == 405
    assert "GET" in headers["allow"]
    assert ET.fromstring(body).findtext("errorCode") == "E405"
