"""Safe HTML: nothing but the allow-list comes out, whatever goes in; citations and marks land where they belong."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samovar.assistant.answer import CheckedSentence
from samovar.serve.web.markdown import LINK, TAGS, render, to_text

ALLOWED = {
    "a": {"href", "rel", "target"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "button": {"type", "class", "data-cite", "aria-label"},
    "span": {"class", "title"},
}
NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://192.0.2.1/p.png)",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](//evil.example)",
    "[a](/\\evil.example)",
    "[a](vbscript:x)",
    "<a href='javascript:x'>x</a>",
    "[x]: javascript:alert(1)\n[x]",
    "<svg/onload=alert(1)>",
    "<style>@import 'http://192.0.2.1'</style>",
    "`</code><script>1</script>`",
    "[1](http://a.example/[2])",
    '[a](http://a.example "onmouseover=alert(1) x=\\"")',
    '<https://a.example/"onclick=alert(1)>',
    "&lt;script&gt;",
    "\ue000\ue002[1]\ue003\ue001",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
]


class Walk(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def check(html: str) -> None:
    for tag, attributes in Walk(html).tags:
        assert tag in TAGS | {"button", "span"}, tag
        assert set(attributes) <= ALLOWED.get(tag, set()), attributes
        if "href" in attributes:
            assert LINK.match(attributes["href"] or ""), attributes
            assert attributes["rel"] == "noopener noreferrer nofollow" and attributes["target"] == "_blank"
    assert not re.search("[\ue000-\ue003]", html)


@pytest.mark.parametrize("text", NASTY)
def test_an_attack_is_shown_or_dropped_never_carried_out(text: str) -> None:
    check(render(text, citations={1: "<b onclick=x>", 2: '"'}, labels={"cite": "{number} {title}"}))


pieces = st.one_of(
    st.sampled_from([*NASTY, "**", "*", "`", "[1]", "[2]", "\n\n", "- ", "1. ", "# ", "> ", "| a |\n|---|\n"]),
    st.text(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(pieces, max_size=12).map("".join), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=4)
)
@example("<" * 50 + "[1]", [(0, 3), (2, 9)])
def test_only_the_allow_list_comes_out_of_any_text_with_any_marks(text: str, spans: list[tuple[int, int]]) -> None:
    sentences = [CheckedSentence(min(span), max(span), False) for span in spans]
    html = render(
        text,
        citations={1: "<x>", 2: "y"},
        sentences=sentences,
        labels={"cite": "{number} {title}", "unsupported": '"<'},
    )
    check(html)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.from_regex(r"[а-яa-z]{1,8}", fullmatch=True), min_size=3, max_size=12), st.data())
def test_what_is_marked_is_exactly_the_sentence(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    start = len(" ".join(words[:first])) + (1 if first else 0)
    wanted = " ".join(words[first : last + 1])
    html = render(text, sentences=[CheckedSentence(start, start + len(wanted), False)])
    assert re.findall(r'<span class="unsupported"[^>]*>(.*?)</span>', html) == [wanted]
    assert to_text(html).strip() == text


def test_citations_become_buttons_only_for_sources_that_there_are() -> None:
    html = render(
        "Да [1], нет [7] и `код [2]`.", citations={1: "Озеро", 2: "Река"}, labels={"cite": "Источник {number}: {title}"}
    )
    assert re.findall(r'data-cite="(\d)" aria-label="([^"]*)"', html) == [
        ("1", "Источник 1: Озеро"),
        ("2", "Источник 2: Река"),
    ]
    assert "[7]" in html


def test_an_address_keeps_its_brackets() -> None:
    html = render("см. <https://a.example/x[1]> и [1]", citations={1: "t"})
    assert html.count('class="cite"') == 1
    assert "https://a.example/x" in html and "\ue002" not in html


def test_a_mark_over_markdown_structure_stays_inside_its_elements() -> None:
    text = "- раз **два. Три** четыре\n- пять"
    html = render(text, sentences=[CheckedSentence(0, text.index("Три"), False)])
    assert html.count("<li>") == html.count("</li>") == 2
    assert re.sub(r"</?span[^>]*>", "", html) == render(text)
    assert "раз" in html.split('class="unsupported"')[1]


def test_headings_are_smaller_than_those_of_the_page_and_code_is_kept() -> None:
    html = render("# Один\n\n```\n<b>x</b>\n```\n")
    assert "<h3>Один</h3>" in html and "<h1" not in html
    assert '<pre tabindex="0"><code>&lt;b&gt;x&lt;/b&gt;\n</code></pre>' in html


def test_a_text_too_long_for_markdown_is_shown_as_it_is() -> None:
    html = render("<b>" + "слово " * 60_000)
    assert html.startswith("<p>&lt;b&gt;") and html.count("слово") == 60_000
