"""Write what comes from the template, the workflow, the policy schema, the threats, the Makefile and others' models.

Others' models are botocore's of SageMaker and cfn-lint's schemas of what a Region has.

    make docs                 write them
    make docs CHECK=1         change nothing; exit status 1 when one is stale (make lint does this)
    make docs DEMO=1          run the demo first and keep its output and its report for the README
    make docs STREAMS=1       run the example of a stream first and keep its output and the page of its life, likewise

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``; some files are generated as a whole. A
decision record that does not keep to its form is said, and exit status 1.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.policies import page as policy_page
from local.changes import tables as changes_tables
from ops import called_services, decision_records, report_picture, scale
from ops.aws_questions import page
from ops.command_reference import command_reference
from ops.given_files import FileKind
from ops.given_policies import policy_of
from ops.given_schemas import schema_of
from ops.policy_check import policy_check
from ops.region_schemas import as_text, region_data
from ops.regions import FEATURES, OPTIONAL, SOURCE, gaps_of, missing
from ops.schema_reference import contract, example, policy_reference, told_contract
from ops.service_shapes import service_shapes
from ops.simulate import NO_FILE, of_file, say, settings_of
from ops.simulation.stated import Stated
from ops.stack_names import longest_stack_name
from ops.template import sources
from ops.terminal import Terminal
from ops.threats import threat_table
from ops.workflow_picture import draw
from orchestration.domain.contracts import Decision, Status
from orchestration.domain.metrics import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
WORKFLOW: Final = ROOT / "statemachine.asl.json"
DECISIONS: Final = ROOT / "docs" / "decisions"
DEMO_OUTPUT: Final = ROOT / "docs" / "demo-output.txt"
DEMO_REPORT: Final = ROOT / "docs" / "demo-report.html"
STREAMS_OUTPUT: Final = ROOT / "docs" / "streams-output.txt"
STREAMS_LIFE: Final = ROOT / "docs" / "streams-life.html"
EXCERPT: Final = "In short"
"""The chapter of the demo that the README shows."""
EXCERPT_LINES: Final = 15


def parameters_table() -> str:
    """The template's parameters, group by group."""
    template = sources()
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    lines = []
    for group in interface["ParameterGroups"]:
        lines += [f"### {group['Label']['default']}", "", "| parameter | default | meaning |", "| --- | --- | --- |"]
        for name in group["Parameters"]:
            parameter = template["Parameters"][name]
            default = parameter.get("Default", "")
            values = ", ".join(str(value) for value in parameter.get("AllowedValues", [])[:8])
            meaning = str(parameter["Description"]) + (
                f" One of {values}." if values and len(parameter["AllowedValues"]) <= 8 else ""  # noqa: PLR2004 - fits a cell
            )
            lines.append(f"| `{name}` | {f'`{default}`' if default != '' else 'empty'} | {_cell(meaning)} |")
        lines.append("")
    return "\n".join(lines).strip()


def outputs_table() -> str:
    """The template's outputs."""
    template = sources()
    lines = ["| output | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(str(output['Description']))} |" for name, output in template["Outputs"].items()]
    return "\n".join(lines)


def states_table() -> str:
    """Every state of the workflow with the invariant it keeps."""
    states = json.loads(WORKFLOW.read_text(encoding="utf-8"))["States"]
    lines = ["| state | type | what it keeps |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {state['Type']} | {_cell(state['Comment'])} |" for name, state in states.items()]
    return "\n".join(lines)


def whole_graph() -> str:
    """The whole workflow as a Mermaid flowchart; error paths are dotted."""
    states = json.loads(WORKFLOW.read_text(encoding="utf-8"))["States"]
    lines = ["```mermaid", "flowchart TD"]
    for name, state in states.items():
        shape = {"Choice": f"{name}{{{name}}}", "Succeed": f"{name}([{name}])", "Fail": f"{name}[/{name}/]"}
        lines.append(f"  {shape.get(state['Type'], f'{name}[{name}]')}")
    for name, state in states.items():
        lines += [f"  {name} --> {target}" for target in _targets(state)]
        lines += [f"  {name} -.-> {target}" for target in _catches(state)]
    return "\n".join([*lines, "```"])


def statuses_table() -> str:
    """Every status that a run can have and that a program can hear of."""
    lines = ["| status | ends the run | pages people |", "| --- | --- | --- |"]
    for status in Status:
        section = str(status).lower().replace("_", "-")
        pages = f"[yes](../runbook.md#{section})" if status.escalates else ""
        lines.append(f"| `{status}` | {'yes' if status.final else ''} | {pages} |")
    lines += [f"| `SIGNAL_{decision}` | no run was begun |  |" for decision in Decision if not decision.begins_run]
    return "\n".join(lines)


def failures_table() -> str:
    """Ends of an execution that fail it."""
    states = json.loads(WORKFLOW.read_text(encoding="utf-8"))["States"]
    rows = (f"| `{state['Error']}` | {state['Comment']} |" for state in states.values() if state["Type"] == "Fail")
    return "\n".join(["| error | what it says |", "| --- | --- |", *rows])


