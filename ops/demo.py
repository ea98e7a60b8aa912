"""The whole loop on this machine: drift, retraining, approval, and a way back.

    make demo           asks you, at a terminal, to approve the promotion,
                        there or on the page of retraining review
    make demo YES=1     approves it itself; so it does where nobody can answer
    make demo KEEP=1    leaves the embedded AWS up at the end, for commands of
                        your own; Ctrl-C ends it

No AWS account, no Docker. What it leaves on this machine is the report of its
run, in .demo/. Exit status: 0 when all it promises came true, also when you
rejected the promotion; 1 when something did not; 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from local.__main__ import AWS_STAYS_INSIDE, path_of_commands
from local.embedded_aws import EmbeddedAws, EmbeddedAwsError, wait_until
from ops import package_zip
from ops.creditcard_world import ENDPOINT, FRESH_ROWS, FRESH_SEED, MILD_SEED, MODEL, CreditcardWorld, World, WorldError
from ops.desktop import has_desktop, opened
from ops.heard_signals import heard
from ops.invocation import finished
from ops.own_aws import played
from ops.project import ROOT, TEMPLATE
from ops.review.desk import Cast, Desk
from ops.review.pages import path_to
from ops.review.reading import SignedIn
from ops.review.server import PageServer
from ops.review.visit import Visitor
from ops.stack import Stack
from ops.stack_deployment import deploy, package
from ops.terminal import Column, Styled, Terminal
from orchestration.domain.run_report import LANES, PriceShown, shown_total
from orchestration.domain.votes import COMMENT_LIMIT, Answer
from orchestration.steps.approvals import PROMOTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ops.terminal import Cell, Part
    from orchestration.domain.wait import Wait

STACK: Final = "retraining-demo"

REPORTS: Final = ROOT / ".demo"
"""Where the report of the run stays."""

STRONG_DRIFT, MILD_DRIFT = 1.0, 0.25
MISSPELT: Final = "credit-card"
"""A model that nobody has: what the typo of a team's job names."""

PAGE_MINUTES: Final = 30
"""What the page says of its end; the demo's ends with the answer."""

PATIENCE_SECONDS: Final = 60.0
"""How long anything of the loop's own may take."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at an execution, by the one who watches; the loop itself never polls."""

TRAINING_SECONDS: Final = 900.0
"""How long an execution may take, training included."""

PHASES: Final = {state: lane for lane, states, ends in LANES for state in (*states, *ends)}
"""Phase of each state that is shown; choices are none."""

LABEL: Final = max(map(len, PHASES.values())) + 2

ENDINGS: Final = {
    f"Execution{how}": status
    for how, status in (
        ("Succeeded", "SUCCEEDED"),
        ("Failed", "FAILED"),
        ("Aborted", "ABORTED"),
        ("TimedOut", "TIMED_OUT"),
    )
}
"""Status of an execution by the event that ends its history."""


