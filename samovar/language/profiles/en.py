"""English. Stems by Snowball (English/Porter2); lemmas by a table of irregular forms, written here, before the stemmer."""

from __future__ import annotations

from functools import lru_cache

from samovar.language.profile import Profile


@lru_cache(maxsize=1)
def _stemmer():  # type: ignore[no-untyped-def]  # PyStemmer has no types
    import Stemmer

    return Stemmer.Stemmer("english", 0)


# lemma: forms that the stemmer does not bring together with it
_IRREGULAR = """be:am,is,are,was,were,been,being have:has,had,having do:does,did,done,doing go:goes,went,gone begin:began,begun
break:broke,broken bring:brought build:built buy:bought catch:caught choose:chose,chosen come:came cost:costs draw:drew,drawn
drink:drank,drunk drive:drove,driven eat:ate,eaten fall:fell,fallen feel:felt fight:fought find:found fly:flew,flown,flies
forget:forgot,forgotten get:got,gotten give:gave,given grow:grew,grown hear:heard hide:hid,hidden hold:held keep:kept know:knew,known
lay:laid lead:led leave:left lend:lent lose:lost make:made mean:meant meet:met pay:paid ride:rode,ridden rise:rose,risen run:ran
say:said see:saw,seen seek:sought sell:sold send:sent sing:sang,sung sit:sat sleep:slept speak:spoke,spoken spend:spent stand:stood
steal:stole,stolen strike:struck swim:swam,swum take:took,taken teach:taught tell:told think:thought throw:threw,thrown
understand:understood wake:woke,woken wear:wore,worn win:won write:wrote,written bear:bore,borne,born
man:men woman:women child:children person:people foot:feet tooth:teeth mouse:mice goose:geese wolf:wolves life:lives knife:knives
leaf:leaves half:halves wife:wives phenomenon:phenomena criterion:criteria datum:data medium:media analysis:analyses crisis:crises
good:better,best bad:worse,worst far:farther,further,farthest,furthest many:more,most little:less,least"""
_LEMMA_OF = {
    form: lemma for entry in _IRREGULAR.split() for lemma, forms in [entry.split(":")] for form in forms.split(",")
}


def lemmatise(word: str) -> tuple[str, ...]:
    """Return the lemma of an irregular form, with the possessive removed; other words stay."""
    if word.endswith("'s"):
        word = word[:-2]
    elif word.endswith("'"):
        word = word[:-1]
    lemma = _LEMMA_OF.get(word)
    return (lemma,) if lemma else (word,)


def stem(word: str) -> str:
    """Return the Snowball stem."""
    found: str = _stemmer().stemWord(word)
    return found


PROFILE = Profile(
    tag="en",
    name="English",
    script="Latn",
    alphabet="abcdefghijklmnopqrstuvwxyzàâäçéèêëîïôöûüñ",
    vowels="aeiouy",
    stop_words=frozenset(
        """a an the and or but if then else of in on at by to from with without for as is are was were be been being am do does did
        has have had it its this that these those he she they them his her their we us our you your i me my who whom whose which
        what when where why how not no nor so than too very can could will would shall should may might must there here about into
        over under again once also such some any each other more most own same just only""".split()
    ),
    abbreviations=frozenset(
        "mr mrs ms dr prof st sr jr vs e.g i.e cf fig figs no nos vol vols pp ed eds gen col lt sgt capt rev hon gov sen rep approx ca".split()
    ),
    closing_abbreviations=frozenset("etc inc ltd co corp u.s u.k a.m p.m b.c a.d al jan feb mar apr aug sep sept oct nov dec".split()),
    folds=dict(zip("àâäçéèêëîïôöûüñ", "aaaceeeeiioouun", strict=True)),
    lookalikes=dict(zip("асеорхуікмтнв", "aceopxyikmthb", strict=True)),
    keyboard=dict(zip("йцукенгшщзфывапролдячсмить", "qwertyuiopasdfghjklzxcvbnm", strict=True)),
    questions=(
        ("how many", "number"), ("how much", "number"), ("how long", "number"), ("how far", "number"), ("how old", "number"),
        ("how often", "number"), ("how tall", "number"), ("how high", "number"), ("how large", "number"), ("how big", "number"),
        ("what percentage", "number"), ("what year", "time"), ("which year", "time"), ("what date", "time"), ("what day", "time"),
        ("what century", "time"), ("when", "time"), ("where", "place"), ("who is", "person"), ("who", "person"), ("whom", "person"),
        ("whose", "person"), ("why", "reason"), ("what is the name", "name"), ("what was the name", "name"),
        ("what does", "thing"), ("how", "manner"), ("which", "choice"), ("what", "thing"),
    ),
    answer_nouns={
        "year": "time", "date": "time", "century": "time", "decade": "time", "month": "time",
        "city": "place", "country": "place", "state": "place", "place": "place", "town": "place", "region": "place",
        "river": "place", "island": "place", "continent": "place", "capital": "place", "county": "place",
        "person": "person", "writer": "person", "author": "person", "composer": "person", "painter": "person",
        "architect": "person", "director": "person", "king": "person", "president": "person", "scientist": "person",
        "percentage": "number", "number": "number", "amount": "number", "age": "number", "height": "number", "length": "number",
        "population": "number", "temperature": "number", "speed": "number", "distance": "number", "score": "number",
    },
    months={
        "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9,
        "october": 10, "november": 11, "december": 12,
    },
    number_words={
        "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
        "eleven": 11, "twelve": 12, "dozen": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
        "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
        "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "first": 1, "second": 2,
        "third": 3, "fourth": 4, "fifth": 5, "half": 0,
    },
    time_words=frozenset(
        "year century decade day month week hour morning evening night spring summer autumn winter age era period beginning end "
        "monday tuesday wednesday thursday friday saturday sunday midnight noon".split()
    ),
    place_prepositions=frozenset("in at on from near to into through between along across within".split()),
    negations=frozenset("not no never none nobody nothing nowhere cannot n't".split()),
    reason_markers=("because", "due to", "since", "in order to", "so that", "as a result", "owing to", "therefore", "reason"),
    pronouns=frozenset("he she it they him her them his its their this that these those there then".split()),
    synonyms={"write": ("author", "create"), "author": ("write",), "die": ("death",), "bear": ("birth", "native"), "found": ("establish", "founder"), "build": ("construct",)},
    decimal_mark=".",
    group_marks="\u00a0\u202f\u2009,",
    stemmer=stem,
    lemmatiser=lemmatise,
)  # fmt: skip
