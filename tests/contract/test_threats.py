"""Every threat of docs/threats.toml is answered by a test that shows it, and every mark of a test names a threat."""

from __future__ import annotations

from ops.threats import shown_by, threat_table, threats


def test_every_threat_is_shown_and_every_mark_names_one() -> None:
    assert {threat.name for threat in threats()} == set(shown_by())


def test_the_table_has_a_row_for_each_threat_with_its_tests() -> None:
    rows = threat_table().splitlines()[2:]
    assert len(rows) == len(threats())
    for row, threat in zip(rows, threats(), strict=True):
        assert threat.threat.split("|")[0] in row
        assert "](../tests/" in row.rsplit("|", 2)[1]
