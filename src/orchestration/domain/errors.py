"""The few errors of the package, each saying what to do next.

::

    OrchestrationError
    ├── SettingsError          the function's environment is incomplete: redeploy the stack
    ├── InvalidRequestError    the caller sent an action or a field that does not exist
    ├── PolicyError            a policy file breaks its schema; holds every finding
    ├── ContentionError        too many writers on one model; the caller retries
    ├── TransientServiceError  AWS throttled, hung or failed inside; the caller retries
    └── NotAcceptedYetError    AWS does not take a change yet, or a copy goes on; the workflow asks again

Expected outcomes (a duplicate, a broken event, a failed gate) are return values, not errors.
"""

from __future__ import annotations


class OrchestrationError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(OrchestrationError):
    """An operator deployed the function without an environment variable it needs."""


class InvalidRequestError(OrchestrationError):
    """A caller invoked the function with something that is not one of its requests."""


class PolicyError(OrchestrationError):
    """A data scientist uploaded a policy file that breaks the schema.

    Attributes:
        findings: one sentence each, starting with the JSON path.
    """

    def __init__(self, model: str, findings: tuple[str, ...]) -> None:
        super().__init__(f"Policy of {model} is not valid: " + " ".join(findings))
        self.findings = findings


class TransientServiceError(OrchestrationError):
    """AWS throttled, did not answer or failed inside, and the SDK's own retries were used up. Retry the call."""


class ContentionError(OrchestrationError):
    """Other writers kept changing the same record; nothing was written. Retry the call."""


class NotAcceptedYetError(OrchestrationError):
    """AWS has not done it yet: a quota, a busy endpoint, throttling, a large copy. Ask again later, for hours if need be."""
