"""Where the processes of `linegate up` put their metrics, so that one scrape shows all of them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from linegate.metrics import Metrics

__all__ = ["forget_process", "own_registry", "shared_folder", "shared_registry"]

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_folder() -> Iterator[str]:
    """A folder for the metrics of this process and its children; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="linegate-metrics-") as folder:
        os.environ[_VARIABLE] = folder
        yield folder


def shared_registry(folder: str) -> "CollectorRegistry":
    """What all processes have counted."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - reads the variable
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return registry


def forget_process(pid: int) -> None:
    """A process has ended: what it counted stays, what it was doing does not."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - as above

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def own_registry() -> "tuple[CollectorRegistry, Metrics]":
    """What this process counts."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - reads the variable

    from linegate.metrics import Metrics  # noqa: PLC0415

    registry = CollectorRegistry()
    return registry, Metrics(registry)
