"""The seam between this package and ministack: what it uses of ministack, what it puts in the place of parts of it, and why.

No other module here imports a module of ministack, or uses a name of one that is not listed at the end of this one.
Whatever is replaced belongs to a ``Repair``, which says what AWS does; to an ``Addition``, of what AWS has and ministack lacks;
or to an ``Own`` thing, which neither has. Nothing changes before ``apply``. A ministack that lacks something of this, or whose
functions take other arguments, is refused with a sentence that says where to look.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import threading
from dataclasses import dataclass
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_Value = TypeVar("_Value")


class SeamError(Exception):
    """This ministack is another one than this package was written for; the message says what to look at."""


class Part:
    """A module of ministack, imported when something of it is first asked for.

    The names that are listed are here, the private ones without their underscore.

    Args:
        module: Its name below ``ministack``.
        names: What this package uses of it.
    """

    def __init__(self, module: str, *names: str) -> None:
        self.module: Final = f"ministack.{module}"
        self.names: Final = {name.removeprefix("_"): name for name in names}
        self._loaded: ModuleType | None = None
        PARTS[self.module] = self

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            raise AttributeError(f"local/seam.py lists no {name} of {self.module}")
        return getattr(self.load(), self.names[name])

    def load(self) -> ModuleType:
        """Import it, by one thread at a time: ministack's modules import each other in circles."""
        if self._loaded is None:
            with _importing:
                self._loaded = importlib.import_module(self.module)
        return self._loaded


@dataclass(frozen=True, slots=True)
class Change:
    """Why something of ministack is another thing here.

    Attributes:
        name: What it is called in the documentation and the tests.
    """

    name: str

    def __post_init__(self) -> None:
        CHANGES.append(self)

    def replaces(self, part: Part, *path: str) -> Callable[[_Value], _Value]:
        """Put what is decorated in the place of something.

        Args:
            part: The module it is in.
            path: Its true name there; below a class or a dictionary that of the member or the key.
        """
        return self._registered(part, path, lambda value, _: value)

    def wraps(self, part: Part, *path: str) -> Callable[[_Value], _Value]:
        """Put what is decorated in the place of a function, which it gets as its first argument."""
        return self._registered(part, path, _around)

    def rewrites(self, part: Part, *path: str) -> Callable[[_Value], _Value]:
        """Put in the place of something what the decorated function makes of it."""
        return self._registered(part, path, lambda function, there: function(there))

    def adds(self, part: Part, *path: str) -> Callable[[_Value], _Value]:
        """Put what is decorated into a dictionary that has no such key."""
        return self._registered(part, path, None)

    def _registered(
        self, part: Part, path: tuple[str, ...], make: Callable[[Any, Any], Any] | None
    ) -> Callable[[_Value], _Value]:
        def register(value: _Value) -> _Value:
            place = (part.module, path)
            if place in _places:
                raise SeamError(f"{_written(*place)} is changed twice: by {_places[place].name!r} and {self.name!r}.")
            _places[place] = self
            _pending.setdefault(part.module, []).append(_Pending(self, path, value, make))
            return value

        return register


@dataclass(frozen=True, slots=True)
class Repair(Change):
    """Something that ministack does otherwise than AWS; a test shows that ministack alone still does.

    Attributes:
        alone: What ministack does.
        aws: What AWS does, and this package.
        source: Where AWS says so.
    """

    alone: str
    aws: str
    source: str


@dataclass(frozen=True, slots=True)
class Addition(Change):
    """Something that AWS has and ministack lacks.

    Attributes:
        what: It.
    """

    what: str


@dataclass(frozen=True, slots=True)
class Own(Change):
    """Something that neither has: this package hangs in here.

    Attributes:
        why: What for.
    """

    why: str


CHANGES: Final[list[Change]] = []
"""All there are in the modules that have been imported."""

PARTS: Final[dict[str, Part]] = {}


