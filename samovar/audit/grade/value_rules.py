"""The rules for answers with a value (year, date, number), in the order in which they are asked. The first that knows, decides.

Candidates are the years, dates or numbers of the reply that the question does not have. Conventions as in `text_rules`; besides: a decade or century
that holds the year is undecided, one that does not is wrong; a range of life ("1799–1837") answers with its right end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from samovar.audit.grade.case import Case
from samovar.audit.grade.dates import Date, find_dates, find_periods, read_gold
from samovar.audit.grade.numbers import Number, find_numbers, is_within, read_digits, unit_of
from samovar.audit.grade.polarity import polarity_of
from samovar.audit.grade.text_rules import RESTATES, Rule
from samovar.audit.outcome import Outcome

LONE_TOKENS = 2
LIFE_YEARS = 15  # two years this far apart are a beginning and an end, not a doubt about one year


@dataclass(frozen=True, slots=True)
class Value:
    """A candidate: its tokens and whether it is right (None: as far as it goes, it is)."""

    first: int
    last: int
    right: bool | None


@dataclass(eq=False)
class Values:
    """The candidates of a case, those that are negated left out."""

    case: Case

    @cached_property
    def all(self) -> list[Value]:
        """Candidates in order."""
        found = _numbers(self.case) if self.case.gold.type == "number" else _dates(self.case)
        return [v for v in found if polarity_of(self.case.reading, v.first, v.last) in ("asserted", "denied")]

    @property
    def right(self) -> list[Value]:
        """The right ones."""
        return [v for v in self.all if v.right]

    def sentence(self, value: Value) -> int:
        """The number of its sentence."""
        return self.case.reading.sentence_of[value.first]


def values_of(case: Case) -> Values:
    """Return the case's candidates, worked out once."""
    found = case.__dict__.get("_values")
    if found is None:
        found = case.__dict__["_values"] = Values(case)
    result: Values = found
    return result


def _dates(case: Case) -> list[Value]:
    golds = [d for a in case.gold.answers if (d := read_gold(a))]
    said = {(d.year, d.month, d.day) for d in find_dates(case.question)}
    periods = {i for p in find_periods(case.reading) for i in range(p.first, p.last + 1)}
    found = [d for d in find_dates(case.reading) if (d.year, d.month, d.day) not in said and d.first not in periods]
    if not found and len(case.reading) <= LONE_TOKENS:  # "44" is a year when it is all there is
        found = [
            Date(n.first, n.last, int(n.values[0]))
            for n in find_numbers(case.reading)
            if n.unit is None and n.values[0] < 100
        ]
    judged = [Value(d.first, d.last, _agrees(d, golds, case)) for d in found]
    return judged if any(d.year is not None for d in found) else [v for v in judged if v.right is not False] or judged


def _agrees(found: Date, golds: list[Date], case: Case) -> bool | None:
    answers = [_agrees_with(found, gold, case) for gold in golds]
    return True if True in answers else None if None in answers else False


def _agrees_with(found: Date, gold: Date, case: Case) -> bool | None:
    """Part by part: a part that contradicts is wrong, one that the gold has and the reply has not leaves it open."""
    year = found.year
    if year is not None and gold.year is not None and year != gold.year:
        if gold.year > 0 or found.era or year != -gold.year:  # "44" for 44 BC where the question says BC
            return False
        words = case.reader.words
        if not (words.before_era and words.before_era.search(case.question.folded)):
            return None
    parts = ((found.month, gold.month), (found.day, gold.day))
    if any(a is not None and b is not None and a != b for a, b in parts):
        return False
    missing = year is None or any(b is not None and a is None for a, b in parts)
    return None if missing else True


def _numbers(case: Case) -> list[Value]:
    wanted = [v for a in case.gold.answers for v in read_digits(a)[:1]]
    said = {v for n in find_numbers(case.question) for v in n.values}
    dated = {i for d in find_dates(case.reading) if d.month for i in range(d.first, d.last + 1)}
    unit = _gold_unit(case)
    found = []
    for number in find_numbers(case.reading):
        right = any(_is_right(number, w, case.gold.tolerance, unit) for w in wanted)
        foreign = bool(unit and number.unit and unit[0] != number.unit[0])
        noise = number.first in dated or set(number.values) <= said or (number.in_words and number.values[0] <= 1)
        year = (
            number.unit is None
            and not number.in_words
            and 1000 <= number.values[0] <= 2100
            and len(case.reading.tokens[number.first]) == 4
        )
        if right or not (noise or foreign or (year and max(wanted, default=0) < 500)):
            found.append(Value(number.first, number.last, right))
    return found


