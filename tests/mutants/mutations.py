"""Every small fault that could be in the rules and in the writes: one change of one node of a syntax tree each.

Two scopes. ``RULES`` is all of ``domain``, with every kind of change. ``WRITES`` is what touches the table: conditions of
writes, fences, due items, and the order of effects; a wrong word or number there shows at the first read, so
words, numbers and entries of documents stay as they are.

A mutant is known by module, function and the two texts, never by a line number, so it keeps its name while code moves.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "src" / "orchestration"

# The order in which a run takes them: what decides first.
RULES: Final = (
    *(
        f"domain/{name}.py"
        for name in (
            *("decision", "fence", "conclusion", "intention", "due", "bake", "results", "evaluation", "votes", "slots"),
            *("switches", "policy", "promotion", "training_target", "wait", "records", "signal"),
        )
    ),
    "domain/signals/*.py",
    "domain/*.py",
)
WRITES: Final = (
    *(f"stores/{name}.py" for name in ("table", "models", "runs", "waits", "due_items", "slots", "intentions")),
    *("stores/controls.py", "stores/earlier_release.py", "steps/*.py", "actions/*.py"),
)

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
OPPOSITES: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "startswith": "endswith"}
TERM: Final = r"(attribute_(not_)?exists\(\S+\)|[#\w]+ = :\w+)"
CONDITION: Final = re.compile(rf"{TERM}(( AND | OR ){TERM})*")
"""A condition of a write, in the one form the stores use. A condition on keys names ``pk = :pk`` and is none."""
WORD: Final = re.compile(r"[A-Za-z_][\w.:/#-]*")
"""A text that programs compare. Sentences for people may be put in other words."""

Key = tuple[str, str, str, str, int]
"""Module, function, the two texts, and which of several alike."""


@dataclass(frozen=True)
class Mutant:
    """One change. ``function`` is empty in a module's own lines; ``nth`` tells equal changes of one function apart.

    ``lines`` are those of the statement: tests that never reach one of them cannot notice the change.
    """

    module: str
    function: str
    was: str
    becomes: str
    nth: int
    lines: range
    outermost: str
    """Qualified name of the outermost function around the change; empty when it is made as the module is imported."""
    names: frozenset[str]
    """What the changed statement defines, when it is made as the module is imported."""
    _edit: Edit = field(repr=False, compare=False)

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.module, self.function, self.was, self.becomes, self.nth

    @property
    def name(self) -> str:
        """As people read it."""
        place = f"{self.module}:{self.lines.start} {self.function}".strip()
        return f"{place}: {self.was}  ->  {self.becomes or 'nothing'}"


@dataclass(frozen=True)
class Edit:
    """A change of a tree, which can be taken back: fields of this node get these values."""

    node: ast.AST
    values: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a walk is: inside which function, at which statement."""

    function: str = ""
    outermost: str = ""
    lines: range = range(0)
    names: frozenset[str] = frozenset()


