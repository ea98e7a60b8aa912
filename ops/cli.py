"""``retraining``: the one command for everything around a deployed loop.

    retraining status --stack fraud --region eu-west-1
    retraining --help

Exit status: 0 done, 1 the answer is no, 2 wrong call, 3 AWS could not be reached or does not allow it.
"""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click

from ops.call import PREFIX
from ops.help_text import HELP, Context
from ops.project import version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Look": {
        "status": ("ops.status:status", "Mode, switches, models and what serves, what is missing, runs, slots."),
        "review": ("ops.review.command:review", "A page of your own machine to look and decide on."),
        "waits": ("ops.waits:waits", "What is parked, for whom, since when, until when."),
        "signals": ("ops.signals:signals", "What came in and what was made of it, ignored events too."),
        "history": ("ops.history:history", "Latest runs of a model, or the life of one run."),
        "report": ("ops.report:report", "A page to look at: of a run, a model's life, or all models."),
        "prices": ("ops.prices:prices", "AWS's list prices of your Region, for reports of runs."),
        "explain": ("ops.explain:explain", "What was made of one event: the decision, every guard with its reason."),
    },
    "Steer": {
        "approve": ("ops.approval:approve", "Approve what a run waits for."),
        "reject": ("ops.approval:reject", "Reject what a run waits for, which ends the run."),
        "retrain": ("ops.retrain:retrain", "Ask for a retraining by hand."),
        "pause": ("ops.switches:pause", "Throw a kill switch over everything, a model or a source."),
        "resume": ("ops.switches:resume", "Lift a kill switch."),
        "unfreeze": ("ops.switches:unfreeze", "Close the breaker of a model."),
        "rollback": ("ops.rollback:rollback", "Have the champion before serve again."),
        "sweep": ("ops.switches:sweep", "Have what is due, or will be within the hour, done now."),
        "replay": ("ops.replay:replay", "Have an event raised again that came to nothing."),
    },
    "Check": {
        "validate": ("ops.validate:command", "Say all that is wrong with a file you wrote."),
        "try": ("ops.try_out:command", "Say what the loop would make of a file."),
        "simulate": ("ops.simulate:simulate", "Say what a policy would have made of signals."),
        "smoke": ("ops.smoke:command", "Send a signal that cannot train, report each hop."),
        "verify-audit": ("ops.verify_audit:command", "Check every record against table and runs."),
        "verify-aws": ("ops.verify_aws:command", "Ask AWS what no document says."),
    },
    "Change the stack": {
        "package": ("ops.package:command", "Build and upload; print the console's link."),
        "deploy": ("ops.deploy:command", "Show the change set, ask, deploy, follow."),
        "import": ("ops.import_resources:command", "Bring existing resources under the stack."),
        "destroy": ("ops.destroy:command", "Say what goes and what stays, ask, delete."),
        "restore-history": ("ops.restore_history:command", "Rebuild a lost HistoryTable."),
    },
}
"""By section, each command: where it is, and what it does in a line. Nothing is imported before it is called."""

_PLACES: Final = {name: place for section in COMMANDS.values() for name, (place, _) in section.items()}


class _Commands(click.Group):
    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all, in their order."""
        del ctx
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        del ctx
        if cmd_name not in _PLACES:
            return None
        module, _, attribute = _PLACES[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the one that is called, or say which was meant."""
        if args and args[0] not in _PLACES:
            near = get_close_matches(args[0], _PLACES, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]}.{meant} All: retraining --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them by section."""
        del ctx
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name, sentence) for name, (_, sentence) in commands.items()])


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": HELP})
@click.option("--stack", help="Stack, by its name; this and the next three may stand before or after the command.")
@click.option("--region", help="AWS Region, else the one of your AWS configuration.")
@click.option("--profile", help="Profile of your AWS configuration.")
@click.option("--no-color", is_flag=True, help="No colour on a terminal; NO_COLOR=1 does the same.")
@click.version_option(version())
@click.pass_context
def retraining(ctx: click.Context, /, **_given: Any) -> None:
    """Watch and steer the loop from model drift to retraining, as it runs in your AWS account.

    Exit status: 0 done, 1 the answer is no, 2 wrong call, 3 AWS could not be reached or does not allow it.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    from ops.invocation import finished  # noqa: PLC0415 - its time goes by where `ops.__main__` hears Ctrl-C

    given = sys.argv[1:] if argv is None else argv
    return finished(
        lambda: retraining.main(list(given), "retraining", standalone_mode=False, auto_envvar_prefix=PREFIX), given
    )


if __name__ == "__main__":
    # So the command of a checkout calls it that `make setup` made before `ops.__main__` was there.
    from ops.__main__ import program

    sys.exit(program())
