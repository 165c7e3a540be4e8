"""`linegate template` and a sender's rules about templates, from the command line."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from linegate.cli.main import app
from support.bubbles import a_bubble, a_text

Command = Callable[..., Any]


@pytest.fixture
def linegate(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on an installation with one account and sender; gives its JSON answer."""
    monkeypatch.setenv("LINEGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("LINEGATE_SECRET_KEY", base64.b64encode(bytes(32)).decode())

    def run(*arguments: str, fails: bool = False, given: str | None = None) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"], input=given)
        assert (result.exit_code != 0) is fails, result.output
        return result.stderr if fails else json.loads(result.stdout)

    run("account", "create", "acme")
    sender = ("--sender", "ACME", "--channel-id", "1", "--channel-secret", "s")
    run("sender", "create", "--account", "acme", *sender)
    return run


def a_template(name: str, text: str = "{{order}}") -> dict[str, Any]:
    return {"name": name, "language": "ja", "altText": "a", "contents": a_bubble(a_text(text))}


def named(name: str, language: str = "ja") -> tuple[str, ...]:
    """A template of the one sender, as the commands name it."""
    return ("--account", "acme", "--sender", "ACME", "--name", name, "--language", language)


def states(answer: Any) -> list[tuple[str, str, int, int | None]]:
    return [
        (each["name"], each["status"], each["version"], each.get("approvedVersion"))
        for each in answer["templates"]
    ]


def test_templates_are_imported_approved_rejected_and_listed(
    linegate: Command, tmp_path: Path
) -> None:
    file = tmp_path / "templates.json"
    own = ("--account", "acme")

    def imported(*templates: dict[str, Any], form: str = "list") -> Any:
        lines = "\n".join(json.dumps(each) for each in templates)
        file.write_text(json.dumps(templates) if form == "list" else lines)
        return linegate("template", "import", str(file), *own, "--sender", "ACME")

    made = imported(a_template("one"), a_template("two"))
    assert states(made) == [("one", "PENDING", 1, None), ("two", "PENDING", 1, None)]
    linegate("template", "approve", *named("one"))
    linegate("template", "reject", *named("two"), "--reason", "advertises")
    listed = linegate("template", "list", *own)
    assert states(listed) == [("one", "APPROVED", 1, 1), ("two", "REJECTED", 1, None)]
    assert listed["templates"][1]["reason"] == "advertises"
    changed = imported(a_template("one"), a_template("two", "{{new}}"), form="lines")
    assert states(changed) == [("one", "APPROVED", 1, 1), ("two", "PENDING", 2, None)]
    pending = linegate("template", "list", *own, "--status", "PENDING")
    assert states(pending) == [("two", "PENDING", 2, None)]


def test_a_rejected_change_leaves_the_approved_version(linegate: Command) -> None:
    own = ("--account", "acme", "--sender", "ACME")

    def imported(text: str, *options: str) -> Any:
        given = json.dumps(a_template("one", text))
        return linegate("template", "import", "-", *own, *options, given=given)

    made = imported("a", "--approve")
    assert states(made) == [("one", "APPROVED", 1, 1)]
    imported("b")
    linegate("template", "reject", *named("one"), "--reason", "no")
    assert states(linegate("template", "list", *own[:2])) == [("one", "REJECTED", 2, 1)]


def test_a_file_with_anything_wrong_is_not_imported(linegate: Command) -> None:
    own = ("--account", "acme", "--sender", "ACME")
    given = json.dumps([a_template("good"), a_template("bad", "{{")])
    told = linegate("template", "import", "-", *own, given=given, fails=True)
    assert "template 2: contents.body.contents[0].text" in told
    foreign = json.dumps([a_template("good"), {**a_template("b"), "sender": "OTHER"}])
    assert "OTHER" in linegate("template", "import", "-", *own, given=foreign, fails=True)
    assert "neither" in linegate("template", "import", "-", *own, given="{", fails=True)
    assert linegate("template", "list", "--account", "acme")["templates"] == []


def test_an_unknown_template_is_said(linegate: Command) -> None:
    assert "no template nope in ja" in linegate("template", "approve", *named("nope"), fails=True)


def test_a_template_of_another_language_or_account_is_not_decided(linegate: Command) -> None:
    given = json.dumps([a_template("one"), {**a_template("one"), "language": "en"}])
    own = ("--account", "acme", "--sender", "ACME")
    linegate("template", "import", "-", *own, given=given)
    approved = linegate("template", "approve", *named("one", "EN"))
    assert approved["status"] == "APPROVED"
    listed = linegate("template", "list", "--account", "acme")["templates"]
    assert [(each["language"], each["status"]) for each in listed] == [
        ("ja", "PENDING"),
        ("en", "APPROVED"),
    ]
    assert approved["templateId"] == listed[1]["templateId"]
    told = linegate("template", "approve", *own, "--name", "one", fails=True)
    assert "no template one without a language" in told
    linegate("account", "create", "other")
    foreign = ("--account", "other", "--sender", "ACME", "--name", "one", "--language", "ja")
    assert "no sender ACME" in linegate("template", "approve", *foreign, fails=True)


def test_a_sender_is_told_its_rules_about_templates(linegate: Command) -> None:
    own = ("--account", "acme")

    def rules() -> tuple[Any, ...]:
        [sender] = linegate("sender", "list", *own)["senders"]
        return sender["templates"], sender["strictTemplates"], sender["lineCountry"]

    assert rules() == ("optional", False, None)
    change = ("--templates", "required", "--strict-templates", "--line-country", "JP")
    linegate("sender", "set", *own, "--sender", "ACME", *change)
    assert rules() == ("required", True, "JP")
    linegate("sender", "set", *own, "--sender", "ACME", "--lenient-templates")
    assert rules() == ("required", False, "JP")


def test_a_catalogue_is_counted_and_a_bad_one_refused(linegate: Command, tmp_path: Path) -> None:
    known = linegate("template", "catalogue")
    assert known["JP"] == {"templates": 11, "items": 15, "buttons": 8}
    file = tmp_path / "catalogue.json"
    file.write_text('{"TH": {"templates": {"a_th": null}}}')
    assert linegate("template", "catalogue", str(file)) == {
        "TH": {"templates": 1, "items": 0, "buttons": 0}
    }
    for wrong in ('{"XX": {}}', '{"TH": {"template": {}}}', "[]", "{"):
        file.write_text(wrong)
        assert "catalogue.json" in linegate("template", "catalogue", str(file), fails=True)
