"""Ask AWS what no document says and this project builds on; say first what that costs, and delete everything made.

A run that was interrupted goes on where it stopped: build/verify-aws/ keeps what was made and seen.
"""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_questions import QUESTIONS
from ops.aws_questions.account import Account, State
from ops.aws_questions.cost import COSTS, LONGEST_HOURS, PRICED, SOURCES, total
from ops.aws_questions.page import RESULTS, Results
from ops.creditcard_world import WorldError
from ops.invocation import account_command
from ops.package import embedded
from ops.project import BUILD, IN_CHECKOUT, shown
from ops.stack import CallError, OperatorError
from ops.stack_deployment import DeploymentError
from ops.terminal import Column, Styled

if TYPE_CHECKING:
    import boto3

    from ops.aws_questions import Question
    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

FOLDER: Final = BUILD / "verify-aws"
"""States of runs, one for an account and a Region."""

STAYS: Final = (
    "the records of the training and the processing job, which SageMaker does not delete; what they logged to "
    "/aws/sagemaker/TrainingJobs and /aws/sagemaker/ProcessingJobs, which other jobs write to as well"
)
"""What a run with an endpoint leaves behind though nothing went wrong."""


@account_command("verify-aws")
@click.option("--only", default="", help=f"Names of questions: {', '.join(each.name for each in QUESTIONS)}.")
@click.option("--keep", is_flag=True, help="Leave what was made, to look at it; started again it goes on and deletes.")
@click.option("--yes", is_flag=True, help="Without asking.")
def command(session: boto3.Session, place: Place, terminal: Terminal, only: str, keep: bool, yes: bool) -> int:
    """Ask AWS what no document says and this project builds on; delete what it makes.

    It says first what that costs, and needs a checkout. An endpoint or a stack is made where a question needs one. Exit
    status 1: a question does not hold or is open, or something stays that costs.
    """
    if not IN_CHECKOUT:
        raise CallError("verify-aws needs the project's examples: call it in a checkout of the project.")
    questions = chosen(only)
    told = terminal.aside
    account_id = str(session.client("sts").get_caller_identity()["Account"])
    now = datetime.now(UTC)
    state = State.at(
        FOLDER / f"{account_id}-{session.region_name}.json",
        run=f"verify-aws-{uuid.uuid4().hex[:6]}",
        today=now.date().isoformat(),
    )
    account = Account(session, state, told)
    _announce(account_id, account, questions)
    if not _yes(told, "Type yes to begin: ", yes=yes):
        told.say("Nothing was made.")
        return 1
    unasked: dict[str, str] = {}
    began = time.monotonic()
    try:
        for question in questions:
            if time.monotonic() - began > LONGEST_HOURS * 3600:
                unasked[question.name] = f"{LONGEST_HOURS:.0f} hours are over; started again, it goes on here"
                continue
            _ask(question, account, unasked, now.date().isoformat())
    except KeyboardInterrupt:
        told.say("Interrupted.")
        unasked |= {each.name: "interrupted" for each in questions if each.name not in state.answers}
    answers = {each.name: state.answers[each.name] for each in questions if each.name in state.answers}
    left = _clean_up(account, place, keep=keep, yes=yes, whole=not unasked)
    if not embedded() and answers:
        before = Results.kept()
        seen = {name: {**answer, "region": account.region} for name, answer in answers.items()}
        Results({**(before.answers if before else {}), **seen}).keep()
        told.say(f"wrote {shown(RESULTS)}; make docs writes the page of it")
    _show(questions, answers, unasked, terminal)
    terminal.answer({"answers": answers, "unasked": unasked, "left": left})
    return int(bool(unasked) or (bool(state.made) and not keep) or not all(each["holds"] for each in answers.values()))


def chosen(only: str) -> tuple[Question, ...]:
    """The questions of ``--only``, or all of them. Pure.

    Raises:
        CallError: there is no such question.
    """
    names = only.replace(",", " ").split()
    unknown = sorted(set(names) - {each.name for each in QUESTIONS})
    if unknown:
        raise CallError(
            f"--only names no question: {', '.join(unknown)}. There are: {', '.join(each.name for each in QUESTIONS)}."
        )
    return tuple(each for each in QUESTIONS if not names or each.name in names)


