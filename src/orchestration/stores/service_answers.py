"""What AWS makes of a request to change something, as a value: the caller looks and decides, nothing is thrown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from orchestration.domain.json_values import text
from orchestration.stores.service_errors import transient

if TYPE_CHECKING:
    from collections.abc import Callable

QUOTA: Final = frozenset({"ResourceLimitExceeded", "ResourceLimitExceededException", "ConflictException"})
"""Codes of what AWS may take later: an account's quota is used up, another change of the same thing goes on."""

TAKEN: Final = ("already exist", "cannot create already existing")
"""Texts of a name that is in use; SageMaker says it in a ValidationException."""

NOT_YET_THERE: Final = ("could not find", "not found", "does not exist")
"""Texts of a thing that is not there, or not yet: what was just created may not be found at once."""

MOVES: Final = ("in-progress",)
"""Texts of an endpoint that takes no change now, since one goes on; its description may not show that yet."""


class Answer(StrEnum):
    """What AWS made of a request."""

    TAKEN = "TAKEN"
    """It did it."""
    EXISTS = "EXISTS"
    """It was done before: the name is in use."""
    NOT_YET = "NOT_YET"
    """It may do it later: throttled, a quota, something just created is not found yet, another change goes on, a fault
    of its own."""
    FOREIGN = "FOREIGN"
    """It never will: the name is in use by what somebody else started."""
    REFUSED = "REFUSED"
    """It never will, as the request stands."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer, with AWS's own words for people, its code for an error, and what the call returned."""

    answer: Answer
    sentence: str = ""
    returned: dict[str, Any] | None = None
    code: str = ""


def asked(call: Callable[[], Any], operation: str) -> Taken:
    """Make a call and classify what AWS says. A lost answer is NOT_YET: whoever asked looks before asking again."""
    try:
        returned = call()
    except BotoCoreError as error:
        if transient(error):
            return Taken(Answer.NOT_YET, f"{operation}: {error}")
        return Taken(Answer.REFUSED, f"{operation}: {error}")
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        message = text(error.response.get("Error", {}).get("Message"), 1000) or code
        sentence, lower = f"{operation} was refused ({code}): {message}", message.lower()
        if code == "ExecutionAlreadyExists" or (
            code.startswith("ResourceInUse") or any(said in lower for said in TAKEN)
        ):
            return Taken(Answer.EXISTS, sentence, code=code)
        if transient(error) or code in QUOTA or (code == "ValidationException" and _passes(lower)):
            return Taken(Answer.NOT_YET, sentence, code=code)
        return Taken(Answer.REFUSED, sentence, code=code)
    return Taken(Answer.TAKEN, returned=dict(returned or {}))


def _passes(message: str) -> bool:
    return any(said in message for said in (*NOT_YET_THERE, *MOVES))
