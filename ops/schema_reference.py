"""What a reader asks of a key, written from the schemas: meaning, what it takes, default, effect of leaving it out, example.

The policy's schema says all five of each key: ``description``, the keywords of its type, ``default`` where it is one value and
``x-default`` in words where it is not, ``x-left-out`` and ``examples``. JSON Schema draft-07 lets a reader pass over keywords it does
not know, and both of ours do. ``tests/contract/test_policy_reference.py`` holds each of them against the code.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.given_files import FileKind
from ops.given_schemas import ARTICLES, schema_of
from ops.record_schemas import SCHEMAS
from ops.template import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "maxItems": "at most {} entries",
}

LINE: Final = 100
"""Characters of a line of an example."""

NO_DEFAULT: Final = "none"
"""``x-default`` of a key that means nothing where it is not there."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a schema by its path, such as ``evaluation.guards[].metric``, and what the schema says of it."""

    path: str
    node: dict[str, Any]
    required: bool


def keys_of(schema: dict[str, Any], prefix: str = "") -> Iterator[Key]:
    """Every key, a section before what is in it. Keys that a pattern names stand in one, by all their names."""
    required = schema.get("required", ())
    for name, node in schema.get("properties", {}).items():
        yield Key(f"{prefix}{name}", node, name in required)
        yield from keys_of(node, f"{prefix}{name}.")
        if isinstance(node.get("items"), dict):
            yield from keys_of(node["items"], f"{prefix}{name}[].")
    for pattern, node in schema.get("patternProperties", {}).items():
        ending = "*" if pattern.endswith(".") else ""
        names = [f"{name}{ending}" for name in re.findall(r"[a-z_]{3,}", pattern.replace("(_check)?", ""))]
        yield Key(", ".join(f"{prefix}{name}" for name in names), node, required=False)


def takes(node: dict[str, Any], root: dict[str, Any] | None = None) -> str:
    """What a key may hold, in words."""
    node = _resolved(node, root or {})
    items = node["items"] if isinstance(node.get("items"), dict) else {}
    if "title" in node:
        return str(node["title"])
    if "const" in node:
        return f"`{_json(node['const'])}`"
    if "enum" in node:
        return " or ".join(f"`{word}`" for word in node["enum"] if word)
    kinds = [node.get("type", [])] if isinstance(node.get("type"), str) else node.get("type", [])
    empty = {"null", *(["string"] if node.get("maxLength") == 0 else [])}
    named = " or ".join(ARTICLES[kind] for kind in kinds if kind not in empty) or "anything"
    words = re.fullmatch(r"\^\(([a-z_|]+)\)\$", node.get("pattern", ""))
    if words is not None:
        named = named.replace("a text", " or ".join(f"`{word}`" for word in words[1].split("|")))
    bounds = [template.format(node[keyword]) for keyword, template in BOUNDS.items() if keyword in node]
    bounds += [f"at most {node['maxLength']} characters"] if node.get("maxLength") else []
    return ", ".join([named, *bounds]) + (f", each {items['title']}" if "title" in items else "")


def policy_reference() -> str:
    """Every key of a policy file."""
    parameters = sources()["Parameters"]
    parts = []
    for key in keys_of(schema_of(FileKind.POLICY)):
        node = key.node
        heading = "###" if "." not in key.path else "####"
        parts.append(
            "\n".join(
                [
                    f"{heading} {', '.join(f'`{name}`' for name in key.path.split(', '))}",
                    "",
                    _prose(_cell(node["description"])),
                    "",
                    f"- takes {takes(node)}",
                    f"- {_default(node, required=key.required, parameters=parameters)}",
                    f"- left out: {_prose(_cell(node['x-left-out']))}",
                    f"- example: `{_json(within(key.path, node['examples'][0]))}`",
                ]
            )
        )
    return "\n\n".join(parts)


def within(path: str, value: Any) -> dict[str, Any]:
    """A document that holds a value at a key's path; of several names the first."""
    document: Any = value
    for name in reversed(path.split(", ", maxsplit=1)[0].split(".")):
        document = {name.removesuffix("[]"): [document] if name.endswith("[]") else document}
    found: dict[str, Any] = document
    return found


def keys_table(schema: dict[str, Any], *, told: bool = False) -> str:
    """The keys of what others write: what each is and what it takes. ``told``: of what the loop writes, what each is."""
    lines = [f"| key | what it is | {'holds' if told else 'takes'} |", "| --- | --- | --- |"]
    for key in keys_of(schema):
        meaning = _resolved(key.node, schema)["description"]
        needed = (" Needed.", "")[told] if key.required else ("", " May be missing.")[told]
        lines.append(f"| `{key.path}` | {_prose(_cell(meaning), '../')}{needed} | {_cell(takes(key.node, schema))} |")
    return "\n".join(lines)


def example(schema: dict[str, Any], place: int) -> str:
    """One of a schema's examples, as a block of JSON."""
    return f"```json\n{laid_out(schema['examples'][place])}\n```"


def contract(schema: dict[str, Any], place: int, *, name: str = "", told: bool = False) -> dict[str, Callable[[], str]]:
    """The generated parts of a contract's page: one of its examples, and its keys."""
    return {
        f"{name}example": functools.partial(example, schema, place),
        f"{name}keys": functools.partial(keys_table, schema, told=told),
    }


def told_contract(name: str, place: int, *, part: str = "") -> dict[str, Callable[[], str]]:
    """The same of what the loop tells programs."""
    return contract(told_schema(name), place, name=part, told=True)


def told_schema(name: str) -> dict[str, Any]:
    """A schema of what the loop tells programs."""
    found: dict[str, Any] = json.loads((SCHEMAS / "told" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def laid_out(value: Any, indent: str = "") -> str:
    """JSON for readers: what fits into a line stands in one."""
    line = _json(value)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= LINE:
        return line
    inner = f"{indent}  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + laid_out(each, inner) for each in value) + f"\n{indent}]"
    members = (f"{inner}{_json(name)}: {laid_out(each, inner)}" for name, each in value.items())
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A key's own words over those of the definition it refers to."""
    references = [node, *node.get("allOf", ())]
    found: dict[str, Any] = {}
    for part in references:
        if "$ref" in part:
            target: Any = root
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            found |= _resolved(target, root)
    return found | {name: value for name, value in node.items() if name not in {"allOf", "$ref"}}


def _default(node: dict[str, Any], *, required: bool, parameters: dict[str, Any]) -> str:
    if required:
        return "needed"
    if "default" in node:
        return f"default `{_json(node['default'])}`"
    said = node["x-default"]
    if said == NO_DEFAULT:
        return "no default"
    words = [f"[`{word}`](parameters.md)" if word in parameters else word for word in said.split(" ")]
    return f"default: {' '.join(words)}" + (", a parameter of the stack" if said in parameters else "")


def _prose(text: str, up: str = "") -> str:
    """A schema's sentence as Markdown on a page of docs/, or of a folder of it: a page that it names becomes a link."""
    return re.sub(
        r"docs/([a-z/-]+\.md)(#[a-z-]+)?", lambda found: f"[{found[1]}]({up}{found[1]}{found[2] or ''})", text
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
