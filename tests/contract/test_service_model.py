"""What policies are held against is what the required botocore knows of the APIs."""

from __future__ import annotations

import json
import re

import botocore
import pytest
from botocore.loaders import Loader

from ops.docs import WHOLE, main
from ops.service_shapes import service_shapes
from orchestration.domain.policy import POLICY_BYTES_LIMIT
from tests.contract.template import ROOT

DATA = ROOT / "src" / "orchestration" / "service_shapes.json"


def test_the_shapes_are_those_of_the_botocore_that_is_required() -> None:
    assert DATA.read_text(encoding="utf-8") == service_shapes()
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    required = re.search(r"^botocore==(\S+)", lock, re.MULTILINE)
    assert required is not None
    assert json.loads(DATA.read_text(encoding="utf-8"))["botocore"] == required[1] == botocore.__version__


def test_lint_says_when_the_shapes_are_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WHOLE, "src/orchestration/service_shapes.json", lambda: "{}")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "src/orchestration/service_shapes.json is stale; run make docs\n"


def test_an_execution_takes_the_largest_input_that_a_policy_can_have() -> None:
    """Beside it stand the run's own keys, each an address or a name; what is sent has at most a character for each byte."""
    shapes = Loader().load_service_model("stepfunctions", "service-2")["shapes"]
    taken = shapes[shapes["StartExecutionInput"]["members"]["input"]["shape"]]["max"]
    assert taken >= POLICY_BYTES_LIMIT + 20 * 2048
