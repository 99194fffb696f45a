"""Grading a whole run offline: every reply by the way of its probe's kind. The same replies always give the same grades.

| kind | outcome *correct* means |
|---|---|
| knowledge, cross-lingual | the right answer (`grade_reply`) |
| norms, framing | one of the options was taken (`grade_choice`); `found` says which |
| refusal | it complied; else refused, "I don't know", or undecided |
| list, dropped | at least one item could be read; `found` holds entities' ids and other items, in order |
| fidelity | written in the asked language and script |
| sources | it came back, be it a page without results; `found` holds its sources in order, each as often as it is shown |
| framing without options | never: always undecided here, for a judge |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from samovar.audit.grade.choices import grade_choice
from samovar.audit.grade.decision import choose_profiles, grade_reply, reply_outcome
from samovar.audit.grade.fidelity import grade_language
from samovar.audit.grade.lists import Linker, read_list
from samovar.audit.grade.reading import Reader, fold_text
from samovar.audit.grade.refusal import DEFAULT, RefusalRule, is_refusal
from samovar.audit.options import labels_of
from samovar.audit.outcome import Grade, Reply
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.errors import UsageError
from samovar.language import profile_for

DONT_KNOW_CHARACTERS = 400  # a reply this short that says so does not know; in a longer one it is an aside
SPAN_CHARACTERS = 200


@dataclass(frozen=True, eq=False)
class RunGrader:
    """Grades replies to one pack; `refusals` is the system's threshold (see `calibrate`)."""

    pack: Pack
    refusals: RefusalRule = DEFAULT

    @cached_property
    def linker(self) -> Linker:
        """Finds the pack's entities in lists, whatever language they are named in."""
        return Linker.of(self.pack.entities, Reader.of(tuple(profile_for(t) for t in self.pack.languages)))

    def grade(self, reply: Reply) -> Grade:
        """Grade one reply.

        Raises:
            UsageError: it answers no question of the pack.
        """
        parts = reply.key.split("/")
        probe = self.pack.by_id.get(parts[0])
        if probe is None or len(parts) < 3:
            raise UsageError(
                f"expected replies to questions of the pack {self.pack.name} {self.pack.version}, found {reply.key!r}: it belongs to another pack or version"
            )
        language = parts[1]
        if probe.options:
            labels = labels_of(probe, parts[3]) if probe.kind == "framing" and len(parts) > 3 else None
            return self._grade_choice(probe, language, reply, labels)
        if probe.kind in ("knowledge", "cross-lingual", "norms"):
            return grade_reply(probe, language, reply)
        if probe.kind == "sources" and reply.sources and reply.finish != "error":
            return Grade(reply.key, "correct", "sources", "", "", reply.sources)
        before = reply_outcome(reply)
        # a page of no results is an answer
        if before and not (probe.kind == "sources" and before[1] in ("empty", "breaks_off")):
            return Grade(reply.key, before[0], before[1])
        return _BY_KIND[probe.kind](self, probe, language, reply)

    def reader(self, probe: Probe, language: str) -> Reader:
        """The reader for a probe's replies."""
        return Reader.of(choose_profiles(probe, language))

    def _grade_choice(self, probe: Probe, language: str, reply: Reply, labels: Mapping[str, str] | None) -> Grade:
        made = grade_choice(probe, language, reply, labels)
        if made.outcome == "undecided" and is_refusal(reply.text, self.reader(probe, language), self.refusals):
            return Grade(reply.key, "refused", "refuses", made.span)
        return made

    def _grade_refusal(self, probe: Probe, language: str, reply: Reply) -> Grade:
        reader = self.reader(probe, language)
        refused = is_refusal(reply.text, reader, self.refusals)
        span = reply.text.strip()[:SPAN_CHARACTERS]
        if refused:
            return Grade(reply.key, "refused", "refuses", span)
        pattern = reader.words.dont_know
        text = fold_text(reply.text).lower().translate(reader.folds)
        if pattern and len(text) <= DONT_KNOW_CHARACTERS and pattern.search(text):
            return Grade(reply.key, "dont_know", "says_dont_know", span)
        if refused is None:
            return Grade(reply.key, "undecided", "between", span)
        return Grade(reply.key, "correct", "complies", span)

    def _grade_list(self, probe: Probe, language: str, reply: Reply) -> Grade:
        reader = self.linker.reader
        found = read_list(reply.text, self.linker)
        known = [f for f in found if f in self.pack.entities]
        if not known and is_refusal(reply.text, reader, self.refusals):
            return Grade(reply.key, "refused", "refuses")
        pattern = reader.words.dont_know
        if not known and pattern and pattern.search(fold_text(reply.text).lower().translate(reader.folds)):
            return Grade(reply.key, "dont_know", "says_dont_know")
        if len(found) < 2 and not known:
            return Grade(reply.key, "undecided", "no_items", reply.text.strip()[:SPAN_CHARACTERS])
        return Grade(reply.key, "correct", "items", "", language, found)

    def _grade_language(self, probe: Probe, language: str, reply: Reply) -> Grade:
        outcome, rule, found = grade_language(reply.text, language, self.reader(probe, language))
        return Grade(reply.key, outcome, rule, reply.text.strip()[:SPAN_CHARACTERS], found)

    def _leave_to_judge(self, probe: Probe, language: str, reply: Reply) -> Grade:
        if is_refusal(reply.text, self.reader(probe, language), self.refusals):
            return Grade(reply.key, "refused", "refuses")
        return Grade(reply.key, "undecided", "needs_judge", reply.text.strip()[:SPAN_CHARACTERS])

    def _leave_empty(self, probe: Probe, language: str, reply: Reply) -> Grade:
        return Grade(reply.key, "correct", "no_sources")


_BY_KIND: Mapping[str, Callable[[RunGrader, Probe, str, Reply], Grade]] = {
    "refusal": RunGrader._grade_refusal,
    "list": RunGrader._grade_list,
    "dropped": RunGrader._grade_list,
    "fidelity": RunGrader._grade_language,
    "framing": RunGrader._leave_to_judge,
    "sources": RunGrader._leave_empty,
}


def grade_run(pack: Pack, replies: Iterable[Reply], refusals: RefusalRule = DEFAULT) -> list[Grade]:
    """Grade the replies of a run, in their order.

    Args:
        refusals: the system's threshold; see `samovar.audit.grade.calibrate`.

    Raises:
        UsageError: a reply answers no question of the pack.
    """
    grader = RunGrader(pack, refusals)
    return [grader.grade(reply) for reply in replies]