class Story:
    """Prints what happens and counts what came true. Time that a person took to answer is not the demo's."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._began = time.monotonic()
        self._waited = 0.0
        self._chapters = 0
        self._today = datetime.now(UTC)
        self.promises = 0
        self.failures: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start, less those of the person."""
        return time.monotonic() - self._began - self._waited

    def day(self, number: int) -> str:
        """A day of the story, the first one today; the same day also past midnight."""
        return f"{self._today + timedelta(days=number - 1):%Y-%m-%d}"

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        if self._chapters:
            self.terminal.say()
        self._chapters += 1
        self.terminal.say(Styled("bold", title))

    def line(self, *parts: Part) -> None:
        """One fact, with the seconds since the start."""
        at = f"{self.seconds:7.1f} s  "
        self.terminal.say(Styled("dim", at), *parts, hang=len(at.lstrip()))

    def command(self, line: str) -> None:
        """A command that can be copied."""
        self.terminal.command(line, indent=11)

    def promise(self, text: str, *, kept: bool) -> None:
        """One promise of the demo, and whether it was kept."""
        mark = Styled("green", "ok") if kept else Styled("red", "NOT TRUE")
        self.terminal.say("  ", mark, f"  {text}", hang=4)
        self.promises += 1
        if not kept:
            self.failures.append(text)

    def table(self, columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> None:
        """A table."""
        self.terminal.table(columns, rows)

    def working(self, text: str) -> Any:
        """A spinner on a terminal while something takes its time; nothing in a file."""
        return self.terminal.working(text)

    def ask(self, question: str, answered: Callable[[], bool], *, left: str = "") -> str | None:
        """What the person types, None once it is answered elsewhere; ``left`` where the question is left with Ctrl-D."""
        began = time.monotonic()
        try:
            typed = self.terminal.ask_until(question, answered)
            return None if typed is None else typed.strip()
        except EOFError:
            self.terminal.say()
            return left
        finally:
            self._waited += time.monotonic() - began


class Execution:
    """An execution of the loop, told phase by phase."""

    def __init__(self, story: Story, client: Any, arn: str) -> None:
        self._story, self._client = story, client
        self.arn = arn
        self.states: list[str] = []
        self.status = "RUNNING"
        self._told = 0

    @property
    def name(self) -> str:
        """Its name, which is the run's id."""
        return self.arn.rpartition(":")[2]

    @property
    def output(self) -> dict[str, Any]:
        """What it gave."""
        found: dict[str, Any] = json.loads(self._client.describe_execution(executionArn=self.arn).get("output") or "{}")
        return found

    def follow(self, until: str = "") -> None:
        """Tell its phases until it ends, or has come to a state.

        Raises:
            WorldError: neither came within 15 minutes.
        """
        began = time.monotonic()
        with self._story.working("the loop is at work") as spinner:
            while True:
                self._look()
                shown = [state for state in self.states if state in PHASES]
                if spinner is not None and shown:
                    spinner.update(f"the loop is in {shown[-1]}")
                over = self.status != "RUNNING" or (until and until in shown)
                self._tell(shown, whole=bool(over))
                if over:
                    return
                if time.monotonic() - began > TRAINING_SECONDS:
                    raise WorldError(f"Execution {self.name} is in {self.states[-1:]} after {TRAINING_SECONDS:.0f} s.")
                time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        events: list[dict[str, Any]] = []
        for page in self._client.get_paginator("get_execution_history").paginate(
            executionArn=self.arn, maxResults=1000, includeExecutionData=False
        ):
            events += page["events"]
        self.states = [
            event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
        ]
        self.status = ENDINGS.get(events[-1]["type"], "RUNNING") if events else "RUNNING"

    def _tell(self, shown: list[str], *, whole: bool) -> None:
        """Print the phases that are over; with ``whole`` the last one, too."""
        while self._told < len(shown):
            phase = PHASES[shown[self._told]]
            end = next((index for index in range(self._told, len(shown)) if PHASES[shown[index]] != phase), len(shown))
            if end == len(shown) and not whole:
                return
            self._story.line(f"{phase:<{LABEL}}", Styled("cyan", " > ".join(shown[self._told : end])))
            self._told = end


@dataclass(frozen=True)
class Scene:
    """What every chapter needs: the world, the stack as one person sees it, and the loop's machine."""

    story: Story
    aws: EmbeddedAws
    world_of: CreditcardWorld
    world: World
    stack: Stack
    first_config: str

    @property
    def bucket(self) -> str:
        """The loop's bucket."""
        return self.stack.outputs["AutomationBucketName"]

    @property
    def states(self) -> Any:
        """Step Functions."""
        return self.aws.client("stepfunctions")

    def serving(self) -> str:
        """The endpoint config that serves."""
        return str(self.aws.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"])

    def score(self) -> tuple[float, float]:
        """What the endpoint gives the frauds and the honest ones among 200 transactions of the drifted world."""
        return self.world_of.mean_score(FRESH_SEED + 7, STRONG_DRIFT)

    def execution(self, arn: str) -> Execution:
        """An execution to follow."""
        return Execution(self.story, self.states, arn)

    def begun_by(self, text: str) -> Execution:
        """The execution whose input has a text, such as the name of a job; it may have to begin yet."""
        machine, known = self.stack.outputs["StateMachineArn"], set[str]()

        def found() -> str | None:
            for page in self.states.get_paginator("list_executions").paginate(stateMachineArn=machine):
                for arn in (each["executionArn"] for each in page["executions"]):
                    if arn not in known:
                        known.add(arn)
                        if text in self.states.describe_execution(executionArn=arn)["input"]:
                            return str(arn)
            return None

        return self.execution(_awaited(found, f"an execution for {text}"))

    def monitor(self, day: str) -> tuple[dict[str, Any], Execution]:
        """Run the monitor on a day's transactions; gives its job, and the execution that the event of its end begins."""
        job = self.world_of.run_monitor(self.world.role_arn, day, self.aws.run_schedule)
        return job, self.begun_by(job["ProcessingJobName"])

    def records(self) -> list[dict[str, Any]]:
        """The decision records of the model, in their order."""
        found = [self.read(key) for key in self.keys(f"decisions/{MODEL}/")]
        return sorted(found, key=lambda record: int(record["chain"]["sequence"]))

    def read(self, key: str) -> Any:
        """A JSON object of the loop's bucket."""
        return json.loads(self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        """Keys in the loop's bucket."""
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def found_again(self, identity: str) -> bool:
        """Whether ``retraining signals --id`` finds it."""
        since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        return any(identity in each.ids for each in heard(self.stack.table, "", since))


@dataclass(frozen=True)
class Outcome:
    """What the drift came to."""

    run: Execution
    record: dict[str, Any]
    verdict: dict[str, Any]
    person: str
    answer: Answer
    serves: str

    @property
    def promoted(self) -> bool:
        """Whether the candidate got to serve."""
        return self.run.states[-1] == "ModelPromoted"


def run_demo(story: Story, *, yes: bool, keep: bool, verbose: bool) -> None:
    """Play the story from start to end.

    Args:
        story: where it is told.
        yes: approve without asking.
        keep: stay up afterwards until Ctrl-C.
        verbose: have the embedded AWS log every call.
    """
    # The threads are left last: what still works for the demo when something fails ends with the embedded AWS.
    with ThreadPoolExecutor(4) as pool, TemporaryDirectory(prefix="retraining-demo-") as folder:
        built = pool.submit(package_zip.build)
        with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.5"}, verbose=verbose) as aws:
            os.environ.update(aws.environment)
            scene = _set_up(story, aws, pool, built, Path(folder), person="demo" if yes else "reviewer")
            outcome = _drift(scene, pool, yes=yes)
            _noes(scene, pool, outcome)
            if outcome.promoted:
                _way_back(scene, outcome)
            _summary(scene, outcome, keep=keep)
            if keep:
                _stay(scene, outcome)


def _set_up(
    story: Story, aws: EmbeddedAws, pool: ThreadPoolExecutor, built: Future[Path], folder: Path, *, person: str
) -> Scene:
    story.chapter("A model serves; the loop is deployed")
    story.line(f"embedded AWS ready at {aws.endpoint_url}")
    aws.client("s3").create_bucket(Bucket="demo-artifacts")
    world_of = CreditcardWorld(aws.client, aws.environment, "creditcard-data", folder)

    def packaged() -> Path:
        built.result()
        return package(TEMPLATE, "demo-artifacts", folder / "packaged.yaml", environment=aws.environment)

    with story.working("making data, deploying, training the first champion"):
        template, data = pool.submit(packaged), pool.submit(world_of.make_data)
        world = world_of.deploy_pipeline("demo-artifacts", "")
        story.line("the team's own training pipeline is deployed")
        data.result()
        story.line("20,000 card transactions and their baseline are in S3")
        champion = pool.submit(world_of.train_champion, world.role_arn)
        outputs = deploy(
            template.result(),
            STACK,
            {
                "TrainingPipelineArn": world.pipeline_arn,
                "SageMakerExecutionRoleArn": world.role_arn,
                "DefaultModel": MODEL,
            },
            bucket="demo-artifacts",
            environment=aws.environment,
        )
        story.line("the loop is deployed with the AWS CLI: cloudformation package, deploy")
        prepared = pool.submit(world_of.new_transactions, STRONG_DRIFT, FRESH_SEED, story.day(1))
        world_of.upload_policy(world, outputs["AutomationBucketName"])
        stack = _signed_in(aws, outputs, person)
        first_config = champion.result()
        world_of.make_schedule(world.role_arn)
        prepared.result()
    story.line(f"a first champion was trained and serves on {ENDPOINT}")
    return Scene(story, aws, world_of, world, stack, first_config)


def _signed_in(aws: EmbeddedAws, outputs: dict[str, str], person: str) -> Stack:
    """The stack as an IAM user sees it who may review and operate, and nothing else."""
    key = aws.key_of(person)
    for policy in ("ReviewerPolicyArn", "OperatorPolicyArn"):
        aws.client("iam").attach_user_policy(UserName=person, PolicyArn=outputs[policy])
    os.environ.update(AWS_ACCESS_KEY_ID=key.access_key or "", AWS_SECRET_ACCESS_KEY=key.secret_key or "")
    return Stack(STACK, aws.region)


def _drift(scene: Scene, pool: ThreadPoolExecutor, *, yes: bool) -> Outcome:
    story = scene.story
    story.chapter("The world drifts: other customers, other fraud")
    scored = pool.submit(scene.score)
    with story.working("SageMaker Model Monitor is comparing them with the baseline"):
        job, run = scene.monitor(story.day(1))
    story.line(_said(job, story.day(1)))
    run.follow(until="AcquireTrainingSlot")
    record = scene.records()[-1]
    _tell(scene, record)
    run.follow(until="RequestPromotionApproval")
    before = scored.result()
    if run.status != "RUNNING":
        raise WorldError(
            f"The run ended in {run.states[-1]} before people were asked: {run.output.get('reason', run.status)}"
        )

    verdict = scene.read(f"evidence/{MODEL}/{run.name}/evaluation.json")["verdict"]
    story.chapter("The policy asks people before the new model serves")
    person, answer = _approval(scene, run.name, yes=yes)
    run.follow()
    after = scene.serving()
    promoted = run.states[-1] == "ModelPromoted"
    if promoted:
        frauds, honest = scene.score()
        story.line(
            f"mean score of frauds against honest: {before[0]:.2f} to {before[1]:.2f}, now {frauds:.2f} to {honest:.2f}"
        )
    else:
        story.line(f"{ENDPOINT} serves {after}, as before")
    if answer is Answer.APPROVED:
        story.promise("the run ended SUCCEEDED in ModelPromoted", kept=promoted and run.status == "SUCCEEDED")
        story.promise("the endpoint serves another config than before", kept=after != scene.first_config)
        story.promise(
            "the new model tells frauds from honest ones better than the old one",
            kept=promoted and frauds - honest > before[0] - before[1],
        )
    else:
        story.promise(
            "the run ended APPROVAL_REJECTED, and the champion serves on",
            kept=run.output.get("outcome") == "APPROVAL_REJECTED" and after == scene.first_config,
        )
    votes = scene.read(f"evidence/{MODEL}/{run.name}/approval-{PROMOTION}.json")["votes"]
    story.promise("the evidence names who decided", kept=[vote["by"] for vote in votes] == [person])
    return Outcome(run, record, verdict, person, answer, after)


def _approval(scene: Scene, run_id: str, *, yes: bool) -> tuple[str, Answer]:
    """Show what is asked, take the answer, and have it counted. Gives who answered, and what."""
    story, stack = scene.story, scene.stack
    wait: Wait = _awaited(
        # Without the token, which reviewers may not read.
        lambda: next(
            (each for each in stack.table.waits_of_run_without_tokens(run_id) if each.subject == PROMOTION), None
        ),
        "a request for approval",
    )
    verdict = wait.data["verdict"]
    _metrics_table(story, scene.read(f"evidence/{MODEL}/{run_id}/evaluation.json")["verdict"])
    for gate in verdict["gates"]:
        story.line(Styled("green", "pass") if gate["passed"] else Styled("red", "fail"), f"  {gate['sentence']}")
    change = verdict["promotion"]
    story.line(f"{change['endpoint']} would serve {change['wanted_config']}")
    who = stack.client("sts").get_caller_identity()["Arn"]
    story.line(
        f"{wait.approvals_needed} approval of whoever has the stack's ReviewerPolicy decides; without an answer until "
        f"{wait.deadline[:16]} UTC it is a no"
    )
    desk = Desk(SignedIn(lambda: stack), minutes=PAGE_MINUTES)
    with PageServer(0, desk).serving() as door:
        address = door.address(path_to("run", run_id))
        if yes:
            story.line("nobody is asked here: the demo approves under its own identity, by the form of the page that")
            story.command(stack.place.command("review", run_id))
            visitor = Visitor(address)
            visitor.send(visitor.get(visitor.path), visitor.path, decision=Answer.APPROVED, comment="given by the demo")
            cast = next(iter(desk.casts), None)
        else:
            story.line(f"you answer as {who}, on this page or here:")
            story.terminal.say(f"  {address}")
            if has_desktop(os.environ):
                opened(address)
            cast = _answer(story, stack, desk, run_id)
    if cast is None or not cast.counted:
        raise WorldError(f"The answer was not counted: {cast.sentence if cast else 'the page took none'}")
    story.line(cast.sentence)
    return str(who), Answer(cast.decision)


def _answer(story: Story, stack: Stack, desk: Desk, run_id: str) -> Cast | None:
    """What the person answers here or on the page, whichever comes first."""

    def on_the_page() -> Cast | None:
        return next((cast for cast in desk.casts if cast.counted), None)

    def answered() -> bool:
        return on_the_page() is not None

    while True:
        typed = story.ask("  Promote it? y approves, n rejects, Enter alone approves: ", answered, left="n")
        typed = "y" if typed == "" else typed
        if typed is None or typed.lower() in {"y", "yes", "n", "no"}:
            break
        story.line(f"{typed[:20]!r} is no answer: y, n, or Enter alone")
    comment = None if typed is None else story.ask("  Comment, kept as evidence (Enter for none): ", answered)
    if typed is None or comment is None:
        return on_the_page()
    decision = Answer.APPROVED if typed.lower().startswith("y") else Answer.REJECTED
    told = stack.decide(
        {
            "action": "decide",
            "run_id": run_id,
            "decision": decision,
            "comment": comment[:COMMENT_LIMIT],
            "subject": PROMOTION,
        }
    )
    return on_the_page() or Cast(run_id, decision, told["reason"], PROMOTION, counted=bool(told["counted"]))


def _noes(scene: Scene, pool: ThreadPoolExecutor, outcome: Outcome) -> None:
    """Send what the loop must not retrain for."""
    story, states, place = scene.story, scene.states, scene.stack.place
    client, machine = scene.aws.client("events"), scene.stack.outputs["StateMachineArn"]

    def mild() -> tuple[dict[str, Any], Execution]:
        scene.world_of.new_transactions(MILD_DRIFT, MILD_SEED, story.day(2), labelled=False)
        return scene.monitor(story.day(2))

    runs, before = scene.keys("manifests/"), len(scene.records())
    monitored = pool.submit(mild)

    story.chapter("The same event again: EventBridge delivers at least once")
    event = states.describe_execution(executionArn=outcome.run.arn)["input"]
    again = scene.execution(states.start_execution(stateMachineArn=machine, input=event)["executionArn"])
    again.follow()
    story.line(again.output["reason"])
    same = [record for record in scene.records() if record["signal_id"] == outcome.record["signal_id"]]
    story.promise(
        "no second run, no second decision",
        kept=(again.states[-1], len(same), scene.keys("manifests/")) == ("NoRetrainingNeeded", 1, runs),
    )

    story.chapter("A mild drift the next day: a warning, which this policy only observes")
    with story.working("SageMaker Model Monitor is comparing the next day with the baseline"):
        job, next_day = monitored.result()
    story.line(_said(job, story.day(2)))
    next_day.follow()
    record = scene.records()[-1]
    _tell(scene, record)
    story.promise(
        "one decision more, no run",
        kept=(len(scene.records()), scene.keys("manifests/"), record["decision"]) == (before + 1, runs, "OBSERVE"),
    )

    story.chapter(f"A job's typo: drift of {MISSPELT}, a model that nobody has")
    drift = {"model": MISSPELT, "metric": "psi_amount", "observed": 0.4, "threshold": 0.2}
    entry = {
        "Source": "mlops.drift",
        "DetailType": "Drift Detected",
        "Detail": json.dumps(drift),
        "EventBusName": scene.stack.event_bus,
    }
    event_id = client.put_events(Entries=[entry])["Entries"][0]["EventId"]
    typo = scene.begun_by(event_id)
    typo.follow()
    story.line(typo.output["reason"])
    story.command(place.command("signals", id=event_id))
    story.promise(
        "rejected, kept, and found by that id",
        kept=typo.states[-1] == "SignalRejected" and scene.found_again(event_id),
    )


def _way_back(scene: Scene, outcome: Outcome) -> None:
    """Have an operator put the champion before back."""
    story = scene.story
    story.chapter("An operator has doubts: the champion before serves again")
    reason, served = "chargebacks", scene.serving()
    story.command(scene.stack.place.command("rollback", model=MODEL, reason=reason))
    asked = scene.stack.operate({"action": "rollback", "model": MODEL, "reason": reason})
    seen = _awaited(lambda: scene.stack.table.signal(asked["signal_id"]), "the decision on the rollback")
    run_id = scene.stack.table.record_of(seen)["run_id"]
    machine = scene.stack.outputs["StateMachineArn"]
    back = scene.execution(f"{machine.replace(':stateMachine:', ':execution:')}:{run_id}")
    back.follow()
    serves = scene.serving()
    story.line(f"{ENDPOINT} serves {serves}")
    story.promise(
        "the first champion serves again, nothing was trained",
        kept=served == outcome.serves and serves == scene.first_config and "TriggerTrainingPipeline" not in back.states,
    )


def _summary(scene: Scene, outcome: Outcome, *, keep: bool) -> None:
    story, run_id, terminal = scene.story, outcome.run.name, scene.story.terminal
    story.chapter("What it left behind")
    story.line(f"in s3://{scene.bucket}/")
    left = {
        prefix: len(scene.keys(prefix))
        for prefix in (
            f"manifests/{MODEL}/",
            f"decisions/{MODEL}/",
            f"evidence/{MODEL}/{run_id}/",
            f"runs/{MODEL}/{run_id}/",
        )
    }
    for prefix, count in left.items():
        story.line(f"{count:>3} in {prefix}")
    story.promise("plan, decisions, evidence and what was trained are there", kept=all(left.values()))
    report = _report(scene, run_id)

    verdict = outcome.verdict
    gates, metric = verdict["gates"], verdict["gates"][0]["metric"]
    champion, candidate = (verdict[f"{which}_metrics"][metric] for which in ("champion", "candidate"))
    story.chapter("In short")
    terminal.facts(
        (
            ("drift", f"{_drifted(outcome.record)}: {outcome.record['decision']}"),
            (
                "trained",
                f"{metric} {champion:.3f} -> {candidate:.3f}, {sum(map(_passed, gates))} of {len(gates)} gates passed",
            ),
            ("approval", f"{outcome.answer.lower()} by {outcome.person.rpartition(':')[2]}"),
            ("promoted", outcome.serves if outcome.promoted else "nothing"),
            ("no to", f"the same event again, a mild drift, the unknown model {MISSPELT}"),
            (
                "rolled back",
                f"{scene.serving()} serves again" if outcome.promoted else "nothing, for nothing was promoted",
            ),
            ("price", _price(scene, run_id) if report else None),
            ("report", str(report.relative_to(ROOT)) if report else None),
        )
    )
    terminal.say()
    if story.failures:
        terminal.say(Styled("red", f"{len(story.failures)} of {story.promises} promises did not come true."))
    else:
        terminal.say(Styled("green", f"All {story.promises} promises came true"), f" in {story.seconds:.0f} s.")
    if not keep:
        terminal.say("The embedded AWS ends with all that is in it; make demo KEEP=1 keeps it up.")
    if report and terminal.is_terminal and has_desktop(os.environ):
        opened(report.as_uri())


def _tell(scene: Scene, record: dict[str, Any]) -> None:
    """Tell a decision, and the command that explains it."""
    facts = f" ({record['reason']}), {record['severity']}: {_drifted(record)}"
    scene.story.line(Styled("bold", record["decision"]), facts)
    scene.story.command(scene.stack.place.command("explain", record["signal_id"]))


def _drifted(record: dict[str, Any]) -> str:
    """What was measured against its threshold."""
    threshold = record["signal"]["threshold"]
    return f"{threshold['metric']} {threshold['observed']:.2f} against {threshold['threshold']:g}"


def _passed(gate: dict[str, Any]) -> bool:
    return bool(gate["passed"])


def _report(scene: Scene, run_id: str) -> Path | None:
    """Take the report of a run out of the embedded AWS, which forgets it; None where the loop wrote none."""
    found = next(iter(scene.keys(f"evidence/{MODEL}/{run_id}/report.html")), None)
    if found is None:
        return None
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / "report.html"
    path.write_bytes(scene.aws.client("s3").get_object(Bucket=scene.bucket, Key=found)["Body"].read())
    return path


def _price(scene: Scene, run_id: str) -> str:
    """What the report of a run says that it cost."""
    price = PriceShown(**scene.read(f"evidence/{MODEL}/{run_id}/report.json")["price"])
    return f"{shown_total(price)}, list prices of {price.location}"


def _stay(scene: Scene, outcome: Outcome) -> None:
    """Say what can be tried, and stay up until Ctrl-C.

    Raises:
        EmbeddedAwsError: the embedded AWS ended before.
    """
    terminal, place, run_id = scene.story.terminal, scene.stack.place, outcome.run.name
    scene.story.chapter("The embedded AWS stays up. In another terminal:")
    for names in (("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")):
        terminal.command("export " + " ".join(f"{name}={scene.aws.environment[name]}" for name in names))
    terminal.say(f"  {path_of_commands()}")
    terminal.say(f"  {AWS_STAYS_INSIDE}")
    terminal.say()
    for line in (
        place.command("review"),
        place.command("status"),
        place.command("signals", since="24h"),
        place.command("explain", outcome.record["signal_id"]),
        place.command("history", model=MODEL),
        place.command("history", run=run_id),
        place.command("report", run=run_id),
    ):
        terminal.command(line)
    terminal.say()
    # Whoever reads the line may press at once.
    with suppress(KeyboardInterrupt):
        terminal.say("Ctrl-C ends it; everything in it is forgotten.")
        status = scene.aws.await_end()
        raise EmbeddedAwsError(
            f"the embedded AWS ended by itself (exit status {status}), and what was in it is gone. To begin again: make demo KEEP=1"
        )


def _said(job: dict[str, Any], day: str) -> str:
    """What Model Monitor says of a day: the word its run ends with."""
    word = str(job.get("ExitMessage") or job["ProcessingJobStatus"]).partition(":")[0]
    return f"{FRESH_ROWS:,} transactions of {day}: {word}"


def _metrics_table(story: Story, verdict: dict[str, Any]) -> None:
    rows = []
    for name in ("auc", "recall"):
        pair = (verdict["champion_metrics"].get(name), verdict["candidate_metrics"].get(name))
        rows.append((f"           {name}", *("-" if value is None else f"{value:.3f}" for value in pair)))
    story.table(("           on held-out rows", Column("champion", right=True), Column("candidate", right=True)), rows)


def _awaited(condition: Callable[[], Any], what: str) -> Any:
    try:
        return wait_until(condition, within=PATIENCE_SECONDS)
    except TimeoutError:
        raise WorldError(f"There was not {what} within {PATIENCE_SECONDS:.0f} s.") from None


def _given(name: str) -> bool:
    """Whether a variable of make says yes."""
    return os.environ.get(f"RETRAINING_{name}", "").strip().lower() in {"1", "true", "yes"}


def _demo(argv: Sequence[str] | None) -> int:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m ops.demo",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--yes", action="store_true", default=_given("YES"), help="approve without asking (YES=1)")
    parser.add_argument("--keep", action="store_true", default=_given("KEEP"), help="stay up at the end (KEEP=1)")
    parser.add_argument("--verbose", action="store_true", help="log every call the embedded AWS gets")
    options = parser.parse_args(argv)
    terminal = Terminal()
    asks = sys.stdin.isatty() and terminal.is_terminal and not options.yes
    story = Story(terminal)

    def play() -> int:
        run_demo(story, yes=not asks, keep=options.keep, verbose=options.verbose)
        return int(bool(story.failures))

    return played(play, terminal, "the demo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo from the command line; whoever reads it, such as `head`, may have seen enough."""
    return finished(lambda: _demo(argv), ())


if __name__ == "__main__":
    sys.exit(main())
