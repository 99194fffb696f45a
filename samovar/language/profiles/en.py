"""English. Stems by Snowball (English/Porter2); lemmas by a table of irregular forms, written here, before the stemmer."""

from __future__ import annotations

from functools import lru_cache

from samovar.language.profile import Profile, QuestionKind


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


_NOUNS_BY_KIND: dict[QuestionKind, str] = {
    "time": "year date century decade month day period era time season",
    "place": """city country state place town region river island continent capital county province village street district ocean sea
        lake mountain desert valley port stadium building territory planet""",
    "person": """person writer poet author composer painter artist architect director king queen emperor president scientist player
        leader physicist chemist mathematician biologist philosopher historian inventor explorer general admiral minister governor pope
        saint theologian engineer doctor musician playwright sculptor dancer conductor astronaut founder creator professor researcher
        champion athlete coach journalist priest bishop monk khan sultan ruler judge actor actress singer character hero god goddess
        son daughter brother sister father mother wife husband student teacher economist lawyer man woman""",
    "number": """percentage percent number amount age height length depth area population temperature speed distance cost share width
        weight mass price size score sum volume power density duration level pressure rate""",
    "name": """team company organization organisation university club party book film movie song award prize firm channel network museum
        church war battle treaty law act group people tribe corporation magazine newspaper novel poem opera ballet painting ship program
        project name title language religion constitution movement union agency show album dynasty school institute bank station airport
        road highway bridge cathedral temple monastery theater theatre competition tournament holiday order term word event""",
}
_ANSWER_NOUNS = {noun: kind for kind, nouns in _NOUNS_BY_KIND.items() for noun in nouns.split()}

_CLOSED = {
    "prep": "in on at by to from with without for of into onto over under between among through during after before since until against "
    "about across along around behind beside near per toward towards upon within via as than",
    "conj": "and or but nor so yet because although though while if unless whereas that",
    "pron": "he she it they him her them his its their we us our you your i me my who whom whose which what this these those there",
    "part": "the a an not no",
    "verb": "is are was were be been being am do does did done has have had can could will would shall should may might must",
    "adv": "also very too only just even still often usually always never again then here now however more most",
}
_TAG_OF = {word: label for label, words in _CLOSED.items() for word in words.split()}
_SUFFIX_TAGS = (("ly", "adv"), ("ous", "adj"), ("ful", "adj"), ("ive", "adj"), ("able", "adj"), ("ible", "adj"), ("ic", "adj"), ("al", "adj"),
                ("less", "adj"), ("ed", "verb"), ("ize", "verb"), ("ise", "verb"), ("ify", "verb"), ("ing", "verb"))  # fmt: skip
_VERB_FORMS = frozenset(
    form
    for form, lemma in _LEMMA_OF.items()
    if lemma not in ("man", "woman", "child", "person", "good", "bad", "many", "little")
)


def tag(word: str) -> frozenset[str]:
    """Return one coarse label by closed word lists, irregular verbs and endings; an unknown word counts as a noun (a rough guess)."""
    if label := _TAG_OF.get(word):
        return frozenset((label,))
    if not word.isalpha():
        return frozenset()
    if word in _VERB_FORMS:
        return frozenset(("verb",))
    for suffix, label in _SUFFIX_TAGS:
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            return frozenset((label,))
    return frozenset(("noun",))


