"""One reply with all that a rule may look at: the part of it that is the answer, mentions with their polarity, how far a sentence restates the question.

Isolating the answer: thoughts are dropped; after a label ("Answer:") and after a self-correction ("no, wait") only what follows counts. Knows nothing about
the rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from samovar.audit.grade.gold import Prepared, prepare
from samovar.audit.grade.mentions import Mention, find_accepted, find_rejected
from samovar.audit.grade.polarity import Polarity, is_negation, polarity_of
from samovar.audit.grade.reading import Reader, Reading, fold_text
from samovar.audit.grade.rivals import Rival, find_rivals
from samovar.audit.outcome import Reply
from samovar.audit.probe import Gold, Probe

SHORT_TOKENS = 12  # an answer of so many words is short: everything in it is part of the answer
_QUOTED = re.compile(r'"[^"\n]*"')
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.S)


@dataclass(eq=False)
class Case:
    """A reply to one question. `text` is the reply without thoughts."""

    probe: Probe
    language: str
    reply: Reply
    reader: Reader

    @cached_property
    def text(self) -> str:
        """The reply as folded, without thoughts."""
        text = self.reply.text
        return fold_text(_THOUGHTS.sub("", text) if "<" in text else text).strip()

    @cached_property
    def prepared(self) -> Prepared:
        """The golds."""
        return prepare(self.probe, self.language, self.reader)

    @property
    def gold(self) -> Gold:
        """The gold in the language asked."""
        return self.prepared.gold

    @cached_property
    def question(self) -> Reading:
        """The question as asked."""
        texts = self.probe.questions.get(self.language) or next(iter(self.probe.questions.values()))
        return read_question(self.reply.question or texts[0], self.reader)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Keys of the question's content words."""
        return keys_of(self.question)

    @cached_property
    def whole(self) -> Reading:
        """The whole reply, read."""
        return Reading(self.reader, self.text)

    @cached_property
    def reading(self) -> Reading:
        """The answer: the reply, or what follows its label or its last self-correction."""
        start = self._answer_start()
        return Reading(self.reader, self.text[start:]) if start else self.whole

    def _answer_start(self) -> int:
        words, start = self.reader.words, 0
        for pattern in (words.answer_label, words.corrections):
            if pattern is None:
                continue
            for match in pattern.finditer(self.whole.folded):
                rest = self.text[match.end() :]
                if match.end() > start and any(c.isalnum() for c in rest):
                    start = match.end()
        return start

    @property
    def is_short(self) -> bool:
        """Whether the answer is a few words."""
        return len(self.reading) <= SHORT_TOKENS

    # -- mentions ---------------------------------------------------------------------------------------------------
    @cached_property
    def mentions(self) -> list[Mention]:
        """Mentions of right answers that no longer refused answer contains ("table tennis" is no "tennis")."""
        found = find_accepted(self.reading, self.prepared, self.asked)
        return [m for m in found if not any(_contains(r, m) for r in self._all_rejects)]

    @cached_property
    def _all_rejects(self) -> list[Mention]:
        return find_rejected(self.reading, self.prepared) if self.prepared.rejects else []

    @cached_property
    def accepts(self) -> list[Mention]:
        """Asserted mentions of right answers."""
        return [m for m in self.mentions if not m.other and self.polarity(m) == "asserted"]

    @cached_property
    def rejects(self) -> list[Mention]:
        """Asserted mentions of answers on the reject list that are no part of a right answer."""
        taken = {i for m in self.mentions if not m.other for i in range(m.first, m.last + 1)}
        found = [m for m in self._all_rejects if not taken & set(m.matched)]
        if self.gold.type != "choice":
            found = [m for m in found if any(self.reading.keys[i].isdisjoint(self.asked) for i in m.matched)]
        return [m for m in found if self.polarity(m) == "asserted"]

    def polarity(self, mention: Mention) -> Polarity:
        """What is said of a mention."""
        found = polarity_of(self.reading, mention.first, mention.last)
        return "asserted" if found in ("negated", "denied") and self._restates_negation(mention.first) else found

    def _restates_negation(self, first: int) -> bool:
        """Whether a negation may be the question's own ("Which prize did he not win?" - "He did not win the …"): not when it stands right before."""
        words = self.reader.words
        if first and is_negation(self.reading.low[first - 1], words):
            return False
        bare = read_question(_QUOTED.sub(" ", self.question.text), self.reader)
        return any(is_negation(w, words) for w in bare.low)

    @cached_property
    def rivals(self) -> list[Rival]:
        """Asserted candidates of the type that are neither right nor in the question."""
        taken = {i for m in self.mentions if not m.other for i in range(m.first, m.last + 1)}
        found = find_rivals(self.reading, self.gold.type, self.asked, taken)
        return [r for r in found if polarity_of(self.reading, r.first, r.last) in ("asserted", "denied")]

    @cached_property
    def others(self) -> list[Mention | Rival]:
        """Everything asserted that is not the right answer, in order."""
        return sorted([*self.rejects, *self.rivals], key=lambda x: x.first)

    def sentence(self, at: Mention | Rival) -> int:
        """The number of a mention's sentence."""
        return self.reading.sentence_of[at.first]

    def restates(self, sentence: int) -> float:
        """The share of the question's content words that a sentence has."""
        if not self.question.content:
            return 0.0
        keys = frozenset().union(*(self.reading.keys[i] for i in self.reading.sentence(sentence)))
        return sum(not self.question.keys[i].isdisjoint(keys) for i in self.question.content) / len(
            self.question.content
        )

    def between(self, first: int, last: int) -> Sequence[str]:
        """Folded words strictly between two tokens."""
        return self.reading.low[first + 1 : last]

    # -- phrases ----------------------------------------------------------------------------------------------------
    @cached_property
    def hedged(self) -> bool:
        """Whether the reply guesses ("perhaps", "I think")."""
        pattern = self.reader.words.hedges
        return bool(pattern and pattern.search(self.whole.folded))

    @cached_property
    def says_dont_know(self) -> bool:
        """Whether the reply says that it does not know."""
        pattern = self.reader.words.dont_know
        return bool(pattern and pattern.search(self.whole.folded))

    @cached_property
    def says_refusal(self) -> bool:
        """Whether the reply refuses, in so many words, in its first sentences."""
        pattern = self.reader.words.refusal_strong
        return bool(pattern and pattern.search(self.whole.folded[:400]))


def _contains(outer: Mention, inner: Mention) -> bool:
    """Whether a refused answer takes a mention over: it is longer, or exact where the mention is only alike (Shaanxi, Shanxi)."""
    if inner.way in ("sound", "typo") and not set(inner.matched).isdisjoint(outer.matched):
        return True
    return set(inner.matched) < set(outer.matched) and len(outer.matched) > len(inner.matched)


@lru_cache(maxsize=20_000)
def read_question(text: str, reader: Reader) -> Reading:
    """Read a question, once."""
    return reader.read(text)


def keys_of(reading: Reading) -> frozenset[str]:
    """Return all keys of a reading's content words."""
    return _keys_of(reading)


@lru_cache(maxsize=20_000)
def _keys_of(reading: Reading) -> frozenset[str]:
    return frozenset().union(*(reading.keys[i] for i in reading.content))
