"""What a document has that its schema does not allow."""

from __future__ import annotations

from typing import Any


class SchemaFault(Exception):  # noqa: N818 - a finding, which `domain.policy` catches and words
    """The first fault of a document.

    Args:
        name: the place, such as ``data.gates[0].metric``.
        message: what it must be, as fastjsonschema says it.
        value: what is there.
        rule: the schema's keyword, such as ``maximum``.
        wanted: what the schema says under it, where words are made of that.
    """

    def __init__(self, name: str, message: str, value: Any, rule: str, wanted: Any) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message
        self.value = value
        self.rule = rule
        self.wanted = wanted
