"""The command `linegate` and its tree of commands."""

import typer

from linegate.cli import (
    accounts,
    administration,
    backup,
    blocklist,
    bulks,
    divisions,
    doctor,
    erase,
    keys,
    plan,
    prices,
    send,
    senders,
    serve,
    sms_routes,
    stats,
    templates,
    users,
    webhooks,
)
from linegate.logs import set_up

__all__ = ["app", "main"]

app = typer.Typer(
    name="linegate",
    help="A self-hosted LINE notification gateway.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("up")(serve.up)
app.command("api")(serve.api)
app.command("worker")(serve.worker)
app.command("plan")(plan.plan)
app.command("send")(send.send)
app.command("simulate")(serve.simulate)
app.command("apply")(administration.apply)
app.command("audit")(administration.audit)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("doctor")(doctor.doctor)
app.command("erase")(erase.erase)
app.command("stats")(stats.stats)
app.command("reconcile")(stats.reconcile)
app.add_typer(bulks.bulk, name="bulk")
app.add_typer(accounts.account, name="account")
app.add_typer(divisions.application, name="application")
app.add_typer(divisions.entity, name="entity")
app.add_typer(keys.key, name="key")
app.add_typer(users.user, name="user")
app.add_typer(senders.sender, name="sender")
app.add_typer(templates.template, name="template")
app.add_typer(sms_routes.sms_route, name="sms-route")
app.add_typer(blocklist.blocklist, name="blocklist")
app.add_typer(webhooks.webhook, name="webhook")
app.add_typer(prices.price, name="price")


def main() -> None:
    """Run the command line. What is logged goes to standard error, away from a command's answer."""
    set_up(level="warning", form="auto")  # what runs for long sets it up anew
    app()
