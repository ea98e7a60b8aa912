"""Pack the training code as sourcedir.tar.gz, the way SageMaker's script mode expects it.

The same sources give the same bytes (with the same zlib), so the archive's checksum says whether the code
changed: names are sorted, and times, owners and permissions do not depend on the machine.

Usage: ``python sourcedir.py --out sourcedir.tar.gz``
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# All that training and serving need.
SOURCES = ("inference.py", "train.py")


def build(folder: Path, sources: Sequence[str] = SOURCES) -> bytes:
    """Return the gzipped tar archive of ``sources`` (file names in ``folder``), all at its top level."""
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(sources):
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(name)  # owner 0, modified at 0
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(archived.getvalue(), compresslevel=9, mtime=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the archive of this folder's training code."""
    parser = argparse.ArgumentParser(description="Pack the training code for SageMaker.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(build(Path(__file__).resolve().parent))
    print(f"Packed {', '.join(SOURCES)} into {options.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
