"""Signals against plain counting, and a policy that keeps poems, tables and dictionaries and drops rubbish by name."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import samovar
from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.quality import Quality, QualityOptions, Threshold, list_rules
from samovar.corpus.stages.scan import scan_texts
from samovar.corpus.stages.signals import SIGNALS, measure

ARTICLES = sorted((Path(samovar.__file__).parent / "packs/ru/library").rglob("*.md"))

PROSE = (
    "Город стоит на берегу большой реки, через которую переброшены четыре моста. Первый построили ещё в позапрошлом веке,"
    " и до сих пор по нему ходят трамваи.\nЛетом набережная полна людей: кто-то читает, кто-то удит рыбу, дети кормят уток."
)
POEM = "\n".join(
    ["Выхожу один я на дорогу;", "Сквозь туман кремнистый путь блестит;", "Ночь тиха. Пустыня внемлет богу,", "И звезда с звездою говорит.", "",
     "В небесах торжественно и чудно!", "Спит земля в сияньи голубом…", "Что же мне так больно и так трудно?", "Жду ль чего? жалею ли о чём?"]
)  # fmt: skip
TABLE = "\n".join(f"{name}\t{area}\t{people}" for name, area, people in [
    ("Область", "Площадь", "Население"), ("Архангельская", "413,1", "1 013 тыс."), ("Вологодская", "144,5", "1 139 тыс."),
    ("Мурманская", "144,9", "667 тыс."), ("Новгородская", "54,5", "583 тыс."), ("Псковская", "55,4", "599 тыс."), ("Тверская", "84,2", "1 230 тыс."),
])  # fmt: skip
DICTIONARY = "\n".join(
    f"{word} — {meaning}" for word, meaning in [
        ("аба", "толстое белое сукно; плащ из него"), ("абаз", "персидская серебряная монета"), ("абак", "счётная доска"),
        ("аббат", "настоятель монастыря"), ("абрек", "изгнанник, скрывавшийся в горах"), ("авоська", "сетка для покупок"),
    ]
)  # fmt: skip
DIALOGUE = "— Кто там?\n— Это я, почтальон Печкин.\n— Что вам нужно?\n— Принёс заметку про вашего мальчика.\n— Ну, давайте её сюда.\n— Не отдам, потому что у вас документов нет."

RUBBISH = {
    "few_words": "Страница не найдена. На главную.",
    "many_digits": "\n".join(f"{number} {number * 7919} {number * 104729} шт" for number in range(10, 60)),
    "many_symbols": "║ цена ▓▓▓ ║ ═══ товар ♥♥♥ ║ ▓▓▓ скидка ★★★★★ ║ ═══ купи ☎☎☎ ║ ★ ★ сейчас ║ ═════ ★★★ ║ звони ☎ ║ ★★★ " * 6,
    "duplicate_lines": "\n".join(["Купить билет на самолёт дёшево", "Скидки на отели по всему миру"] * 20),
    "top_2gram": "купить окна " * 60,
    "many_capitals": "СРОЧНО ПРОДАЁТСЯ ДОМ С УЧАСТКОМ У РЕКИ, ЗВОНИТЕ ПРЯМО СЕЙЧАС, ТОРГ УМЕСТЕН! " + " ".join(
        f"{a}{b}Й" for a in ("КРАСН", "БЕЛ", "СИН", "СТАР", "НОВ", "ДОБР", "ЗЛ") for b in ("Ы", "И", "О", "Е", "У", "А")
    ),
    "long_words": "\n".join("aHR0cHM6Ly9leGFtcGxlLmNvbS9zb21lL3ZlcnkvbG9uZy9wYXRo" + "abcdefgh"[i % 8] * 3 + str(i) for i in range(40)),
    "ellipsis_lines": "\n".join(f"{word} читать далее о том, что случилось…" for word in PROSE.split()[:12]),
}  # fmt: skip


def run(text: str, language: str = "ru", **options: object) -> tuple[Item, str]:
    item, notes = Item(0, "u", text, language=language), Notes("s")
    kept = Quality(QualityOptions(**options)).apply([item], notes)
    assert bool(kept) == (not notes.rows)
    return item, notes.rows[0].reason if notes.rows else ""


@pytest.mark.parametrize(
    "text", [PROSE, POEM, TABLE, DICTIONARY, DIALOGUE], ids=["prose", "poem", "table", "dictionary", "dialogue"]
)
def test_good_texts_of_every_form_stay(text: str) -> None:
    assert run(text)[1] == ""
    assert run(text, language="xx")[1] == ""


@pytest.mark.parametrize("rule", RUBBISH)
def test_rubbish_is_dropped_by_name_and_value(rule: str) -> None:
    notes = Notes("s")
    Quality().apply([Item(0, "u", RUBBISH[rule], language="ru")], notes)
    row = notes.rows[0]
    assert row.reason == rule
    signal, value = row.value.split()
    assert signal in SIGNALS and float(value) >= 0


def test_all_our_articles_pass() -> None:
    items = [
        Item(number, str(number), path.read_text("utf-8").split("+++")[-1], language="ru")
        for number, path in enumerate(ARTICLES)
    ]
    notes = Notes("s")
    assert len(Quality().apply(items, notes)) == len(items) > 300, notes.counts


def test_policies_and_changes_of_rules() -> None:
    assert run(RUBBISH["few_words"], policy="none")[1] == ""
    assert run(RUBBISH["few_words"], drop=False)[1] == ""
    assert run(POEM, rules={"short_lines": Threshold(signal="share_short_lines", max=0.3)})[1] == "short_lines"
    assert run(RUBBISH["few_words"], rules={"few_words": Threshold(off=True)})[1] == ""
    assert next(rule for rule in list_rules("ru") if rule.name == "long_words").high == 12.0
    assert next(rule for rule in list_rules("xx") if rule.name == "long_words").high == 14.0


@pytest.mark.parametrize("options", [{"policy": "gopher"}, {"rules": {"x": Threshold(signal="beauty", min=1)}}])
def test_a_wrong_recipe_is_an_error_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="expected"):
        QualityOptions(**options)


def test_every_signal_is_explained_and_kept_with_the_item() -> None:
    item, _ = run(PROSE)
    assert set(item.signals) == set(SIGNALS)


def test_signals_are_what_plain_counting_gives() -> None:
    text = f"{PROSE}\n• пункт один;\n• пункт один;\n{{код}} ААА!!! 123 45…\n\n{PROSE}"
    values = {name: float(column[0]) for name, column in measure(scan_texts([text])).items()}
    lines = [line for line in text.split("\n") if line]
    words = [word for line in lines for word in "".join(c if c.isalnum() else " " for c in line.casefold()).split()]
    visible = [character for character in text if not character.isspace()]
    pairs = Counter(pairwise(words))
    tens = Counter(zip(*(words[place:] for place in range(10)), strict=False))
    assert values["words"] == len(words) and values["lines"] == len(lines) and values["chars"] == len(visible)
    assert values["share_letters"] == pytest.approx(sum(map(str.isalpha, visible)) / len(visible))
    assert values["share_digits"] == pytest.approx(sum(map(str.isdecimal, visible)) / len(visible))
    assert values["mean_word_length"] == pytest.approx(sum(map(len, words)) / len(words))
    assert values["share_duplicate_lines"] == pytest.approx(1 - len(set(lines)) / len(lines))
    assert values["share_bullet_lines"] == pytest.approx(2 / len(lines))
    assert values["share_ellipsis_lines"] == pytest.approx(1 / len(lines))
    assert values["share_top_2gram"] == pytest.approx(2 * max(pairs.values()) / len(words))
    assert values["share_duplicate_10grams"] == pytest.approx(sum(n - 1 for n in tens.values()) / sum(tens.values()))
    assert values["longest_run"] == 3 and values["braces"] == 2 and values["share_main_script"] == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("абвГД zq1,.…!•-\n\n  你"), max_size=120), min_size=1, max_size=6))
def test_signals_do_not_depend_on_the_company_of_texts(texts: list[str]) -> None:
    together = measure(scan_texts(texts))
    for number, text in enumerate(texts):
        alone = measure(scan_texts([text]))
        assert {name: column[number] for name, column in together.items()} == {
            name: column[0] for name, column in alone.items()
        }
        assert all(0 <= alone[name][0] <= 1 for name in SIGNALS if name.startswith("share_"))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "zh",
            "长江是中国最长的河流，发源于青藏高原，流经十一个省市，最后注入东海。沿江有许多城市，每个城市都有自己的历史。",
        ),
        ("ja", "信濃川は日本で一番長い川である。長野県から新潟県へ流れ、日本海に注ぐ。川のほとりには多くの町がある。"),
        ("th", "แม่น้ำเจ้าพระยาเป็นแม่น้ำสายหลักของประเทศไทย ไหลผ่านกรุงเทพมหานครลงสู่อ่าวไทย"),
        ("zh-Hant", "長江是中國最長的河流，發源於青藏高原，流經十一個省市，最後注入東海。"),
    ],
)
def test_languages_without_spaces_are_not_measured_by_the_length_of_words(language: str, text: str) -> None:
    item, notes = Item(0, "u", text, language=language), Notes("s")
    assert Quality().apply([item], notes) == [item], notes.rows
    short = Item(0, "u", "a b c d e f g h i j k l m n o p q r s t u v w x y z", language="xx")
    assert not Quality().apply([short], notes)
    assert notes.rows[-1].reason == "short_words"
