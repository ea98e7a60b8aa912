"""How a command of ``retraining`` is called: the options all share, exit statuses, and errors that name the next step.

Every option can also be given as ``RETRAINING_<OPTION>`` in the environment, which is how the Makefile hands on what it
was given, so that no shell reads it.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.call import INTERRUPTED, INTERRUPTED_SAID, PREFIX, error_document, is_for_programs
from ops.help_text import HELP, Context
from ops.identities import identity_in
from ops.refusals import refusal
from ops.stack import CallError, OperatorError, Stack, session_in
from ops.terminal import Styled, Terminal, write_no_more
from orchestration.domain.commands import REASON_LIMIT, Place, against_value, against_words
from orchestration.domain.failures import ended
from orchestration.domain.json_values import execution_name, model_name, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEFAULT_STACK: Final = "retraining"

MOST: Final = 1_000_000
"""What ``--limit`` can be."""

WATCH_SECONDS: Final = 3.0
"""Between two looks of ``--watch``."""


def legal_model(context: click.Context, option: click.Parameter, given: str) -> str:
    """The model of a change, as it was typed."""
    if model_name(given) is None:
        raise click.BadParameter(
            f"{given} is no model's name: letters, digits and hyphens, at most 63.", context, option
        )
    return given


def legal_identity(context: click.Context, option: click.Parameter, given: str) -> str:
    """The id of something that is looked for, as it was typed; what has none in it is no id."""
    if given and not (identity_in(given) and given.strip().isprintable()):
        raise click.BadParameter(
            f"{given} is no id: that of a signal, an execution, a run or an event.", context, option
        )
    return given


def legal_run(context: click.Context, option: click.Parameter, given: str) -> str:
    """The run that is named, as it was typed."""
    if given and execution_name(identity_in(given)) is None:
        raise click.BadParameter(f"{given} is no run: no run has such a name.", context, option)
    return given


def _said(context: click.Context, option: click.Parameter, given: str) -> str:
    said = text(given, len(given))
    if said is None:
        raise click.BadParameter(
            "it says nothing, and is kept as evidence of why something was changed.", context, option
        )
    against = against_words(said, REASON_LIMIT)
    if against is not None:
        raise click.BadParameter(f"it {against}", context, option)
    return given


def one_of(**given: str) -> dict[str, str]:
    """Parameters of which one is named, empty where it is not; what is typed wins over the environment.

    Raises:
        CallError: two are named.
    """
    context, typed = click.get_current_context(), click.core.ParameterSource.COMMANDLINE
    named = [name for name, value in given.items() if value]
    kept = [name for name in named if context.get_parameter_source(name) is typed] or named
    if len(kept) > 1:
        options = {param.name: param.opts[0] for param in context.command.params}
        raise CallError(f"Name one of the two, {' or '.join(options[name] for name in kept)}, not both.")
    return {name: value if name in kept else "" for name, value in given.items()}


reason_option: Final = click.option("--reason", required=True, callback=_said, help="Why; kept as evidence.")


class Exit(IntEnum):
    """What an exit status says."""

    DONE = 0
    NO = 1
    """The answer is no: it was not done, or what was checked does not hold."""
    WRONG_CALL = 2
    NOT_REACHED = 3
    """AWS could not be asked, or whoever asks is not allowed to."""
    INTERRUPTED = INTERRUPTED
    """Ctrl-C."""


class Command(click.Command):
    """A subcommand. Its options may stand in the environment, and what it raises becomes an exit status."""

    context_class = Context

    def __init__(self, *arguments: Any, **options: Any) -> None:
        settings = {"auto_envvar_prefix": PREFIX, "help_option_names": HELP}
        options["context_settings"] = {**settings, **(options.get("context_settings") or {})}
        super().__init__(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what was typed. A place to fill in, pasted with the command that it was printed in, is no value.

        Nor are bytes that UTF-8 does not have, but in the name of a file.
        """
        left = super().parse_args(ctx, args)
        for param in self.params:
            given = ctx.params.get(param.name or "")
            if not isinstance(given, str) or ctx.resilient_parsing:
                continue
            against = against_value(given)
            if against is None and not isinstance(param.type, click.Path) and given != _in_utf8(given):
                against = "is not UTF-8."
            if against is not None:
                raise click.BadParameter(f"it {against}", ctx, param)
        return left


