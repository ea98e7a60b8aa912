"""The runbook as one HTML page, so that messages lead to what a browser shows: it is uploaded beside the other artifacts."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from markdown_it import MarkdownIt

from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNBOOK: Final = ROOT / "docs" / "runbook.md"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Runbook of the retraining loop</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9em; background: #f3f4f6 }}
pre {{ padding: .8rem; overflow-x: auto }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ border: 1px solid #c8ccd1; padding: .4rem .6rem; text-align: left; vertical-align: top }}
:target {{ background: #fff3bf }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def rendered(markdown: str) -> str:
    """A page that refers to nothing outside itself; what the text links to elsewhere is named in words. Pure."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[position + 1].content))
        _unlink(token.children or [])
    return _PAGE.format(body=parser.renderer.render(tokens, parser.options, {}))


def anchor(title: str) -> str:
    """The id of a heading, as messages name a section."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")


def _unlink(children: list[Any]) -> None:
    """Take links to other files out of a line: the page stands alone. The name of the file stays, in brackets."""
    gone: list[str] = []
    for child in children:
        if child.type == "link_open":
            target = str(child.attrGet("href"))
            outside = not target.startswith(("#", "https://"))
            gone.append(target.partition("#")[0] if outside else "")
            if outside:
                child.type, child.tag, child.content, child.nesting = "text", "", "", 0
        elif child.type == "link_close" and (file := gone.pop()):
            child.type, child.tag, child.content, child.nesting = "text", "", f" (docs/{file})", 0


def key_of(page: bytes, prefix: str) -> str:
    """Key of the page: its own SHA-256, so that a link shows the runbook of its release for ever."""
    return f"{prefix}/{hashlib.sha256(page).hexdigest()}.html"


def defaults(document: Mapping[str, Any], *, address: str | None, bucket: str, key: str) -> dict[str, Any]:
    """The template whose stacks link to the page, and let reviewers read it. Pure.

    Args:
        document: the packaged template.
        address: where people open the page; None where nobody knows, then the parameter stays as it is.
        bucket: the bucket it lies in.
        key: its key.
    """
    parameters = {name: dict(declared) for name, declared in document["Parameters"].items()}
    parameters["RunbookObject"]["Default"] = f"{bucket}/{key}"
    if address:
        parameters["RunbookUrl"]["Default"] = address
    return {**document, "Parameters": parameters}


def renewed(found: Mapping[str, Any] | None, document: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that an update takes anew where the stack has the page of an earlier release, or none. Pure.

    An address that a team set itself stays.
    """
    has = {entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in (found or {}).get("Parameters", [])}
    names = [name for name in ("RunbookUrl", "RunbookObject") if name in document["Parameters"]]
    before = has.get("RunbookObject", "")
    ours = has.get("RunbookUrl") == "docs/runbook.md" or (before and before.rpartition("/")[2] in has["RunbookUrl"])
    return {name: str(document["Parameters"][name]["Default"]) for name in names} if found and ours else {}
