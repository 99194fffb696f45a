"""A follow-up question made searchable: what it leaves unsaid is taken from the turn before it.

Rules, in order: a question that only names something new ("А Лермонтов?", "What about Chekhov?") takes the earlier question with the
name exchanged; one with a pronoun, or with nothing of its own to search for ("Почему?", "Tell me more"), is joined by the
topic of the last exchange; any other stands alone. No model is asked, so the rewriting is the same every time and shown in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar.language import Profile
from samovar.language.token import Token

MIN_CONTENT = 2  # content words with which a question can stand alone
MAX_ELLIPSIS = 5  # words of a question that only names something new
_END = "?!…"  # typed with the same keys' shift in mind, so left as they are
MAX_ASIDE = 3  # words of a sentence before the question that may be dropped ("Thanks! And Chekhov?")


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn: the question as searched, the short answer (may be empty), and the title of the first cited document."""

    query: str
    short: str = ""
    title: str = ""


def content_tokens(text: str, profile: Profile) -> list[Token]:
    """The words that are neither stop words, pronouns, single letters nor the question word."""
    asked = profile.read_question(text)
    skipped = profile.stop_words | profile.pronouns | profile.follow_up_openings | {asked.word}
    return [
        t
        for t in profile.tokens(text)
        if profile.fold(t.text) not in skipped and len(t.text) > 1 and not _refers(t.text, profile)
    ]


def content_words(text: str, profile: Profile) -> list[str]:
    """The texts of `content_tokens`."""
    return [t.text for t in content_tokens(text, profile)]


def names_in(text: str, profile: Profile) -> list[str]:
    """Capitalised content words; a first word counts too, unless it is a verb (the question word, which opens most questions, is no content)."""
    tokens = content_tokens(text, profile)
    return [
        t.text
        for t in tokens
        if t.text[:1].isupper() and (text[: t.start].strip() or "verb" not in profile.tags(t.text))
    ]


def rewrite_question(question: str, history: Sequence[Exchange], profile: Profile) -> str:
    """Return the question as it should be searched; the same text when it stands alone or nothing came before."""
    if not history:
        return question
    last = history[-1]
    asked = _drop_aside(question, profile)
    content = content_words(asked, profile)
    names = names_in(asked, profile)
    pronouns = [t.text for t in profile.tokens(asked) if _refers(t.text, profile)]
    if not pronouns and names_something_new(asked, content, names, profile):
        return exchange_topic(last.query, content, bool(names), profile) or _join(
            asked, topic_of(last, True, profile), profile
        )
    opens = _opens(asked, profile)
    if not pronouns and (
        names or (len(content) >= MIN_CONTENT and not opens and not _asks_for_more(asked, content, profile))
    ):
        return question
    persons = not pronouns or any("pron" in profile.tags(p) or not profile.tags(p) for p in pronouns)
    return _join(asked, topic_of(last, persons, profile), profile)


def _drop_aside(question: str, profile: Profile) -> str:
    """The last sentence of a question when what stands before it is a word of thanks or the like."""
    spans = profile.sentences(question)
    if len(spans) < 2 or len(profile.tokens(question[: spans[-1][0]])) > MAX_ASIDE:
        return question
    return question[spans[-1][0] : spans[-1][1]]


def _opens(question: str, profile: Profile) -> bool:
    tokens = profile.tokens(question)
    return bool(tokens) and profile.fold(tokens[0].text) in profile.follow_up_openings


def _refers(word: str, profile: Profile) -> bool:
    """Whether a word is a pronoun, in any of its forms."""
    return profile.fold(word) in profile.pronouns or profile.lemmas(word)[0] in profile.pronouns


def names_something_new(question: str, content: Sequence[str], names: Sequence[str], profile: Profile) -> bool:
    """Whether a question is nothing but a new name or thing in place of the earlier one: no verb, and it opens like a follow-up, has a
    preposition right after the question word ("what about"), or has no question word at all."""
    tokens = profile.tokens(question)
    if not content or len(tokens) > MAX_ELLIPSIS or any("verb" in profile.tags(t.text) for t in tokens):
        return False
    asked = profile.read_question(question)
    if _opens(question, profile):
        return asked.index < 0
    if asked.index < 0:
        return bool(names) and question.rstrip().endswith("?")
    after = tokens[asked.index + 1].text if asked.index + 1 < len(tokens) else ""
    return asked.index == 0 and asked.kind in ("thing", "manner") and "prep" in profile.tags(after)


def _asks_for_more(question: str, content: Sequence[str], profile: Profile) -> bool:
    """Whether it names nothing to search for ("Расскажи подробнее"): no question word, no noun."""
    if profile.read_question(question).index >= 0 or question.rstrip().endswith("?"):
        return False
    return all(profile.tags(w) and "noun" not in profile.tags(w) for w in content)