def _in_utf8(given: str) -> str:
    return given.encode(errors="replace").decode()


def stack_command(
    name: str, *, watch: bool = False, stack: str | None = DEFAULT_STACK
) -> Callable[[Callable[..., int]], Command]:
    """Make a command of ``function(stack, terminal, **options) -> exit status``, whose docstring is its help.

    Args:
        name: of the subcommand.
        watch: whether ``--watch`` has it look again and again.
        stack: the stack it asks when none is named; None hands None on instead of a `Stack` then.
    """

    def call(function: Callable[..., int], terminal: Terminal, shared: dict[str, Any], options: dict[str, Any]) -> int:
        named = shared["stack"]
        found = Stack(named, shared["region"], shared["profile"]) if named else None
        return int(function(found, terminal, **options))

    return functools.partial(_command, name=name, watch=watch, stack=stack, call=call)


def account_command(name: str) -> Callable[[Callable[..., int]], Command]:
    """Make a command of ``function(session, place, terminal, **options)``, for a stack that need not be there."""

    def call(function: Callable[..., int], terminal: Terminal, shared: dict[str, Any], options: dict[str, Any]) -> int:
        session = session_in(shared["region"], shared["profile"])
        place = Place(shared["stack"], str(session.region_name), shared["profile"] or "")
        return int(function(session, place, terminal, **options))

    return functools.partial(_command, name=name, watch=False, stack=DEFAULT_STACK, call=call)