def region_table() -> str:
    """What each Region is without."""
    gaps = gaps_of(region_data(sources()))
    whole = [region for region in gaps.lacks if not missing(region, gaps)]
    lines = [
        f"From {SOURCE} of {gaps.schema_date}.",
        "",
        f"Everything: {', '.join(whole)}.",
        "",
        "| Region | left out of the stack | besides not in CloudFormation |",
        "| --- | --- | --- |",
    ]
    for region in gaps.lacks:
        names = [feature.name for feature in missing(region, gaps)]
        if names:
            left_out = ", ".join(name for name in names if name in OPTIONAL) or "nothing"
            lines.append(f"| {region} | {left_out} | {', '.join(name for name in names if name not in OPTIONAL)} |")
    return "\n".join([*lines, "", f"Not known: {', '.join(gaps.unknown)}."])


def feature_table() -> str:
    """What a Region may be without, and what that costs."""
    lines = ["| feature | resource types | without it |", "| --- | --- | --- |"]
    for feature in FEATURES:
        types = ", ".join(f"`{kind}`" for kind in sorted(feature.types))
        lines.append(f"| {feature.name} | {types} | {feature.cost} |")
    return "\n".join(lines)


def stack_name() -> str:
    """How long a stack's name may be."""
    longest = longest_stack_name(sources())
    made = longest.name.replace("${AWS::StackName}", "<stack>")
    return (
        f"A stack's name may have {longest.characters} characters: `{made}`, of which AWS takes {longest.limit}, is "
        "made of it. `retraining deploy` refuses a longer one; by hand, creating the stack fails."
    )


def make_targets() -> str:
    """What ``make`` prints."""
    # Started by make itself, a make says which directory it enters; what it prints must not depend on who asks.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    printed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    ).stdout
    return "```text\n" + printed.rstrip() + "\n```"


def demo_excerpt() -> str:
    """The chapter that the last demo run with ``make docs DEMO=1`` ended with."""
    printed = DEMO_OUTPUT.read_text(encoding="utf-8").strip()
    lines = printed[printed.index(f"{EXCERPT}\n") :].splitlines()[:EXCERPT_LINES]
    return "```text\n" + "\n".join(lines) + "\n```"


def verified_state() -> str:
    """Whether anybody asked AWS what no document says, and what it said."""
    return page.state_sentence(page.Results.kept())


def verified_questions() -> str:
    """What AWS is asked, and its answers."""
    return page.questions_table(page.Results.kept())


def decisions_index() -> str:
    """The decision records, in their order."""
    return decision_records.index(decision_records.kept(DECISIONS))


def streams_output() -> str:
    """What the last run of the example of a stream printed."""
    return f"```text\n{STREAMS_OUTPUT.read_text(encoding='utf-8').strip()}\n```"


def metrics_table() -> str:
    """The metrics of models that the catalogue knows."""
    return _catalogue_table("metrics", "better")


def drift_measures_table() -> str:
    """The measures of drift that the catalogue knows."""
    return _catalogue_table("drift_measures", "more drift")


def _catalogue_table(kind: str, way: str) -> str:
    data = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    lines = [f"| metric | {way} when it is | possible | also written | known from |", "| --- | --- | --- | --- | --- |"]
    for entry in data[kind]:
        least, most = ("no bound" if each is None else f"{each:g}" for each in entry["range"])
        direction = entry.get("better") or entry["worse"]
        aliases = ", ".join(f"`{name}`" for name in entry["aliases"]) or "-"
        lines.append(
            f"| `{entry['name']}` | {direction} | {least} to {most} | {aliases} | {', '.join(entry['sources'])} |"
        )
    return "\n".join(lines)


def metric_sources() -> str:
    """Where the catalogue's names are from."""
    found = json.loads(CATALOGUE.read_text(encoding="utf-8"))["sources"]
    return "\n".join(
        f"- {name}: " + (f"[{each['title']}]({each['url']})" if each["url"] else each["title"])
        for name, each in found.items()
    )


@functools.cache
def _measured() -> tuple[scale.Taken, scale.Taken]:
    """What a signal that begins no run takes of AWS, and a promotion."""
    from tests.unit import table_units  # noqa: PLC0415 - the loop in memory is the tests'

    return table_units.of_a_no(), table_units.of_a_promotion()


def simulation_example() -> str:
    """What the simulation of docs/simulate.md prints."""
    folder, told = ROOT / "examples" / "simulate", io.StringIO()
    settings = settings_of(None)
    tried = [
        (name, policy_of(file, "fraud", settings))
        for name, file in ((NO_FILE, None), ("fraud.json", folder / "policies" / "fraud.json"))
    ]
    say(Terminal(file=told), of_file(Terminal(json=True), folder / "signals.jsonl", tried, Stated()))
    return f"```text\n{told.getvalue().rstrip()}\n```"


