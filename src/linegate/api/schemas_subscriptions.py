"""Requests of the Subscriptions API: exactly the wire, no behaviour.

Source: published schemas LineSubscriptionRequest, ProfileRequest, SecurityRequest and
CertificateUploadRequest (FACTS B5.3).
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "CertificateBody",
    "CertificateTestBody",
    "CriterionBody",
    "ProfileBody",
    "SecurityBody",
    "SubscriptionBody",
    "WebhookBody",
]

# An id is part of a path and must not need encoding.
Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._~-]+(?![\s\S])")]
Text255 = Annotated[str, Meta(max_length=255)]
Resource = Annotated[str, Meta(max_length=255)]


class _Wire(Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What every piece shares: camelCase names."""


class WebhookBody(_Wire):
    """Where notifications go."""

    notify_url: Annotated[str, Meta(min_length=1, max_length=512)]
    content_type: Text255 | None = None


class SecurityBody(_Wire):
    """Security settings; the members of credentials depend on the type."""

    auth_id: Id | None = None
    type: Literal["BASIC", "HMAC", "OAUTH", "CUSTOM"] | None = None
    credentials: dict[str, Any] | None = None


class ProfileBody(_Wire):
    """A notification profile. Times are milliseconds, the rate is requests a second."""

    profile_id: Id | None = None
    webhook: WebhookBody | None = None
    security: SecurityBody | None = None
    client_certificate_id: Text255 | None = None
    max_bucket_size: Annotated[int, Meta(ge=1, le=2000)] | None = None
    window_size: Annotated[int, Meta(ge=20, le=10_000)] | None = None
    connect_timeout: Annotated[int, Meta(ge=300, le=30_000)] | None = None
    read_timeout: Annotated[int, Meta(ge=1000, le=90_000)] | None = None
    enabled_ssl_protocols: list[Literal["TLSv1.2", "TLSv1.3"]] | None = field(
        name="enabledSSLProtocols", default=None
    )
    headers: dict[str, str] | None = None
    response_regex: str | None = None
    response_body_regex: str | None = None
    rate_limit: Annotated[int, Meta(ge=1, le=5000)] | None = None


class CriterionBody(_Wire):
    """An application and entity; an empty id is the same as none."""

    application_id: Text255 | None = None
    entity_id: Text255 | None = None
    calls_configuration_id: Text255 | None = None


class SubscriptionBody(_Wire):
    """A subscription; events of other channels are ignored."""

    events: Annotated[list[Any], Meta(max_length=255)]
    profile: ProfileBody
    subscription_id: Id | None = None
    name: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    criteria: Annotated[list[CriterionBody], Meta(max_length=255)] | None = None
    resources: Annotated[list[Resource], Meta(max_length=255)] | None = None
    users: Annotated[list[Resource], Meta(max_length=255)] | None = None


class CertificateBody(_Wire):
    """A client certificate; both texts in base64."""

    certificate_id: Id
    certificate_content: Annotated[str, Meta(min_length=1, max_length=100_000)]
    passphrase: Annotated[str, Meta(max_length=1000)] | None = None


class CertificateTestBody(_Wire):
    """A call to try a certificate with."""

    certificate_id: Id
    webhook_url: Annotated[str, Meta(min_length=1, max_length=512)]
