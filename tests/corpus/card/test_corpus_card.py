"""The data card: its numbers agree with the corpus and its ledger, its page holds no foreign markup, the same corpus gives the same bytes."""

from __future__ import annotations

import json
import random
import tomllib
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from card_makers import build_rows

from samovar.corpus.build.reading import open_corpus
from samovar.corpus.card import Card, compare_cards, ensure_card, make_card, render_card, write_card
from samovar.corpus.card.coverage import Coverage
from samovar.corpus.card.data import DATA, PAGE, percentiles
from samovar.corpus.card.entities import Entity, load_entities
from samovar.corpus.card.finder import Finder
from samovar.corpus.card.survey import Survey, century_of
from samovar.corpus.card.words import card_languages, card_words
from samovar.errors import CorpusError

MakeCorpus = Callable[..., Path]
PACKS = Path(__file__).parents[3] / "samovar" / "packs"
WORDS = (
    "дом река лес город книга письмо человек время дорога зима вода ветер музыка театр поле мост песня утро вечер школа"
)
ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def text_of(n: int) -> str:
    """A text of its own for each number that passes the quality rules and names Pushkin."""
    draw = random.Random(n)
    sentences = (" ".join(draw.sample(WORDS.split(), 8)).capitalize() + "." for _ in range(8))
    return f"Глава {n}. Пушкина читали вслух. " + " ".join(sentences)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    some = [
        {
            "text": text_of(n),
            "url": f"https://host{n % 3}.example/{n}",
            "title": f"Глава {n}",
            "date": f"{1850 + 5 * n}-03-01",
        }
        for n in range(30)
    ]
    copies = [row | {"url": f"{row['url']}/copy"} for row in some[:6]]
    contacts = {
        "text": f"{text_of(99)} Пишите: ivan@example.org, petr@example.org.",
        "url": "https://host0.example/contacts",
    }
    attack = {"text": ATTACK + " коротко", "url": f"https://evil.example/{ATTACK}", "title": ATTACK}
    return [
        *some,
        *copies,
        contacts,
        attack,
        {"text": ATTACK + text_of(55), "url": "https://evil.example/2", "title": ATTACK},
    ]


@pytest.fixture
def corpus(make_corpus: MakeCorpus, rows: list[dict[str, Any]]) -> Path:
    stages = ["extract", "repair", "language", "exact", "quality", "personal"]
    return make_corpus(rows, stages=stages, source={"licence": "CC0-1.0"})


def test_the_numbers_are_the_corpus_and_its_ledger(corpus: Path) -> None:
    card = make_card(corpus)
    documents = list(open_corpus(corpus).documents())
    assert card["documents"] == len(documents) > 30
    assert card["characters"] == sum(len(d.text) for d in documents)
    assert card["bytes"] == sum(len(d.text.encode()) for d in documents)
    for group in ("languages", "licences", "centuries", "decades"):
        assert sum(row["documents"] for row in card[group]) == len(documents), group
    assert {row["name"]: row["documents"] for row in card["decades"]} == Counter(
        d.published[:3] + "0" if d.published else "" for d in documents
    )
    ledger = list(open_corpus(corpus).ledger())
    assert card["flow"][0]["left"] == 39
    assert card["flow"][-1]["left"] == len(documents)
    assert sum(step["dropped"] for step in card["flow"]) == sum(row.decision == "dropped" for row in ledger)
    assert card["duplicates"]["exact"] == 6
    assert [c["size"] for c in card["duplicates"]["biggest"]] == [2] * 6
    assert card["personal"] == [{"kind": "email", "documents": 1, "masked": 2}]
    assert card["licences"] == [{"name": "CC0-1.0"} | {k: card[k] for k in ("documents", "characters", "bytes")}]
    assert card["hosts"]["number"] == 4
    coverage = card["coverage"]["cultures"]["ru"]
    assert coverage["mentioned"] == 1 and coverage["most"][0]["id"] == "ru.pushkin"
    assert coverage["most"][0]["documents"] == len(documents)
    assert coverage["entities"] == 150 == len(coverage["never"]) + 1


