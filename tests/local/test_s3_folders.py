"""What jobs and endpoints are given as tar.gz stays in their folder, also where Python has no filters for it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from local.s3_folders import DownloadError, download_and_unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local.conftest import Account

# What has none says so of itself where there are some.
pytestmark = pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning")


@pytest.fixture(params=["filters", "none"], autouse=True)
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python as it is, and before 3.11.4."""
    if request.param == "none":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.fixture
def unpacked(account: Account, tmp_path: Path) -> Callable[[tarfile.TarInfo], Path]:
    """Store an archive of one member and unpack it; gives the folder."""

    def unpack(member: tarfile.TarInfo) -> Path:
        buffer, content = io.BytesIO(), b"weights"
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            member.size = len(content) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(content))
        account.s3.put_object(Bucket="data", Key="model.tar.gz", Body=buffer.getvalue())
        download_and_unpack(account.s3, "s3://data/model.tar.gz", tmp_path / "model")
        return tmp_path / "model"

    return unpack


def test_a_file_in_a_folder_is_unpacked(unpacked: Callable[[tarfile.TarInfo], Path]) -> None:
    assert (unpacked(tarfile.TarInfo("code/weights")) / "code" / "weights").read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["../weights", "code/../../weights"])
def test_a_file_outside_is_refused(name: str, unpacked: Callable[[tarfile.TarInfo], Path], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot unpack s3://data/model\.tar\.gz"):
        unpacked(tarfile.TarInfo(name))
    assert not (tmp_path / "weights").exists()


def test_a_link_that_leads_outside_is_refused(unpacked: Callable[[tarfile.TarInfo], Path]) -> None:
    link = tarfile.TarInfo("weights")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(DownloadError, match="cannot unpack"):
        unpacked(link)