class Module:
    """A module's tree and every mutant of it."""

    def __init__(self, path: str, source: str, *, rules: bool) -> None:
        self.path = path
        self.file = str(PACKAGE / path)
        self.tree = ast.parse(source)
        self._rules = rules
        self.mutants: list[Mutant] = []
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._digests: dict[int, str] = {}
        for index, statement in enumerate(self.tree.body):
            self._statement(self.tree, "body", index, statement, Place())
            self._digest(statement)
            for method in statement.body if isinstance(statement, ast.ClassDef) else ():
                if isinstance(method, ast.FunctionDef):
                    self._digest(method)

    def digest(self, mutant: Mutant) -> str:
        """A digest of what is around a mutant: its function with all inside it, else its statement of the module."""
        return self._digests[mutant.lines.start]

    def _digest(self, node: ast.stmt) -> None:
        digest = hashlib.sha256(ast.unparse(node).encode()).hexdigest()
        self._digests |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), digest)

    def compile(self, mutant: Mutant | None = None) -> CodeType:
        """The module's code with a mutant in it; a syntax that Python refuses raises ``SyntaxError``."""
        if mutant is None:
            return compile(self.tree, self.file, "exec", dont_inherit=True)
        edit = mutant._edit
        before = {name: getattr(edit.node, name) for name in edit.values}
        _set(edit.node, edit.values)
        try:
            return compile(ast.fix_missing_locations(self.tree), self.file, "exec", dont_inherit=True)
        finally:
            _set(edit.node, before)

    # The walk.

    def _statement(self, parent: ast.AST, name: str, index: int, node: ast.stmt, place: Place) -> None:
        place = _at(node, place)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass | ast.Global | ast.Nonlocal):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log_line(node.value)):
            return
        droppable = isinstance(node, ast.Raise | ast.Continue | ast.AugAssign) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        )
        stored = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript | ast.Attribute)
        if (droppable or stored) and place.function:
            gone = ast.copy_location(ast.Pass(), node)
            self._add(place, node, "", Edit(parent, {name: _with(getattr(parent, name), index, gone)}))
        if isinstance(node, ast.FunctionDef):
            inside = f"{place.function}.{node.name}" if place.function else node.name
            self._function(node, place, inside)
            return
        if isinstance(node, ast.ClassDef):
            inside = f"{place.function}.{node.name}" if place.function else node.name
            words = any(ast.unparse(base).endswith("Enum") for base in node.bases)
            for position, child in enumerate(node.body):
                # Another word for a member is the same word everywhere; where one leaves the package, contracts hold it.
                if not words or isinstance(child, ast.FunctionDef):
                    within = Place(inside, place.outermost, place.lines, place.names)
                    self._statement(node, "body", position, child, within)
            return
        if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            self._operator(place, node, node)
        self._fields(node, place)

    def _function(self, node: ast.FunctionDef, place: Place, inside: str) -> None:
        # Defaults are made when the function is.
        defaults = Place(inside, place.outermost, place.lines, frozenset({node.name}))
        for name in ("defaults", "kw_defaults"):
            for position, value in enumerate(getattr(node.args, name)):
                if value is not None:
                    self._expression(node.args, name, position, value, defaults)
        for position, child in enumerate(node.body):
            self._statement(node, "body", position, child, Place(inside, place.outermost or inside, place.lines))

    def _fields(self, node: ast.AST, place: Place) -> None:
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list"}:
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.stmt):
                    assert index is not None
                    self._statement(node, name, index, child, place)
                elif isinstance(child, ast.ExceptHandler):
                    self._handler(child, place)
                elif isinstance(child, ast.comprehension):
                    self._comprehension(child, place)
                elif isinstance(child, ast.expr):
                    self._expression(node, name, index, child, place)
                elif isinstance(child, ast.AST):
                    self._fields(child, place)

    def _handler(self, node: ast.ExceptHandler, place: Place) -> None:
        if not isinstance(node.body[0], ast.Raise):
            caught = Place(place.function, place.outermost, range(node.lineno, node.body[-1].lineno + 1), place.names)
            was = f"except {ast.unparse(node.type) if node.type else ''}:"
            self._add(caught, was, f"{was} raise", Edit(node, {"body": [ast.copy_location(ast.Raise(), node.body[0])]}))
        self._fields(node, place)

    def _comprehension(self, node: ast.comprehension, place: Place) -> None:
        for index, test in enumerate(node.ifs):
            self._add(place, f"if {ast.unparse(test)}", "", Edit(node, {"ifs": _with(node.ifs, index)}))
        self._fields(node, place)

    def _expression(self, parent: ast.AST, name: str, index: int | None, node: ast.expr, place: Place) -> None:
        """Every change of one expression, then those inside it."""
        if index == 1 and isinstance(parent, ast.Call) and ast.unparse(parent.func) == "text":
            return  # How much of a foreign text is kept.
        if isinstance(parent, ast.AnnAssign) and ast.unparse(parent.target).endswith(("_SHOWN", "_KEPT")):
            return  # As well.

        def instead(new: ast.expr) -> None:
            ast.copy_location(new, node)
            value = new if index is None else _with(getattr(parent, name), index, new)
            self._add(place, node, ast.unparse(ast.fix_missing_locations(new)), Edit(parent, {name: value}))

        is_test = name == "test" or (name == "ifs" and isinstance(parent, ast.comprehension))
        match node:
            case ast.Compare():
                for position, operator in enumerate(node.ops):
                    instead(
                        ast.Compare(
                            node.left, _with(node.ops, position, COMPARISONS[type(operator)]()), node.comparators
                        )
                    )
            case ast.BoolOp():
                instead(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
                for position in range(len(node.values)):
                    rest = _with(node.values, position)
                    instead(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
            case ast.UnaryOp(op=ast.Not()):
                instead(node.operand)
            case ast.Constant():
                self._constant(node, instead)
            case ast.JoinedStr():
                self._inside_text(node, place)
                return
            case ast.BinOp(op=ast.BitOr()) if not _is_type(node):
                instead(node.left)
                instead(node.right)
                if isinstance(node.left, ast.Dict) or isinstance(node.right, ast.Dict):
                    instead(ast.BinOp(node.right, node.op, node.left))
            case ast.BinOp() if self._rules and type(node.op) in ARITHMETIC and not _is_text(node):
                instead(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
            case ast.Call():
                self._call(node, place, instead)
            case ast.Dict() if self._rules:
                self._dict(node, place)
            case ast.List() | ast.Set() if isinstance(getattr(node, "ctx", None), ast.Load | None):
                self._elements(node, place)
            case ast.Tuple() if _is_collection(parent, name, place):
                self._elements(node, place)
            case _:
                pass
        if is_test and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
            instead(ast.UnaryOp(ast.Not(), node))
        self._fields(node, place)

    # Changes of one kind of node.

    def _constant(self, node: ast.Constant, instead: Any) -> None:
        value = node.value
        if isinstance(value, str) and CONDITION.fullmatch(value):
            for text in weaker_and_stricter(value):
                instead(ast.Constant(text))
        elif not self._rules:
            if isinstance(value, bool):
                instead(ast.Constant(not value))
        elif isinstance(value, bool):
            instead(ast.Constant(not value))
        elif isinstance(value, int | float):
            instead(ast.Constant(value + 1))
        elif isinstance(value, str) and WORD.fullmatch(value):
            instead(ast.Constant(f"{value}x"))

    def _call(self, node: ast.Call, place: Place, instead: Any) -> None:
        for position, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                was = f"{ast.unparse(node.func)}(..., {ast.unparse(keyword)})"
                self._add(place, was, "", Edit(node, {"keywords": _with(node.keywords, position)}))
        if isinstance(node.func, ast.Name) and node.func.id in OPPOSITES:
            instead(ast.Call(ast.Name(OPPOSITES[node.func.id], ast.Load()), node.args, node.keywords))
        if isinstance(node.func, ast.Attribute) and node.func.attr in OPPOSITES:
            other = ast.Attribute(node.func.value, OPPOSITES[node.func.attr], ast.Load())
            instead(ast.Call(other, node.args, node.keywords))

    def _dict(self, node: ast.Dict, place: Place) -> None:
        for position, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            text = f"**{ast.unparse(value)}" if key is None else f"{ast.unparse(key)}: {ast.unparse(value)}"
            without = ast.Dict(_with(node.keys, position), _with(node.values, position))
            self._whole(node, place, text, "", without)
            # The other one wins.
            if key is None and len(node.keys) > 1 and position in {0, len(node.keys) - 1}:
                keys, values = _with(node.keys, position), _with(node.values, position)
                turned = (
                    ast.Dict([*keys, None], [*values, value])
                    if position == 0
                    else ast.Dict([None, *keys], [value, *values])
                )
                self._whole(node, place, text, f"{text} {'last' if position == 0 else 'first'}", turned)

    def _elements(self, node: ast.List | ast.Set | ast.Tuple, place: Place) -> None:
        for position, element in enumerate(node.elts):
            self._add(place, element, "", Edit(node, {"elts": _with(node.elts, position)}))

    def _operator(self, place: Place, node: ast.AugAssign, shown: ast.AST) -> None:
        operator = ARITHMETIC[type(node.op)]()
        changed = ast.unparse(ast.AugAssign(node.target, operator, node.value))
        self._add(place, shown, changed, Edit(node, {"op": operator}))

    def _inside_text(self, node: ast.JoinedStr, place: Place) -> None:
        # The words between the values are for people; the values are rules.
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self._expression(part, "value", None, part.value, place)

    def _whole(self, node: ast.Dict, place: Place, was: str, becomes: str, new: ast.Dict) -> None:
        self._add(place, was, becomes, Edit(node, {"keys": new.keys, "values": new.values}))

    def _add(self, place: Place, was: ast.AST | str, becomes: str, edit: Edit) -> None:
        text = was if isinstance(was, str) else ast.unparse(was)
        same = (place.function, text, becomes)
        self._seen[same] += 1
        self.mutants.append(
            Mutant(
                self.path,
                place.function,
                text,
                becomes,
                self._seen[same],
                place.lines,
                place.outermost,
                place.names,
                edit,
            )
        )


def weaker_and_stricter(condition: str) -> Iterator[str]:
    """Conditions that let through what this one refuses, or refuse what it lets through.

    Each names all the placeholders of the first, since DynamoDB refuses names and values that nothing uses: what is
    left out becomes "it, or not it".
    """
    groups = [group.split(" AND ") for group in condition.split(" OR ")]

    def text(changed: list[list[str]]) -> str:
        return " OR ".join(" AND ".join(group) for group in changed)

    for at, group in enumerate(groups):
        before, after = groups[:at], groups[at + 1 :]
        for clause in group:
            rest = [other for other in group if other != clause]
            yield text([*before, [*rest, clause], [*rest, opposite(clause)], *after])
        if len(groups) > 1:
            yield text([*before, [*group, opposite(group[0])], *after])
        if len(group) > 1:
            yield text([*before, *([clause] for clause in group), *after])


def opposite(clause: str) -> str:
    """True where the clause is false."""
    if " = " in clause:
        return clause.replace(" = ", " <> ")
    if "not_exists" in clause:
        return clause.replace("not_exists", "exists")
    return clause.replace("exists", "not_exists")


def modules(words: list[str] | None = None) -> list[Module]:
    """Modules of both scopes in order; with words those whose path has one of them."""
    found: list[Module] = []
    taken: set[str] = set()
    for scope in (RULES, WRITES):
        for pattern in scope:
            for file in sorted(PACKAGE.glob(pattern)):
                path = file.relative_to(PACKAGE).as_posix()
                if path not in taken and (not words or any(word in path for word in words)):
                    found.append(Module(path, file.read_text(encoding="utf-8"), rules=scope is RULES))
                taken.add(path)
    return found


def _set(node: ast.AST, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(node, name, value)


def _at(node: ast.stmt, place: Place) -> Place:
    body = getattr(node, "body", None)
    last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
    names = place.names
    if not place.outermost:
        names = names | _defined(node)
    return Place(place.function, place.outermost, range(node.lineno, last + 1), names)


def _defined(node: ast.stmt) -> frozenset[str]:
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.ClassDef | ast.FunctionDef):
        return frozenset({node.name})
    else:
        targets = []
    return frozenset(name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _with(values: list[Any], index: int, *new: Any) -> list[Any]:
    return [*values[:index], *new, *values[index + 1 :]]


def _is_log_line(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "LOG"


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_type(node: ast.BinOp) -> bool:
    """Whether a union is one of types, by the names of classes."""
    return all(
        isinstance(part, ast.BinOp | ast.BitOr | ast.Load) or (isinstance(part, ast.Name) and part.id[0].isupper())
        for part in ast.walk(node)
    )


def _is_collection(parent: ast.AST, name: str, place: Place) -> bool:
    """Whether a tuple stands for several of a kind. Those that stand for one value of two parts lose no part."""
    if isinstance(parent, ast.Compare | ast.For | ast.comprehension | ast.ExceptHandler):
        return name in {"comparators", "iter", "type"}
    return not place.outermost and isinstance(parent, ast.Assign | ast.AnnAssign)
