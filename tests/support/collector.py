"""What a collector was sent over OTLP/HTTP, decoded from the exporter's own bytes."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from support.fault_server import FaultServer

__all__ = ["Seen", "seen_by"]

_ERROR = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One span as the collector has it. started, ended: seconds since 1970; ids in hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    started: float
    ended: float
    is_error: bool
    why: str
    kind: int
    attributes: dict[str, Any]
    service: str


def seen_by(server: FaultServer) -> list[Seen]:
    """Every span that has come in, in order."""
    return [span for request in server.requests for span in _spans(request.body, request.headers)]


def _spans(body: bytes, headers: dict[str, str]) -> Iterator[Seen]:
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano / 1e9,
                    span.end_time_unix_nano / 1e9,
                    span.status.code == _ERROR,
                    span.status.message,
                    span.kind,
                    _values(span.attributes),
                    service,
                )


def _values(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in attributes
    }
