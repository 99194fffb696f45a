"""The rules on traps, and what must hold for any text."""

from __future__ import annotations

import pytest
from grade_toys import grade, probe, reader, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade import explain_reply, grade_reply
from samovar.audit.grade.polarity import is_negation
from samovar.audit.outcome import OUTCOMES
from samovar.audit.pack import load_pack
from samovar.errors import UsageError

GOETHE = ("Кто написал «Фауста»?", "person", ["Иоганн Вольфганг фон Гёте", "Гёте"])
FAUST = ("Who wrote Faust?", "person", ["Johann Wolfgang von Goethe", "Goethe"])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Гете", "correct"),
        ("Трагедия написана Гёте в Веймаре", "correct"),
        ("И. В. Гёте", "correct"),
        ("Не Шиллер, а Гёте", "correct"),
        ("Не Гёте, а Шиллер", "wrong"),
        ("Гёте и Шиллер", "wrong"),
        ("Шиллер или Гёте", "wrong"),
        ("Шиллер, Гёте, Гейне", "wrong"),
        ("Это мог быть Шиллер, Гёте, Лессинг или Гейне, все они великие немецкие писатели своего времени.", "wrong"),
        ("Шиллер. Ой, нет: Гёте", "correct"),
        ("Гёте. А нет, Шиллер.", "wrong"),
        ("Ответ: **Гёте**", "correct"),
        ("<think>Шиллер? Гейне?</think>Гёте", "correct"),
        ("Goethe", "correct"),
        ("Не знаю", "dont_know"),
        ("Не знаю точно, наверное, Гёте", "correct"),
        ("Не знаю точно, наверное, Шиллер", "wrong"),
        ("Я не могу помочь с этим.", "refused"),
        ("Гёте написал «Фауста» в 1950 году в Париже.", "correct"),
        ("Фридрих Шиллер", "wrong"),
    ],
)
def test_person_in_russian(text: str, outcome: str) -> None:
    assert grade("ru", *GOETHE, text, other={"en": FAUST[2]}).outcome == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Goethe's", "correct"),
        ("GOETHE", "correct"),
        ("goethe", "correct"),
        ("Schiller... sorry, I meant Goethe", "correct"),
        ("Goethe. Actually no, it was Schiller.", "wrong"),
        ("Goethe/Schiller", "wrong"),
        ("Final answer: Goethe", "correct"),
        ("Anyone but Goethe", "wrong"),
        ("Гёте", "correct"),
        ("Johann Sebastian Bach", "wrong"),
        ("I have no idea.", "dont_know"),
        ("I'm sorry, but I can't assist with that.", "refused"),
    ],
)
def test_person_in_english(text: str, outcome: str) -> None:
    assert grade("en", *FAUST, text, other={"ru": GOETHE[2]}).outcome == outcome


def test_namesakes_are_told_apart() -> None:
    asked = ("ru", "Кто изобрёл радио?", "person", ["Александр Попов", "Попов"])
    assert [grade(*asked, t).outcome for t in ("Попов", "А. С. Попов", "Попов А. С.", "Александр Попов")] == [
        "correct"
    ] * 4
    assert {grade(*asked, t).outcome for t in ("Иван Попов", "Б. А. Попов", "Попова Мария")} <= {"wrong", "undecided"}


def test_numerals_tell_rulers_apart() -> None:
    asked = ("ru", "Какой царь основал город?", "person", ["Пётр I", "Пётр Великий"])
    reject = {"reject": ["Пётр III", "Иван Грозный"]}
    said = ("Пётр I", "Петр Первый", "царь Пётр 1", "Петром Великим", "Пётр III", "Пётр Третий", "Пётр")
    assert [grade(*asked, t, **reject).outcome for t in said] == ["correct"] * 4 + ["wrong"] * 2 + ["undecided"]


def test_a_pronoun_is_no_numeral() -> None:
    assert grade("en", "Which tsar founded it?", "person", ["Peter I"], "I think Peter").outcome == "undecided"


def test_a_longer_rejected_answer_takes_the_right_word_over() -> None:
    asked = ("en", "Which sport is played there?", "term", ["tennis"])
    assert [grade(*asked, t, reject=["table tennis"]).outcome for t in ("tennis", "Table tennis", "It is tennis.")] == [
        "correct", "wrong", "correct",
    ]  # fmt: skip


