"""From probes to the questions of a run: every language, paraphrase and slot, in an order that depends on the seed alone.

The order is shuffled so that a service that changes or tires during a run does so for all cultures alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from samovar.audit.options import SIDES, VARIANTS, list_sides
from samovar.audit.outcome import Question
from samovar.audit.probe import Probe

SLOT = "{slot}"


def make_questions(
    probes: Iterable[Probe], *, languages: Sequence[str] = (), paraphrases: int = 0, seed: int = 2026
) -> list[Question]:
    """Return the questions; `languages` empty means all of a probe, `paraphrases` 0 means all there are."""
    made = [question for probe in probes for question in questions_of(probe, languages, paraphrases)]
    random.Random(seed).shuffle(made)
    return made


def questions_of(probe: Probe, languages: Sequence[str] = (), paraphrases: int = 0) -> list[Question]:
    """Return one probe's questions in order."""
    made: list[Question] = []
    for language, texts in probe.questions.items():
        if languages and language not in languages:
            continue
        for index, text in enumerate(texts[: paraphrases or None]):
            key = f"{probe.id}/{language}/{index}"
            if probe.kind == "framing" and probe.options:
                made += [
                    Question(
                        f"{key}/{v}", probe.id, language, index, text.replace(SIDES, list_sides(probe, language, v)), v
                    )
                    for v in VARIANTS
                ]
                continue
            if not probe.slots:
                made.append(Question(key, probe.id, language, index, text))
                continue
            for culture, words in probe.slots.items():
                if language in words:
                    filled = text.replace(SLOT, words[language])
                    made.append(Question(f"{key}/{culture}", probe.id, language, index, filled, culture))
    return made
