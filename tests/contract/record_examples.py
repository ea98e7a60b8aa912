"""Write docs/reference/examples anew, a record of each kind from a history that has seen everything.

PYTHONPATH=src .venv/bin/python -m tests.contract.record_examples
"""

from __future__ import annotations

import json
from typing import Final

from ops.record_schemas import SCHEMAS
from tests.unit.fakes import World
from tests.unit.history import rich_history
from tests.unit.test_record_schemas import chained_objects

EXAMPLES: Final = SCHEMAS.parent / "reference" / "examples"


def main() -> None:
    """Write the last record of each kind."""
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    for record in chained_objects(world).values():
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (EXAMPLES / f"{record['kind']}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