WHOLE: Final[dict[str, Callable[[], str]]] = {
    "docs/pictures/workflow.svg": functools.partial(draw, WORKFLOW),
    "docs/pictures/report.svg": functools.partial(report_picture.draw, DEMO_REPORT),
    "docs/pictures/life.svg": functools.partial(report_picture.draw, STREAMS_LIFE),
    "src/orchestration/policy_check.py": policy_check,
    "src/orchestration/service_shapes.json": service_shapes,
    **called_services.files(),
    "docs/decisions/README.md": decisions_index,
    "docs/reference/commands.md": command_reference,
    "ops/regions.json": lambda: as_text(region_data(sources())),
}

GENERATED: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "README.md": {
        "demo excerpt": demo_excerpt,
        "verified on AWS": verified_state,
    },
    "CONTRIBUTING.md": {"make targets": make_targets},
    "docs/deploy.md": {"stack name": stack_name, "verified on AWS": verified_state},
    "docs/parameters.md": {"parameters": parameters_table, "outputs": outputs_table},
    "docs/workflow.md": {"graph": whole_graph, "states": states_table},
    "docs/metrics.md": {
        "metrics": metrics_table,
        "drift measures": drift_measures_table,
        "sources": metric_sources,
    },
    "docs/policy-benchmark.md": dict(policy_page.parts()),
    "docs/policy.md": {
        "policy example": functools.partial(example, schema_of(FileKind.POLICY), 1),
        "policy": policy_reference,
    },
    "docs/reference/drift-report.md": contract(schema_of(FileKind.DRIFT_REPORT), 1),
    "docs/reference/retraining-request.md": contract(schema_of(FileKind.REQUEST), 1),
    "docs/reference/training.md": {
        **told_contract("training-input", 0, part="input "),
        **contract(schema_of(FileKind.OUTPUT), 1, name="output "),
    },
    "docs/reference/evaluation-report.md": contract(schema_of(FileKind.EVALUATION), 1),
    "docs/reference/status-event.md": {**told_contract("status-change", 0), "statuses": statuses_table},
    "docs/reference/execution-output.md": {
        **told_contract("execution-output", 0),
        "failures": failures_table,
    },
    "docs/regions.md": {"regions": region_table, "features": feature_table},
    "docs/scale.md": {
        "evenly": scale.evenly,
        "signals": lambda: scale.signals_table(_measured()[0]),
        "promotions": lambda: scale.promotions_table(_measured()[1]),
        "partitions": lambda: scale.partitions_table(*_measured()),
        "stacks": scale.stacks_table,
    },
    "docs/security.md": {"threats": threat_table},
    "docs/simulate.md": {"example": simulation_example},
    "docs/verified-on-aws.md": {"state": verified_state, "questions": verified_questions},
    "examples/streams/README.md": {"output": streams_output},
    "local/README.md": {"changes": changes_tables},
}


def render(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """The document with its generated parts written anew.

    Raises:
        KeyError: a part has no place in the document.
    """
    for name, make in parts.items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise KeyError(name)
        body = make()
        text = pattern.sub(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)  # type: ignore[misc] # body is bound
    return text


def _targets(state: dict[str, Any]) -> list[str]:
    found = [choice["Next"] for choice in state.get("Choices", [])]
    found += [state[key] for key in ("Default", "Next") if key in state]
    return list(dict.fromkeys(found))


def _catches(state: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(catch["Next"] for catch in state.get("Catch", [])))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _played(module: str, output: Path, pages: dict[str, Path]) -> bool:
    """Whether a program came to its end; then what it printed and the pages it left in .demo are kept."""
    finished = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        print(f"docs: {module} failed, its output was not taken.\n{finished.stdout}{finished.stderr}", file=sys.stderr)
        return False
    output.write_text(finished.stdout.strip() + "\n", encoding="utf-8")
    for name, kept in pages.items():
        kept.write_bytes((ROOT / ".demo" / name).read_bytes())
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the generated parts."""
    arguments = argparse.ArgumentParser(prog="make docs", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("--check", action="store_true", default=bool(os.environ.get("CHECK")), help="CHECK=1")
    arguments.add_argument("--demo", action="store_true", default=bool(os.environ.get("DEMO")), help="DEMO=1")
    arguments.add_argument("--streams", action="store_true", default=bool(os.environ.get("STREAMS")), help="STREAMS=1")
    options = arguments.parse_args(argv)
    if options.demo and not _played("ops.demo", DEMO_OUTPUT, {"report.html": DEMO_REPORT}):
        return 1
    if options.streams and not _played("examples.streams", STREAMS_OUTPUT, {"life.html": STREAMS_LIFE}):
        return 1
    faults = decision_records.faults(decision_records.kept(DECISIONS))
    for fault in faults:
        print(fault)
    stale = []
    for name in (*WHOLE, *GENERATED):
        path = ROOT / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = WHOLE[name]() if name in WHOLE else render(before, GENERATED[name])
        if after != before:
            stale.append(name)
            if not options.check:
                path.write_text(after, encoding="utf-8")
    if options.check:
        for name in stale:
            print(f"{name} is stale; run make docs")
        return int(bool(stale or faults))
    print(f"written: {', '.join(stale)}" if stale else "nothing to write: every generated part is up to date")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