def test_an_exact_rejected_name_beats_a_likeness() -> None:
    asked = ("en", "In which province is it?", "place", ["Shanxi"])
    assert grade(*asked, "Shaanxi", reject=["Shaanxi"]).outcome == "wrong"
    assert grade(*asked, "Shanxi", reject=["Shaanxi"]).outcome == "correct"


def test_places_may_say_where_they_lie() -> None:
    asked = ("en", "Where was he born?", "place", ["Stratford-upon-Avon", "Stratford"])
    assert [grade(*asked, t).outcome for t in ("Stratford upon Avon, Warwickshire, England", "London, England")] == [
        "correct",
        "wrong",
    ]


def test_part_of_an_answer_is_undecided() -> None:
    assert grade("en", "Which novel?", "work", ["The Red and the Black"], "Red Sorghum").outcome == "undecided"


def test_a_reply_cut_short_is_undecided() -> None:
    made = grade_reply(
        probe("en", *FAUST), "en", reply("The tragedy in question belongs to a tradition that", finish="length")
    )
    assert (made.outcome, made.rule) == ("undecided", "breaks_off")


@pytest.mark.parametrize(
    ("text", "finish", "outcome", "rule"),
    [
        ("", "stop", "dont_know", "empty"),
        ("  \n", "stop", "dont_know", "empty"),
        ("", "length", "undecided", "breaks_off"),
        ("<!DOCTYPE html><html><body>502</body></html>", "stop", "missing", "html"),
        ("Goethe", "error", "missing", "error"),
        ("", "filter", "refused", "filter"),
        ("Goethe", "filter", "refused", "filter"),
    ],
)
def test_what_is_no_answer(text: str, finish: str, outcome: str, rule: str) -> None:
    made = grade_reply(probe("en", *FAUST), "en", reply(text, finish=finish))
    assert (made.outcome, made.rule) == (outcome, rule)


def test_a_language_without_gold_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a gold in 'fr'"):
        grade_reply(probe("en", *FAUST), "fr", reply("Goethe"))


def test_explaining_shows_the_rule_that_decided() -> None:
    one = probe("en", *FAUST)
    asked = explain_reply(one, "en", reply("Goethe or Schiller"))
    assert asked[-1] == ("offers_alternatives", "wrong")
    assert all(outcome is None for _, outcome in asked[:-1])
    assert grade_reply(one, "en", reply("Goethe or Schiller")).rule == "offers_alternatives"


TYPES = {
    "person": ["Гёте"],
    "place": ["Веймар"],
    "work": ["Фауст"],
    "term": ["борщ"],
    "choice": ["да"],
    "year": ["1799"],
    "date": ["1799-06-06"],
    "number": ["15"],
}


@given(st.text(max_size=120), st.sampled_from(sorted(TYPES)), st.sampled_from(["ru", "en"]))
@settings(max_examples=100, deadline=None)
def test_any_text_gets_a_grade(text: str, kind: str, language: str) -> None:
    one = probe(language, "Что это? What is it?", kind, TYPES[kind])
    made = grade_reply(one, language, reply(text))
    assert made.outcome in OUTCOMES
    assert made.rule
    assert made == grade_reply(one, language, reply(text))