class Reader(HTMLParser):
    """Checks that elements close in order; collects names, attributes and text."""

    VOID = frozenset({"meta", "br", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_is_whole_and_nothing_in_it_runs(corpus: Path, language: str) -> None:
    page = render_card(make_card(corpus), language)
    read = Reader(page)
    assert not {"script", "img", "iframe", "link", "a"} & set(read.names)
    assert not {name for name in read.attributes if name.startswith("on")} | ({"src", "href"} & read.attributes)
    assert "default-src 'none'" in page
    assert f'<html lang="{language}">' in page
    assert "alert(2)" in page  # shown, as text


def test_the_same_corpus_gives_the_same_bytes(
    corpus: Path, make_corpus: MakeCorpus, rows: list[dict[str, Any]]
) -> None:
    stages = ["extract", "repair", "language", "exact", "quality", "personal"]
    again = make_corpus(rows, stages=stages, source={"licence": "CC0-1.0"}, files=5)
    paths = write_card(corpus, make_card(corpus), language="ru")
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_card(corpus, make_card(corpus), language="ru")] == before
    card, other = make_card(corpus), make_card(again)
    unlike = {key for key in card if card[key] != other[key]}
    assert unlike <= {"output_sha256", "files", "samples"}  # the order of the input differs, the figures do not


def test_a_card_is_made_once_and_again_for_another_corpus(corpus: Path) -> None:
    card = ensure_card(corpus, language="ru")
    stamp = (corpus / "card.json").stat().st_mtime_ns
    assert ensure_card(corpus) == json.loads((corpus / "card.json").read_text("utf-8")) == card
    assert (corpus / "card.json").stat().st_mtime_ns == stamp
    (corpus / "card.json").write_text(json.dumps(card | {"output_sha256": "0" * 64}), "utf-8")
    assert ensure_card(corpus) == card
    (corpus / "card.json").write_text("{", "utf-8")
    assert ensure_card(corpus) == card


def test_a_corpus_that_must_not_be_changed_has_a_card_all_the_same(corpus: Path) -> None:
    for name in ("card.json", "card.html"):
        (corpus / name).mkdir()  # nothing can be written there, not even by root
    assert ensure_card(corpus)["documents"] > 30


def test_two_corpora_side_by_side(corpus: Path, make_corpus: MakeCorpus, rows: list[dict[str, Any]]) -> None:
    first = make_card(corpus)
    second = make_card(make_corpus(rows[:20], name="small", stages=["extract", "repair", "language"]))
    found = {(d.group, *d.name): (d.first, d.second, d.change) for d in compare_cards(first, second)}
    assert found["totals", "documents"] == (first["documents"], 20, 20 - first["documents"])
    assert found["reasons", "exact", "dropped", "exact_duplicate"] == (6, 0, -6)
    assert ("languages", "ru") in found
    assert compare_cards(first, first) == []
    page = render_card(first, "ru", other=second)
    Reader(page)
    assert "small" in page
    assert card_words("ru").say("page.same") in render_card(first, "ru", other=first)


def test_an_empty_corpus_has_a_card_too(make_corpus: MakeCorpus) -> None:
    card = make_card(make_corpus([{"text": " ", "url": "https://a.example/"}], stages=["extract"]))
    assert (card["documents"], card["lengths"]) == (0, {})
    Reader(render_card(card, "ru"))


def test_no_corpus_no_card(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="finished corpus"):
        make_card(tmp_path)


# -- coverage -----------------------------------------------------------------------------------------------------------
ENTITIES = (
    Entity(
        "pushkin", "ru", "literature", {"ru": ["Александр Пушкин", "Пушкин"], "en": ["Alexander Pushkin", "Pushkin"]}
    ),
    Entity("tolstoy", "ru", "literature", {"ru": ["Лев Толстой"], "en": ["Leo Tolstoy"]}),
    Entity("mother", "ru", "literature", {"ru": ["Мать"], "en": ["Mother"]}),
    Entity("khinkali", "ka", "cuisine", {"ru": ["хинкали"], "en": ["khinkali"]}),
    Entity("war", "ru", "literature", {"ru": ["Война и мир"], "en": ["War and Peace"]}),
    Entity("peter", "ru", "history", {"ru": ["Пётр I"]}),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Я читал Пушкина.", {"pushkin"}),
        ("Письма к Льву Толстому", {"tolstoy"}),
        ("толстой лев спал", set()),
        ("его мать вышла", set()),
        ("роман «Мать» вышел", {"mother"}),
        ("ели Хинкали и хинкали", {"khinkali"}),
        ("в «Войне и мире»", {"war"}),
        ("война, и мир", set()),
        ("при Петре I, при Петре II", {"peter"}),
        ("", set()),
    ],
)
def test_names_are_found_in_any_form(text: str, found: set[str]) -> None:
    finder = Finder(ENTITIES, "ru")
    assert {ENTITIES[n].id for n in finder.find(text)} == found


