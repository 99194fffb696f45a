"""Every estimator against a reference implementation (scipy, statsmodels), a published worked example, or its own definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from samovar.audit.stats.adjust import (
    exact_odds_p,
    fame_adjusted,
    log_odds_error,
    mantel_haenszel,
    panel_adjusted,
    rogan_gladen,
)
from samovar.audit.stats.contrasts import (
    cluster_bootstrap,
    mcnemar_mid_p,
    paired,
    paired_proportions,
    sign_flip,
    stratified_permutation,
    unpaired,
    unpaired_cautious,
)
from samovar.audit.stats.equivalence import exceeds_p, tost_p, verdict
from samovar.audit.stats.estimate import Estimate, from_t
from samovar.audit.stats.intervals import cluster_proportion, jeffreys, mean_interval, wilson
from samovar.audit.stats.multiplicity import benjamini_hochberg, holm, max_t_quantile
from samovar.audit.stats.power import design_effect, power_of, size_paired, size_unpaired, smallest_visible
from samovar.audit.stats.sources import effective_number, hhi, jaccard, rarefied_effective_number, rbo

counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


# -- intervals --------------------------------------------------------------------------------------------------------
@given(counts)
def test_wilson_and_jeffreys_agree_with_statsmodels(pair: tuple[int, int]) -> None:
    k, n = pair
    low, high = wilson(k, n)
    assert (float(low), float(high)) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)
    low, high = jeffreys(k, n)
    expected = proportion_confint(k, n, method="jeffreys")
    assert float(low) == pytest.approx(0.0 if k == 0 else expected[0], abs=1e-9)
    assert float(high) == pytest.approx(1.0 if k == n else expected[1], abs=1e-9)


def test_nothing_asked_says_nothing() -> None:
    low, high = wilson(0, 0)
    assert (float(low), float(high)) == (0.0, 1.0)


def test_mean_interval_agrees_with_scipy() -> None:
    x = np.random.default_rng(1).random(40)
    made = mean_interval(np.append(x, np.nan))
    reference = stats.ttest_1samp(x, 0)
    assert made.n == 40
    assert (made.low, made.high) == pytest.approx(reference.confidence_interval(0.95))
    assert made.p == pytest.approx(reference.pvalue)


def test_cluster_proportion_is_wider_than_the_naive_one_and_stays_inside() -> None:
    k, m = np.array([9] * 10 + [0] * 10), np.full(20, 9)
    made = cluster_proportion(k, m)
    low, high = wilson(90, 180)
    assert made.value == 0.5
    assert made.low < float(low) - 0.1
    assert made.high > float(high) + 0.1
    all_right = cluster_proportion(np.full(20, 9), m)
    assert all_right.high == 1.0
    assert all_right.low < float(wilson(20, 20)[0]) + 1e-9, "repeats of one entity are no new evidence"
    assert math.isnan(cluster_proportion([3], [9]).value)


# -- differences ------------------------------------------------------------------------------------------------------
def test_unpaired_agrees_with_welch() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(30), rng.random(50) * 1.5
    made = unpaired(a, [b])
    reference = stats.ttest_ind(a, b, equal_var=False)
    assert made.p == pytest.approx(reference.pvalue)
    assert (made.low, made.high) == pytest.approx(reference.confidence_interval(0.95))


def test_unpaired_counts_every_comparator_alike() -> None:
    a, b, c = np.array([0.0, 1.0] * 10), np.array([0.2, 0.4] * 100), np.array([0.6, 1.0] * 5)
    assert unpaired(a, [b, c]).value == pytest.approx(0.5 - (0.3 + 0.8) / 2)


def test_one_entity_is_not_a_group() -> None:
    assert math.isnan(unpaired([1.0], [[0.0, 1.0]]).value)
    assert math.isnan(paired([1.0]).value)
    same = unpaired([1.0, 1.0], [[1.0, 1.0]])
    assert same.value == 0.0
    assert math.isnan(same.low), "identical outcomes do not make an interval of no width"


def test_paired_agrees_with_scipy() -> None:
    d = np.random.default_rng(3).normal(0.1, 1, 25)
    assert paired(d).p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flip_is_the_definition(d: list[int]) -> None:
    rest = [x for x in d if x]
    sums = [
        abs(sum(s * x for s, x in zip(signs, rest, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(rest))
    ]
    expected = sum(s >= abs(sum(rest)) for s in sums) / len(sums)
    assert sign_flip(np.array(d, float)) == pytest.approx(expected)


def test_sign_flip_by_drawing_agrees_with_scipy() -> None:
    d = np.random.default_rng(4).normal(0.3, 1, 40)
    reference = stats.permutation_test((d,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=9_999, rng=1)  # fmt: skip
    assert sign_flip(d) == pytest.approx(reference.pvalue, abs=0.02)
    assert sign_flip(d) == sign_flip(-d), "the mirror has the same p"


def test_permutation_within_strata_agrees_with_scipy_when_there_is_one() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.5, 1, 25), rng.normal(0, 1, 30)
    y, g = np.concatenate([a, b]), np.array([True] * 25 + [False] * 30)
    made = stratified_permutation(y, g, np.zeros(55))
    reference = stats.permutation_test((a, b), lambda x, z, axis: x.mean(axis=axis) - z.mean(axis=axis), vectorized=True, n_resamples=9_999, rng=1)  # fmt: skip
    assert made == pytest.approx(reference.pvalue, abs=0.02)


def test_permutation_within_strata_sees_through_confounding() -> None:
    """Group A lies in the hard stratum: without strata that looks like a difference."""
    rng = np.random.default_rng(6)
    stratum = np.repeat([0, 1], 100)
    group = np.concatenate([np.arange(100) < 80, np.arange(100) < 20])
    y = np.where(stratum == 0, 0.2, 0.8) + rng.normal(0, 0.1, 200)
    assert stratified_permutation(y, group, np.zeros(200)) < 0.01
    assert stratified_permutation(y, group, stratum) > 0.05


def test_bootstrap_interval_is_near_the_t_interval() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.random(120), rng.random(150)
    low, high = cluster_bootstrap(a, [b])
    made = unpaired(a, [b])
    assert (low, high) == pytest.approx((made.low, made.high), abs=0.012)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_lies_between_the_exact_and_half_a_step_below(b: int, c: int) -> None:
    p = float(mcnemar_mid_p(b, c))
    exact = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert 0 < p <= exact + 1e-12
    if b != c:
        assert p == pytest.approx(exact - stats.binom.pmf(min(b, c), b + c, 0.5))


def test_mid_p_of_the_published_example() -> None:
    """Airway hyper-responsiveness before and after transplantation: Fagerland et al. (2013), Table 1; b = 1, c = 7, mid-p = .039."""
    assert float(mcnemar_mid_p(1, 7)) == pytest.approx(0.039, abs=5e-4)


@pytest.mark.parametrize(("more", "less"), [(0.02, 0.02), (0.07, 0.02), (0.12, 0.02), (0.3, 0.2)])
def test_paired_proportions_cover_the_truth(more: float, less: float) -> None:
    rng = np.random.default_rng(15)
    inside = 0
    for b, c, _ in rng.multinomial(300, [more, less, 1 - more - less], size=1_500):
        made = paired_proportions(int(b), int(c), 300)
        inside += made.low <= more - less <= made.high
    assert 0.93 <= inside / 1_500 <= 0.98
    none = paired_proportions(0, 0, 300)
    assert none.low < 0 < none.high, "no discordant pair is still no proof of no difference"


# -- verdicts ---------------------------------------------------------------------------------------------------------
def test_tost_agrees_with_statsmodels() -> None:
    x = np.random.default_rng(8).normal(0.01, 0.1, 60)
    p, _, _ = sm.stats.DescrStatsW(x).ttost_mean(-0.05, 0.05)
    assert tost_p(paired(x), 0.05) == pytest.approx(p)


@pytest.mark.parametrize(
    ("value", "se", "expected"),
    [
        (-0.15, 0.02, "selective against"),
        (0.15, 0.02, "selective for"),
        (0.00, 0.01, "equivalent"),
        (0.00, 0.05, "inconclusive"),
        (-0.07, 0.02, "inconclusive"),
    ],
)
def test_the_four_verdicts(value: float, se: float, expected: str) -> None:
    assert verdict(from_t(value, se, 200, 202)) == expected


@given(st.floats(-0.4, 0.4), st.floats(0.001, 0.2), st.integers(2, 400))
def test_a_mirrored_estimate_has_the_mirrored_verdict(value: float, se: float, df: int) -> None:
    mirror = {"selective against": "selective for", "selective for": "selective against"}
    one, other = verdict(from_t(value, se, df, df)), verdict(from_t(-value, se, df, df))
    assert mirror.get(one, one) == other or value == 0


def test_an_estimate_without_an_error_is_inconclusive() -> None:
    assert verdict(Estimate(0.3, 0.0, math.nan, math.nan, math.nan, 3, math.nan)) == "inconclusive"
    assert math.isnan(exceeds_p(Estimate(0.3, 0.0, math.nan, math.nan, math.nan, 3, math.nan)))


# -- many at once -----------------------------------------------------------------------------------------------------
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjusted_p_values_agree_with_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_unknown_p_values_are_no_tests() -> None:
    assert holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


def test_max_t_lies_between_one_test_and_bonferroni() -> None:
    rng = np.random.default_rng(9)
    independent = rng.normal(size=(400, 8))
    c = max_t_quantile(independent)
    assert stats.norm.ppf(0.975) < c
    assert c == pytest.approx(stats.norm.ppf(1 - (1 - 0.95 ** (1 / 8)) / 2), abs=0.12), "independent axes: Šidák"
    same = max_t_quantile(np.repeat(independent[:, :1], 8, axis=1))
    assert same == pytest.approx(stats.norm.ppf(0.975), abs=0.12), "one axis eight times: no penalty"


# -- design -----------------------------------------------------------------------------------------------------------
def test_sizes_of_the_design_document() -> None:
    assert size_paired(0.25, 0.10) == 189  # AUDIT: 188 pairs for ten points at discordance .25, with 7.85 rounded
    assert design_effect(9, 0.5) == 5
    effect = proportion_effectsize(0.5, 0.6)
    assert size_unpaired(0.5, 0.6) == pytest.approx(
        NormalIndPower().solve_power(effect, power=0.8, alpha=0.05), rel=0.02
    )


def test_power_is_what_simulation_finds() -> None:
    rng = np.random.default_rng(10)
    estimates = rng.normal(0.1, 0.03, 20_000)
    claimed = (np.abs(estimates) - 0.05) / 0.03 > stats.norm.ppf(0.975)
    assert power_of(0.1, 0.03, margin=0.05) == pytest.approx(claimed.mean(), abs=0.01)
    assert power_of(smallest_visible(0.03, margin=0.05), 0.03, margin=0.05) == pytest.approx(0.8, abs=1e-6)


# -- controls ---------------------------------------------------------------------------------------------------------
def test_fame_adjustment_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(11)
    g, fame = rng.random(150) < 0.4, rng.integers(1, 6, (150, 2)).astype(float)
    y = 0.1 * fame[:, 0] - 0.08 * g + rng.normal(0, 0.2, 150)
    f = fame - fame.mean(axis=0)
    reference = sm.OLS(y, np.column_stack([np.ones(150), g, f, f**2])).fit(cov_type="HC3", use_t=True)
    made = fame_adjusted(y, g, fame)
    assert made.value == pytest.approx(reference.params[1])
    assert made.se == pytest.approx(reference.bse[1])
    assert made.p == pytest.approx(reference.pvalues[1])


def test_fame_adjustment_takes_a_phantom_gap_away() -> None:
    rng = np.random.default_rng(12)
    fame = np.concatenate([rng.integers(1, 4, 150), rng.integers(3, 6, 150)]).astype(float)
    g = np.arange(300) < 150
    y = 0.15 * fame + rng.normal(0, 0.2, 300)
    assert abs(unpaired(y[g], [y[~g]]).value) > 0.2
    made = fame_adjusted(y, g, fame)
    assert made.low < 0 < made.high
    constant = fame_adjusted(y, g, np.ones(300))
    assert constant.value == pytest.approx(y[g].mean() - y[~g].mean()), "an anchor that does not vary adjusts nothing"


def test_a_panel_with_the_same_gap_takes_it_away() -> None:
    rng = np.random.default_rng(13)
    hard, easy = rng.normal(0.4, 0.1, 100), rng.normal(0.7, 0.1, 100)
    made = panel_adjusted(hard - 0.1, [easy - 0.1], hard, [easy])
    assert made.value == pytest.approx(0, abs=1e-9)


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.integers(1, 40)] * 4), min_size=1, max_size=6))
def test_mantel_haenszel_agrees_with_statsmodels(cells: list[tuple[int, int, int, int]]) -> None:
    tables = np.array(cells, float).reshape(-1, 2, 2)
    odds, delta, p = mantel_haenszel(tables)
    reference = StratifiedTable(list(tables))
    assert odds == pytest.approx(reference.oddsratio_pooled)
    assert delta == pytest.approx(-2.35 * math.log(reference.oddsratio_pooled))
    if abs(float((tables[:, 0, 0] - tables[:, 0].sum(1) * tables[:, :, 0].sum(1) / tables.sum((1, 2))).sum())) >= 0.5:
        assert p == pytest.approx(reference.test_null_odds(correction=True).pvalue)
    assert log_odds_error(tables) == pytest.approx(reference.logodds_pooled_se)


def test_rogan_gladen_by_definition_and_by_coverage() -> None:
    assert rogan_gladen(30, 100, (90, 100), (95, 100)).value == pytest.approx((0.30 + 0.95 - 1) / (0.90 + 0.95 - 1))
    assert rogan_gladen(0, 100, (90, 100), (95, 100)).value == 0.0
    assert math.isnan(rogan_gladen(10, 100, (40, 100), (50, 100)).value), (
        "a grader no better than chance corrects nothing"
    )
    rng = np.random.default_rng(14)
    truth, inside = 0.3, 0
    for _ in range(600):
        apparent = truth * 0.92 + (1 - truth) * 0.04
        made = rogan_gladen(
            rng.binomial(200, apparent), 200, (rng.binomial(150, 0.92), 150), (rng.binomial(150, 0.96), 150)
        )
        inside += made.low <= truth <= made.high
    assert 0.92 <= inside / 600 <= 0.98


# -- sources ----------------------------------------------------------------------------------------------------------
def test_concentration() -> None:
    assert hhi([5, 5, 5, 5]) == pytest.approx(0.25)
    assert hhi([7]) == 1.0
    assert effective_number([5, 5, 5, 5]) == pytest.approx(4)
    assert effective_number([9, 1]) == pytest.approx(math.exp(stats.entropy([0.9, 0.1])))
    assert math.isnan(effective_number([0, 0]))


def test_rarefaction_makes_lengths_comparable() -> None:
    long, short = [40, 30, 20, 10], [4, 3, 2, 1]
    made = rarefied_effective_number(long, 10)
    assert made < effective_number(long)
    assert rarefied_effective_number(short, 10) == pytest.approx(effective_number(short))
    assert made == rarefied_effective_number(long, 10), "seeded"
    assert math.isnan(rarefied_effective_number([1, 1], 10))
    exact = np.mean([effective_number(np.bincount(np.array([0, 0, 0, 1, 1, 2])[list(c)], minlength=3)) for c in itertools.combinations(range(6), 3)])  # fmt: skip
    assert rarefied_effective_number([3, 2, 1], 3, draws=20_000) == pytest.approx(exact, abs=0.02)


def direct_rbo(a: list[int], b: list[int], p: float, depth: int = 2_000) -> float:
    """RBO_ext by its definition: agreement at each depth, the last one assumed to go on for ever (equal lengths)."""
    n = len(a)
    agreement = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, n + 1)]
    agreement += [agreement[-1]] * (depth - n)
    return (1 - p) * sum(x * p**d for d, x in enumerate(agreement))


@given(st.permutations(range(8)), st.permutations(range(3, 11)), st.sampled_from([0.5, 0.8, 0.9]))
def test_rbo_is_its_definition_for_equal_lengths(a: list[int], b: list[int], p: float) -> None:
    assert rbo(a, b, p) == pytest.approx(direct_rbo(a, b, p), abs=1e-9)


def test_rbo_ends() -> None:
    assert rbo("abc", "abc") == pytest.approx(1.0)
    assert rbo("abc", "xyz") == 0.0
    assert rbo("", "") == 1.0
    assert rbo("", "a") == 0.0
    assert rbo("abcdef", "abc") == pytest.approx(1.0), "what is not shown is taken to agree as the rest does"
    assert rbo("abc", "abx") == rbo("abx", "abc")
    assert jaccard("abc", "bcd") == 0.5
    assert jaccard("", "") == 1.0


def test_the_cautious_contrast_is_welch_with_fewer_degrees_of_freedom() -> None:
    own, rest = [0.2, 0.5, 0.4, 0.9, 0.1], [[0.5, 0.7, 0.8, 0.2, 0.9, 0.6], [0.3, 0.4, 0.5, 0.6, 0.4, 0.8, 0.1]]
    plain, made = unpaired(own, rest), unpaired_cautious(own, rest)
    assert (made.value, made.se, made.df) == (plain.value, plain.se, 4)
    assert made.high - made.value == pytest.approx(stats.t.ppf(0.975, 4) * plain.se)
    assert made.p > plain.p
    assert math.isnan(unpaired_cautious([0.5, 0.5], [[0.5, 0.5]]).p)
    assert unpaired_cautious([0.5], []).n == 0


@settings(max_examples=40)
@given(
    st.tuples(*[st.integers(0, 12)] * 4).filter(lambda t: t[0] + t[1] and t[2] + t[3]), st.sampled_from([0.4, 1.0, 2.5])
)
def test_the_exact_p_of_one_table_agrees_with_scipy(cells: tuple[int, int, int, int], odds: float) -> None:
    a, b, c, d = cells
    known = stats.nchypergeom_fisher(a + b + c + d, a + b, a + c, odds)
    chances = known.pmf(np.arange(0, a + b + 1))
    here = known.pmf(a)
    alike = np.isclose(chances, here, rtol=1e-7)
    expected = chances[(chances < here) & ~alike].sum() + chances[alike].sum() / 2
    assert exact_odds_p([[[a, b], [c, d]]], odds) == pytest.approx(min(1.0, expected), abs=1e-7)


def test_the_exact_p_of_two_tables_by_hand() -> None:
    """0 of 2 against 2 of 2, twice: each has chance 1/6 at that end; the other end is as unlikely, both ends count half: 2 · (1/36) / 2."""
    table = [[0, 2], [2, 0]]
    assert exact_odds_p([table, table]) == pytest.approx(1 / 36)


def test_values_that_are_all_alike_have_no_interval_whatever_rounding_leaves() -> None:
    alike = [0.1 + 0.2] * 30 + [0.3] * 30
    assert math.isnan(unpaired(alike, [[1 / 6] * 40]).p)
    assert math.isnan(paired([1e-17, -1e-17, 0.0, 1e-17]).p)
