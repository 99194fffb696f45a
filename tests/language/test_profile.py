"""Profiles: folding, terms, look-alikes, layouts, questions; and that a new language needs only a new file."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samovar.language
from samovar.language import available_profiles, choose_profile, neutral_profile, profile_for

RU = profile_for("ru")
EN = profile_for("en")
TT = profile_for("tt")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("книгами", "книга"), ("Мёртвые", "мертвых"), ("людей", "человек"), ("шёл", "идти"), ("мocквa", "Москве"),
        ("за́мок", "замок"), ("ЁЛКА", "елки"), ("Пушкиным", "Пушкин"), ("лет", "год"), ("детей", "ребёнок"),
    ],
)  # fmt: skip
def test_forms_of_one_word_share_a_term(a: str, b: str) -> None:
    assert set(RU.terms(a)) & set(RU.terms(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("went", "going"),
        ("children", "child"),
        ("wrote", "written"),
        ("cities", "city"),
        ("café", "cafe"),
        ("author's", "author"),
    ],
)
def test_english_forms(a: str, b: str) -> None:
    assert set(EN.terms(a)) & set(EN.terms(b))


def test_all_parses_are_kept() -> None:
    """«стекла»: a noun and a verb."""
    assert set(RU.lemmas("стекла")) >= {"стекло", "стечь"}


def test_hyphenated_word_gives_its_parts() -> None:
    terms = RU.terms("Санкт-Петербурге")
    assert set(RU.terms("Петербург")) <= set(terms) and len(terms) >= 3


def test_layout_and_lookalikes() -> None:
    assert RU.switch_layout("geirby") == "пушкин"
    assert RU.switch_layout("vjcrdf") == "москва"
    assert EN.switch_layout("рудд") == "hell"
    assert RU.switch_layout("a1") is None
    assert RU.as_lookalike("CCCP") == "ссср"
    assert RU.as_lookalike("dog") is None
    assert RU.fix_lookalikes("mouse") == "mouse"


def test_transliteration() -> None:
    assert RU.transliterate("Щёлково, Юрий Жуков") == "Shchyolkovo, Yuriy Zhukov"


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_folding_is_idempotent_and_never_fails(text: str) -> None:
    for tag in available_profiles():
        profile = profile_for(tag)
        once = profile.fold(text)
        assert profile.fold(once) == once
        profile.normalise(text)
        profile.terms(text)
        profile.switch_layout(text)
        profile.question_kind(text)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Кто написал роман «Мёртвые души»?", "person"), ("В каком городе родился Пушкин?", "place"), ("Когда умер Гоголь?", "time"),
        ("Сколько лет длилась блокада?", "number"), ("Где находится Эрмитаж?", "place"), ("Что такое самовар?", "definition"),
        ("Почему началась война?", "reason"), ("В каком году основан Петербург?", "time"), ("Как называется роман?", "name"),
        ("Кто был царём, когда построили собор?", "person"), ("Какой писатель родился в Таганроге?", "person"),
        ("Какова высота Эльбруса?", "number"), ("Пушкин", "thing"), ("", "thing"),
    ],
)  # fmt: skip
def test_question_kinds_ru(question: str, kind: str) -> None:
    assert RU.question_kind(question) == kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote Dead Souls?", "person"),
        ("How many people live there?", "number"),
        ("What city is it?", "place"),
        ("When did he die?", "time"),
        ("Why?", "reason"),
    ],
)
def test_question_kinds_en(question: str, kind: str) -> None:
    assert EN.question_kind(question) == kind


def test_tatar_suffixes() -> None:
    assert TT.terms("китапларыбызда") == TT.terms("китап")
    assert TT.terms("Казанның") == TT.terms("Казан")


def test_unknown_language_is_neutral() -> None:
    assert profile_for("zz") is neutral_profile()
    assert profile_for("../ru") is neutral_profile()
    assert profile_for("ru-RU") is RU
    assert neutral_profile().terms("Слово") == ("слово",)


def test_choose_profile() -> None:
    assert choose_profile("Кто это?", ("en", "ru")) is RU
    assert choose_profile("Who is it?", ("ru", "en")) is EN
    assert choose_profile("Татарча сөйләшәсезме, әни?", ("ru", "tt")) is TT
    assert choose_profile("12345", ("ru", "en")) is RU
    assert choose_profile("слово", ()) is neutral_profile()


def test_a_new_language_needs_only_a_new_file(tmp_path: Path) -> None:
    """A profile dropped into the folder is found, and changes nothing for the others."""
    folder = Path(samovar.language.__file__).parent / "profiles"
    (tmp_path / "eo.py").write_text(
        textwrap.dedent(
            '''
            """Esperanto, as a test of how little a language needs."""
            from samovar.language.profile import Profile
            PROFILE = Profile(tag="eo", name="Esperanto", script="Latn", alphabet="abcĉdefgĝhĥijĵklmnoprsŝtuŭvz",
                              stemmer=lambda w: w.rstrip("nj").rstrip("oae"))
            '''
        )
    )
    program = textwrap.dedent(
        f"""
        import samovar.language.profiles as p
        from samovar.language import profile_for
        before = {{t: [profile_for(t).terms(w) for w in ("книгами", "children", "китаплар")] for t in ("ru", "en", "tt")}}
        p.__path__.append({str(tmp_path)!r})
        from samovar.language import available_profiles, choose_profile
        assert available_profiles() == ("en", "eo", "ru", "tt"), available_profiles()
        assert profile_for("eo").terms("librojn") == profile_for("eo").terms("libro")
        assert choose_profile("ĉu vi ŝatas", ("en", "eo")).tag == "eo"
        after = {{t: [profile_for(t).terms(w) for w in ("книгами", "children", "китаплар")] for t in ("ru", "en", "tt")}}
        assert before == after
        """
    )
    assert {f.stem for f in folder.glob("*.py")} == {"__init__", "en", "ru", "tt"}
    subprocess.run([sys.executable, "-c", program], check=True)