def test_languages_without_names_are_counted_but_not_searched() -> None:
    coverage = Coverage(ENTITIES)
    coverage.add("en-GB", "Pushkin's poems, and War and Peace.")
    coverage.add("ka", "ხინკალი")
    made = coverage.as_json()
    assert (made["documents"], made["looked_at"]) == (2, 1)
    assert {e["id"] for e in made["cultures"]["ru"]["most"]} == {"pushkin", "war"}
    assert made["cultures"]["ka"]["never"] == [
        {"id": "khinkali", "domain": "cuisine", "names": {"ru": "хинкали", "en": "khinkali"}}
    ]


def test_every_entity_is_found_by_each_of_its_names() -> None:
    entities = load_entities()
    assert len(entities) >= 750
    for language in ("ru", "en"):
        finder = Finder(entities, language)
        lost = [
            (e.id, name)
            for n, e in enumerate(entities)
            for name in e.names[language]
            if n not in finder.find(f"«{name}», — {name}.")
        ]
        assert not lost


# -- words and small parts ---------------------------------------------------------------------------------------------
def test_all_languages_say_the_same_things() -> None:
    def keys(table: dict[str, Any], prefix: str = "") -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, value in table.items():
            if isinstance(value, dict):
                found |= keys(value, f"{prefix}{name}.")
            else:
                found[prefix + name] = {part.partition("}")[0] for part in value.split("{")[1:]}
        return found

    tables = {
        language: keys(tomllib.loads((PACKS / language / "card.toml").read_text("utf-8")))
        for language in card_languages()
    }
    assert set(tables) >= {"ru", "en"}
    assert all(table == tables["en"] for table in tables.values())


def test_small_parts() -> None:
    assert [century_of(y) for y in ("", "1", "1900", "1901", "2000", "2001")] == ["", "1", "19", "20", "20", "21"]
    assert percentiles([]) == {}
    assert percentiles(range(1, 101)) == {"5": 5, "25": 25, "50": 50, "75": 75, "95": 95}
    assert percentiles([7]) == dict.fromkeys(["5", "25", "50", "75", "95"], 7)
    words = card_words("ru-RU")
    assert (words.number(1234), words.number(1234567), words.number(-5), words.percent(1, 8)) == (
        "1234",
        "1\u00a0234\u00a0567",
        "−5",
        "12,5 %",
    )
    assert words.percent(1, 0) == "–"
    assert card_words("tlh").language == "en"


def test_cards_are_data(corpus: Path) -> None:
    card: Card = make_card(corpus, coverage=False)
    assert json.loads(json.dumps(card)) == card
    assert card["coverage"] == {}
    Reader(render_card(card))


def test_what_workers_count_is_what_a_pass_over_the_corpus_counts(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    out = build_rows(tmp_path, rows, card=True, date="1999-05-02", stages=["extract", "language", "exact", "near"])
    counted = (out / DATA).read_bytes()
    assert not (out / PAGE).exists()
    made = make_card(out)
    assert json.loads(counted) == json.loads(json.dumps(made))
    assert made["duplicates"]["biggest"] and made["coverage"]["cultures"]["ru"]["mentioned"]
    assert ensure_card(out) == json.loads(counted)
    assert (out / DATA).read_bytes() == counted and (out / PAGE).exists()


def test_surveys_of_parts_add_up(rows: list[dict[str, Any]]) -> None:
    def survey(some: list[dict[str, Any]]) -> Survey:
        made = Survey(coverage=Coverage())
        for row in some:
            cluster = json.dumps({"cluster_size": "3", "duplicates": json.dumps([row["url"]])})
            made.add("web", row["url"], row.get("title", ""), row["text"], "ru", "1905", "CC0-1.0", cluster)
        return made

    joined = Survey(coverage=Coverage())
    for start in range(0, len(rows), 7):
        joined.merge(json.loads(json.dumps(survey(rows[start : start + 7]).as_json())))
    assert json.dumps(joined.as_json()) == json.dumps(survey(rows).as_json())
