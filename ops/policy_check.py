"""The check of a policy against its schema as code, which fastjsonschema writes from the schema.

    python -m ops.policy_check        # write it; imports nothing that imports it, so that a broken one is mended

``make docs`` has it written to src/orchestration/policy_check.py, ``make lint`` says when that is not what the schema says, and packaging
refuses one that is of another schema. Making it from the schema in a function would take some 25 ms of each start that reads a
policy, and the library would be in the package.
"""

from __future__ import annotations

import ast
from typing import Final

import fastjsonschema

from ops.package_zip import compact, read_by_programs, schema_mark
from ops.project import SOURCE

SCHEMA: Final = SOURCE / "orchestration" / "policy.schema.json"

TARGET: Final = SOURCE / "orchestration" / "policy_check.py"

HEAD: Final = '''"""Written by `make docs` from policy.schema.json; nobody edits it. `domain.policy` says what it finds.

{mark}
The code is fastjsonschema's. Copyright (c) 2018, Michal Horejsek, BSD 3-Clause License.
"""

import re
from decimal import Decimal
from typing import Any

from orchestration.domain.schema_fault import SchemaFault

'''

SIGNATURE: Final = "def check(data: Any) -> Any: ..."

TOLD: Final = frozenset({"enum", "required", "const"})
"""Rules whose own words `domain.policy` writes, for which it needs what the schema wants."""


def policy_check() -> str:
    """The module, for the schema as it is and the fastjsonschema that is installed."""
    schema = SCHEMA.read_bytes()
    written = fastjsonschema.compile_to_code(read_by_programs(schema), use_default=False)
    body = ast.parse(written).body
    (patterns,) = (node for node in body if isinstance(node, ast.Assign) and _is_of_patterns(node))
    (check,) = (node for node in body if isinstance(node, ast.FunctionDef))
    (ours,) = (node for node in ast.parse(SIGNATURE).body if isinstance(node, ast.FunctionDef))
    check.name, check.args, check.returns = ours.name, ours.args, ours.returns
    lines = ast.unparse(ast.fix_missing_locations(_Short().visit(check))).splitlines()
    # The package has room for the least indentation there is.
    short = "\n".join(" " * ((len(line) - len(line.lstrip())) // 4) + line.lstrip() for line in lines)
    return f"{HEAD.format(mark=schema_mark(compact(schema)))}{ast.unparse(patterns)}\n\n\n{short}\n"


def _is_of_patterns(node: ast.Assign) -> bool:
    return ast.unparse(node.targets[0]) == "REGEX_PATTERNS"


class _Short(ast.NodeTransformer):
    """Raises what the functions have instead of the library's error, whose every instance holds its part of the schema."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """``name_prefix or 'data'``: nothing here has a prefix."""
        if ast.unparse(node) == "name_prefix or 'data'":
            return ast.Constant("data")
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Two texts are one."""
        self.generic_visit(node)
        texts = [each.value for each in (node.left, node.right) if isinstance(each, ast.Constant)]
        match texts:
            case [str(left), str(right)] if isinstance(node.op, ast.Add):
                return ast.Constant(left + right)
        empty = ast.Constant("")
        return next(
            (
                other
                for one, other in ((node.left, node.right), (node.right, node.left))
                if ast.dump(one) == ast.dump(empty)
            ),
            node,
        )

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """An error of the library's."""
        self.generic_visit(node)
        if ast.unparse(node.func) != "JsonSchemaValueException":
            return node
        given = {each.arg: each.value for each in node.keywords}
        rule = ast.literal_eval(given["rule"])
        wanted = ast.literal_eval(given["definition"])[rule] if rule in TOLD else None
        said = _without(given["name"], node.args[0])
        told = ast.parse(repr(wanted), mode="eval").body
        return ast.Call(ast.Name("SchemaFault"), [given["name"], said, given["value"], given["rule"], told], [])


def _without(name: ast.expr, message: ast.expr) -> ast.expr:
    """A message without the place it begins with."""
    if isinstance(name, ast.Constant) and isinstance(message, ast.Constant):
        return ast.Constant(str(message.value).removeprefix(str(name.value)))
    if isinstance(message, ast.BinOp) and ast.dump(message.left) == ast.dump(name):
        return message.right
    if isinstance(message, ast.BinOp):
        return ast.BinOp(_without(name, message.left), message.op, message.right)
    return message


if __name__ == "__main__":
    TARGET.write_text(policy_check(), encoding="utf-8")
