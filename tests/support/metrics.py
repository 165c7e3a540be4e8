"""Reads what a scrape shows, as Prometheus reads it."""

from collections.abc import Iterable

import aiohttp
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Samples", "samples_of", "scrape"]


class Samples:
    """Samples by name and labels."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.by_key: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in families:
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.by_key, f"{key} is shown twice"
                self.by_key[key] = sample.value

    def get(self, name: str, **labels: str) -> float | None:
        """One sample, with exactly these labels."""
        return self.by_key.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels and maybe others."""
        wanted = set(labels.items())
        return sum(v for (n, given), v in self.by_key.items() if n == name and wanted <= given)


def samples_of(text: str) -> Samples:
    """The samples of a scrape's text."""
    return Samples(text_string_to_metric_families(text))


async def scrape(url: str) -> Samples:
    """What /metrics of this base URL shows now."""
    async with aiohttp.ClientSession() as session, session.get(url + "/metrics") as answer:
        assert answer.status == 200
        return samples_of(await answer.text())
