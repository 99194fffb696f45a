"""The Content-Security-Policy of pages, and the nonce that lets NiceGUI's own inline scripts run and nobody else's.

A page is rendered with a placeholder where our HTML (which may hold people's words) will stand; the nonce is put on the script tags of the
template *before* the placeholder is filled, so nothing that came from outside can receive one.
Source: W3C, Content Security Policy Level 3.
"""

from __future__ import annotations

import secrets

PLACEHOLDER = "<!--samovar:body-->"


def make_nonce() -> str:
    """Return 128 random bits."""
    return secrets.token_urlsafe(16)


def page_policy(nonce: str, *, evaluate: bool) -> str:
    """Return the policy of one page.

    `evaluate` admits ``'unsafe-eval'``: Vue's template compiler, which NiceGUI's composite elements (ui.input, ui.upload, ui.table …) need.
    The chat page does without. Styles may be inline: NiceGUI and Vue set style attributes; a style cannot load anything from elsewhere
    because images and fonts are bound to 'self'.
    """
    scripts = f"'self' 'nonce-{nonce}'" + (" 'unsafe-eval'" if evaluate else "")
    return "; ".join((
        "default-src 'self'",
        f"script-src {scripts}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ))  # fmt: skip


def seal(document: str, body: str, nonce: str) -> str:
    """Return the page with the nonce on every script of the template and `body` in its place."""
    return document.replace("<script", f'<script nonce="{nonce}"').replace(PLACEHOLDER, body)
