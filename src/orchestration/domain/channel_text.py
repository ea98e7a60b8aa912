r"""Text for a channel: what events, people and AWS wrote leaves as text and nothing more. Pure.

A sentence mixes our words with theirs, and nobody downstream can tell them apart. So no channel believes any of it: lines,
bold names and links are made by the channel alone, and every text between them goes through one of the encoders here.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

NO_DOMAINS: Final = frozenset({"csv", "endpoint", "gz", "html", "json", "runs", "tar", "target"})
"""What follows a dot in names of ours, and is no top-level domain that anybody can have a name under."""

_BLANKS: Final = re.compile(" {2,}")
_SHARE: Final = re.compile(r"\\(?=\\)")
"""What a Windows share begins with, which mail programs link to: ``\\\\host\\name``."""
_SCHEME: Final = re.compile(r"(?<!\bs3)://")
_HOST: Final = re.compile(r"(?<=[\w\u0080-\U0010ffff-])[.\u2024\u3002\uff0e\uff61](xn--|(?:[^\W\d_]|[^\x00-\x7f]){2,})")
"""The dot before a name that may be a domain; the others are dots in an international host name (UTS 46).

Vowel signs, accents of their own and pictures are letters of host names too, and none to a regular expression.
"""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"})
_FORMATS_SINCE: Final = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u0890\u0891\u08e2\u2064\u2066-\u2069\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3]"
)
"""Characters of format that Unicode has, or calls so, since 3.2. Source: DerivedGeneralCategory of Unicode 16.0, ``Cf``."""

_MARKS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "∗", "~": "∼", "`": "\u02cb"})  # noqa: RUF001 - alike on purpose
_UNDERLINE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_EMOJI: Final = re.compile(r":(?=[\w+'-]+:)")
_MENTION: Final = re.compile(r"(?<!\w)@")
_QUOTE: Final = re.compile(r"^>")


def shown(text: str, printed: Callable[[str], bool] = str.isprintable) -> str:
    r"""The text with every character that is not simply printed as a visible escape, such as ``\n`` or ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if printed(each) else each.encode("unicode_escape").decode("ascii") for each in text)


def printed_everywhere(character: str) -> bool:
    """Whether a character is simply printed, as every version of Python says: each knows others by ``isprintable``.

    A page that is made again on another machine has the same bytes. Python keeps the tables of Unicode 3.2 in every version.
    """
    hidden = _FORMATS_SINCE.match(character) or unicodedata.ucd_3_2_0.category(character) in _HIDDEN
    return character == " " or not hidden


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, if it has more, the end says how many were left out; ``limit`` is at least 40."""
    if len(text) <= limit:
        return text
    kept = max(0, limit - len(f"... ({len(text):,} more characters)"))
    return f"{text[:kept]}... ({len(text) - kept:,} more characters)"


def fitted(text: str, limit: int, encode: Callable[[str], str]) -> str:
    """The encoded text in at most ``limit`` characters. What is left out is left out before, so that no escape is cut in two."""
    kept = limit
    while len(encoded := encode(cut(text, kept))) > limit:
        kept = kept * 3 // 4
    return encoded


def plain_line(text: str) -> str:
    """One line of plain text, in which no program that reads mail finds an address to make a link of.

    A row of blanks could push what follows to the next line of a window, so it is one blank.
    """
    line = _BLANKS.sub(" ", shown(text)).strip()
    line = _SCHEME.sub("[:]//", _SHARE.sub(r"\\ ", line))
    return _HOST.sub(_no_host, line)


def pasted(command: str) -> str:
    r"""A command line in which no channel finds a host name or a mark to break, such as the runs ``again.after.fix`` and ``a__b``.

    Two quotes behind its dot are nothing to a shell, whether they stand inside quotes or not. An underscore that may begin or
    end what a chat shows slanted is written as bash, zsh and ksh read it, ``$'\137'``.
    """
    words = " ".join(map(_unmarked, shlex.split(command))) if _UNDERLINE.search(command) else command
    return _HOST.sub(lambda dotted: _no_host(dotted, f"{dotted[0][0]}''{dotted[1]}"), words)


def _unmarked(word: str) -> str:
    parts = re.split(f"((?:{_UNDERLINE.pattern})+)", word)
    written = [part.replace("_", r"\137") if at % 2 else part and shlex.quote(part) for at, part in enumerate(parts)]
    return "".join(f"$'{part}'" if at % 2 else part for at, part in enumerate(written)) or shlex.quote(word)


def _no_host(dotted: re.Match[str], broken: str = "") -> str:
    return dotted[0] if dotted[1].lower() in NO_DOMAINS else broken or f"[.]{dotted[1]}"


def chat_line(text: str) -> str:
    """One line of Slack's mrkdwn without any markup.

    ``&``, ``<`` and ``>`` have entities (Slack, "Formatting message text"); what marks bold, italic, struck, code, emoji and
    mentions has none and becomes a character that looks alike. An underscore inside a word marks nothing and stays.
    """
    line = _MENTION.sub("＠", _EMOJI.sub("∶", _UNDERLINE.sub("ˍ", plain_line(text))))  # noqa: RUF001 - alike on purpose
    # A line that starts with it is a quotation, entity or not.
    return _QUOTE.sub("›", line).translate(_MARKS)  # noqa: RUF001 - alike on purpose
