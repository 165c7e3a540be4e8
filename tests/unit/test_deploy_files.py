"""What lies in deploy/ can be read, fits this program, and watches metrics that there are."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from linegate.api.database_metrics import SHOWN
from linegate.cli.main import app
from linegate.config_options import OPTIONS
from linegate.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "linegate.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OWN_LABELS = {"instance", "job", "le"}  # Prometheus adds the first two, histograms the last
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SAMPLES = {"gauge": ("",), "counter": ("",), "histogram": ("_bucket", "_sum", "_count")}


def samples() -> dict[str, set[str]]:
    """Every sample that a scrape may show, with its labels."""
    found: dict[str, set[str]] = {}
    declared: list[Any] = list(vars(Metrics(CollectorRegistry())).values())
    for metric in (each for each in declared if hasattr(each, "_documentation")):
        ends = ("_total",) if metric._type == "counter" else SAMPLES[metric._type]
        found |= {metric._name + end: set(metric._labelnames) for end in ends}
    for name, shown in SHOWN.items():
        found |= {name + end: set(shown.labels) for end in SAMPLES[shown.kind]}
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def expressions() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for rule in alerts():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_exist(
    title: str, expression: str
) -> None:
    known = samples()
    asked = re.findall(r"\b(linegate_\w+)(?:\{([^}]*)\})?", expression)
    assert asked or expression.startswith("up"), title
    labels: set[str] = set()
    for name, selector in asked:
        assert name in known, f"{title}: there is no {name}"
        chosen = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', selector))
        assert chosen <= known[name] | OWN_LABELS, f"{title}: {name} has no such label"
        labels |= known[name]
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouped)) <= labels | OWN_LABELS, title


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_expressions_close_what_they_open(title: str, expression: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing), title
    assert expression.count('"') % 2 == 0


def test_figures_of_the_database_are_never_added_up_over_processes() -> None:
    """Every API process shows them: a sum over instances would count them again and again."""
    for title, expression in expressions():
        for name in SHOWN:
            plain = rf"(?:sum|avg|count)(?: by \([^)]*\))? ?\((?:rate|increase)?\(?{name}\b"
            assert not re.search(plain, expression), f"{title}: {name}"


def test_every_alert_says_what_it_means_with_labels_that_its_result_has() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        summary = rule["annotations"]["summary"]
        grouped = set(re.split(r",\s*", ",".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        named = set(re.findall(r"\$labels\.(\w+)", summary))
        assert named <= grouped | {"instance"}, rule["alert"]


def test_every_alert_is_explained_to_whom_it_wakes() -> None:
    text = (ROOT / "docs" / "howto" / "monitor.md").read_text()
    for rule in alerts():
        assert f"`{rule['alert']}`" in text


def test_panels_of_the_dashboard_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert "--require-hashes" in text
    stages = text.split("\nFROM ")
    assert "USER 10001:10001" in stages[-1]
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name in allowed, f".dockerignore leaves {name} out"


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "Deployment":
                pod = document["spec"]["template"]["spec"]
                for container in pod["containers"]:
                    yield path.name, pod, container


def test_pods_run_roles_that_exist_and_are_asked_on_a_port_that_they_open() -> None:
    roles = {command.callback.__name__ for command in app.registered_commands if command.callback}
    found = list(containers())
    assert len(found) == 2
    for _, pod, container in found:
        assert set(container["args"]) <= roles
        opened = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in opened
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["enableServiceLinks"] is False
        assert pod["terminationGracePeriodSeconds"] >= 45


def variables() -> Iterator[tuple[str, str]]:
    for name, _, container in containers():
        yield from ((name, each["name"]) for each in container["env"])
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    for service in compose["services"].values():
        yield from (("compose.yml", each) for each in service["environment"])
    for path in (DEPLOY / "Dockerfile", DEPLOY / "linegate.service"):
        yield from (
            (path.name, each) for each in re.findall(r"\b(LINEGATE_\w+)=", path.read_text())
        )


@pytest.mark.parametrize(("where", "variable"), sorted(set(variables())))
def test_only_options_that_exist_are_set(where: str, variable: str) -> None:
    """An unknown one stops the start."""
    if variable.startswith("LINEGATE_"):
        known = {option.variable for option in OPTIONS}
        known |= {option.variable + "_FILE" for option in OPTIONS if option.is_secret}
        assert variable in known


def test_a_rolling_update_always_leaves_one_of_each_role() -> None:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "Deployment":
                assert document["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
                assert document["spec"]["replicas"] >= 2


def test_the_unit_runs_as_a_user_of_its_own_with_nothing_it_does_not_need() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "linegate.service")
    service = unit["Service"]
    assert service["User"] == "linegate"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["KillMode"] == "mixed"  # the database is ended by `up`, after the workers
    assert int(service["TimeoutStopSec"]) >= 45


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine lacks systemd")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    """It says what it does not understand, and goes on without it."""
    unit = tmp_path / "linegate.service"
    text = (DEPLOY / "linegate.service").read_text()
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.M))
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
