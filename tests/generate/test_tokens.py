"""The byte-based estimate: grows with the text, learns from reports, and never trusts an absurd one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from samovar.generate.model import Message
from samovar.generate.tokens import MARGIN, SMALLEST_SCALE, TokenEstimator, estimate_tokens


def user(text: str) -> list[Message]:
    return [Message("user", text)]


@given(st.text(), st.text())
def test_more_text_never_costs_less(left: str, right: str) -> None:
    assert estimate_tokens(user(left + right)) >= estimate_tokens(user(left))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_between_nothing_and_every_byte(text: str) -> None:
    bare = estimate_tokens(user(""))
    assert bare <= estimate_tokens(user(text)) <= bare + len(text.encode()) + 1


def test_digits_and_signs_count_one_each_letters_half_a_byte() -> None:
    bare = estimate_tokens(user(""))
    assert estimate_tokens(user("1234.")) - bare == 5
    assert estimate_tokens(user("самовар")) - bare == 7
    assert estimate_tokens(user("samovars")) - bare == 4
    assert estimate_tokens(user("a\nb")) - bare == 2
    assert estimate_tokens(user("аб вг")) - bare == 4
    assert estimate_tokens(user("аб 12")) - bare == 2 + 1 + 2


def test_learns_the_worst_report_with_a_margin() -> None:
    estimator, messages = TokenEstimator(), user("слово " * 200)
    first = estimator.count(messages)
    estimator.observe(messages, first // 4)
    assert abs(estimator.count(messages) - first / 4 * MARGIN) < 2
    estimator.observe(messages, first // 2)
    worst = estimator.count(messages)
    assert abs(worst - first / 2 * MARGIN) < 2
    estimator.observe(messages, first // 4)
    assert estimator.count(messages) == worst


def test_ignores_short_prompts_and_absurd_reports() -> None:
    estimator, messages = TokenEstimator(), user("слово " * 200)
    first = estimator.count(messages)
    estimator.observe(user("да"), 1)
    estimator.observe(messages, 0)
    assert estimator.count(messages) == first
    estimator.observe(messages, 1)
    assert estimator.count(messages) >= first * SMALLEST_SCALE
    estimator.observe(messages, first * 9)
    assert estimator.count(messages) == first
