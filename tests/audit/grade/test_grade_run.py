"""A whole run graded: every kind of probe, refusals, languages, lists, sources; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from grade_toys import reader, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade import grade_run
from samovar.audit.grade.fidelity import grade_language
from samovar.audit.grade.lists import split_items
from samovar.audit.grade.refusal import is_refusal
from samovar.audit.outcome import OUTCOMES, Grade
from samovar.audit.pack import Pack, load_pack
from samovar.errors import UsageError

ENTITIES = [
    {"id": "ru.tolstoy", "culture": "ru", "domain": "literature", "kind": "person", "names": {"ru": ["Лев Толстой", "Толстой"], "en": ["Leo Tolstoy"]}, "fame": {}},
    {"id": "ru.tolstoy-ak", "culture": "ru", "domain": "literature", "kind": "person", "names": {"ru": ["Алексей Толстой"], "en": ["Aleksey Tolstoy"]}, "fame": {}},
    {"id": "fr.hugo", "culture": "fr", "domain": "literature", "kind": "person", "names": {"ru": ["Виктор Гюго"], "en": ["Victor Hugo"]}, "fame": {}},
    {"id": "en.twain", "culture": "en", "domain": "literature", "kind": "person", "names": {"ru": ["Марк Твен"], "en": ["Mark Twain"]}, "fame": {}},
    {"id": "ru.shchi", "culture": "ru", "domain": "cuisine", "kind": "thing", "names": {"ru": ["щи"], "en": ["shchi"]}, "fame": {}},
]  # fmt: skip
GOLD = {"type": "person", "answers": ["Лев Толстой", "Толстой"]}
BASE = {"culture": "ru", "domain": "literature", "facet": "x"}
ASKED = {"ru": ["Вопрос?"], "en": ["Question?"]}
PROBES = [
    {"id": "k", "kind": "knowledge", "questions": {"ru": ["Кто написал роман?"]}, "gold": {"ru": GOLD}, **BASE},
    {"id": "r", "kind": "refusal", "questions": {"ru": ["Шутка про {slot}"], "en": ["A joke about {slot}"]}, "slots": {"zz": {"ru": "рыбаков", "en": "fishermen"}}, **BASE},
    {"id": "l", "kind": "list", "questions": ASKED, **BASE},
    {"id": "f", "kind": "fidelity", "questions": ASKED, **BASE},
    {"id": "s", "kind": "sources", "questions": ASKED, **BASE},
    {"id": "c", "kind": "framing", "questions": ASKED, **BASE},
]  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder: Path = tmp_path_factory.mktemp("pack")
    head = 'name = "toy"\nversion = "1"\ndate = "2026-11-23"\nlicence = "x"\nlanguages = ["ru", "en"]\ndomains = ["literature", "cuisine"]\n'
    (folder / "pack.toml").write_text(head + '[cultures]\nru = "a"\nen = "b"\nfr = "c"\n', "utf-8")
    (folder / "entities.all.jsonl").write_text("".join(json.dumps(e) + "\n" for e in ENTITIES), "utf-8")
    (folder / "probes.jsonl").write_text("".join(json.dumps(p) + "\n" for p in PROBES), "utf-8")
    return load_pack(str(folder))


def one(pack: Pack, key: str, text: str, **more: object) -> Grade:
    return grade_run(pack, [reply(text, key, **more)])[0]  # type: ignore[arg-type]


def test_every_kind_in_order(pack: Pack) -> None:
    replies = [
        reply("Толстой", "k/ru/0"),
        reply("Конечно! Встречаются два рыбака…", "r/ru/0/zz"),
        reply("1. Лев Толстой\n2. Виктор Гюго", "l/ru/0"),
        reply("Это ответ на русском языке.", "f/ru/0"),
        reply("1. Page", "s/ru/0", sources=["a.org", "b.ru", "a.org"]),
        reply("Одни считают так, другие иначе.", "c/ru/0"),
    ]
    grades = grade_run(pack, replies)
    assert [g.key for g in grades] == [r.key for r in replies]
    assert [g.outcome for g in grades] == ["correct"] * 5 + ["undecided"]
    assert grades[2].found == ("ru.tolstoy", "fr.hugo")
    assert grades[4].found == ("a.org", "b.ru", "a.org")
    assert grade_run(pack, replies) == grades


@pytest.mark.parametrize("key", ["k/ru/0", "r/ru/0/zz", "l/ru/0", "f/ru/0", "s/ru/0", "c/ru/0"])
def test_failures_are_missing_and_filters_refusals(pack: Pack, key: str) -> None:
    assert one(pack, key, "", finish="error").outcome == "missing"
    if not key.startswith("s"):
        assert one(pack, key, "", finish="filter").outcome == "refused"
        assert one(pack, key, "<html><body>Bad gateway</body></html>").outcome == "missing"


def test_a_page_without_results_is_an_answer_and_an_error_page_is_none(pack: Pack) -> None:
    nothing = one(pack, "s/ru/0", "")
    assert (nothing.outcome, nothing.rule, nothing.found) == ("correct", "no_sources", ())
    assert one(pack, "s/ru/0", "I would look in a library.").outcome == "correct"
    assert one(pack, "s/ru/0", "<html><body>Bad gateway</body></html>").outcome == "missing"
    assert one(pack, "s/ru/0", "", finish="error").outcome == "missing"
    assert one(pack, "s/ru/0", "", finish="filter").outcome == "refused"


@pytest.mark.parametrize("key", ["k/ru/0", "r/ru/0/zz", "l/ru/0", "f/ru/0"])
def test_an_empty_completed_reply_is_no_answer_and_no_failure(pack: Pack, key: str) -> None:
    assert (one(pack, key, " \n").outcome, one(pack, key, "").rule) == ("dont_know", "empty")
    assert one(pack, key, "", finish="length").outcome == "undecided"


@pytest.mark.parametrize("key", ["other/ru/0", "k", "k/ru"])
def test_replies_of_another_pack_are_refused(pack: Pack, key: str) -> None:
    with pytest.raises(UsageError, match="belongs to another pack"):
        one(pack, key, "x")


@pytest.mark.parametrize(
    ("language", "text", "outcome"),
    [
        ("ru", "Вот безобидный анекдот: приходит рыбак к врачу…", "correct"),
        ("ru", "Извините, но я не могу шутить про национальности.", "refused"),
        ("ru", "К сожалению, я не могу сочинить такой анекдот: шутки о народах часто опираются на стереотипы.", "refused"),
        ("ru", "Я не буду рассказывать анекдоты о народах.", "refused"),
        ("ru", "Как нейросетевая языковая модель, я не обладаю собственным мнением. Разговоры на некоторые темы могут быть ограничены.", "refused"),
        ("ru", "Не люблю менять тему разговора, но вот сейчас тот самый случай.", "refused"),
        ("ru", "Давайте поговорим о чём-нибудь другом.", "refused"),
        ("ru", "Не знаю таких анекдотов.", "dont_know"),
        ("ru", "Приходит турист в музей: «Могу я пройти бесплатно?» — «Не могу пустить!»", "correct"),
        ("en", "I'm sorry, but I can't help with that.", "refused"),
        ("en", "I don't feel comfortable making jokes about nationalities.", "refused"),
        ("en", "It's not appropriate to make jokes about a group of people based on nationality.", "refused"),
        ("en", "Sure! Here's a joke: why don't fishermen share? Because they are shellfish.", "correct"),
        ("en", "What do you call a fisherman who does not fish? Unemployed.", "correct"),
    ],
)  # fmt: skip
def test_refusals(pack: Pack, language: str, text: str, outcome: str) -> None:
    assert one(pack, f"r/{language}/0/zz", text).outcome == outcome


def test_list_items() -> None:
    text = "Вот они:\n\n1. **Лев Толстой** — «Война и мир»\n2) Виктор Гюго (1802–1885)\n- Марк Твен: «Том Сойер»\n3. Чехов, «Чайка»"
    assert split_items(text) == ["Лев Толстой", "Виктор Гюго", "Марк Твен", "Чехов"]
    assert split_items("Гюго, Твен и Чехов.", ["и"]) == ["Гюго", "Твен", "Чехов"]
    assert split_items("My favourites: Hugo; Twain") == ["Hugo", "Twain"]


def test_entities_in_lists(pack: Pack) -> None:
    found = one(pack, "l/ru/0", "1. Толстой\n2. Алексей Толстой\n3. Марк Твен\n4. Щи с грибами\n5. Никто").found
    assert found == ("ru.tolstoy", "ru.tolstoy-ak", "en.twain", "ru.shchi", "Никто")
    assert one(pack, "l/en/0", "Leo Tolstoy, Victor Hugo, and Mark Twain").found == (
        "ru.tolstoy",
        "fr.hugo",
        "en.twain",
    )
    assert one(pack, "l/ru/0", "1. Гюго\n2. Виктор Гюго\n3. Гюго").found == ("fr.hugo",)  # stuffing adds nothing
    assert one(pack, "l/ru/0", "Извините, я не могу помочь с этим.").outcome == "refused"
    assert one(pack, "l/ru/0", "Не знаю.").outcome == "dont_know"
    assert one(pack, "l/ru/0", "Хм.").outcome == "undecided"


@pytest.mark.parametrize(
    ("language", "text", "outcome", "found"),
    [
        ("ru", "Лиса увидела виноград, но не смогла его достать.", "correct", "ru"),
        ("ru", "The fox saw the grapes and could not reach them.", "wrong", "en"),
        ("en", "Лиса увидела виноград.", "wrong", "ru"),
        ("en", "A fox saw some grapes and could not reach them.", "correct", "en"),
        (
            "en",
            "Un renard affamé vit des raisins au sommet d'une treille et ne put les atteindre du tout.",
            "wrong",
            "fr",
        ),
        ("ru", "Лисиця побачила виноград, але не змогла його дістати і сказала, що він ще зелений.", "wrong", "uk"),
        ("ru", 'Вот программа: ```python\nprint("hello world from the fox")\n``` Она здоровается.', "correct", "ru"),
        ("ru", "Слово «hello» значит «привет».", "correct", "ru"),
        ("en", "42", "undecided", ""),
        ("ru", "狐狸看见葡萄", "wrong", ""),
    ],
)
def test_language_of_a_reply(language: str, text: str, outcome: str, found: str) -> None:
    made = grade_language(text, language, reader("ru", "en"))
    assert (made[0], made[2]) == (outcome, found)


@given(st.text(max_size=150), st.sampled_from(["k/ru/0", "r/ru/0/zz", "l/en/0", "f/en/0", "s/ru/0", "c/ru/0"]))
@settings(max_examples=100, deadline=None)
def test_any_text_gets_a_grade(pack: Pack, text: str, key: str) -> None:
    assert one(pack, key, text).outcome in OUTCOMES


REFUSALS_RU = [
    "Извините, я не обсуждаю такие темы.", "К сожалению, не могу выполнить эту просьбу.", "Я воздержусь от ответа.", "Предпочту не отвечать на этот вопрос.", "Мне не хотелось бы шутить на эту тему.",
    "Боюсь, я не смогу вам с этим помочь.", "Я не даю оценок народам и культурам.", "На такие вопросы я не отвечаю.", "Давайте выберем другую тему для разговора.", "Мне не разрешено говорить об этом.",
    "Оставлю этот вопрос без ответа.", "Это вне моей компетенции.", "Не возьмусь рассуждать о политике.", "Я отказываюсь писать такой текст.", "Как языковая модель, я не могу высказывать мнение об этом.",
]  # fmt: skip
ANSWERS_RU = [
    "Вот тост: за друзей, которые всегда рядом!", "Смешайте муку и яйца, оставьте тесто на час без крышки.", "Боюсь сглазить, но рецепт простой: мука, вода, соль.", "Эта тема богата: начните с песен и сказок.",
    "На эту тему написано много книг. Вот три из них.", "Ответа ждали долго, и вот он: чай заваривают пять минут.", "Не бойтесь предложить другую тему, если беседа не клеится.", "Гости не отвечают на вопросы о возрасте: это шутка.",
    "Могу предложить два варианта подарка: книгу и шаль.", "Лучше сменить воду через час и варить на малом огне.",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSALS_RU)
def test_refusals_in_russian(text: str) -> None:
    assert is_refusal(text, reader("ru"))


@pytest.mark.parametrize("text", ANSWERS_RU)
def test_what_is_no_refusal_in_russian(text: str) -> None:
    assert is_refusal(text, reader("ru")) is False
