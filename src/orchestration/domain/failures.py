"""What AWS says of a failure, as one sentence for people. Pure.

Step Functions gives an error name and a cause; the cause is the JSON of what failed, the JSON of a Lambda error, the text of
an SDK's refusal, or any text, and may be cut off anywhere. The whole of it stays in the records and with the execution.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.json_values import json_object, mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

SAID_LIMIT: Final = 600
"""Characters of AWS's, or a program's, own words in a sentence; people read on in the console."""

NESTED_LIMIT: Final = 5
"""Executions in executions whose causes are followed."""

TOLD: Final = {
    "States.Timeout": "It took longer than it may",
    "States.HeartbeatTimeout": "It gave no sign of life for as long as it may",
    "States.TaskFailed": "A task of the workflow failed",
    "States.Permissions": "The workflow's role may not do that",
    "States.DataLimitExceeded": "A result had more than the 256 KiB that Step Functions takes",
    "States.Runtime": "The workflow's definition could not be carried out",
    "States.QueryEvaluationError": "An expression of the workflow could not be computed",
    "States.ItemReaderFailed": "The workflow could not read its items",
    "TIMED_OUT": "It took longer than it may",
    "ABORTED": "It was stopped",
    "Lambda.Unknown": "The function ended without an answer",
    "Lambda.TooManyRequestsException": "The function was throttled",
    "Sandbox.Timedout": "The function took longer than it may",
    "Runtime.ExitError": "The function's process died",
    "Runtime.OutOfMemory": "The function ran out of memory",
}
"""Error names that Step Functions and Lambda give by themselves. Source: Step Functions developer guide, "Handling errors in
Step Functions workflows"; Lambda developer guide, "Troubleshoot execution issues in Lambda"."""

_KINDS: Final = {
    "TrainingJob": "Training job",
    "ProcessingJob": "Processing job",
    "TransformJob": "Transform job",
    "HyperParameterTuningJob": "Tuning job",
    "AutoMLJob": "AutoML job",
    "Endpoint": "Endpoint",
}
"""What SageMaker's Describe answers are about: ``<kind>Name`` and ``<kind>Status``."""

_CALLED: Final = re.compile(
    r"^An error occurred \(([\w.]+)\) when calling the (\w+) operation(?: \([^)]*\))?: *(.*)$", re.DOTALL
)
"""What boto3's ClientError says."""
_SERVICE: Final = re.compile(r" *\((?:Service: )?(\w+)[;,] *Status Code: \d+[^)]*\)", re.IGNORECASE)
"""What the Java SDK, and so Step Functions' own calls, put behind a refusal."""
_PYTHON: Final = re.compile(
    r"^[ \t]*((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Exit|Interrupt)): *(.+)$", re.MULTILINE
)
_DATA: Final = re.compile(r"\[?\{\s*\"")
"""Where JSON begins inside a text."""
_END: Final = re.compile(r"""[.!?…]["')\]]*$""")


def failure_sentence(error: str | None, cause: Any) -> str:
    """One sentence, or a few, that say what failed and why.

    Args:
        error: the error's name, as Step Functions gives it.
        cause: its cause: text, mostly JSON, maybe cut off; or None.
    """
    return _told(error or "", "" if cause is None else str(cause), NESTED_LIMIT)


def job_sentence(kind: str, name: Any, status: Any, why: Any) -> str:
    """What became of a job, a pipeline execution or an endpoint that is over, with the reason its service gives."""
    word = {"Failed": "failed", "Stopped": "was stopped"}.get(str(status), f"is {status}")
    said = said_by_aws(why)
    return f"{kind}{f' {name}' if name else ''} {word}{f': {said}' if said else ', and no reason is given.'}"


def execution_sentence(name: Any, status: Any, error: Any, cause: Any) -> str:
    """What became of an execution that is over without success, by what Step Functions describes."""
    return _of_execution(name, status, error, cause, NESTED_LIMIT)


def said_by_aws(value: Any) -> str:
    """Words of AWS or of a program, on one line, without what only programs read, and with an end. Empty when there are none."""
    said = str(value or "").strip()
    if not said:
        return ""
    if (called := _CALLED.match(said)) is not None:
        code, operation, rest = called.groups()
        return ended(
            f"AWS refused {operation} ({code}): {_short(rest)}" if rest else f"AWS refused {operation} ({code})"
        )
    if said.startswith(("{", "[")):
        return _of_json(said, "", 1) or "The cause is data that no person reads; the execution holds it."
    return ended(_short(said))


def ended(sentence: str) -> str:
    """The text with a full stop, unless it ends as a sentence does."""
    sentence = sentence.rstrip().rstrip(",;:")
    return sentence if not sentence or _END.search(sentence) else f"{sentence}."


def gist(sentence: str) -> str:
    """What a subject line says of a sentence: its beginning, up to where somebody else's words begin."""
    return re.split(r": |[.!?](?: |$)", sentence, maxsplit=1)[0].strip()


