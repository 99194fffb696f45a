"""Russian. Lemmas by pymorphy3 (OpenCorpora dictionary, all parses), stems by Snowball; ё is folded to е in every comparison."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from samovar.language.profile import Profile

if TYPE_CHECKING:
    import pymorphy3


@lru_cache(maxsize=1)
def _analyser() -> pymorphy3.MorphAnalyzer:
    import pymorphy3

    return pymorphy3.MorphAnalyzer(lang="ru")


@lru_cache(maxsize=1)
def _stemmer():  # type: ignore[no-untyped-def]  # PyStemmer has no types
    import Stemmer

    return Stemmer.Stemmer("russian", 0)  # our own cache stands in front


# A parse whose estimated probability is below this is not a reading of the word ("стали" keeps стать and сталь, both real).
_MIN_PARSE_SCORE = 0.05


def lemmatise(word: str) -> tuple[str, ...]:
    """Return the normal forms of all likely parses, the likeliest first."""
    if len(word) < 2 or not word[0].isalpha() or word.isascii():
        return (word,)
    parses = _analyser().parse(word)
    return tuple(dict.fromkeys(p.normal_form for p in parses if p.score >= _MIN_PARSE_SCORE)) or (word,)


def stem(word: str) -> str:
    """Return the Snowball stem."""
    found: str = _stemmer().stemWord(word)
    return found


_PARTS = {
    "NOUN": "noun", "ADJF": "adj", "ADJS": "adj", "PRTF": "adj", "PRTS": "verb", "COMP": "adj", "VERB": "verb", "INFN": "verb",
    "GRND": "verb", "NUMR": "num", "ADVB": "adv", "NPRO": "pron", "PREP": "prep", "CONJ": "conj", "PRCL": "part", "PRED": "verb",
}  # fmt: skip
_LABELS = {
    "Name": "name", "Surn": "surname", "Patr": "patronymic", "Geox": "place", "Orgn": "organisation", "nomn": "nom", "gent": "gen",
    "gen2": "gen", "datv": "dat", "accs": "acc", "ablt": "ins", "loct": "loc", "loc2": "loc", "Apro": "pron", "plur": "plural",
    "anim": "animate",
}  # fmt: skip


def tag(word: str) -> frozenset[str]:
    """Return the coarse labels of the likeliest parse."""
    if not word[:1].isalpha() or word.isascii():
        return frozenset()
    grammemes = _analyser().parse(word)[0].tag.grammemes
    return frozenset(label for g in grammemes if (label := _PARTS.get(g) or _LABELS.get(g)))


_STOP_WORDS = frozenset(
    """и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от меня еще нет о из
    ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам ведь там потом себя ничего ей может
    они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего раз тоже себе под будет ж тогда кто этот того потому
    этого какой совсем ним здесь этом один почти мой тем чтобы нее сейчас были куда зачем всех никогда можно при наконец два об
    другой хоть после над больше тот через эти нас про всего них какая много разве три эту моя впрочем хорошо свою этой перед иногда
    лучше чуть том нельзя такой им более всегда конечно всю между это также который которая которое которые которого которой которых
    которым которому каков какова каково каковы какие какое каких каким какую сколько чей чья чье чьи либо лишь является являются
    явиться свой своего своей своих""".split()
)

_LATIN = "a:а b:в c:с e:е h:н k:к m:м o:о p:р t:т x:х y:у i:і ё:ё"
_LOOKALIKES = dict(pair.split(":") for pair in _LATIN.split() if pair[0].isascii() and not pair.startswith("i"))
_KEYBOARD = dict(zip("qwertyuiop[]asdfghjkl;'zxcvbnm,.`", "йцукенгшщзхъфывапролджэячсмитьбюё", strict=True)) | {"-": "-"}
_TRANSLITERATION = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya".replace("_", "").split(" "),
        strict=True,
    )
)

_MONTHS = {
    "январь": 1, "февраль": 2, "март": 3, "апрель": 4, "май": 5, "июнь": 6,
    "июль": 7, "август": 8, "сентябрь": 9, "октябрь": 10, "ноябрь": 11, "декабрь": 12,
}  # fmt: skip

_NUMBER_WORDS = {
    "ноль": 0, "один": 1, "два": 2, "оба": 2, "двое": 2, "три": 3, "трое": 3, "четыре": 4, "четверо": 4, "пять": 5, "пятеро": 5,
    "шесть": 6, "семь": 7, "восемь": 8, "девять": 9, "десять": 10, "одиннадцать": 11, "двенадцать": 12, "дюжина": 12,
    "тринадцать": 13, "четырнадцать": 14, "пятнадцать": 15, "шестнадцать": 16, "семнадцать": 17, "восемнадцать": 18,
    "девятнадцать": 19, "двадцать": 20, "тридцать": 30, "сорок": 40, "пятьдесят": 50, "шестьдесят": 60, "семьдесят": 70,
    "восемьдесят": 80, "девяносто": 90, "сто": 100, "двести": 200, "триста": 300, "четыреста": 400, "пятьсот": 500,
    "шестьсот": 600, "семьсот": 700, "восемьсот": 800, "девятьсот": 900, "тысяча": 1000, "миллион": 10**6, "миллиард": 10**9,
    "первый": 1, "второй": 2, "третий": 3, "четвертый": 4, "пятый": 5, "шестой": 6, "седьмой": 7, "восьмой": 8, "девятый": 9,
    "десятый": 10, "половина": 0,
}  # fmt: skip

PROFILE = Profile(
    tag="ru",
    name="русский",
    script="Cyrl",
    alphabet="абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    vowels="аеёиоуыэюя",
    stop_words=_STOP_WORDS,
    abbreviations=frozenset(
        """им ул пр пер пл д кв корп стр обл р-н пос дер ст с о оз рис табл гл разд т п см ср напр т.е т.к т.н т.о т.ч н.э
        св преп ок около акад проф доц канд инж ген полк майор кап лейт гос тов гр г-н г-жа англ нем фр фран лат греч итал исп
        тат башк укр польск араб тюрк санскр рус русск род ум соч изд ред сост пер вып вып авт прим букв дословн устар разг
        св им кн ч тел эл сокр мин макс приблиз ориг наст урожд""".split()
    ),
    closing_abbreviations=frozenset(
        "г гг в вв др пр т.д т.п тыс млн млрд руб коп км м см мм кг га чел экз н.э до.н.э с.ш ю.ш в.д з.д л мин сек час".split()
    ),
    folds={"ё": "е"},
    lookalikes=_LOOKALIKES,
    keyboard=_KEYBOARD,
    transliteration=_TRANSLITERATION,
    questions=(
        ("как называется", "name"), ("как называются", "name"), ("как называлась", "name"), ("как называлось", "name"),
        ("как назывался", "name"), ("как назывались", "name"), ("как назвали", "name"), ("как зовут", "person"),
        ("как звали", "person"), ("под каким именем", "name"), ("сколько", "number"), ("как много", "number"),
        ("насколько", "number"), ("как часто", "number"), ("как долго", "number"), ("как далеко", "number"),
        ("какова численность", "number"), ("каково население", "number"), ("какой процент", "number"), ("какова доля", "number"),
        ("в каком году", "time"), ("в каких годах", "time"), ("в каком веке", "time"), ("какого числа", "time"),
        ("в какой день", "time"), ("с какого года", "time"), ("до какого года", "time"), ("когда", "time"),
        ("с каких пор", "time"), ("во сколько", "number"), ("какого года", "time"), ("в каком месяце", "time"),
        ("кто такой", "definition"), ("кто такая", "definition"), ("кто такие", "definition"), ("что такое", "definition"),
        ("что означает", "definition"), ("что значит", "definition"),
        ("кто", "person"), ("кого", "person"), ("кому", "person"), ("кем", "person"), ("у кого", "person"), ("ком", "person"),
        ("чей", "person"), ("чья", "person"), ("чье", "person"), ("чьи", "person"), ("чьим", "person"), ("чьей", "person"),
        ("где", "place"), ("куда", "place"), ("откуда", "place"),
        ("почему", "reason"), ("зачем", "reason"), ("отчего", "reason"), ("по какой причине", "reason"), ("из-за чего", "reason"),
        ("каким образом", "manner"), ("как", "manner"), ("как фамилия", "person"), ("какова фамилия", "person"),
        ("скольких", "number"), ("скольким", "number"), ("сколькими", "number"), ("скольки", "number"), ("каков возраст", "number"),
        ("чему", "thing"), ("какова", "choice"), ("каково", "choice"), ("каков", "choice"), ("каковы", "choice"), ("которая", "choice"),
        ("какой", "choice"), ("какая", "choice"), ("какое", "choice"), ("какие", "choice"), ("какого", "choice"),
        ("какую", "choice"), ("каких", "choice"), ("каким", "choice"), ("какой из", "choice"), ("какими", "choice"),
        ("какому", "choice"), ("каком", "choice"), ("который", "choice"), ("что", "thing"), ("чего", "thing"), ("чем", "thing"),
    ),
    answer_nouns={
        "год": "time", "дата": "time", "век": "time", "столетие": "time", "десятилетие": "time", "месяц": "time",
        "день": "time", "эпоха": "time", "период": "time",
        "город": "place", "страна": "place", "государство": "place", "место": "place", "штат": "place", "регион": "place",
        "область": "place", "река": "place", "остров": "place", "столица": "place", "континент": "place", "улица": "place",
        "село": "place", "деревня": "place", "район": "place", "провинция": "place",
        "человек": "person", "писатель": "person", "поэт": "person", "композитор": "person", "художник": "person",
        "архитектор": "person", "режиссер": "person", "ученый": "person", "автор": "person", "император": "person",
        "король": "person", "царь": "person", "князь": "person", "президент": "person", "актер": "person",
        "процент": "number", "число": "number", "количество": "number", "возраст": "number", "высота": "number",
        "длина": "number", "глубина": "number", "площадь": "number", "население": "number", "численность": "number",
        "скорость": "number", "температура": "number", "расстояние": "number", "стоимость": "number", "доля": "number",
        "ширина": "number", "вес": "number", "масса": "number", "цена": "number", "размер": "number",
    },
    months=_MONTHS,
    number_words=_NUMBER_WORDS,
    time_words=frozenset(
        "год век столетие десятилетие день месяц неделя час утро вечер ночь весна лето осень зима эпоха период начало конец "
        "середина половина четверть понедельник вторник среда четверг пятница суббота воскресенье полночь полдень".split()
    ),
    place_prepositions=frozenset("в во на из у близ около под над к ко до от возле вдоль через по недалеко между".split()),
    negations=frozenset("не ни нет никогда никто нигде ничто никак нельзя".split()),
    reason_markers=("потому что", "так как", "поскольку", "из-за", "ввиду", "вследствие", "благодаря", "чтобы", "поэтому", "для того", "в связи с", "причин", "по причине", "в результате"),
    pronouns=frozenset("он она оно они его ее их ему ей им ней нем нему нею ними этот эта это эти тот та те там тогда туда".split()),
    synonyms={
        "написать": ("автор", "создать", "сочинить"), "автор": ("написать", "создать"), "создать": ("написать", "автор", "основать"),
        "родиться": ("рождение", "род", "уроженец"), "умереть": ("скончаться", "смерть", "погибнуть"), "скончаться": ("умереть",),
        "построить": ("возвести", "строительство", "соорудить"), "возвести": ("построить",), "основать": ("создать", "основатель", "учредить"),
        "находиться": ("расположить", "располагаться"), "расположить": ("находиться",), "располагаться": ("находиться", "расположить"),
        "снять": ("режиссер", "постановщик"), "называться": ("название", "именовать"), "жить": ("проживать", "житель"),
        "население": ("житель", "численность"), "открыть": ("открытие", "обнаружить"), "изобрести": ("изобретатель", "создать"),
        "начаться": ("начало", "начать"), "закончиться": ("завершиться", "конец", "окончить"), "происходить": ("состояться", "пройти"),
    },
    decimal_mark=",",
    group_marks="\u00a0\u202f\u2009 ",
    stemmer=stem,
    lemmatiser=lemmatise,
    tagger=tag,
)  # fmt: skip
