"""Replies cut by the token limit: what is complete decides, else nothing does. Written and labelled before the code that reads them."""

from __future__ import annotations

import pytest
from grade_toys import grade, probe, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade import explain_reply, grade_reply

ASKED = {
    "faust-ru": ("ru", "Кто написал трагедию «Фауст»?", "person", ["Иоганн Вольфганг фон Гёте", "Гёте"]),
    "faust-en": ("en", "Who is the author of Faust?", "person", ["Johann Wolfgang von Goethe", "Goethe"]),
    "born-ru": ("ru", "В каком году родился Александр Пушкин?", "year", ["1799"]),
    "born-en": ("en", "In which year was Alexander Pushkin born?", "year", ["1799"]),
    "city-ru": ("ru", "В каком городе родился Моцарт?", "place", ["Зальцбург"]),
    "city-en": ("en", "In which city was Mozart born?", "place", ["Salzburg"]),
    "tsar-en": ("en", "Which tsar freed the serfs of Russia?", "person", ["Alexander II"]),
    "strings-ru": ("ru", "Сколько струн у балалайки?", "number", ["3"]),
}
CUT = [
    # a complete sentence gives the right answer
    ("faust-ru", "Трагедию «Фауст» написал Иоганн Вольфганг фон Гёте. Она состоит из двух час", "correct"),
    ("faust-en", "The author of Faust is Johann Wolfgang von Goethe. The tragedy was first publ", "correct"),
    ("faust-en", "Goethe\nHe was born in Frank", "correct"),
    ("born-ru", "Александр Пушкин родился в 1799 году. Он умер в 183", "correct"),
    ("born-en", "Alexander Pushkin was born in 1799. He died in 18", "correct"),
    ("city-ru", "Моцарт родился в городе Зальцбург. Позже он жил в Ве", "correct"),
    ("strings-ru", "У балалайки 3 струны. Её корпус тре", "correct"),
    # a complete sentence gives a wrong one
    ("faust-ru", "Трагедию «Фауст» написал Фридрих Шиллер. Он родился в Марба", "wrong"),
    ("faust-en", "The author of Faust is Friedrich Schiller. He was born in Marb", "wrong"),
    ("faust-en", "Friedrich Schiller. He wrote the tragedy in Wei", "wrong"),
    ("born-ru", "Александр Пушкин родился в 1812 году. Его отец был", "wrong"),
    ("born-en", "Alexander Pushkin was born in 1837. He became", "wrong"),
    ("city-ru", "Моцарт родился в городе Вене. Его отец Леопольд был", "wrong"),
    ("city-en", "Mozart was born in the city of Vienna. His father Leopold was a", "wrong"),
    # the clause that answers is complete, though its sentence is not
    ("faust-en", "Faust is a tragedy by Johann Wolfgang von Goethe, who worked on it for almost sixty", "correct"),
    ("faust-ru", "Это Гёте, который работал над ней почти шестьде", "correct"),
    ("born-en", "Alexander Pushkin was born in 1799 in Moscow, into an old fam", "correct"),
    ("born-en", "Alexander Pushkin was born in 1812 in Moscow, into an old fam", "wrong"),
    ("born-ru", "Александр Пушкин родился в 1812 году в старой дворянской се", "wrong"),
    ("faust-en", "The author of Faust is Friedrich Schiller, who worked on it for almost sixty", "wrong"),
    ("city-ru", "Моцарт родился в городе Вене, в семье придворного музы", "wrong"),
    # nothing complete answers
    ("born-ru", "Александр Пушкин родился в 1812", "undecided"),
    ("faust-en", "The author of Faust is Friedrich", "undecided"),
    ("faust-en", "The author of Faust is Friedrich Schiller and", "undecided"),
    ("faust-ru", "Кто написал трагедию «Фауст» в Германии? Кто напи", "undecided"),
    ("faust-en", "Who is the author of Faust, Schiller? The tra", "undecided"),
    ("faust-ru", "Тараста бурлыка шурная", "undecided"),
    ("faust-ru", "«Фауст» — одна из самых известных трагедий в мировой литературе. Её автор", "undecided"),
    ("faust-en", "Faust is one of the most famous tragedies from Germany. It was written by", "undecided"),
    ("faust-en", "The author of Faust is Johann", "undecided"),
    ("faust-en", "The author of Faust is Goethe", "undecided"),  # "Goethe's rival Schiller"
    ("faust-en", "The author of Faust is Goethe or", "undecided"),
    ("faust-ru", "Автор «Фауста» — И.", "undecided"),
    ("born-ru", "Александр Пушкин родился в 179", "undecided"),
    ("born-en", "Alexander Pushkin published his first poem in 1814. He was born in", "undecided"),
    ("born-en", "Alexander Pushkin was born in 1799", "undecided"),
    ("city-ru", "Моцарт — великий австрийский композитор, друг Йозефа Гайдна. Он родился в городе", "undecided"),
    ("city-en", "Wolfgang Amadeus Mozart was a friend of Joseph Haydn. He was born in the city of", "undecided"),
    ("tsar-en", "The serfs of Russia were freed by tsar Alexander I", "undecided"),  # … of "II"
    ("strings-ru", "У балалайки 3", "undecided"),
    ("faust-en", "The author of Faust is Friedrich Schiller. However, it is also sa", "undecided"),
    ("faust-ru", "Трагедию «Фауст» написал Фридрих Шиллер. Хотя нет, это был", "undecided"),
    # no answer at all
    ("faust-en", "I'm sorry, but I can't help with that, because I am only a lang", "refused"),
    ("faust-ru", "Я не знаю. Попробуйте посмотреть в энцик", "dont_know"),
    ("faust-ru", "Я не знаю точно, но", "undecided"),
    ("faust-en", "<think>Perhaps Schiller. Perhaps Goethe. I have to", "undecided"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "outcome"), CUT)
def test_what_is_complete_decides(name: str, text: str, outcome: str) -> None:
    language, question, kind, answers = ASKED[name]
    asked, cut = probe(language, question, kind, answers), reply(text, finish="length")
    made = grade_reply(asked, language, cut)
    assert (made.outcome, made.rule) == (outcome, explain_reply(asked, language, cut)[-1][0])


@pytest.mark.parametrize("name", ASKED)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_complete_reply_cut_after_its_end_reads_the_same(name: str, data: st.DataObject) -> None:
    """Nothing that a cut sentence of plain words adds turns a right sentence into a wrong one."""
    language, question, kind, answers = ASKED[name]
    tail = data.draw(st.sampled_from(["", " Это", " It was", " Он жил долго и", " There are many of th"]))
    text = f"{answers[0]}.{tail}"
    asked = probe(language, question, kind, answers)
    assert grade(language, question, kind, answers, f"{answers[0]}.").outcome == "correct"
    assert grade_reply(asked, language, reply(text, finish="length")).outcome in (
        ("correct",) if kind not in ("year", "number") or tail else ("correct", "undecided")
    )


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_cut_text_gets_a_grade(text: str) -> None:
    language, question, kind, answers = ASKED["born-en"]
    asked = probe(language, question, kind, answers)
    assert grade_reply(asked, language, reply(text, finish="length")).outcome in (
        "correct", "wrong", "dont_know", "refused", "undecided", "missing",
    )  # fmt: skip
