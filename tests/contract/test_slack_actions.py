"""The buttons in Slack as the template writes them: within what the API of chat takes, and of one mind with the code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.session import Session

from local.shape_constraints import constraint_problems
from ops.resolved_template import Place
from orchestration.domain.slack_buttons import Button, buttons_of, press_of
from tests.contract.template import BUTTONS, Template

TEMPLATE: Final = Template.read()
STACK: Final = TEMPLATE.resolve(BUTTONS)
ACTIONS: Final = STACK.of_type("AWS::Chatbot::CustomAction")
HERE: Final = Place(stack_id="0a1b2c3d-4e5f-11ef-8a9b-0242ac120002")
COMMAND: Final = re.compile(
    r'lambda invoke --function-name (slack-[0-9a-f]{8}) --payload (\{"[a-z]+":"\$id"\}) --region (\S+)'
)
NONCE: Final = "n" * 43


def test_a_button_is_there_for_each_that_the_code_knows_and_the_channel_has_them_all() -> None:
    names = {button: f"Slack{button.capitalize()}Action" for button in Button}

    assert set(ACTIONS) == set(names.values())
    assert len(STACK.resources["SlackChannel"]["Properties"]["CustomizationResourceArns"]) == len(names)
    for button, name in names.items():
        (attachment,) = ACTIONS[name]["Properties"]["Attachments"]
        assert attachment["ButtonText"].lower() == button
        assert attachment["Variables"] == {"id": f"event.metadata.additionalContext.{button}"}
        assert attachment["Criteria"] == [{"VariableName": "id", "Operator": "HAS_VALUE"}]


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1", "us-isof-south-1"])
@pytest.mark.parametrize("button", Button)
def test_a_command_fits_in_every_region_whatever_the_stack_is_called(button: Button, region: str) -> None:
    """100 characters. Source: CustomActionDefinition in the API of Amazon Q Developer in chat applications."""
    stack = TEMPLATE.resolve(BUTTONS, place=replace(HERE, region=region, stack="s" * 47))
    properties = stack.resources[f"Slack{button.capitalize()}Action"]["Properties"]
    command = properties["Definition"]["CommandText"]
    shape: Any = Session().get_service_model("chatbot").operation_model("CreateCustomAction").input_shape

    assert len(command) <= 100
    assert [*constraint_problems(properties, shape)] == []
    assert COMMAND.fullmatch(command)


@pytest.mark.threat("button-forged")
def test_what_a_button_carries_is_put_into_its_command_as_text_and_asks_what_it_says() -> None:
    run_id = "again.after-fix_2"
    wait: Any = SimpleNamespace(run_id=run_id, data={"approvals_needed": 1, "channel": "always"})
    for name, value in buttons_of(wait, NONCE).items():
        properties = TEMPLATE.resolve(BUTTONS, place=HERE).resources[f"Slack{name.capitalize()}Action"]["Properties"]
        matched = COMMAND.fullmatch(properties["Definition"]["CommandText"])
        assert matched is not None
        press = press_of(json.loads(matched[2].replace("$id", value)))
        assert press is not None
        assert (press.button, press.run_id, press.nonce) == (name, run_id, NONCE)


def test_two_stacks_of_one_name_have_functions_of_their_own() -> None:
    other = replace(HERE, stack_id=HERE.stack_id.replace("0a1b2c3d", "ffffffff"))
    assert TEMPLATE.resolve(BUTTONS, place=HERE).name("SlackFunction") == "slack-0a1b2c3d"
    assert TEMPLATE.resolve(BUTTONS, place=other).name("SlackFunction") == "slack-ffffffff"