def _told(error: str, cause: str, depth: int) -> str:
    cause = cause.strip()
    if cause in {"null", "true", "false"}:
        cause = ""
    if cause.startswith(("{", "[", '"')):
        told = _of_json(cause, error, depth)
        if told:
            return told
    start = TOLD.get(error)
    if cause.startswith(("{", "[")):
        said = "The cause is data that no person reads; the execution holds it."
    else:
        said = said_by_aws(cause)
    if start:
        return f"{start}: {said}" if said else f"{start}."
    if not error:
        return said or "No cause was given."
    if not said:
        return ended(f"It failed with {error}, and no cause is given")
    if said.startswith(("AWS refused ", error)):
        return said
    service, _, name = error.rpartition(".")
    # Step Functions' own calls: ``SageMaker.ResourceLimitExceededException``.
    return f"{service} answered {name}: {said}" if service.isalnum() else f"It failed with {error}: {said}"


def _of_json(cause: str, error: str, depth: int) -> str:
    """A sentence from JSON, whole or cut off; empty when nothing in it says anything."""
    parsed = mapping(json_object(cause, nan=True))
    if parsed:
        return _of_object(parsed, error, depth)
    # Cut off, or no object: what can still be read of it.
    whole = _string(cause)
    if whole is not None:
        return _told(error, whole, depth - 1) if depth else ""
    for kind, shown in _KINDS.items():
        if (name := _pair(cause, f"{kind}Name")) and (status := _pair(cause, f"{kind}Status")):
            return job_sentence(shown, name, status, _pair(cause, "FailureReason"))
    for read in ("FailureReason", "errorMessage", "ErrorMessage", "Cause", "StatusMessage"):
        if (said := _pair(cause, read)) is not None:
            return said_by_aws(said)
    return ""


def _of_object(parsed: Mapping[str, Any], error: str, depth: int) -> str:
    for kind, shown in _KINDS.items():
        if f"{kind}Status" in parsed and (name := text(parsed.get(f"{kind}Name"), 200)):
            return job_sentence(shown, name, text(parsed[f"{kind}Status"], 50), parsed.get("FailureReason"))
    if "PipelineExecutionStatus" in parsed:
        name = text(parsed.get("PipelineExecutionDisplayName") or parsed.get("PipelineExecutionArn"), 300)
        return job_sentence("Pipeline execution", name, parsed["PipelineExecutionStatus"], parsed.get("FailureReason"))
    if "errorMessage" in parsed:
        said = said_by_aws(parsed["errorMessage"])
        return said or ended(f"A function failed with {text(parsed.get('errorType'), 100) or error or 'an error'}")
    if ("ExecutionArn" in parsed or "Error" in parsed) and ("Cause" in parsed or "Status" in parsed):
        if "ExecutionArn" not in parsed:
            return _told(str(parsed.get("Error") or ""), str(parsed.get("Cause") or ""), depth - 1) if depth else ""
        return _of_execution(
            parsed.get("Name"), parsed.get("Status"), parsed.get("Error"), parsed.get("Cause"), depth - 1
        )
    for read in ("FailureReason", "ErrorMessage", "message", "Message", "StatusMessage", "Cause"):
        if isinstance(parsed.get(read), str) and parsed[read].strip():
            return said_by_aws(parsed[read])
    return ""


def _of_execution(name: Any, status: Any, error: Any, cause: Any, depth: int) -> str:
    word = {"TIMED_OUT": "took longer than it may", "ABORTED": "was stopped"}.get(str(status), "failed")
    what = f"Execution {text(name, 100)}" if name else "The execution"
    why = _told(text(error, 200) or "", str(cause or ""), depth) if depth >= 0 and (error or cause) else ""
    if word == "failed" and why.startswith("It failed "):
        return f"{what} {why.removeprefix('It ')}"
    return f"{what} {word}: {why}" if why else f"{what} {word}."


def _short(said: str) -> str:
    """A text on one line, without request ids; of a traceback what stands before it and the error at its end."""
    before, traceback, _ = said.partition("Traceback (most recent call last)")
    if traceback and (found := _PYTHON.findall(said)):
        said = f"{before} {found[-1][0]}: {found[-1][1]}"
    line = " ".join(_without_data(_SERVICE.sub("", said)).split())
    return cut(text(line, len(line) + 1) or "", SAID_LIMIT)


def _without_data(said: str) -> str:
    """A text with what the JSON inside it says, or that there is some; JSON that is cut off ends the text."""
    parts, at = [], 0
    while (data := _DATA.search(said, at)) is not None:
        try:
            found, end = json.JSONDecoder().raw_decode(said, data.start())
        except (ValueError, RecursionError):
            found, end = None, len(said)
        words = [
            text(mapping(found).get(name), SAID_LIMIT) for name in ("message", "Message", "errorMessage", "detail")
        ]
        parts += [said[at : data.start()], next((word for word in words if word), "(data)")]
        at = end
    return "".join([*parts, said[at:]])


def _string(cause: str) -> str | None:
    """The text of a JSON string, or None."""
    if not cause.startswith('"'):
        return None
    try:
        found = json.loads(cause)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _pair(cause: str, name: str) -> str | None:
    """The text under a name in JSON that cannot be read as a whole, and may be a text of JSON itself."""
    key = re.search(rf'(\\*)"{name}\\*"\s*:\s*\\*"', cause)
    if key is None:
        return None
    rest = cause[key.end() :]
    if key[1]:
        rest = re.split(r'\\+"', rest, maxsplit=1)[0]
    elif (said := re.match(r'(?:[^"\\]|\\.)*', rest)) is not None:
        rest = said[0]
    return re.sub(r"\\+n", "\n", rest).replace("\\t", " ").replace("\\", "")
