"""The example of a stream: what its monitor says, what its model learns, and what the command says of itself."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.policies.packages import FetchError
from examples.streams import __main__ as command
from examples.streams import model, monitor
from examples.streams import stream as stream_read
from examples.streams.model import Chunk
from examples.streams.play import Calendar, errors_always_retrained, errors_never_retrained
from examples.streams.world import StreamWorld
from ops.given_files import FileKind
from ops.given_schemas import schema_of
from ops.validate import policy_findings

SINCE = datetime(2027, 1, 1, tzinfo=UTC)


def stream(count: int, *, turns: int, rows: int = 90) -> list[Chunk]:
    """Chunks whose labels follow from a column, and from a chunk on from its opposite."""
    rng = np.random.default_rng(7)
    made = []
    for number in range(count):
        columns = rng.normal(size=(rows, 3))
        made.append(Chunk(columns, ((columns[:, 0] > 0) != (number >= turns)).astype(float)))
    return made


def said(wrong: int, *, rows: int = 100, promised: float = 0.1) -> dict[str, Any]:
    return monitor.drift_report(
        model="fraud",
        endpoint="fraud-prod",
        uri="s3://team/fraud/chunks/0001.csv",
        since=SINCE,
        until=SINCE + timedelta(days=2),
        wrong=wrong,
        rows=rows,
        promised=promised,
    )


def test_the_monitor_says_error_threshold_and_window_as_the_contract_has_them() -> None:
    report = said(25)

    assert (report["metric"], report["observed"], report["threshold"]) == ("error", 0.25, 0.16)
    assert report["dataset"]["window_end"] == "2027-01-03T00:00:00+00:00"
    assert set(report) <= set(schema_of(FileKind.DRIFT_REPORT)["properties"])


@pytest.mark.parametrize(("promised", "rows", "expected"), [(0.1, 100, 0.16), (0.1, 10_000, 0.106), (0.0, 50, 0.02)])
def test_the_threshold_is_what_chance_explains_of_so_many_rows(promised: float, rows: int, expected: float) -> None:
    assert monitor.threshold(promised, rows) == pytest.approx(expected)


def test_rows_to_judge_are_a_third_and_nobody_trains_on_them() -> None:
    chunk = Chunk(np.arange(9.0).reshape(9, 1), np.zeros(9))

    assert chunk.to_judge().columns.tolist() == [[0.0], [3.0], [6.0]]
    assert set(chunk.to_learn().columns.ravel()) & set(chunk.to_judge().columns.ravel()) == set()


def test_a_column_that_never_varied_and_a_number_that_is_missing_decide_nothing() -> None:
    learned = model.learned(
        [Chunk(np.column_stack([each.columns, np.ones(90)]), each.labels) for each in stream(2, turns=9)]
    )
    rows = np.array([[2.0, 0.0, 0.0, 1.0], [2.0, np.nan, 0.0, 5_000.0], [-2.0, np.nan, 0.0, -5_000.0]])

    assert learned.answers(rows).tolist() == [1, 1, 0]


def test_the_script_trains_on_the_last_chunks_and_judges_candidate_and_champion_on_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects: dict[tuple[str, str], bytes] = {}

    class Bucket:
        def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803 - boto3's
            objects[Bucket, Key] = Body

        def download_file(self, bucket: str, key: str, path: str) -> None:
            Path(path).write_bytes(objects[bucket, key])

    monkeypatch.setattr(model, "_bucket_client", Bucket)
    folders = {name: tmp_path / name for name in ("chunks", "first", "second")}
    for folder in folders.values():
        folder.mkdir()
    for number, chunk in enumerate(stream(6, turns=4)):
        table = np.column_stack([chunk.labels, chunk.columns])
        np.savetxt(folders["chunks"] / f"{number:04d}.csv", table, delimiter=",")
        if number == 3:
            asked = ["--window", "4", "--judged", "1", "--chunks", str(folders["chunks"])]
            assert (
                model.main(
                    [
                        *asked,
                        "--champion",
                        "",
                        "--evaluation-uri",
                        "s3://b/1.json",
                        "--model-dir",
                        str(folders["first"]),
                    ]
                )
                == 0
            )
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.add(folders["first"] / model.MODEL_FILE, model.MODEL_FILE)
    objects["b", "model.tar.gz"] = (tmp_path / "model.tar.gz").read_bytes()
    asked = ["--window", "2", "--judged", "1", "--chunks", str(folders["chunks"]), "--champion", "s3://b/model.tar.gz"]
    assert model.main([*asked, "--evaluation-uri", "s3://b/2.json", "--model-dir", str(folders["second"])]) == 0

    first, second = (json.loads(objects["b", f"{number}.json"]) for number in (1, 2))
    assert "champion" not in first
    right = [part["binary_classification_metrics"]["accuracy"]["value"] for part in (second, second["champion"])]
    assert (right[0] > 0.9, right[1] < 0.1, second["dataset"]) == (True, True, {"item_count": 30})
    served = model.model_fn(str(folders["second"]))
    assert model.predict_fn(np.array([2.0, 0.0, 0.0]), served).tolist() == [0]


def test_the_yardsticks_know_no_chunk_before_it_comes() -> None:
    chunks = stream(8, turns=4)
    never, always = errors_never_retrained(chunks, 2, 2), errors_always_retrained(chunks, 2, 2)

    assert [round(error) for error in never] == [0, 0, 1, 1, 1, 1]
    # On chunk 5 it was trained on one chunk from before the turn and one from after it.
    assert [round(always[at]) for at in (0, 1, 2, 4, 5)] == [0, 0, 1, 0, 0]


def test_chunks_of_the_stream_are_its_rows_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{number / 1000},0.5,{number % 2}" for number in range(300)]
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as package:
        package.writestr(stream_read.TABLE, "\n".join(["period,price,target", *rows]))

    def fetched(packages: Any, *_: Any, **__: Any) -> dict[str, Path]:
        return {each.name: tmp_path / "package.whl" for each in packages}

    monkeypatch.setattr(stream_read, "fetch", fetched)
    one, two = stream_read.chunks(2)
    assert (one.columns.shape, one.columns[0, 0], two.columns[0, 0]) == ((96, 2), 0.0, 0.096)
    assert (one.labels[:3].tolist(), len(two.labels)) == ([0.0, 1.0, 0.0], 96)


def test_a_stream_that_cannot_be_fetched_says_what_pip_said_last_and_what_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise FetchError("it could not be fetched: WARNING: Retrying\nERROR: No matching distribution found")

    monkeypatch.setattr(stream_read, "fetch", refused)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert command.main(["--chunks", "1"]) == 1
    said_of_it = " ".join(capsys.readouterr().out.split())
    assert "The life stopped: The package" in said_of_it
    assert "ERROR: No matching distribution found. To name one: PIP_INDEX_URL." in said_of_it
    assert "Retrying" not in said_of_it


def test_a_chunk_ends_when_the_next_begins() -> None:
    calendar = Calendar(SINCE, 2)
    assert (calendar.since(0), calendar.since(3)) == (SINCE, SINCE + timedelta(days=6))
    assert command.coming_year() > datetime.now(UTC)


def test_the_policy_is_one_that_the_loop_takes() -> None:
    written: dict[str, bytes] = {}

    class Bucket:
        def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803 - boto3's
            written[Key] = Body

    world = StreamWorld(
        lambda _: Bucket(),
        model="electricity",
        data_bucket="team",
        role_arn="arn:aws:iam::111122223333:role/model",
        image="image",
        outputs={"AutomationBucketName": "loop"},
    )
    assert world.put_policy()["promotion"]["endpoint"] == world.endpoint
    ((key, body),) = written.items()
    assert (key, policy_findings("electricity.json", body)) == ("policies/electricity.json", ())


def test_a_wrong_call_and_help_say_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--stream", "none"], ["--chunks", "0"], ["--chunks", "459"]):
        with pytest.raises(SystemExit) as left:
            command.main(wrong)
        assert left.value.code == 2
    with pytest.raises(SystemExit) as helped:
        command.main(["--help"])
    assert helped.value.code == 0
    said_of_it = capsys.readouterr().out
    assert "--chunks" in said_of_it
    assert max(map(len, said_of_it.splitlines())) <= 80