@dataclass(frozen=True, slots=True)
class _Pending:
    """Something to put in its place. ``make`` gives it from what is decorated and what is there; None: nothing is there."""

    change: Change
    path: tuple[str, ...]
    value: Any
    make: Callable[[Any, Any], Any] | None


_pending: Final[dict[str, list[_Pending]]] = {}
_places: Final[dict[tuple[str, tuple[str, ...]], Change]] = {}
_importing: Final = threading.RLock()


def apply(*parts: Part) -> None:
    """Put everything in its place: in these parts and the modules that have been imported now, in each other one when it is.

    Raises:
        SeamError: ministack is another one than this package was written for.
    """
    sys.meta_path.insert(0, _AfterImport())
    for name in PARTS.keys() & sys.modules.keys():
        _change(sys.modules[name])
    for part in parts:
        part.load()


def everywhere(store: Any) -> list[Any]:
    """What one of ministack's stores holds for all accounts and Regions."""
    return list(store._data.values())


def log_lines(worker: Any) -> tuple[Any, Any]:
    """What one of ministack's workers has written to its log, as a queue, and the thread that reads it."""
    return worker._stderr_queue, worker._stderr_thread


class _AfterImport(MetaPathFinder):
    """Changes a module as soon as it has been imported, whoever imports it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path, target) if fullname in PARTS else None
        if found is None or found.loader is None:
            return None
        execute = found.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _change(module)

        found.loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader, made for this module
        return found


def _change(module: ModuleType) -> None:
    for name in sorted(PARTS[module.__name__].names.values()):
        if not hasattr(module, name):
            raise SeamError(f"{_ministack()} has no {_written(module.__name__, (name,))} any more, which local/ uses.")
    for each in _pending.pop(module.__name__, ()):
        _put(module, each)


def _put(module: ModuleType, pending: _Pending) -> None:
    *way, last = pending.path
    owner: Any = module
    for step in way:
        owner = _below(owner, step)
    there = _below(owner, last)
    where = f"{_written(module.__name__, pending.path)}, which {pending.change.name!r} of local/"
    if pending.make is None and there is not None:
        raise SeamError(f"{_ministack()} has {where} adds: take the addition out.")
    if owner is None or (there is None and pending.make is not None):
        raise SeamError(f"{_ministack()} has no {where} changes.")
    value = pending.value if pending.make is None else pending.make(pending.value, there)
    if inspect.isfunction(there) and (taken := _parameters(there)) != (given := _parameters(value)):
        raise SeamError(f"{_ministack()} gives {taken} to {where} changes and expects to take {given}.")
    if isinstance(owner, dict):
        owner[last] = value
    else:
        setattr(owner, last, value)


def _below(owner: Any, name: str) -> Any:
    """A member or a value; None where there is none, nor an owner."""
    return owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)


def _around(function: Callable[..., Any], replaced: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def around(*given: Any, **named: Any) -> Any:
        return function(replaced, *given, **named)

    # What it is called with, not what is decorated.
    own = inspect.signature(function)
    around.__signature__ = own.replace(parameters=[*own.parameters.values()][1:])  # type: ignore[attr-defined] # read by inspect
    return around


def _parameters(function: Any) -> str:
    """What a function takes, without types."""
    found = inspect.signature(function)
    plain = [each.replace(annotation=each.empty) for each in found.parameters.values()]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


def _written(module: str, path: tuple[str, ...]) -> str:
    return ".".join((module, *path))


def _ministack() -> str:
    return f"ministack {metadata.version('ministack')}"


# ---------------------------------------------------------------------- what is used of it

app = Part("app", "SERVICE_HANDLERS", "app")
router = Part("core.router")
responses = Part("core.responses", "_BOTOCORE_NAME")
sigv4 = Part(
    "core.sigv4", "header_signature_failure", "parse_header_signature", "parse_query_signature", "request_time_failure"
)
iam_actions = Part("core.iam_actions", "access_denied_response")
iam_evaluator = Part(
    "core.iam_evaluator",
    "AuthError",
    "CredentialResolutionError",
    "EvalContext",
    "EvalResult",
    "_POLICY_REQUIRED",
    "_action_matches",
    "_gather_role_policies",
    "_names_condition_key",
    "_permissions_boundary",
    "_request_caller_arn",
    "_resource_policy",
    "_role_name_from_assumed_arn",
    "authenticate",
    "combine_resource_policy",
    "evaluate",
    "evaluate_resource_policy",
    "is_root_access_key",
    "parse_policy_document",
    "resolve_caller_identity",
    "resolve_credential",
    "resolve_principal",
)
lambda_runtime = Part("core.lambda_runtime", "reset")
stepfunctions = Part(
    "services.stepfunctions",
    "_AWS_SDK_ERROR_PREFIX",
    "_AWS_SDK_SERVICE_MAP",
    "_ExecutionError",
    "_REST_XML_OP_SPECS",
    "_add_event",
    "_apply_input_path",
    "_apply_jsonata_arguments",
    "_apply_jsonata_output",
    "_apply_jsonata_template",
    "_apply_output_path",
    "_apply_state_assign",
    "_describe_execution",
    "_emit_execution_status_event",
    "_execute_choice",
    "_execute_map",
    "_execute_parallel",
    "_execute_pass",
    "_execute_task",
    "_execute_wait",
    "_executions",
    "_fail_execution",
    "_fail_state_error",
    "_finalize_response",
    "_invoke_resource",
    "_iso_to_epoch_ms",
    "_json_type",
    "_jsonata_state_field",
    "_nested_start_execution_request",
    "_resolve_state_machine_arn",
    "_run_execution",
    "_start_execution",
    "_state_machines",
    "_state_query_language",
    "_stop_execution",
    "_tags",
    "_task_tokens",
)
eventbridge = Part(
    "services.eventbridge",
    "_dispatch_event",
    "_ensure_default_bus",
    "_event_bus_policies",
    "_event_buses",
    "_event_pattern_error",
    "_now_ts",
    "_pattern_event_view",
    "_put_events",
    "_validate_schedule_expression",
)
cloudwatch = Part(
    "services.cloudwatch",
    "_alarms",
    "_calc_stats",
    "_composite_alarms",
    "_dims_from_list",
    "_dims_key",
    "_dispatch_alarm_actions",
    "_evaluate_parent_alarms",
    "_metrics",
    "_p",
    "_put_composite_alarm",
    "_record_history",
    "_stat_value",
)
sqs = Part("services.sqs", "_act_send_message", "_queue_by_arn", "_queues", "queue_policy_for_arn")
sns = Part("services.sns", "_topics", "topic_policy_for_arn")
s3 = Part("services.s3", "_bucket_object_lock", "_error")
iam = Part("services.iam", "_p", "_roles", "_xml")
sts = Part("services.sts", "_error")
dynamodb = Part("services.dynamodb", "_tables")
lambda_svc = Part(
    "services.lambda_svc",
    "_execute_function_with_config_scope",
    "_execution_record_for_config",
    "_function_url_is_signed",
    "_get_func_record_for_ref",
    "_invoke_depth",
    "_throttle_response",
    "executions_in_flight",
    "resolve_function_url",
)
tagging = Part("services.tagging", "resource_tags")
cloudformation = Part("services.cloudformation", "_stacks")
cloudformation_engine = Part("services.cloudformation.engine")
cloudformation_helpers = Part("services.cloudformation.helpers", "_p")
provisioners = Part(
    "services.cloudformation.provisioners",
    "_eb_rule_bus_name",
    "_iam_policy_drop",
    "_iam_policy_put",
    "_iam_policy_require_entities",
    "_iam_policy_require_valid_document",
    "_physical_name",
    "_policy_document_json",
)
