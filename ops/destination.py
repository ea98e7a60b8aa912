"""Where a command changes something: the account, the Region and who is signed in, said before it asks.

Another account than the one that is meant is refused: that of ACCOUNT=, or without it the one that the stack was last
deployed to from this checkout, which ``build/deployed.json`` keeps.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.stack import OperatorError, variable
from ops.stack_deployment import ROOT

if TYPE_CHECKING:
    import argparse

    import boto3

    from ops.terminal import Terminal

REMEMBERED: Final = ROOT / "build" / "deployed.json"
"""Beside the packaged template: by stack, the account and the Region it was last deployed to from here."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a stack is, or is to be."""

    stack: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"account {self.account}, Region {self.region}"

    def remember(self) -> None:
        """Keep that the stack was deployed there."""
        try:
            kept = _kept()
        except ValueError:
            kept = {}
        kept[_name(self.stack)] = {"account": self.account, "region": self.region}
        REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
        partial = REMEMBERED.with_suffix(".partial")
        partial.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(REMEMBERED)


def destination(session: boto3.Session, terminal: Terminal, stack: str, meant: str) -> Destination:
    """Say where a stack would be changed, and by whom.

    Args:
        session: of whoever is signed in.
        terminal: where it is said.
        stack: the stack's name.
        meant: the account of ACCOUNT=; empty when it was not given.

    Raises:
        OperatorError: it is another account than the one that is meant; nothing was changed.
    """
    wanted = re.sub(r"[\s-]", "", meant)
    if meant and not re.fullmatch(r"[0-9]{12}", wanted):
        raise OperatorError(f"ACCOUNT={meant} is no account id: twelve digits, such as ACCOUNT=111122223333.")
    caller = session.client("sts").get_caller_identity()
    here = Destination(stack, str(caller["Account"]), str(session.region_name))
    terminal.say(f"{here}, as {caller['Arn']}")
    if wanted and wanted != here.account:
        raise OperatorError(
            f"ACCOUNT= names account {wanted}, and you are signed in to {here.account}: nothing was changed. Sign in to "
            f"{wanted} (AWS_PROFILE=, aws sso login), or name the account you mean."
        )
    last = None if wanted else _last(stack)
    if last is not None and last != here.account:
        raise OperatorError(
            f"Stack {stack} was last deployed to account {last} from this checkout, and you are signed in to "
            f"{here.account}: nothing was changed. Sign in to {last} (AWS_PROFILE=, aws sso login), or say that it is to "
            f"be this one: ACCOUNT={here.account}"
        )
    return here


def add_account(arguments: argparse.ArgumentParser) -> None:
    """Let a command take ACCOUNT=."""
    arguments.add_argument("--account", default=variable("ACCOUNT"), help="refuse any other account (ACCOUNT=)")


def _last(stack: str) -> str | None:
    """The account a stack was last deployed to from here, None when that is not known."""
    try:
        entry = _kept().get(_name(stack))
        return None if entry is None else str(entry["account"])
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"{REMEMBERED} does not say which account {stack} was last deployed to ({error}); nothing was changed. Name the "
            "account you mean: ACCOUNT="
        ) from None


def _kept() -> dict[str, Any]:
    if not REMEMBERED.exists():
        return {}
    kept = json.loads(REMEMBERED.read_text(encoding="utf-8"))
    if not isinstance(kept, dict):
        raise ValueError("it holds no object")  # noqa: TRY004 - like a file that is no JSON
    return kept


def _name(stack: str) -> str:
    """What a stack is kept under. The same name on the embedded AWS is another stack."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return f"{stack} at {endpoint}" if endpoint else stack
