"""What AWS makes of a request to change something, as a value: the caller looks and decides, nothing is thrown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from orchestration.domain.json_values import text
from orchestration.stores.service_errors import Meaning, meaning, transient

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(StrEnum):
    """What AWS made of a request."""

    TAKEN = "TAKEN"
    """It did it."""
    EXISTS = "EXISTS"
    """It was done before: the name is in use."""
    NOT_YET = "NOT_YET"
    """It may do it in seconds or minutes: throttled, another change goes on, a fault of its own, the answer was lost."""
    LATE = "LATE"
    """It does not find what was created a moment ago."""
    QUOTA = "QUOTA"
    """It may do it in hours: the account's quota is used up."""
    FOREIGN = "FOREIGN"
    """It never will: the name is in use by what somebody else started."""
    REFUSED = "REFUSED"
    """It never will, as the request stands."""

    @property
    def later(self) -> bool:
        """True when it may do it at another try."""
        return self in {Answer.NOT_YET, Answer.LATE, Answer.QUOTA}


MEANS: Final = {
    Meaning.AGAIN: Answer.NOT_YET,
    Meaning.QUOTA: Answer.QUOTA,
    Meaning.LATE: Answer.LATE,
    Meaning.DONE: Answer.EXISTS,
}
"""Meanings of an error under which a change is not refused."""


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
        said = error.response.get("Error", {})
        code = said.get("Code", "")
        sentence = f"{operation} was refused ({code}): {text(said.get('Message'), 1000) or code}"
        return Taken(MEANS.get(meaning(error, operation), Answer.REFUSED), sentence, code=code)
    return Taken(Answer.TAKEN, returned=dict(returned or {}))