# ordinary words besides those above that a question may hold and a library in another language lacks: not typing errors of rare ones
_ORDINARY = [
    "ask",
    "answer",
    "call",
    "called",
    "become",
    "became",
    "change",
    "end",
    "ended",
    "first",
    "help",
    "happen",
    "happened",
    "invent",
    "invented",
    "discover",
    "discovered",
    "create",
    "created",
    "design",
    "designed",
    "found",
    "founded",
    "establish",
    "established",
    "compose",
    "composed",
    "paint",
    "painted",
    "publish",
    "published",
    "open",
    "opened",
    "close",
    "closed",
    "start",
    "started",
    "stop",
    "die",
    "died",
    "live",
    "lived",
    "work",
    "worked",
    "play",
    "played",
    "love",
    "loved",
    "name",
    "named",
    "use",
    "used",
    "want",
    "wanted",
    "mean",
    "move",
    "moved",
    "serve",
    "served",
    "lie",
    "lies",
    "flow",
    "flows",
    "rule",
    "ruled",
    "lead",
    "author",
    "authors",
    "book",
    "books",
    "story",
    "tale",
    "soul",
    "souls",
    "dead",
    "life",
    "death",
    "world",
    "war",
    "peace",
    "history",
    "culture",
    "country",
    "people",
    "language",
    "word",
    "words",
    "city",
    "cities",
    "town",
    "river",
    "rivers",
    "sea",
    "lake",
    "mountain",
    "mountains",
    "house",
    "home",
    "church",
    "school",
    "street",
    "old",
    "new",
    "great",
    "small",
    "large",
    "big",
    "long",
    "short",
    "high",
    "low",
    "young",
    "last",
    "next",
    "early",
    "late",
    "white",
    "black",
    "red",
    "green",
    "blue",
    "gold",
    "silver",
    "main",
    "famous",
    "national",
    "local",
    "important",
    "different",
    "same",
    "many",
    "much",
    "other",
    "another",
    "every",
    "each",
    "both",
    "half",
    "part",
    "parts",
    "kind",
    "type",
    "group",
    "number",
    "point",
    "place",
    "time",
    "times",
    "day",
    "days",
    "night",
    "year",
    "years",
    "century",
    "month",
    "week",
    "water",
    "fire",
    "earth",
    "air",
    "light",
    "stone",
    "wood",
    "iron",
    "glass",
    "paper",
    "bread",
    "tea",
    "food",
    "dish",
    "meat",
    "fish",
    "milk",
    "salt",
    "sugar",
    "man",
    "men",
    "woman",
    "women",
    "child",
    "children",
    "boy",
    "girl",
    "king",
    "queen",
    "prince",
    "friend",
    "family",
    "mother",
    "father",
    "brother",
    "sister",
    "north",
    "south",
    "east",
    "west",
    "left",
    "right",
    "top",
    "bottom",
    "inside",
    "outside",
    "near",
    "far",
]
_KNOWN = frozenset([*_ORDINARY, *_LEMMA_OF, *_LEMMA_OF.values(), *_TAG_OF, *_ANSWER_NOUNS])


def is_known(word: str) -> bool:
    """Whether a folded word is ordinary English by the lists of this file: a short list, so False proves nothing."""
    return word in _KNOWN


