"""The facts a run left, by which its outcome is concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.domain.contracts import WaitKind

if TYPE_CHECKING:
    from orchestration.domain.wait import Result
    from orchestration.ports import Ports


def facts_of(ports: Ports, run_id: str) -> dict[str, Result]:
    """Results by stage, see ``domain.conclusion``."""
    facts = {
        f"approval:{wait.subject}" if wait.kind is WaitKind.APPROVAL else str(wait.kind): wait.result
        for wait in ports.table.waits_of_run(run_id)
        if wait.result is not None and not wait.result.withdrawn
    }
    verdict = ports.table.candidate_verdict(run_id)
    return facts if verdict is None else {**facts, "evaluation": verdict.result}
