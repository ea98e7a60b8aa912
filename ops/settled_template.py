"""A template with some parameters settled: what they leave out of every stack is not in it any more.

    settled(document, {"ApprovalAccess": "OFF"})

What it makes is what the template makes of these values, whatever the other parameters are. A condition with one answer
goes, and with it what hangs on it; so nothing that stays refers to what went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ops.template import references

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Final = {"Ref": "AWS::NoValue"}


def settled(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The template without parameters that have these values, and without what is not made or not used then. Pure.

    Args:
        document: a template in its long form.
        values: parameters by name.

    Raises:
        ValueError: one of its rules refuses these values, so that no stack could be made.
    """
    reader = _Reader(document, values)
    made = dict(document)
    made["Resources"] = reader.section("Resources")
    made["Outputs"] = reader.section("Outputs")
    made["Rules"] = reader.rules()
    open_conditions = {
        name: answer
        for name in document.get("Conditions", {})
        if not isinstance(answer := reader.condition(name), bool)
    }
    used = set(references([made["Resources"], made["Outputs"]]))
    while more := {each for name in used & open_conditions.keys() for each in references(open_conditions[name])} - used:
        used |= more
    made["Conditions"] = {name: answer for name, answer in open_conditions.items() if name in used}
    used |= set(references(made["Rules"]))
    made["Parameters"] = {name: declared for name, declared in document["Parameters"].items() if name in used}
    if "Metadata" in document:
        made["Metadata"] = _form(document["Metadata"], made["Parameters"])
    return {name: section for name, section in made.items() if section}


class _Reader:
    """Reads the parts of a template for what is left of them."""

    def __init__(self, document: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self._document = document
        self._values = values
        self._answers: dict[str, Any] = {}

    def section(self, name: str) -> dict[str, Any]:
        """Resources or outputs without those that are never made."""
        found = {}
        for each, entry in self._document.get(name, {}).items():
            answer = self.condition(entry["Condition"]) if "Condition" in entry else True
            if answer is not False:
                left = self._value(entry)
                found[each] = {key: part for key, part in left.items() if key != "Condition" or answer is not True}
        return found

    def rules(self) -> dict[str, Any]:
        """Rules without assertions that are always true."""
        found = {}
        for name, rule in self._document.get("Rules", {}).items():
            when = self._test(rule["RuleCondition"]) if "RuleCondition" in rule else True
            checks = [(self._test(each["Assert"]), each) for each in rule["Assertions"]]
            if when is False or all(answer is True for answer, _ in checks):
                continue
            if any(answer is False for answer, _ in checks):
                raise ValueError(f"rule {name} refuses {dict(self._values)}")
            found[name] = {
                **({} if when is True else {"RuleCondition": when}),
                "Assertions": [{**each, "Assert": answer} for answer, each in checks if answer is not True],
            }
        return found

    def condition(self, name: str) -> Any:
        """True, False, or what the condition still depends on."""
        if name not in self._answers:
            self._answers[name] = self._test(self._document["Conditions"][name])
        return self._answers[name]

    def _test(self, node: Mapping[str, Any]) -> Any:
        ((function, argument),) = node.items()
        match function:
            case "Condition":
                answer = self.condition(argument)
                return answer if isinstance(answer, bool) else node
            case "Fn::Equals":
                left, right = (self._value(each) for each in argument)
                known = not isinstance(left, (dict, list)) and not isinstance(right, (dict, list))
                return str(left) == str(right) if known else {function: [left, right]}
            case "Fn::Not":
                answer = self._test(argument[0])
                return not answer if isinstance(answer, bool) else {function: [answer]}
            case "Fn::And" | "Fn::Or":
                decides = function == "Fn::Or"
                answers = [self._test(each) for each in argument]
                left = [answer for answer in answers if not isinstance(answer, bool)]
                if decides in answers:
                    return decides
                if len(left) > 1:
                    return {function: left}
                return left[0] if left else not decides  # both functions take two conditions at least
            case _:
                return {function: self._value(argument)}

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for each in node if (value := self._value(each)) != _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Ref" and argument in self._values:
                return self._values[argument]
            if function == "Fn::If":
                name, yes, no = argument
                answer = self.condition(name)
                if isinstance(answer, bool):
                    return self._value(yes if answer else no)
                return {function: [name, self._value(yes), self._value(no)]}
        return {key: value for key, each in node.items() if (value := self._value(each)) != _NOTHING}


def _form(metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The console's form without the parameters that are gone."""
    interface = metadata["AWS::CloudFormation::Interface"]
    groups = [
        {**group, "Parameters": [name for name in group["Parameters"] if name in parameters]}
        for group in interface["ParameterGroups"]
    ]
    labels = {name: label for name, label in interface["ParameterLabels"].items() if name in parameters}
    form = {"ParameterGroups": [group for group in groups if group["Parameters"]], "ParameterLabels": labels}
    return {**metadata, "AWS::CloudFormation::Interface": form}
