"""Where a command changes something: the account, the Region and who is signed in, said before it asks.

Another account than the one that is meant is refused: that of ``--account``, or without it the one that the stack was
last deployed to from here, which ``build/deployed.json`` keeps.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from ops.project import BUILD
from ops.stack import CallError, OperatorError

if TYPE_CHECKING:
    import boto3

    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

REMEMBERED: Final = BUILD / "deployed.json"
"""Beside the packaged template: by stack, the account and the Region it was last deployed to from here."""

account_option: Final = click.option("--account", default="", help="Refuse any other account than this one.")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a stack is, or is to be."""

    place: Place
    account: str

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.place.stack

    def __str__(self) -> str:
        return f"account {self.account}, Region {self.place.region}"

    def as_record(self) -> dict[str, str]:
        """It, for programs."""
        return {"stack": self.stack, "account": self.account, "region": self.place.region}

    def remember(self) -> None:
        """Keep that the stack was deployed there."""
        try:
            kept = _kept()
        except ValueError:
            kept = {}
        kept[_name(self.stack)] = {"account": self.account, "region": self.place.region}
        REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
        partial = REMEMBERED.with_suffix(".partial")
        partial.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(REMEMBERED)


def destination(session: boto3.Session, terminal: Terminal, place: Place, meant: str) -> Destination:
    """Say where a stack would be changed, and by whom.

    Args:
        session: of whoever is signed in.
        terminal: where it is said.
        place: the stack.
        meant: the account of ``--account``; empty when it was not given.

    Raises:
        CallError: what was given is no account.
        OperatorError: it is another account than the one that is meant; nothing was changed.
    """
    wanted = re.sub(r"[\s-]", "", meant)
    if meant and not re.fullmatch(r"[0-9]{12}", wanted):
        raise CallError(f"--account {meant} is no account id: twelve digits, such as --account 111122223333.")
    caller = session.client("sts").get_caller_identity()
    here = Destination(place, str(caller["Account"]))
    terminal.say(f"{here}, as {caller['Arn']}")
    if wanted and wanted != here.account:
        raise OperatorError(
            f"--account names account {wanted}, and you are signed in to {here.account}: nothing was changed. Sign in to "
            f"{wanted} (--profile, aws sso login), or name the account you mean."
        )
    last = None if wanted else _last(place.stack)
    if last is not None and last != here.account:
        raise OperatorError(
            f"Stack {place.stack} was last deployed to account {last} from here, and you are signed in to "
            f"{here.account}: nothing was changed. Sign in to {last} (--profile, aws sso login), or say that it is to "
            f"be this one: --account {here.account}"
        )
    return here


def _last(stack: str) -> str | None:
    """The account a stack was last deployed to from here, None when that is not known."""
    try:
        entry = _kept().get(_name(stack))
        return None if entry is None else str(entry["account"])
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"{REMEMBERED} does not say which account {stack} was last deployed to ({error}); nothing was changed. Name the "
            "account you mean: --account"
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
