"""What checkov and parliament are shown, and what becomes of what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops import security_lint
from ops.resolved_template import Template
from ops.security_lint import Finding, Issue, judge_checks, judge_issues, policies, sampled, without_metadata
from ops.template import parse

TEXT = """
Parameters:
  KmsKeyArn: { Type: String, Default: '' }
Conditions:
  HasKmsKey: !Not [!Equals [!Ref KmsKeyArn, '']]
  IsWide: !Equals [a, b]
Resources:
  WorkerLogGroup:
    Type: AWS::Logs::LogGroup
    Metadata: { checkov: { skip: [{ id: CKV_AWS_158, comment: 'Holds nothing that is not public' }] } }
    Properties:
      RetentionInDays: 30
      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]
  WorkerRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - { Sid: OnlyLambda, Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
  WorkerPolicy:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref WorkerRole
      PolicyName: Work
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Sid: ReadAlarms # composite alarms are shown only to a permission on all
            Effect: Allow
            Action: cloudwatch:DescribeAlarms
            Resource: '*'
          - !If
            - HasKmsKey
            - Sid: UseTheKey # objects only
              Effect: Allow
              Action: kms:Decrypt
              Resource: !If [IsWide, '*', !Ref KmsKeyArn]
            - !Ref AWS::NoValue
"""

GROWN = """
  RunPolicy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement: [{ Sid: RunAnything, Effect: Allow, Action: ['iam:PassRole', 'ec2:RunInstances'], Resource: '*' }]
  MisspeltPolicy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement: [{ Sid: AskForNothing, Effect: Allow, Action: 's3:GetObjekt', Resource: '*' }]
"""


def template(text: str = TEXT) -> Template:
    return Template(Path("made-up.yaml"), text, parse(text))


def issue(made: Template, name: str, sid: str, action: str) -> Issue:
    """An issue of parliament on the line of a statement."""
    policy = next(each for each in policies(made) if sid in each.text)
    line = next(number for number, line in enumerate(policy.text.splitlines(), 1) if sid in line)
    return Issue(policy, name, line, action, "Said")


def test_parliament_is_shown_each_policy_under_every_combination_of_the_conditions_in_it() -> None:
    made = template()
    shown = [policy for policy in policies(made) if policy.place == "WorkerPolicy"]

    assert [[s["Sid"] for s in policy.statements] for policy in shown] == [
        ["ReadAlarms", "UseTheKey"],
        ["ReadAlarms", "UseTheKey"],
        ["ReadAlarms"],
    ]
    key = security_lint.SAMPLES["KmsKeyArn"]
    assert {policy.statements[1]["Resource"] for policy in shown if len(policy.statements) > 1} == {key, "*"}


def test_a_trust_policy_is_shown_as_a_statement_on_its_role() -> None:
    (trust,) = [policy for policy in policies(template()) if policy.place == "WorkerRole"]

    assert trust.statements[0]["Resource"].endswith(":role/loop-WorkerRole")


def test_every_line_of_a_shown_policy_is_the_statement_that_an_issue_on_it_is_about() -> None:
    for policy in policies(Template.read()):
        assert json.loads(policy.text)["Statement"] == list(policy.statements)
        for line, statement in enumerate(policy.statements, 2):
            assert policy.sids(line, "") == [statement["Sid"]]


def test_checkov_is_shown_what_would_be_created_with_every_condition_true_and_with_every_one_false() -> None:
    made = template()
    true, false = (
        without_metadata(sampled(made, dict.fromkeys(made.conditions, decided)))["Resources"]["WorkerLogGroup"]
        for decided in (True, False)
    )

    assert true["Properties"] == {"RetentionInDays": 30, "KmsKeyId": security_lint.SAMPLES["KmsKeyArn"]}
    assert false["Properties"] == {"RetentionInDays": 30}
    assert "Metadata" not in true, "what it would skip it would not report"


def test_a_failed_check_is_a_finding_unless_its_own_resource_skips_it() -> None:
    failed = [("WorkerLogGroup", "CKV_AWS_158", "Encrypt"), ("OtherLogGroup", "CKV_AWS_158", "Encrypt")]

    assert judge_checks(template(), failed) == [Finding("OtherLogGroup", "CKV_AWS_158", "Encrypt")]


def test_a_skip_that_is_not_needed_or_gives_no_reason_is_a_finding() -> None:
    unneeded = judge_checks(template(), [])
    silent = template(TEXT.replace("Holds nothing that is not public", " "))

    assert [(each.place, each.message) for each in unneeded] == [
        ("WorkerLogGroup", "is skipped and not found: remove the skip")
    ]
    assert [each.message for each in judge_checks(silent, [("WorkerLogGroup", "CKV_AWS_158", "Encrypt")])] == [
        "is skipped without a reason"
    ]


def test_a_far_reaching_permission_is_answered_by_a_reason_beside_its_sid_and_by_less_not() -> None:
    made = template()

    assert judge_issues(made, [issue(made, "RESOURCE_STAR", "ReadAlarms", "cloudwatch:DescribeAlarms")]) == []
    (found,) = judge_issues(made, [issue(made, "RESOURCE_STAR", "UseTheKey", "kms:Decrypt")])
    assert (found.place, found.rule) == ("WorkerPolicy.UseTheKey", "RESOURCE_STAR")
    assert "say beside the Sid why" in found.message


def test_no_reason_answers_what_is_wrong_in_itself() -> None:
    made = template()
    found = judge_issues(made, [issue(made, "UNKNOWN_ACTION", "ReadAlarms", "cloudwatch:DescribeAlarms")])

    assert [each.place for each in found] == ["WorkerPolicy.ReadAlarms"]


def test_an_issue_without_a_line_is_about_every_statement_with_its_action() -> None:
    made = template()
    policy = next(each for each in policies(made) if "UseTheKey" in each.text)
    named = Issue(policy, "PERMISSIONS_MANAGEMENT_ACTIONS", None, "kms:decrypt", "Said")
    of_the_whole = Issue(policy, "PRIVILEGE_ESCALATION", None, "", "Said")

    assert [each.place for each in judge_issues(made, [named])] == ["WorkerPolicy.UseTheKey"]
    assert [each.rule for each in judge_issues(made, [of_the_whole])] == ["PRIVILEGE_ESCALATION"]


def test_a_mistake_of_parliament_that_no_template_meets_any_more_is_a_finding() -> None:
    made = template()
    (name, action), *rest = security_lint.MISTAKEN
    met = issue(made, name, "ReadAlarms", action)

    assert judge_issues(made, [met]) == []
    assert {(each.rule, each.place) for each in security_lint.unused_mistakes([met])} == set(rest)


@pytest.mark.skipif(not security_lint.PYTHON.is_file(), reason="make lint installs them")
def test_they_find_what_no_other_linter_here_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log group that is plain in one form only, an action nobody has, and two permissions that make a third."""
    text = TEXT.replace("    Metadata:", "    # Metadata:") + GROWN
    monkeypatch.setattr(security_lint, "WORKPLACE", tmp_path)
    findings = security_lint.lint([Template(tmp_path / "made-up.yaml", text, parse(text))])

    assert {(each.place, each.rule) for each in findings[tmp_path / "made-up.yaml"]} == {
        ("WorkerLogGroup", "CKV_AWS_158"),
        ("WorkerPolicy.UseTheKey", "RESOURCE_STAR"),
        *[("RunPolicy", check) for check in ("CKV_AWS_109", "CKV_AWS_110", "CKV_AWS_111")],
        ("RunPolicy.RunAnything", "PRIVILEGE_ESCALATION"),
        ("RunPolicy.RunAnything", "PERMISSIONS_MANAGEMENT_ACTIONS"),
        ("RunPolicy.RunAnything", "RESOURCE_STAR"),
        ("MisspeltPolicy.AskForNothing", "UNKNOWN_ACTION"),
    }