@given(
    st.lists(
        st.sampled_from(
            [
                "Гёте",
                "Шиллер",
                "не",
                "или",
                "и",
                "а",
                "но",
                "1799",
                "в",
                ",",
                ".",
                "\n",
                "—",
                "I",
                "or",
                "not",
                "Faust",
                "(",
                '"',
                "**",
            ]
        ),
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_heap_of_hard_words_gets_a_grade(words: list[str]) -> None:
    for kind in TYPES:
        assert grade("ru", "Кто это?", kind, TYPES[kind], " ".join(words)).outcome in OUTCOMES


PACK = load_pack("core")
KNOWLEDGE = PACK.of_kind("knowledge")
FRAMES = {"ru": ("{}", "Ответ: **{}**.", "Наверное, {}"), "en": ("{}", "Answer: **{}**.", "Perhaps {}")}


@pytest.mark.parametrize("language", ["ru", "en"])
def test_shipped_golds_are_right_and_confusions_wrong(language: str) -> None:
    """Every twenty-fifth probe of the core pack; the benchmark takes all."""
    failed = []
    for one in KNOWLEDGE[::25]:
        gold = one.gold.get(language)
        if gold is None or any(a.startswith("-") for a in gold.answers):
            continue
        for answers, outcome in ((gold.answers, "correct"), (gold.reject, "wrong")):
            for answer in answers:
                for frame in FRAMES[language]:
                    made = grade_reply(one, language, reply(frame.format(answer)))
                    if made.outcome != outcome:
                        failed.append((one.id, frame.format(answer), made.outcome, made.rule))
    assert not failed


@given(st.sampled_from(KNOWLEDGE), st.sampled_from(["ru", "en"]))
@settings(max_examples=80, deadline=None)
def test_a_negated_gold_is_never_right(one, language: str) -> None:  # type: ignore[no-untyped-def]
    frame = {"ru": "Это не {}.", "en": "It is not {}."}[language]
    gold = one.gold[language]
    read = reader(language)
    if any(is_negation(w, read.words) for a in gold.answers for w in read.read(a).low):
        return  # "not to touch her" negated is its own matter
    if set("!?") & set("".join(gold.answers)):
        return  # a title that ends a sentence ends the scope too
    made = grade_reply(one, language, reply(frame.format(gold.answers[0].lstrip("-0"))))
    assert made.outcome != "correct", (one.id, gold.answers[0])


def test_a_surname_that_stands_first_is_no_first_name() -> None:
    asked = ("ru", "Кто написал слова «Марша добровольцев»?", "person", ["Тянь Хань"])
    said = ("Тянь Хань", "Хань Тянь", "Тянь Ханю", "Хань Юй", "Тянь Цзян", "Тянь Тянь", "Хань", "Tian Han")
    outcomes = [grade(*asked, t, other={"en": ["Tian Han"]}).outcome for t in said]
    assert outcomes == ["correct", "correct", "correct", "wrong", "wrong", "wrong", "undecided", "correct"]


@pytest.mark.parametrize("name", ["Liu An", "Wu Cheng'en", "Ts'ao Hsueh-ch'in", "Hu Shih"])
def test_chinese_names_are_matched_whole(name: str) -> None:
    asked = ("en", "Who was it?", "person", [name])
    first, _, last = name.partition(" ")
    assert grade(*asked, name).outcome == grade(*asked, name.lower()).outcome == "correct"
    assert grade(*asked, f"{first} Bang").outcome == "wrong"
    assert grade(*asked, last).outcome != "correct"


@pytest.mark.parametrize(
    "name", ["Han Bennink", "Kai Winding", "Ян Сибелиус", "Ян Коменский", "Yuja Wang", "Li Harvey Oswald"]
)
def test_other_names_keep_the_surname_rule(name: str) -> None:
    language = "en" if name.isascii() else "ru"
    assert grade(language, "?", "person", [name], name.rsplit(" ", 1)[-1]).outcome == "correct"


def test_the_surname_may_stand_first_in_the_reply() -> None:
    asked = ("en", "Who wrote it?", "person", ["Akaki Tsereteli"])
    said = ("Tsereteli Akaki", "Tsereteli Akakii", "Tsereteli Zurab")
    assert [grade(*asked, t).outcome for t in said] == ["correct", "correct", "wrong"]


@pytest.mark.parametrize(("right", "other"), [("Чжан", "Цзян"), ("Чжэн", "Чжэнь"), ("Zhen", "Zheng"), ("Шань", "Сянь")])
def test_short_names_are_not_compared_by_sound(right: str, other: str) -> None:
    language = "en" if right.isascii() else "ru"
    assert grade(language, "?", "person", [right], right).outcome == "correct"
    assert grade(language, "?", "person", [right], other).outcome == "wrong"


@pytest.mark.parametrize(
    ("language", "kind", "answer", "text", "outcome"),
    [
        ("ru", "work", "Я, бабушка, Илико и Илларион", "Я думаю, «Кукарача»", "wrong"),
        ("ru", "work", "Я, бабушка, Илико и Илларион", "Я, бабушка, Илико и Илларион", "correct"),
        ("ru", "work", "Скупой, или Школа лжи", "«Скупой»", "correct"),
        ("en", "term", "Liberty, equality, fraternity", "Liberty or death", "wrong"),
        ("en", "place", "Salem, Massachusetts", "Salem", "correct"),
        ("en", "work", "Crouching Tiger, Hidden Dragon", "Crouching Tiger, Hidden Dragon", "correct"),
    ],
)
def test_an_alias_with_a_comma(language: str, kind: str, answer: str, text: str, outcome: str) -> None:
    assert grade(language, "?", kind, [answer], text).outcome == outcome


def test_names_that_explain_the_right_one_are_no_row_of_candidates() -> None:
    asked = ("en", "Which prince?", "person", ["Cao Zhi"])
    assert grade(*asked, "Cao Zhi, son of Cao Cao and brother of Cao Pi").outcome == "correct"
    assert grade(*asked, "Cao Zhi, Cao Cao and Cao Pi").outcome == "wrong"
    assert grade(*asked, "Cao Pi, the brother of Cao Zhi").outcome == "wrong"
    assert grade(*asked, "Ordered by Cao Pi, his brother Cao Zhi did").outcome == "correct"


def test_what_the_question_left_of_an_answer_is_no_part_of_another_name() -> None:
    asked = (
        "en",
        "Whose shrine did the pilgrims to Canterbury visit?",
        "person",
        ["Thomas Becket", "Becket", "Thomas of Canterbury"],
    )
    said = ("Thomas of Canterbury", "Saint Thomas", "Becket", "Thomas More")
    assert [grade(*asked, t).outcome for t in said] == ["correct", "correct", "correct", "wrong"]
    asked = ("en", "Which American company was the ballet dancer with?", "term", ["American Ballet Theatre"])
    assert [grade(*asked, t).outcome == "correct" for t in ("The Theatre", "Taganka Theatre")] == [True, False]


def test_a_saint_is_no_king_of_the_name() -> None:
    asked = ("ru", "Чей это праздник?", "person", ["Георгий Победоносец", "святой Георгий", "Георгий"])
    assert [grade(*asked, t).outcome for t in ("Георгия", "Святого Георгия", "Георгий III")] == [
        "correct",
        "correct",
        "wrong",
    ]


def test_a_surname_is_no_first_name() -> None:
    asked = ("ru", "Какова настоящая фамилия?", "person", ["Алексеев", "Константин Алексеев"])
    assert [grade(*asked, t).outcome for t in ("Алексеев", "Алексеева", "Алексей Пажитнов")] == [
        "correct",
        "correct",
        "wrong",
    ]


@pytest.mark.parametrize(
    ("language", "gold", "text", "outcome"),
    [
        ("ru", "Казань", "Он преподавал в Казанском университете", "undecided"),
        ("ru", "Казань", "Ректор Казанского университета", "undecided"),
        ("ru", "Москва", "в московской семье", "undecided"),
        ("ru", "Волга", "Волжский бассейн", "undecided"),
        ("ru", "Париж", "парижская мастерская", "undecided"),
        ("ru", "Франция", "Во французском городке", "undecided"),
        ("ru", "Санкт-Петербург", "в петербургской академии", "undecided"),
        ("ru", "Волга", "Волынский уезд", "wrong"),
        ("ru", "Казань", "В Москве, а учился он в Казанском университете", "wrong"),
        ("ru", "Казань", "В Рязанской губернии", "wrong"),
        ("ru", "Казань", "В Казани", "correct"),
        ("en", "Paris", "At a Parisian school", "undecided"),
        ("en", "Vienna", "In a Viennese theatre", "undecided"),
        ("en", "Florence", "A Florentine workshop", "undecided"),
        ("en", "Paris", "At a Venetian school", "wrong"),
        ("en", "Paris", "In London, not at a Parisian school", "wrong"),
    ],
)
def test_an_adjective_of_a_place_decides_nothing(language: str, gold: str, text: str, outcome: str) -> None:
    question = {"ru": "Где это было?", "en": "Where was it?"}[language]
    assert grade(language, question, "place", [gold], text).outcome == outcome