def _command(
    function: Callable[..., int],
    *,
    name: str,
    watch: bool,
    stack: str | None,
    call: Callable[[Callable[..., int], Terminal, dict[str, Any], dict[str, Any]], int],
) -> Command:
    declared = list(reversed(getattr(function, "__click_params__", [])))

    def callback(**given: Any) -> int:
        shared = {key: given.pop(key) for key in ("stack", "region", "profile", "json", "no_color")} | _before()
        again = given.pop("watch", False)
        terminal = Terminal(json=shared["json"], colour=not shared["no_color"], goes_on=not again)
        return _answered(
            terminal,
            Terminal(errors=True, colour=not shared["no_color"], goes_on=True),
            lambda: _looks(again, terminal, shared, given),
        )

    def _looks(again: bool, terminal: Terminal, shared: dict[str, Any], options: dict[str, Any]) -> int:
        if stack and not shared["stack"]:
            raise CallError(f"Which stack? Name it: --stack {stack}")
        if again and terminal.is_document:
            raise CallError("--watch looks again and again, and --json gives one document: leave one of them out.")
        if not again:
            return call(function, terminal, shared, options)
        while True:
            terminal.clear(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
            call(function, terminal, shared, options)
            time.sleep(WATCH_SECONDS)

    return Command(name, callback=callback, params=[*declared, *_shared(stack, watch=watch)], help=function.__doc__)


def _before() -> dict[str, Any]:
    """What stands before the command and not behind it; it wins over the environment, which is read for both."""
    context = click.get_current_context()
    outer, typed = context.parent, click.core.ParameterSource.COMMANDLINE
    if outer is None:
        return {}
    return {
        name: value
        for name, value in outer.params.items()
        if outer.get_parameter_source(name) is typed and context.get_parameter_source(name) is not typed
    }


def _shared(stack: str | None, *, watch: bool) -> list[click.Parameter]:
    said = "Stack, by its name." if stack else "Stack to look at, by its name; without it nothing is asked of AWS."
    options: list[click.Parameter] = [
        click.Option(["--stack"], default=stack, show_default=bool(stack), help=said),
        click.Option(["--region"], help="AWS Region, else the one of your AWS configuration."),
        click.Option(["--profile"], help="Profile of your AWS configuration."),
        click.Option(["--json"], is_flag=True, help="One JSON document, for programs."),
        click.Option(["--no-color"], is_flag=True, help="No colour on a terminal; NO_COLOR=1 does the same."),
    ]
    if watch:
        options.append(
            click.Option(["--watch"], is_flag=True, help="Look again every 3 s, until Ctrl-C; not with --json.")
        )
    return options


def _answered(terminal: Terminal, errors: Terminal, ask: Callable[[], int]) -> int:
    """The exit status of an answer, or of the error it ended in."""
    command = ""
    try:
        return ask()
    except OperatorError as error:
        said, status, command = str(error), Exit(error.status), error.command
    except KeyboardInterrupt as error:
        with _undisturbed():
            terminal.answer(
                error_document(str(error) or INTERRUPTED_SAID, Exit.INTERRUPTED, getattr(error, "command", ""))
            )
            errors.say()
            _say_error(errors, str(error), getattr(error, "command", ""))
        return Exit.INTERRUPTED
    except (BotoCoreError, ClientError) as error:
        said, status = refusal(error), Exit.NOT_REACHED
    except (click.ClickException, click.Abort):
        raise
    except OSError as error:
        if error.filename is None:  # what is printed cannot be written
            raise
        said, status = f"{error.filename}: {ended(error.strerror or str(error))}", Exit.NO
    except Exception as error:  # noqa: BLE001 - whatever is wrong in here, whoever calls reads a sentence
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"in {last.name}, line {last.lineno} of {os.path.basename(last.filename)}"  # noqa: PTH119
        said = f"The command has a defect, please report it: {type(error).__name__}: {error}, {where}."
        status = Exit.NO
    terminal.answer(error_document(said, status, command))
    _say_error(errors, said, command)
    return status


def _say_error(errors: Terminal, said: str, command: str) -> None:
    if said:
        errors.say(Styled("red", said))
    if command:
        errors.command(command)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Say the last words after Ctrl-C, however often it is pressed."""
    hears = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if hears else None
    try:
        yield
    finally:
        if hears:
            signal.signal(signal.SIGINT, before)


def finished(run: Callable[[], int], given: Sequence[str]) -> int:
    """The exit status of a call, whatever ends it.

    Args:
        run: the call.
        given: its words, which say whether a program reads the answer.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever calls
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open to the end
    try:
        status = int(run() or 0)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            write_no_more(sys.stdout)
    except click.ClickException as error:
        status = error.exit_code
        _say_wrong_call(given, error)
    except (click.Abort, KeyboardInterrupt):
        status = Exit.INTERRUPTED
        with _undisturbed():
            _unheard(given).answer(error_document(INTERRUPTED_SAID, status))
            Terminal(errors=True, goes_on=True).say()
    except BrokenPipeError:
        write_no_more(sys.stdout)
        return int(Exit.DONE)
    except OSError as error:
        status = Exit.NO
        said = f"{error.filename}: {ended(error.strerror or str(error))}"
        if error.filename is None:
            write_no_more(sys.stdout)
            said = f"What is to be said cannot be written: {ended(error.strerror or str(error))}"
        Terminal(errors=True, goes_on=True).say(Styled("red", said))
    if status and os.environ.get(f"{PREFIX}_BY_MAKE"):
        said = f"Exit status {status}; make has its own for it. In a script call `retraining` instead."
        Terminal(errors=True, goes_on=True).say(said)
    return status


def _unheard(given: Sequence[str]) -> Terminal:
    """Where the answer goes of a call that no command heard of."""
    return Terminal(json=is_for_programs(given), goes_on=True)


def _say_wrong_call(given: Sequence[str], error: click.ClickException) -> None:
    """Say what no command heard of, and how the one that was meant is called."""
    context = getattr(error, "ctx", None)
    called = f"{context.command_path} --help" if context else ""
    _unheard(given).answer(error_document(error.format_message(), error.exit_code, called))
    errors = Terminal(errors=True, goes_on=True)
    errors.say(Styled("red", error.format_message()))
    if called:
        errors.say(f"How it is called: {called}")