PROFILE = Profile(
    tag="en",
    name="English",
    script="Latn",
    alphabet="abcdefghijklmnopqrstuvwxyzàâäçéèêëîïôöûüñ",
    vowels="aeiouy",
    stop_words=frozenset(
        ["a", "an", "the", "and", "or", "but", "if", "then", "else", "of", "in", "on", "at", "by", "to", "from", "with", "without", "for", "as", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "has", "have", "had", "it", "its", "this", "that", "these", "those", "he", "she", "they", "them", "his", "her", "their", "we", "us", "our", "you", "your", "i", "me", "my", "who", "whom", "whose", "which", "what", "when", "where", "why", "how", "not", "no", "nor", "so", "than", "too", "very", "can", "could", "will", "would", "shall", "should", "may", "might", "must", "there", "here", "about", "into", "over", "under", "again", "once", "also", "such", "some", "any", "each", "other", "more", "most", "own", "same", "just", "only"]
    ),
    abbreviations=frozenset(
        ["mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "e.g", "i.e", "cf", "fig", "figs", "no", "nos", "vol", "vols", "pp", "ed", "eds", "gen", "col", "lt", "sgt", "capt", "rev", "hon", "gov", "sen", "rep", "approx", "ca"]
    ),
    closing_abbreviations=frozenset(["etc", "inc", "ltd", "co", "corp", "u.s", "u.k", "a.m", "p.m", "b.c", "a.d", "al", "jan", "feb", "mar", "apr", "aug", "sep", "sept", "oct", "nov", "dec"]),
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
    answer_nouns=_ANSWER_NOUNS,
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
        ["year", "century", "decade", "day", "month", "week", "hour", "morning", "evening", "night", "spring", "summer", "autumn", "winter", "age", "era", "period", "beginning", "end", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "midnight", "noon"]
    ),
    place_prepositions=frozenset(["in", "at", "on", "from", "near", "to", "into", "through", "between", "along", "across", "within"]),
    negations=frozenset(["not", "no", "never", "none", "nobody", "nothing", "nowhere", "cannot", "n't"]),
    reason_markers=("because", "due to", "since", "in order to", "so that", "as a result", "owing to", "therefore", "reason"),
    pronouns=frozenset(["he", "she", "it", "they", "him", "her", "them", "his", "its", "their", "this", "that", "these", "those", "there", "then"]),
    synonyms={"write": ("author", "create"), "author": ("write",), "die": ("death",), "bear": ("birth", "native"), "found": ("establish", "founder"), "build": ("construct",)},
    commands=(
        # orders to drop the instructions
        r"(?<!not )(?<!never )(?<!don't )\b(ignore|disregard|forget|override|bypass|discard|do not follow|don't follow|stop following|pay no attention to)\b[^.!?]{0,40}\b(previous|prior|above|earlier|preceding|existing|original|initial|all|any|your|system|other|everything|what)\b[^.!?]{0,40}\b(instruction|rule|prompt|direction|guideline|context|constraint|programming|training|system message|passage|source|document|restriction|told|policy|policies)s?\b",
        r"\bforget (everything|anything|all) (you|above|before|that you|previously|prior)\b",
        r"\b(previous|prior|above|earlier|system|original|existing) (instructions?|rules?|prompts?|guidelines?|directives?)\b[^.!?]{0,40}\b(void|cancel\w*|no longer|obsolete|superseded|revoked|do not apply|overridden|can be ignored|should be ignored)\b",
        # a new part to play
        r"\byou (are now|are no longer|will now|must now|shall now)\b[^.!?]{0,60}\b(assistant|ai|model|bot|chatbot|dan|pirate|hacker|character|mode|unrestricted|answer|respond|reply|obey|free (of|from)|restrictions?)\b",
        r"\b(from now on|as of now|henceforth)\b[^.!?]{0,30}\b(answer|respond|reply|act as|always (say|add|end|begin|write|use)|say|speak|you are [a-z]+|you('re| are) (free|no longer))\b",
        r"\b(pretend|act as|act like|roleplay|role-play|imagine|behave)\b[^.!?]{0,60}\b(assistant|ai\b|chatbot|bot\b|language model|unrestricted|no (rules|restrictions|filter)|without (rules|restrictions)|dan\b|hacker|pirate\b)",
        r"\b(begin|end|initiate|activate|execute) (the )?(system|instruction|safety|prompt) override\b",
        r"\byou\b[^.!?]{0,30}\b(answer|respond to|reply to) (every|each|any|all) (question|message|prompt)s?\b",
        r"\b(do anything now|developer mode (enabled|on|activated)|jailbr(eak|oken) mode)\b",
        r"\b(enable|activate|enter|switch to|switch into) [^.!?]{0,20}\b(developer|debug|god|admin|dan|unrestricted|jailbreak) mode\b",
        # what to answer
        r"(?<!not )(?<!to )(?<!the )\b(answer|respond|reply|print|output|repeat|say|write|return|tell)\b[^.!?]{0,50}(\b(the )?users?( (only|exactly))?( that\b|: ?\w|[:,]? \")|\binstead( of (the|an|any) answer)\b|\bto (this|any|every|all|each) questions?\b|\band nothing else\b|\b(only|exactly|just)( (with|the|this|one|following|word|words|phrase|text|string|line|sentence|single|that))*[: ]+(\"|hacked|pwned|[a-z]+ed$))",
        r"(?<!not )(?<!to )\b(answer|respond|reply)( (to|with|only|always|simply|please|them|him|her|the|this|every|any|all|question|questions|user|users|everyone)){0,4} that\b",
        r"(^|[.!?:;,] ?|\b(please|kindly|always|must) )(say|write|tell (them|him|her|the user|users|everyone|anyone)|insist) that (?!you|i\b|we\b|it|this)",
        r"\b(correct|right|true|only|expected|required|accepted) (answer|response|reply) (to|for) (this|any|every|all|that|the user's) ",
        r"\b(add|append|insert|include|embed|put|end|finish|begin|start|prefix)\b[^.!?]{0,50}\b(your|the|each|every|any) (answer|response|reply|output|message)s?\b[^.!?]{0,60}(\bwith\b|link|image|https?:|\"|phrase|word|following)",
        r"\b(add|append|insert|include|embed|put|render|show|display)\b[^.!?]{0,60}(link|image|https?:|\"|phrase|markdown|following)[^.!?]{0,80}\b(your|each|every|any) (answer|response|reply|output)s?\b",
        # speaking to the machine
        r"\b(if|since|as) you('re| are) (an? )?([a-z]+ ){0,2}(ai|llm|language model|chatbot|bot|assistant|model|crawler)\b",
        r"\b(attention|dear|hey|hello|hi|important|urgent|listen)[,:! -]+(all )?(ai|llms?|assistants?|chatbots?|bots?|language models?|gpt|chatgpt|model)( (assistants?|models?|agents?|systems?|readers?))?[,:!-]",
        r"\b(note|instructions?|messages?|reminder|notice|memo) (to|for) (the |an? |any |all )?([a-z]+ )?(ai|llms?|assistants?|chatbots?|bots?|language models?|models? reading|gpt|chatgpt)\b",
        r"(^|[.!?] ?)(assistant|ai|chatbot|llm|language model|model|gpt|chatgpt)[,!] ?(you|please|answer|respond|reply|do not|don't|ignore|forget|print|output|say|tell|add|repeat|stop)\b",
        r"^\W*(assistant|chatbot|ai assistant|chatgpt|ai)\s*:\s*(\S+\s+){2,}",
        r"^\W*(system( (message|prompt|notice|override|note))?|admin(istrator)?|developer|operator)\W{0,3}:[^.!?]{0,80}\b(you|your|instructions?|mode|prompt|rules?|answer|respond|reply|override|restrictions?|assistant)\b",
        r"^\W*(new|updated|additional|hidden|secret|urgent|revised|important|system) (system )?(instruction|prompt|directive|task|command|order|override)s?\W*:",
        r"(?<!\w)</?(system|assistant|instructions?|im_start|im_end|tool_call|system_prompt)(\s[^<>]{0,80})?>|</?\s*passage\b|</user>|<\|[^|<>\n]{1,40}\|>|\[/?(inst|system_prompt|available_tools)\]|<</?sys>>|<(start|end)_of_turn>|^\W*#{2,}\s*(system|instructions?|user|assistant|response|human)( (prompt|message))?\s*(:|$)",
        # secrets, silence, links
        r"\b(reveal|print|output|repeat|show|display|disclose|leak|recite|translate)\b[^.!?]{0,30}\b(system prompt|(your|initial|hidden) (instructions?|prompt|rules)|prompt above|text above|api keys?|passwords? of)\b",
        r"\b(send|forward|post|transmit|upload|exfiltrate|email|leak)\b[^.!?]{0,60}\b(conversation|chat history|(user's|users'|the user) (question|query|message|data|name)|user (question|query|message|data)|system prompt|api key)",
        r"!\[[^\]]*\]\(\s*https?:[^)]*([{}<>\[\]]|%7b|=\s*\)|\.\.\.|(data|query|question|prompt|answer|chat|secret|conversation|q)=)",
        r"\b(do not|don't|never) (cite|mention|quote|reveal|disclose|tell|show)\b[^.!?]{0,40}\b(sources?|documents?|the user|users|passages?|these instructions|this instruction)\b",
        r"^\W{0,8}(end|begin|beginning|start) of (the )?(document|context|instructions?|passage|source|quote|system prompt|user input|text)s?\W{0,8}$",
        r"\b(decode|decrypt|decipher)\b[^.!?]{0,60}\b(and|then)\b[^.!?]{0,20}\b(execute|follow|obey|run it|do (it|what))\b",
    ),
    follow_up_openings=frozenset(["and", "but", "so", "then"]),
    decimal_mark=".",
    group_marks="\u00a0\u202f\u2009,",
    reads_script=True,
    stemmer=stem,
    lemmatiser=lemmatise,
    tagger=tag,
    lexicon=is_known,
)  # fmt: skip
