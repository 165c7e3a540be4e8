"""The HTTP API: its routes, and what becomes of an exception."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from linegate.api.auth import Refused
from linegate.api.bulks import Bulks
from linegate.api.callbacks import LineWebhook
from linegate.api.client_certificates import ClientCertificates
from linegate.api.front import Front, Handler
from linegate.api.health import Health
from linegate.api.idempotency_key import IDEMPOTENCY_KEY
from linegate.api.imports import Import
from linegate.api.legacy import is_legacy, legacy_refusal
from linegate.api.logs import Logs
from linegate.api.operator import Operator
from linegate.api.operator_access import OperatorAccess
from linegate.api.operator_parts import OperatorParts
from linegate.api.preview import Preview
from linegate.api.problems import on_http_exception, on_unexpected, problem
from linegate.api.profiles import Profiles
from linegate.api.provisioning import Provisioning
from linegate.api.reports import Reports
from linegate.api.security_settings import SecuritySettings
from linegate.api.send import Send
from linegate.api.sessions import Sessions
from linegate.api.sms_callbacks import SmsWebhook
from linegate.api.statistics import Statistics
from linegate.api.subscriptions import Subscriptions
from linegate.api.templates import Templates
from linegate.api.validate import Validate
from linegate.domain.violation import Violation
from linegate.group_commit import Overloaded
from linegate.metrics import Metrics
from linegate.postgres.pool import AWAY
from linegate.tracing import Tracer

__all__ = ["Messages", "Notifications", "Operators", "Routes", "create_app"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Messages:
    """What answers below /line/1: messages sent, steered, looked up."""

    send: Send
    imports: Import
    bulks: Bulks
    reports: Reports
    logs: Logs
    statistics: Statistics
    templates: Templates
    validate: Validate
    preview: Preview


@dataclass(frozen=True, slots=True)
class Operators:
    """What answers below /operator/1."""

    accounts: Operator
    access: OperatorAccess
    parts: OperatorParts


@dataclass(frozen=True, slots=True)
class Notifications:
    """What answers below /subscriptions/1."""

    subscriptions: Subscriptions
    profiles: Profiles
    security: SecuritySettings
    certificates: ClientCertificates


@dataclass(frozen=True, slots=True)
class Routes:
    """What answers each path."""

    messages: Messages
    sessions: Sessions
    applications: Provisioning
    entities: Provisioning
    operators: Operators
    notifications: Notifications
    line_webhook: LineWebhook
    sms_webhook: SmsWebhook
    health: Health


def create_app(
    routes: Routes,
    more: Sequence[BaseRoute] = (),
    metrics: Metrics | None = None,
    tracer: Tracer | None = None,
) -> Front:
    """The ASGI application; more: routes of another edge that is served beside the API."""
    handlers: dict[type[Exception], Handler] = {
        Refused: _on_refused,
        Overloaded: _on_overloaded,
        HTTPException: _on_http_exception,
        ClientDisconnect: _on_disconnect,
        Exception: _on_unexpected,
        **dict.fromkeys(AWAY, _on_database_away),
    }
    app = Starlette(routes=[*_all(routes), *more], exception_handlers={**handlers})
    app.router.redirect_slashes = False  # a path is known or it is not: no answer outside our form
    return Front(
        app,
        exact={"/line/1/messages": routes.messages.send},
        prefixed={"/line/webhook/": ("sender", routes.line_webhook)},
        handlers=handlers,
        metrics=metrics,
        tracer=tracer,
    )


def _all(routes: Routes) -> list[Route]:
    return [
        *_messages("/line/1", routes.messages),
        _route("/auth/1/session", POST=routes.sessions.create, DELETE=routes.sessions.destroy),
        _route("/auth/1/oauth2/token", POST=routes.sessions.issue),
        *_divisions("/provisioning/1/applications", routes.applications),
        *_divisions("/provisioning/1/entities", routes.entities),
        *_operators("/operator/1", routes.operators),
        *_notifications("/subscriptions/1", routes.notifications),
        _route("/line/webhook/{sender:path}", POST=routes.line_webhook.__call__),
        _route("/sms/receipts/{token}", POST=routes.sms_webhook.__call__),
        Route("/health/live", routes.health.live, methods=["GET"]),
        Route("/health/ready", routes.health.ready, methods=["GET"]),
        Route("/metrics", routes.health.metrics, methods=["GET"]),
    ]


def _route(path: str, **by_method: Callable[[Request], Awaitable[Response]]) -> Route:
    """One path with exactly these methods.

    HEAD does not come with GET: a HEAD of the reports would take them and show none.
    """

    async def answer(request: Request) -> Response:
        if "\0" in request.scope["path"]:
            raise _nul_in_path(request.method)
        return await by_method[request.method](request)

    route = Route(path, answer, methods=list(by_method))
    route.methods = set(by_method)
    return route


def _nul_in_path(method: str) -> Refused:
    """Nothing is called so, and the database could not even look for it."""
    if method in ("PUT", "PATCH", "POST"):
        return Refused(400, [Violation("$", "the path has a NUL (%00) in it: no name can")])
    return Refused(404)


def _messages(path: str, messages: Messages) -> list[Route]:
    bulks = messages.bulks
    return [
        _route(path + "/messages", POST=messages.send.__call__),
        _route(path + "/reports", GET=messages.reports.__call__),
        _route(path + "/bulks/import", POST=messages.imports.__call__),
        _route(path + "/bulks", GET=bulks.show, PUT=bulks.change),
        _route(path + "/bulks/status", GET=bulks.show_status, PUT=bulks.change_status),
        _route(path + "/statistics", GET=messages.statistics.__call__),
        _route(path + "/logs", GET=messages.logs.list),
        _route(path + "/messages/validate", POST=messages.validate.__call__),
        _route(path + "/messages/preview", POST=messages.preview.__call__),
        _route(path + "/messages/{message_id}", GET=messages.logs.show),
        *_templates(path + "/templates", messages.templates),
    ]


def _templates(path: str, templates: Templates) -> list[Route]:
    """Registered templates: all of them, and each."""
    return [
        _route(path, GET=templates.show_page, POST=templates.create),
        _route(
            path + "/{template_id}",
            GET=templates.show,
            PUT=templates.change,
            DELETE=templates.delete,
        ),
    ]


def _operators(path: str, operators: Operators) -> list[Route]:
    operator, account = operators.accounts, path + "/accounts/{name}"
    return [
        _route(path + "/apply", POST=operator.apply),
        _route(path + "/audit", GET=operator.audit),
        _route(path + "/accounts", GET=operator.accounts, POST=operator.create),
        _route(account, GET=operator.account, PATCH=operator.change, DELETE=operator.remove),
        _route(account + "/webhook-secret", GET=operator.webhook_secret),
        *_operator_access(account, operators.access),
        *_operator_parts(account, operators.parts),
    ]


def _operator_access(account: str, access: OperatorAccess) -> list[Route]:
    key, user = account + "/keys/{key_id}", account + "/users/{id:path}"
    return [
        _route(account + "/keys", POST=access.create_key),
        _route(key, PATCH=access.change_key, DELETE=access.remove_key),
        _route(key + "/rotate", POST=access.rotate),
        _route(user + "/password", PUT=access.set_password),
        _route(user, PUT=access.put_user, DELETE=access.remove_user),
    ]


def _operator_parts(account: str, parts: OperatorParts) -> list[Route]:
    sender, template = account + "/senders/{id:path}", account + "/templates/{id:path}"
    return [
        _route(account + "/parts", GET=parts.parts),
        _route(sender + "/pause", PUT=parts.pause_sender),
        _route(sender, PUT=parts.put_sender, DELETE=parts.remove_sender),
        _route(
            account + "/applications/{id:path}",
            PATCH=parts.change_application,
            DELETE=parts.remove_application,
        ),
        _route(
            account + "/entities/{id:path}", PATCH=parts.change_entity, DELETE=parts.remove_entity
        ),
        _route(account + "/sms-routes/{id:path}", PUT=parts.put_route, DELETE=parts.remove_route),
        _route(account + "/templates", GET=parts.templates),
        _route(template + "/decision", PUT=parts.decide_template),
        _route(template, PUT=parts.put_template, DELETE=parts.remove_template),
        _route(account + "/blocklist", GET=parts.blocklist, POST=parts.change_blocklist),
    ]


def _divisions(path: str, parts: Provisioning) -> list[Route]:
    return [
        _route(path, GET=parts.list, POST=parts.create),
        _route(path + "/{id:path}", GET=parts.show, PUT=parts.rename, DELETE=parts.delete),
    ]


def _notifications(path: str, parts: Notifications) -> list[Route]:
    certificates = parts.certificates
    return [
        *_kept(path + "/subscription/{channel}", parts.subscriptions),
        *_kept(path + "/profiles", parts.profiles),
        *_kept(path + "/security", parts.security),
        _route(path + "/certificates/status", GET=certificates.list_statuses),
        _route(path + "/certificates/status/{id}", GET=certificates.show_status),
        _route(path + "/certificates/test/webhook", POST=certificates.test),
        _route(path + "/certificates", GET=certificates.list, POST=certificates.create),
        _route(path + "/certificates/{id}", GET=certificates.show, DELETE=certificates.remove),
    ]


def _kept(path: str, parts: Subscriptions | Profiles | SecuritySettings) -> list[Route]:
    return [
        _route(path, GET=parts.list, POST=parts.create),
        _route(path + "/{id}", GET=parts.show, PUT=parts.replace, DELETE=parts.remove),
    ]


async def _on_refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return _refusal(request, error.status, error.violations, error.headers)


def _refusal(
    request: Request, status: int, violations: list[Violation], headers: dict[str, str]
) -> Response:
    """The answer in the envelope of the path."""
    if is_legacy(request.url.path):
        return legacy_refusal(status, violations, headers=headers)
    return problem(status, request.headers.get("accept"), violations, headers=headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if is_legacy(request.url.path) and isinstance(error, HTTPException):
        return legacy_refusal(error.status_code, headers=dict(error.headers or {}))
    return await on_http_exception(request, error)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    """Nobody reads the answer, and nothing was taken: its request never came to its end."""
    return Response(status_code=400)


async def _on_unexpected(request: Request, error: Exception) -> Response:
    if is_legacy(request.url.path):
        return legacy_refusal(500)
    return await on_unexpected(request, error)


async def _on_overloaded(request: Request, error: Exception) -> Response:
    reason = "nothing of the request was taken: repeat it"
    return _unavailable(request, [Violation("$", reason)], retry_after=1)


async def _on_database_away(request: Request, error: Exception) -> Response:
    """The database is away. Whether a commit happened may be unknown: the client repeats safely."""
    _log.warning("database.away", error=type(error).__name__, path=request.url.path)
    if request.method != "POST":
        return _unavailable(request, [], retry_after=2)
    if IDEMPOTENCY_KEY.lower() in request.headers:
        reason = "whether the request was taken is not known: repeat it with the same key"
        return _unavailable(request, [Violation(IDEMPOTENCY_KEY, reason)], retry_after=2)
    reason = (
        "whether the request was taken is not known: repeat it with the bulkId it had, which is"
        " taken once; one without bulkId or Idempotency-Key may be sent twice"
    )
    return _unavailable(request, [Violation("$", reason)], retry_after=2)


def _unavailable(request: Request, violations: list[Violation], *, retry_after: int) -> Response:
    return _refusal(request, 503, violations, {"Retry-After": str(retry_after)})
