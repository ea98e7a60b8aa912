"""The review page: from a view to HTML or JSON. Pure; every value is escaped, nothing runs, nothing is loaded.

The page works without JavaScript and without images, on a phone, with a keyboard and with a screen reader. Its
Content-Security-Policy allows its own style, by hash, and posting its form to itself; nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.messages import what_is_asked
from orchestration.domain.page import CARDS, html, section_html, style_hash
from orchestration.domain.page import STYLE as PAGE_STYLE
from orchestration.domain.votes import COMMENT_LIMIT

if TYPE_CHECKING:
    from orchestration.domain.page import Section

STYLE: Final = (
    PAGE_STYLE
    + """\
label{display:block;margin-bottom:.3rem;font-weight:600}
textarea{width:100%;min-height:5.5rem;padding:.6rem .7rem;border:1px solid var(--soft);border-radius:.4rem;
background:var(--paper);color:var(--ink);font:inherit}
.buttons{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:.9rem}
button{flex:1 1 9rem;min-height:2.9rem;padding:.5rem 1.2rem;border:2px solid var(--yes);border-radius:.4rem;
background:var(--yes);color:var(--yes-ink);font:inherit;font-weight:600;cursor:pointer}
button.no{border-color:var(--no);background:transparent;color:var(--no)}
"""
    + CARDS
)

STYLE_HASH: Final = style_hash(STYLE)

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Vary": "Accept",
}
"""Headers of every answer, pages and JSON alike. A link holds a nonce, so no referrer and no cache may keep it."""


WITH_BUTTONS: Final = "Reading this page decides nothing; only its buttons do. No answer in time means no."
WITHOUT_BUTTONS: Final = "Nothing can be decided on this page."

NOTICE_SHOWN: Final = 4000
"""Characters of what the page says first, as many as a message says of it."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the decision form sends besides decision and comment.

    ``nonce`` is None where the request is signed; without ``approves`` it only rejects. ``reader`` is as whom one is told to
    answer, empty where that is told by nobody.
    """

    action: str
    subject: str
    nonce: str | None
    approves: bool = True
    reader: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A page. ``tone`` is ``plain``, ``warn`` or ``good``; ``clock`` says how long there is; ``form`` is None when there is nothing to decide here."""

    title: str
    kicker: str
    notice: str
    tone: str = "plain"
    clock: str = ""
    sections: tuple[Section, ...] = ()
    form: Form | None = None
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The page for programs: everything it says, never the nonce."""
        return {
            "title": self.title,
            "notice": cut(self.notice, NOTICE_SHOWN),
            "open": self.form is not None,
            "subject": self.form.subject if self.form else None,
            "sections": [section.as_json() for section in self.sections],
        }


def render(view: View) -> str:
    """The HTML of a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html(view.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<p class="kicker">{html(view.kicker)}</p>\n<h1>{html(view.title)}</h1>\n</header>\n<main>\n'
        f'<section class="notice {html(view.tone)}" aria-label="State" role="status"><p>{html(cut(view.notice, NOTICE_SHOWN))}</p>'
        + (f"<p>{html(view.clock)}</p>" if view.clock else "")
        + ('<p><a href="#decide">To your decision</a></p>' if view.form else "")
        + "</section>\n"
        + "".join(section_html(section, position) for position, section in enumerate(view.sections))
        + (_form(view.form, view.hint) if view.form else "")
        + "</main>\n"
        + f"<footer><p>{WITH_BUTTONS if view.form else WITHOUT_BUTTONS}</p></footer>\n</body>\n</html>\n"
    )


def _form(form: Form, hint: str) -> str:
    nonce = f'<input type="hidden" name="nonce" value="{html(form.nonce)}">\n' if form.nonce else ""
    reader = f'<input type="hidden" name="reader" value="{html(form.reader)}">\n' if form.reader else ""
    what = html(what_is_asked(form.subject))
    button = f'<button type="submit" name="decision" value="APPROVED">Approve the {what}</button>\n'
    approve = button if form.approves else ""
    return (
        '<section aria-labelledby="decide">\n<h2 id="decide">Your decision</h2>\n'
        + (f"<p>{html(cut(hint, NOTICE_SHOWN))}</p>\n" if hint else "")
        + f'<form method="post" action="{html(form.action)}">\n'
        f'<input type="hidden" name="subject" value="{html(form.subject)}">\n{nonce}{reader}'
        '<label for="comment">Comment</label>\n'
        f'<textarea id="comment" name="comment" maxlength="{COMMENT_LIMIT}" aria-describedby="comment-hint"></textarea>\n'
        f'<p class="hint" id="comment-hint">Optional, up to {COMMENT_LIMIT} characters; kept as evidence.</p>\n'
        '<div class="buttons">\n'
        f"{approve}"
        f'<button type="submit" name="decision" value="REJECTED" class="no">Reject the {what}</button>\n'
        "</div>\n</form>\n</section>\n"
    )
