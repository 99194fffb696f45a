"""Language identification and the health of text layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar.corpus.health import judge_text_layer
from samovar.corpus.identify import MIN_CHARACTERS, identify_language

ARTICLES = sorted((Path(__file__).parents[2] / "samovar/packs/ru/library").glob("*/*.md"))

SENTENCES = {
    "ru": "Летом мы всей семьёй ездили к бабушке в деревню, купались в реке, собирали грибы и ягоды и долго сидели вечером у костра.",
    "uk": "Влітку ми всією родиною їздили до бабусі в село, купалися в річці, збирали гриби та ягоди і довго сиділи ввечері біля вогнища.",
    "be": "Улетку мы ўсёй сям'ёй ездзілі да бабулі ў вёску, купаліся ў рацэ, збіралі грыбы і ягады і доўга сядзелі ўвечары ля вогнішча.",
    "bg": "През лятото цялото семейство ходихме при баба на село, къпехме се в реката, събирахме гъби и плодове и дълго седяхме край огъня.",
    "sr": "Љети смо целом породицом ишли код баке на село, купали се у реци, брали печурке и јагоде и дуго седели увече поред ватре.",
    "mk": "Во лето со целото семејство одевме кај баба на село, се капевме во реката, береме печурки и јаготки и долго седевме покрај оган.",
    "tt": "Җәен без бөтен гаилә белән авылга әбигә кайттык, елгада су кердек, гөмбә һәм җиләк җыйдык, кичен озак итеп учак янында утырдык.",
    "ba": "Йәй беҙ бөтә ғаилә менән ауылға өләсәйгә ҡайттыҡ, йылғала һыу индек, бәшмәк һәм еләк йыйҙыҡ, кис оҙаҡ итеп усаҡ янында ултырҙыҡ.",
    "kk": "Жазда біз бүкіл отбасымызбен ауылға әжеміздің үйіне бардық, өзенге шомылдық, саңырауқұлақ пен жидек тердік, кешке от басында отырдық.",
    "ky": "Жайында биз бүт үй-бүлөбүз менен айылга чоң энемдикине бардык, өзөнгө түштүк, козу карын жана мөмө тердик, кечинде от жанында отурдук.",
    "en": "In the summer the whole family went to see grandmother in the village, swam in the river and picked mushrooms and berries.",
    "de": "Im Sommer fuhren wir mit der ganzen Familie zur Großmutter aufs Dorf, badeten im Fluss und sammelten Pilze und Beeren.",
    "fr": "En été, toute la famille allait chez grand-mère à la campagne, se baignait dans la rivière et cueillait des champignons.",
    "hy": "Ամռանը ամբողջ ընտանիքով գնում էինք գյուղ՝ տատիկի մոտ, լողում էինք գետում և հավաքում սունկ ու հատապտուղ։",
}


@pytest.mark.parametrize("tag", SENTENCES)
def test_sentences(tag: str) -> None:
    found, confidence = identify_language(SENTENCES[tag])
    assert found == tag
    assert 0.0 < confidence <= 1.0


def test_ossetian_with_its_own_letter_is_found_by_alphabet() -> None:
    text = "Адӕймӕгтӕ се 'ппӕт дӕр райгуырынц сӕрибарӕй ӕмӕ ӕмхуызонӕй сӕ барты. Уыдон ӕххӕст сты зонд ӕмӕ цӕсгомӕй."
    assert identify_language(text)[0] == "os"


def test_short_texts_are_undetermined() -> None:
    assert identify_language("Привет, как дела?") == ("und", 0.0)
    assert identify_language("") == ("und", 0.0)
    assert identify_language("х" * (MIN_CHARACTERS - 1))[0] == "und"


def test_no_text_of_another_language_is_taken_for_russian() -> None:
    for tag, sentence in SENTENCES.items():
        if tag != "ru":
            halves = (sentence[: len(sentence) // 2 + 5], sentence[len(sentence) // 2 - 5 :])
            assert "ru" not in {identify_language(half)[0] for half in halves}, tag


def test_all_articles_are_russian() -> None:
    bodies = [path.read_text("utf-8").split("+++", 2)[-1] for path in ARTICLES]
    assert bodies and {identify_language(body)[0] for body in bodies} == {"ru"}


# --- health of text layers ------------------------------------------------------------------------------------------------

RUSSIAN = " ".join(SENTENCES[tag] for tag in ("ru", "ru"))
LOOKALIKE = str.maketrans(
    {
        "а": "a",
        "б": "6",
        "в": "B",
        "г": "r",
        "е": "e",
        "з": "3",
        "и": "u",
        "к": "K",
        "л": "JI",
        "м": "M",
        "н": "H",
        "о": "o",
        "п": "n",
        "р": "p",
    }
    | {
        "с": "c",
        "т": "T",
        "у": "y",
        "х": "x",
        "ч": "4",
        "ы": "bI",
        "ь": "b",
        "я": "R",
        "д": "g",
        "ш": "III",
        "й": "N",
        "ж": "X",
        "ё": "e",
    }
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RUSSIAN.translate(LOOKALIKE), "lookalike_letters"),
        (RUSSIAN.encode("cp1251").decode("cp1252"), "mojibake"),
        (RUSSIAN.encode("utf-8").decode("cp1251", "replace"), "mojibake"),
        ("".join(f"(cid:{ord(character) % 90})" for character in RUSSIAN), "cid_glyphs"),
        ("".join(chr(0xF000 + ord(character) % 256) for character in RUSSIAN), "private_use_characters"),
        ("".join(chr(1 + ord(character) % 8) for character in RUSSIAN), "control_characters"),
        (" ".join(RUSSIAN.replace(" ", "")), "letters_spaced"),
        (RUSSIAN.translate(str.maketrans("аеосрх", "aeocpx")), "mixed_scripts"),
        (
            " ".join("".join(c for c in word if c not in "aeiouy") or "t" for word in (SENTENCES["en"] * 2).split()),
            "no_vowels",
        ),
        (RUSSIAN.replace("е", "\ufffd"), "replacement_characters"),
    ],
)
def test_broken_layers_are_named(text: str, reason: str) -> None:
    assert judge_text_layer(text, "und") == reason


@pytest.mark.parametrize("tag", SENTENCES)
def test_healthy_layers_pass(tag: str) -> None:
    assert judge_text_layer(SENTENCES[tag] * 3, tag) is None


def test_articles_pass() -> None:
    bodies = [path.read_text("utf-8").split("+++", 2)[-1] for path in ARTICLES]
    assert [body[:60] for body in bodies if judge_text_layer(body, "ru")] == []


@pytest.mark.parametrize(
    "text",
    [
        "def main(): return getUserName(fooBar, maxValue) # camelCase код и README.md для версии v2x\n" * 3
        + SENTENCES["ru"] * 2,
        "ГОСТ Р 7.0.97-2016, ISO9001, H2O и CO2, МиГ-29, Су-27, iPhone, LaTeX, 3D-принтер — " * 2 + SENTENCES["ru"],
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。" * 5,
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22",
        "",
    ],
)
def test_unusual_but_healthy_layers_pass(text: str) -> None:
    assert judge_text_layer(text, "und") is None