def _announce(account_id: str, account: Account, questions: tuple[Question, ...]) -> None:
    told, state = account.terminal, account.state
    told.say(f"account {account_id}, Region {account.region}, as {account.identity()['Arn']}")
    if state.path.exists():
        told.say(
            f"Goes on with {state.run}, begun on {state.began}: {len(state.answers)} question(s) answered, "
            f"{len(state.made)} thing(s) made."
        )
    told.say(f"{len(questions)} question(s). Everything made is named {state.run}-..., and deleted at the end.")
    told.table(
        ("what", Column("amount", right=True), "unit", Column("USD each", right=True), Column("USD", right=True)),
        [(cost.what, f"{cost.amount:.3g}", cost.unit, f"{cost.price:.2f}", f"{cost.usd:.2f}") for cost in COSTS],
    )
    told.say(f"At most {total():.2f} USD and {LONGEST_HOURS:.0f} hours for all questions ({PRICED}).")
    if len(questions) < len(QUESTIONS):
        told.say("The table is for all questions; some of them need only some of its rows, and at most all.")
    told.say(f"Prices: {', '.join(SOURCES)}")


def _yes(terminal: Terminal, question: str, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CallError("Nothing was done: there is no terminal to ask on. Add --yes.")
    try:
        return terminal.ask(question).strip().lower() == "yes"
    except EOFError:
        return False


EXPECTED: Final = (ClientError, BotoCoreError, OperatorError, WorldError, DeploymentError)
"""What AWS or the account has against a question; anything else is a fault of the question's."""


def _ask(question: Question, account: Account, unasked: dict[str, str], today: str) -> None:
    """Have one question answered, and keep the answer; what goes wrong on the way leaves it open."""
    if question.name in account.state.answers:
        return
    account.terminal.say(Styled("bold", question.name), f"  {question.asks}")
    try:
        answer = question.look(account)
    except Exception as error:  # noqa: BLE001 - whatever it is, what was made has to be deleted all the same
        unasked[question.name] = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        account.terminal.say(Styled("yellow", "  could not be asked:"), f" {error}")
        return
    account.state.answers[question.name] = {"holds": answer.holds, "saw": answer.saw, "on": today}
    account.state.keep()
    said = Styled("green", "  holds:") if answer.holds else Styled("red", "  does not hold:")
    account.terminal.say(said, f" {answer.saw}")


def _clean_up(account: Account, place: Place, *, keep: bool, yes: bool, whole: bool) -> list[str]:
    """Delete what was made; gives what stays."""
    told, state = account.terminal, account.state
    asks = sys.stdin.isatty() or yes or whole
    if keep or not asks or not _yes(told, f"Delete the {len(state.made)} thing(s) made? yes: ", yes=yes or whole):
        told.say(f"{len(state.made)} thing(s) stay, and cost. This goes on and deletes them:")
        told.command(place.command("verify-aws"))
        return [f"{kind} {name}" for kind, name in state.made]
    jobs = [STAYS] if "world" in state.seen else []
    left = account.clean_up()
    # What was set up is gone; the file stays where answers are missing, or something could not be deleted.
    state.seen.clear()
    if whole and not state.made:
        state.forget()
    else:
        state.keep()
    for each in (*left, *jobs):
        told.say(Styled("yellow", "stays:"), f" {each}")
    return left


def _show(
    questions: tuple[Question, ...], answers: dict[str, dict[str, object]], unasked: dict[str, str], terminal: Terminal
) -> None:
    rows = []
    for each in questions:
        answer = answers.get(each.name)
        if answer is None:
            rows.append((Styled("yellow", "open"), each.name, unasked.get(each.name, "")))
        elif answer["holds"]:
            rows.append((Styled("green", "holds"), each.name, str(answer["saw"])))
        else:
            rows.append((Styled("red", "does not hold"), each.name, f"{answer['saw']} Built on it: {each.built_on}."))
    terminal.table(("", "question", "seen"), rows)
