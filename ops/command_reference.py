"""The page of every command of ``retraining``, made of what ``--help`` prints."""

from __future__ import annotations

from typing import Final

import click

from ops.call import PREFIX
from ops.cli import COMMANDS, retraining

WIDTH: Final = 80
"""Columns of a terminal."""


def command_reference() -> str:
    """Every command with its help, section by section."""
    parts = [
        "# Commands",
        (
            f"Each option can also stand in the environment, as `{PREFIX}_` and its name: `{PREFIX}_REGION=eu-west-1`. `make "
            "<command> REGION=eu-west-1` hands it on so. What `--json` prints is described in `docs/schemas/commands/`."
        ),
        _help(retraining, "retraining", None),
    ]
    with click.Context(retraining, info_name="retraining", **retraining.context_settings) as group:
        for section, commands in COMMANDS.items():
            parts.append(f"## {section}")
            for name, (_, sentence) in commands.items():
                found = retraining.get_command(group, name)
                assert found is not None  # noqa: S101 - it is in the list
                parts += [f"### {name}", sentence, _help(found, name, group)]
    title, *rest = parts
    return f"{title}\n\n<!-- generated: commands -->\n" + "\n\n".join(rest) + "\n<!-- end of commands -->\n"


def _help(command: click.Command, name: str, group: click.Context | None) -> str:
    context = click.Context(
        command, info_name=name, parent=group, terminal_width=WIDTH, max_content_width=WIDTH, **command.context_settings
    )
    return f"```text\n{command.get_help(context).rstrip()}\n```"
