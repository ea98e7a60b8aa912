"""Names of cases, and the table in docs/reliability.md."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults import report
from tests.faults.__main__ import main
from tests.faults.axes import AXES
from tests.faults.cases import BROKEN, HELD, Came, is_case
from tests.faults.cells import Cell, Point, cells_of

if TYPE_CHECKING:
    from pathlib import Path

WRITE = Point("promoted", "promote", "dynamodb:TransactWriteItems", "WAIT+INTENT+DUE+SUBJECT", 2)
READ = Point("no", "admit", "sagemaker:DescribeEndpoint", "", 1)
PUT = Point("no", "admit", "s3:PutObject", "decisions", 1)


@pytest.mark.parametrize("point", [WRITE, READ, PUT])
def test_a_case_is_found_by_its_name(point: Point) -> None:
    cells, _ = cells_of([point])
    assert [Cell.of(cell.name) for cell in cells] == cells
    assert len({cell.name for cell in cells}) == len(cells)


def test_a_name_of_no_case_is_known_as_such() -> None:
    cells, _ = cells_of([WRITE, READ, PUT])
    assert all(map(is_case, [*(cell.name for cell in cells), *AXES]))
    none = [
        "nosuch",
        "fault/nosuch",
        "fault/nosuch/admit/s3:PutObject.1/lost/once",
        "fault/no/admit/s3:PutObject.1/nosuch/once",
    ]
    assert not any(map(is_case, none))


def test_each_cell_is_played_or_has_its_reason() -> None:
    points = [WRITE, READ, PUT]
    cells, cannot = cells_of(points)
    assert len(cells) + cannot.total() == len(points) * 9 * 2
    kinds = {cell.kind for cell in cells if cell.point == READ}
    assert kinds == {"throttled", "5xx", "denied for a while", "denied for good"}
    assert {cell.kind for cell in cells if cell.point == PUT} - kinds == {
        "409",
        "lost",
        "killed before",
        "killed after",
    }
    assert {cell.kind for cell in cells if cell.point == WRITE} - kinds == {
        "conflict",
        "lost",
        "killed before",
        "killed after",
    }


def test_the_table_counts_every_case(tmp_path: Path) -> None:
    cells, cannot = cells_of([WRITE, READ])
    names = [cell.name for cell in cells] + list(AXES)
    kept = report.Kept(tmp_path)
    for place, name in enumerate(names[:10]):
        kept.add(Came(name, BROKEN if place == 0 else HELD, seconds=1.5))
    kept.keep_in_memory("interleavings", "seed 1, steps 100, broken: 2", well=False)
    assert kept.in_memory() == {}
    assert "- interleavings: seed 1, steps 100, broken: 2." in report.table(report.summed(names, kept, cannot))
    kept.keep_in_memory("interleavings", "seed 1, steps 100, broken: 0", well=True)
    summary = report.summed(names, kept, cannot)
    assert summary.broken == 1
    total: Counter[str] = sum(summary.axes.values(), Counter())
    assert total == {"cases": len(names), HELD: 9, BROKEN: 1, "left": len(names) - 10}
    assert f"| **all** | {len(names)} | 9 | 1 |  | {len(names) - 10} |".replace("  ", " 0 ") in report.table(summary)
    assert "- interleavings: seed 1, steps 100, broken: 0." in report.table(summary)
    assert "- safeguards: not played." in report.table(summary)


def test_the_page_has_the_table_the_generator_makes() -> None:
    text = report.PAGE.read_text()
    between = text[text.index(report.BEGIN) + len(report.BEGIN) : text.index(report.END)].strip().splitlines()
    assert between[:2] == report.table(report.Summary({}, Counter(), {}, 0, "")).splitlines()[:2]
    counts = [[int(cell) for cell in line.split("|")[2:-1]] for line in between[2:] if line.startswith("|")]
    assert [sum(column) for column in zip(*counts[:-1], strict=True)] == counts[-1]
    assert all(row[0] == sum(row[1:]) for row in counts)


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose product is one file, and the fault matrix of it."""
    git = shutil.which("git") or "git"
    (tmp_path / "src").mkdir()
    for name in report.PRODUCT[1:]:
        (tmp_path / name).touch()
    rule = tmp_path / "src" / "rule.py"
    rule.write_text("LIMIT = 1")
    (tmp_path / ".gitignore").write_text("build")
    person = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for arguments in (["init", "-q"], ["add", "-A"], [*person, "commit", "-q", "-m", "Begin"]):
        subprocess.run([git, *arguments], cwd=tmp_path, check=True)  # noqa: S603 - git itself
    monkeypatch.setattr(report, "ROOT", tmp_path)
    return rule


def test_what_was_played_counts_for_that_state_of_the_product_alone(product: Path) -> None:
    committed = report.Kept.of_this_product()
    committed.add(Came("stopped/deciding", HELD))
    product.write_text("LIMIT = 2")
    changed = report.Kept.of_this_product()
    assert changed.results() == {}
    changed.add(Came("stopped/deciding", HELD))
    product.write_text("LIMIT = 3")
    assert report.Kept.of_this_product().results() == {}
    product.write_text("LIMIT = 2")
    assert report.Kept.of_this_product().results().keys() == {"stopped/deciding"}
    product.write_text("LIMIT = 1")
    assert report.Kept.of_this_product() == committed


def test_the_table_says_how_to_see_what_changed_since(product: Path) -> None:
    asked = f"git log --oneline {report.product_commit()}.. -- src "
    assert asked in report.table(report.summed([], report.Kept.of_this_product(), Counter()))
    product.write_text("LIMIT = 2")
    assert asked in report.table(report.summed([], report.Kept.of_this_product(), Counter()))


def test_no_table_is_written_of_nothing_that_was_played(
    product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del product
    page = tmp_path / "page.md"
    page.write_text(f"{report.BEGIN}\nsix thousand cases\n{report.END}\n")
    monkeypatch.setattr(report.write, "__defaults__", (page,))
    kept = report.Kept.of_this_product()
    kept.keep_points([READ])
    assert main(["--table"]) == 2
    assert "make faults" in capsys.readouterr().err
    assert "six thousand cases" in page.read_text()
    kept.add(Came("stopped/deciding", HELD))
    assert main(["--table"]) == 0
    assert "six thousand cases" not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--case", "throttled"], "There is no case throttled."),
        (["--only", "nosuch"], "No case has nosuch in its name"),
    ],
)
def test_a_word_that_names_nothing_is_a_wrong_call_that_says_what_to_type(
    arguments: list[str], said: str, product: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del product
    report.Kept.of_this_product().keep_points([READ])
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "make faults ARGS=" in told
    assert all(len(line) <= 80 for line in told.splitlines())
