"""Draw docs/pictures/workflow.svg: the workflow's phases with the states a reader meets, and where each can end.

What is drawn where the report of a run decides (``LANES``); that every task and every end of statemachine.asl.json is drawn, and nothing else,
is checked. Which states park a token is read from it.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Final

from orchestration.domain.run_report import LANES

if TYPE_CHECKING:
    from pathlib import Path

ALTERNATIVES: Final = frozenset({"RecordOutcome", "RecordFailure"})
"""States of which a run meets one: drawn without arrows between them."""

WIDTH, GAP, BOX, ROW, HEAD, MARGIN = 196, 14, 30, 42, 34, 16

STYLE: Final = """
text{font:12px ui-sans-serif,system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}
.head{fill:#0b5cad}.head-text{fill:#fff;font-weight:600;font-size:13px}
.lane{fill:#f3f6fa}.box{fill:#fff;stroke:#8c959f}.parked{stroke-dasharray:4 3;stroke:#0b5cad}
.good{fill:#dafbe1;stroke:#1a7f37}.bad{fill:#ffebe9;stroke:#cf222e}.calm{fill:#eaeef2;stroke:#8c959f}
.arrow{stroke:#8c959f;fill:none}.small{font-size:11px}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.lane{fill:#161b22}.box{fill:#0d1117;stroke:#6e7681}
.good{fill:#0f2d18;stroke:#3fb950}.bad{fill:#3a1214;stroke:#f85149}.calm{fill:#21262d;stroke:#6e7681}.parked{stroke:#58a6ff}}
""".replace("\n", "")


def draw(workflow: Path) -> str:
    """The picture as SVG.

    Raises:
        ValueError: a state drawn here is not in the workflow, or one of the workflow is not drawn.
    """
    states = json.loads(workflow.read_text(encoding="utf-8"))["States"]
    parked = {name for name, state in states.items() if state.get("Resource", "").endswith(".waitForTaskToken")}
    drawn = {name for _, names, ends in LANES for name in (*names, *ends)}
    seen = {name for name, state in states.items() if state["Type"] != "Choice"}
    wrong = sorted(drawn ^ seen)
    if wrong:
        raise ValueError(f"The picture and the workflow disagree on {', '.join(wrong)}; correct LANES.")
    rows = max(len(names) for _, names, _ in LANES)
    most_ends = max(len(ends) for _, _, ends in LANES)
    lane_height = HEAD + 12 + rows * ROW + 8 + most_ends * (BOX + 4) + 8
    width, height = 2 * MARGIN + len(LANES) * WIDTH + (len(LANES) - 1) * GAP, lane_height + 2 * MARGIN + 26
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="The phases of a run: {escape(", ".join(lane for lane, _, _ in LANES))}">'
        ),
        f"<style>{STYLE}</style>",
    ]
    for index, (title, names, ends) in enumerate(LANES):
        left, top = MARGIN + index * (WIDTH + GAP), MARGIN
        parts.append(f'<rect class="lane" x="{left}" y="{top}" width="{WIDTH}" height="{lane_height}" rx="6"/>')
        point = left + WIDTH + (GAP - 2 if index < len(LANES) - 1 else 0)
        parts.append(
            f'<path class="head" d="M{left} {top}H{left + WIDTH}L{point} {top + HEAD / 2}L{left + WIDTH} {top + HEAD}'
            f'H{left}Z"/><text class="head-text" x="{left + 12}" y="{top + 22}">{escape(title)}</text>'
        )
        for row, name in enumerate(names):
            y = top + HEAD + 12 + row * ROW
            following = names[row + 1] if row + 1 < len(names) else None
            if following and not ({name, following} <= ALTERNATIVES):
                x = left + WIDTH / 2
                parts.append(f'<path class="arrow" d="M{x} {y + BOX}v{ROW - BOX}m-3-4l3 4l3-4"/>')
            kind = "box parked" if name in parked else "box"
            parts.append(_box(kind, left + 10, y, WIDTH - 20, name))
        for row, name in enumerate(ends):
            y = top + lane_height - 8 - (len(ends) - row) * (BOX + 4) + 4
            kind = (
                "bad"
                if states[name]["Type"] == "Fail"
                else "good"
                if name in {"ModelPromoted", "RetrainingCompleted"}
                else "calm"
            )
            parts.append(_box(kind, left + 10, y, WIDTH - 20, name, radius=15))
    note = "Dashed: parked on a task token, however long it takes. Below: where a run can end; red ends page people."
    parts.append(f'<text class="small" x="{MARGIN}" y="{height - MARGIN + 4}">{note}</text></svg>')
    return "\n".join(parts) + "\n"


def _box(kind: str, x: float, y: float, width: float, name: str, radius: int = 4) -> str:
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{BOX}" rx="{radius}"/>'
        f'<text x="{x + width / 2}" y="{y + 19}" text-anchor="middle">{escape(name)}</text>'
    )
