"""Copies of what a candidate is made of: where each lies, in which parts it is made, and why there can be none. Pure.

SageMaker reads a model's data again whenever an endpoint scales out, so what lies where a training wrote it could be another
model by then. An endpoint is given the copy, which the loop makes at the evaluation and nobody can write again.

A copy's key is derived from the run and from the version of what is copied: whoever goes on with one finds what was begun,
and never adds parts of another version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import s3_addresses, text
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ARTIFACTS: Final = "artifacts/"
"""Folder of copies in the AutomationBucket; one writer, each key written once, nothing deleted."""

PART_BYTES: Final = 64 * 1024**2
"""One request copies so much; its answer has to come within the client's 8 s."""

PARTS: Final = 10_000
"""Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""

NAME_CHARACTERS: Final = 128
"""Of an artifact's own name that its copy keeps, from the end: S3 keys have 1,024 bytes."""

MENDED: Final[Mapping[str, str]] = {
    "AccessDenied": "the OrchestrationFunction's role may not read it. That role reads everything in the stack's own bucket and "
    "*.tar.gz in the others of its account: write it under output_uri, or allow the role s3:GetObject on it in the bucket's "
    "policy, and kms:Decrypt with the key that encrypts it",
    "InvalidObjectState": "it lies in an archive. Restore it, or keep model data out of the lifecycle rule that moved it there",
    "NoSuchKey": "it is gone. Keep what was trained at least until it serves",
    "NoSuchBucket": "its bucket is gone. Keep what was trained at least until it serves",
}
"""What to do about an error of S3, by its code."""

SAME: Final[Mapping[str, str]] = {"AllAccessDisabled": "AccessDenied", "403": "AccessDenied", "404": "NoSuchKey"}


@dataclass(frozen=True, slots=True)
class ArtifactCopy:
    """A copy: ``uri`` holds what lay at ``source`` when its version was ``version``, an ETag, a slash and the bytes of it."""

    source: str
    version: str
    uri: str

    @property
    def etag(self) -> str:
        """ETag of what is copied."""
        return self.version.rpartition("/")[0]

    @property
    def size(self) -> int:
        """Bytes of what is copied."""
        return int(self.version.rpartition("/")[2])

    def as_record(self) -> dict[str, str]:
        """As the verdict keeps it."""
        return asdict(self)

    def parts(self) -> Iterator[tuple[int, str | None]]:
        """Numbers of its parts with their bytes, ``bytes=<first>-<last>``; None for the one part that is everything.

        Source: UploadPartCopy in the API: "You can copy a range only if the source object is greater than 5 MB".
        """
        if self.size <= PART_BYTES:
            yield 1, None
            return
        for first in range(0, self.size, PART_BYTES):
            yield first // PART_BYTES + 1, f"bytes={first}-{min(first + PART_BYTES, self.size) - 1}"

    def unfit(self) -> str | None:
        """Why there can be no copy of something of that size; None when there can."""
        if self.size == 0:
            return f"{self.source} is empty, so nothing was trained."
        if self.size > PARTS * PART_BYTES:
            return (
                f"{self.source} has {self.size} bytes; {PARTS * PART_BYTES} are copied at most. Train a smaller model."
            )
        return None

    def refused(self, code: str, sentence: str) -> str:
        """Why there is no copy, and what to do; ``code`` is S3's word, ``sentence`` its own text."""
        why = MENDED.get(SAME.get(code, code), sentence)
        return f"{text(self.source, 1024)} could not be copied to where nobody can change it ({code}): {why}. Then retrain."


def artifact_copy(source: str, version: str, *, bucket: str, model: str, run_id: str) -> ArtifactCopy:
    """The copy of an artifact of a run, in the AutomationBucket ``bucket``; the same for the same version."""
    name = source.rpartition("/")[2][-NAME_CHARACTERS:]
    return ArtifactCopy(
        source, version, f"s3://{bucket}/{ARTIFACTS}{model}/{run_id}/{sha256(f'{source} {version}')[:16]}/{name}"
    )


def copies_used(containers: Any, bucket: str, model: str) -> Iterator[tuple[str, str]]:
    """Address and run of each copy of a model's that containers name."""
    folder = f"s3://{bucket}/{ARTIFACTS}{model}/"
    for uri in s3_addresses(containers):
        run_id, slash, _ = uri.removeprefix(folder).partition("/")
        if uri.startswith(folder) and slash:
            yield uri, run_id


def served_from(versions: Mapping[str, str], copies: Iterable[ArtifactCopy], kept: Mapping[str, str]) -> dict[str, str]:
    """The versions that are to stay as they are until the candidate serves: of copies, ``kept``, instead of their sources."""
    sources = {copy.source for copy in copies}
    return {uri: version for uri, version in versions.items() if uri not in sources} | dict(kept)