def exchange_topic(query: str, new: Sequence[str], named: bool, profile: Profile) -> str:
    """Put the new words in place of the earlier query's names, or, for a thing without a name, of its last noun; "" when neither is there."""
    tokens = content_tokens(query, profile)
    old = [t for t in tokens if t.text[:1].isupper()]
    if not named and old:
        return ""
    if not old:
        old = [t for t in tokens if "noun" in profile.tags(t.text)][-1:] or (tokens[-1:] if named else [])
    if not old:
        return ""
    run = [old[0]]
    for token in old[1:]:
        if len(profile.tokens(query[run[-1].end : token.start])) <= 1:
            run.append(token)
    start, end = run[0].start, run[-1].end
    # a new name that brings its noun along ("А Русский музей?") takes the old noun's place as well
    if named and len(new) > 1:
        end = next(
            (
                t.end
                for t in tokens
                if t.start > end and "noun" in profile.tags(t.text) and not query[end : t.start].strip()
            ),
            end,
        )
    return query[:start] + " ".join(new) + query[end:]


def topic_of(last: Exchange, persons: bool, profile: Profile) -> list[str]:
    """What the last exchange was about: the name in its short answer (for a personal pronoun), else the names of its question with the
    nouns beside them, else its other content words but verbs, else the title of what was cited."""
    if persons and last.short[:1].isupper() and (names := names_in(last.short, profile)):
        return names
    tokens = [t for t in content_tokens(last.query, profile) if "verb" not in profile.tags(t.text)]
    runs: list[list[Token]] = []
    for token in tokens:
        between = profile.tokens(last.query[runs[-1][-1].end : token.start]) if runs else []
        if runs and (not between or (len(between) == 1 and "prep" in profile.tags(between[0].text))):
            runs[-1].append(token)
        else:
            runs.append([token])
    named = [run for run in runs if any(t.text[:1].isupper() for t in run)]
    return [t.text for run in named or runs for t in run] or content_words(last.title, profile)


def put_right(text: str, typed: str, searched: str, profile: Profile) -> str:
    """Put the word that was searched in place of the mistyped one, with its capital."""
    for token in reversed(profile.tokens(text)):
        if token.text == typed:
            word = searched[:1].upper() + searched[1:] if typed[:1].isupper() else searched
            text = text[: token.start] + word + text[token.end :]
    return text


def switch_question(
    question: str, corrections: Sequence[tuple[str, str]], profiles: Sequence[Profile]
) -> tuple[str, Profile] | None:
    """Return a question typed in the wrong keyboard layout as it was meant, with its language; None when it was not.

    It was when the search put right at least half of its words by reading the keys in one other layout; the words that need
    no search ("who", "where") are then read the same way.
    """
    for profile in profiles:
        right = [typed for typed, searched in corrections if profile.switch_layout(typed) == profile.fold(searched)]
        words = [t.text for t in profile.tokens(question)]
        if right and len(right) * 2 >= len(words) and not any(profile.accepts(profile.fold(w)) for w in words):
            return " ".join(_switch_chunk(chunk, profile) for chunk in question.split()), profile
    return None


def _switch_chunk(chunk: str, profile: Profile) -> str:
    core = chunk.rstrip(_END)
    switched = profile.switch_layout(core)
    if switched is None:
        return chunk
    return (switched[:1].upper() + switched[1:] if core[:1].isupper() else switched) + chunk[len(core) :]


def _join(question: str, topic: Sequence[str], profile: Profile) -> str:
    """Name the topic in a question that leaves it unsaid: in place of its one pronoun where both are subjects ("А когда он умер?" →
    "Когда Гоголь умер?"), else in brackets at its end, so that no case has to be changed."""
    present = {t for token in profile.tokens(question) for t in profile.terms(token.text)}
    missing = [w for w in topic if present.isdisjoint(profile.terms(w))]
    if not missing:
        return question
    pronouns = [t for t in profile.tokens(question) if _refers(t.text, profile)]
    if len(pronouns) == 1 and all("nom" in profile.tags(word) for word in (pronouns[0].text, *topic)):
        named = question[: pronouns[0].start] + " ".join(topic) + question[pronouns[0].end :]
        return _drop_opening(named, profile)
    return f"{question.rstrip(' ?!.')} ({' '.join(missing)})?"


def _drop_opening(question: str, profile: Profile) -> str:
    """A question without the word that ties it to the one before."""
    tokens = profile.tokens(question)
    if len(tokens) < 2 or not _opens(question, profile):
        return question
    rest = question[tokens[1].start :]
    return rest[:1].upper() + rest[1:]
