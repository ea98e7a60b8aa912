"""The copies of a candidate's data that an endpoint serves: made at the evaluation, and where a champion's came from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.artifact import artifact_copy, copies_used
from orchestration.domain.errors import NotAcceptedYetError
from orchestration.domain.promotion import artifact_uris
from orchestration.domain.serving import containers_of
from orchestration.stores.service_answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from orchestration.domain.artifact import ArtifactCopy
    from orchestration.domain.serving import Champion
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.training_output import TrainingOutput
    from orchestration.ports import Ports

AT_A_TIME: Final = timedelta(seconds=30)
"""For how long one call begins parts: with the last of them it has to end within the function's 60 s.

The workflow asks 60 times, for a history of 25,000 events holds no more: half an hour of copying.
"""


def served_artifacts(output: TrainingOutput, package: dict[str, Any] | None) -> list[str]:
    """Addresses of the single objects that an endpoint is given as a candidate's data: its package's, where it has one."""
    if package is not None:
        return artifact_uris(package)
    return [output.model_data_uri] if output.model_data_uri else []


def planned_copies(
    ports: Ports, run: StoredRun, artifacts: Iterable[str], versions: Mapping[str, str]
) -> tuple[ArtifactCopy, ...]:
    """Where the copies of a run's artifacts will lie, by the versions that are judged."""
    return tuple(
        artifact_copy(uri, versions[uri], bucket=ports.bucket.name, model=run.model, run_id=run.run_id)
        for uri in dict.fromkeys(artifacts)
    )


def keep_copies(ports: Ports, copies: Iterable[ArtifactCopy]) -> dict[str, str] | str:
    """Make the copies that are missing; gives the versions of all, or why one cannot be made.

    Raises:
        NotAcceptedYetError: more is to be copied than one call can; the workflow asks again.
    """
    until, kept = ports.now() + AT_A_TIME, dict[str, str]()
    for copy in copies:
        if (unfit := copy.unfit()) is not None:
            return unfit
        version = ports.bucket.version(copy.uri)
        if version is None:
            taken = ports.bucket.copy(copy, lambda: ports.now() < until)
            if taken.answer is Answer.REFUSED:
                return copy.refused(taken.code, taken.sentence)
            version = None if taken.answer.later else ports.bucket.version(copy.uri)
            if version is None:
                raise NotAcceptedYetError(taken.sentence or f"{copy.uri} is not to be seen yet.")
        kept[copy.uri] = version
    return kept


def champion_of(ports: Ports, endpoint: str | None, model: str) -> Champion | None:
    """What serves a model, ``with_sources``; None without an endpoint."""
    champion = ports.sagemaker.champion(endpoint) if endpoint else None
    return None if champion is None else with_sources(ports, champion, model)


def with_sources(ports: Ports, champion: Champion, model: str) -> Champion:
    """A champion with where its data lay if it serves copies; the verdicts that had the copies made know it.

    From there its model takes its data, unless ModelDataPrefixes says from where.
    """
    found = list[str]()
    for uri, run_id in copies_used(containers_of(champion.model), ports.bucket.name, model):
        verdict = ports.table.candidate_verdict(run_id)
        found += [copy.source for copy in (verdict.copies if verdict else ()) if copy.uri == uri]
    return replace(champion, copied_from=tuple(found))
