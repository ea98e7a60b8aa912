"""Read a definition with its template's own substitutions: states, their branches, what each task calls."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops import asl_lint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.template import Stack

MACHINE = "RetrainingStateMachine"

COMPARISON = re.compile(r"\{% \$(?P<variable>\w+) = '(?P<word>[^']+)' %\}")


@dataclass(frozen=True, slots=True)
class Task:
    """A Task state: the service call behind its Resource, as botocore and IAM know it."""

    name: str
    integration: str
    service: str
    operation: str
    arguments: Any

    @property
    def waits(self) -> bool:
        """True when the state waits for a task token."""
        return self.integration.endswith(".waitForTaskToken")

    @property
    def synchronous(self) -> bool:
        """True when Step Functions follows what it started to its end."""
        return ".sync" in self.integration


@dataclass(frozen=True)
class Workflow:
    """The definition as deployed from a stack."""

    definition: dict[str, Any]

    @classmethod
    def of(cls, stack: Stack, machine: str = MACHINE) -> Workflow:
        """The definition of a stack's machine, every placeholder replaced as CloudFormation replaces it."""
        properties = stack.resources[machine]["Properties"]
        text = (stack.template.path.parent / properties["DefinitionS3Location"]).read_text(encoding="utf-8")
        values = properties["DefinitionSubstitutions"]
        return cls(json.loads(asl_lint.PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)))

    def states(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every state with its name, those inside Map and Parallel states too."""
        for scope in asl_lint.scopes(self.definition):
            for name, state in scope.states.items():
                yield scope.label(name), state

    def tasks(self) -> Iterator[Task]:
        """Every task with the call it makes."""
        for name, state in self.states():
            if state["Type"] != "Task":
                continue
            integration = state["Resource"].split(":states:::", 1)[1]
            if integration.startswith("aws-sdk:"):
                _, sdk, action = integration.split(".", 1)[0].split(":")
                service, operation = asl_lint.SDK_SERVICES.get(sdk, sdk), action[0].upper() + action[1:]
            else:
                service, operation = asl_lint.OPTIMIZED_INTEGRATIONS[integration]
            yield Task(name, integration, service, operation, state.get("Arguments"))

    def payloads(self, function: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """What each state sends to a function; to the one with this ARN, or to any."""
        for task in self.tasks():
            if task.service == "lambda" and function in {None, task.arguments["FunctionName"]}:
                yield task.name, task.arguments["Payload"]

    def compared(self, variable: str) -> dict[str, dict[str, str]]:
        """For each Choice that compares a variable: where each word leads, and "" for all others."""
        found: dict[str, dict[str, str]] = {}
        for name, state in self.states():
            for choice in state.get("Choices", []):
                match = COMPARISON.fullmatch(choice["Condition"])
                if match and match["variable"] == variable:
                    found.setdefault(name, {"": state["Default"]})[match["word"]] = choice["Next"]
        return found