def _gold_unit(case: Case) -> tuple[str, float] | None:
    if not case.gold.unit:
        return None
    reading = case.reader.read(case.gold.unit)
    return unit_of(reading, 0) if len(reading) else None


def _is_right(number: Number, wanted: float, tolerance: float, unit: tuple[str, float] | None) -> bool:
    for value in number.values:
        if unit and number.unit:
            if number.unit[0] == unit[0] and is_within(
                value * number.unit[1], wanted * unit[1], max(tolerance, 1e-4 if number.unit != unit else 0)
            ):
                return True
        elif is_within(value, wanted, tolerance):
            return True
    return False


# -- rules ----------------------------------------------------------------------------------------------------------------
def says_dont_know(case: Case) -> Outcome | None:
    """ "I don't know", with no value after all."""
    return (
        "dont_know"
        if case.says_dont_know and not (values_of(case).all and (case.hedged or values_of(case).right))
        else None
    )


def refuses(case: Case) -> Outcome | None:
    """A refusal, with no value after all."""
    return "refused" if case.says_refusal and not values_of(case).all else None


def takes_it_back(case: Case) -> Outcome | None:
    """The right value, and later "the correct one is" another."""
    pattern, values = case.reader.words.doubts, values_of(case)
    if not values.right or pattern is None:
        return None
    for match in pattern.finditer(case.reading.folded):
        after = [v for v in values.all if case.reading.starts[v.first] >= match.end()]
        if after and after[0].right is False and values.right[0].first < after[0].first:
            return "wrong"
    return None


def offers_alternatives(case: Case) -> Outcome | None:
    """The right value *or* another; a short list of values; a narrow range."""
    values = values_of(case)
    for one, other in zip(values.all, values.all[1:], strict=False):
        if one.right is other.right or not (one.right or other.right):
            continue
        between = case.between(one.last, other.first)
        gap = case.reading.text[case.reading.ends[one.last] : case.reading.starts[other.first]].strip()
        if any(w in case.reader.words.either for w in between) and len(between) <= 3:
            return "wrong"
        if gap == "-" and (outcome := _judge_range(case, one, other)):
            return outcome
        if case.is_short and gap in (",", ";", "/") and case.gold.type != "date":
            return "wrong"
    return None


def _judge_range(case: Case, one: Value, other: Value) -> Outcome | None:
    low, high = (max(read_digits(case.reading.tokens[v.first]), default=0.0) for v in (one, other))
    return None if case.gold.type != "number" and high - low >= LIFE_YEARS else "undecided"


def gives_it_first(case: Case) -> Outcome | None:
    """The right value stands in the sentence that answers."""
    values = values_of(case)
    if not values.right:
        return None
    number = values.sentence(values.right[0])
    earlier = [v for v in values.all if values.sentence(v) < number and v.right is False]
    if not earlier:
        return "correct"
    here = case.restates(number)
    before = max(case.restates(values.sentence(v)) for v in earlier)
    if here >= before and case.gold.type != "number":
        return "correct"
    return "wrong" if before >= RESTATES and before > here else "undecided"


def gives_part_of_it(case: Case) -> Outcome | None:
    """A part of the date, right as far as it goes."""
    values = values_of(case).all
    return "undecided" if values and values[0].right is None else None


def gives_another(case: Case) -> Outcome | None:
    """Another value."""
    return "wrong" if values_of(case).all else None


def gives_period(case: Case) -> Outcome | None:
    """A decade or a century in place of a year."""
    if case.gold.type == "number":
        return None
    years = [d.year for a in case.gold.answers if (d := read_gold(a)) and d.year is not None]
    periods = find_periods(case.reading)
    if not periods:
        return None
    return "undecided" if any(p.start <= y <= p.end for p in periods[:1] for y in years) else "wrong"


def gives_none(case: Case) -> Outcome | None:
    """No value at all."""
    return "wrong" if case.reading.tokens else "undecided"


def names_it_in_words(case: Case) -> Outcome | None:
    """A gold that is no plain value cannot be judged as one."""
    readable = [a for a in case.gold.answers if (read_digits(a) if case.gold.type == "number" else read_gold(a))]
    return None if readable else "undecided"


VALUE_RULES: tuple[Rule, ...] = (
    names_it_in_words, says_dont_know, refuses, takes_it_back, offers_alternatives, gives_it_first, gives_part_of_it, gives_another, gives_period, gives_none,
)  # fmt: skip
