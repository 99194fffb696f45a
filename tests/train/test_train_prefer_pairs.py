"""Pairs and plans of preference tuning, before a model is loaded: every form is read, faults are named, memory and disk are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefer_toys import ASKED, BETTER, WORSE, Row, plan, say, write_rows

from samovar.errors import TrainingError, UsageError
from samovar.train.prefer.pairs import Pair, parse_pair, read_pairs, split_pairs
from samovar.train.prefer.plan import RATE, Size, check_disk, choose_device_batch, order_pairs, rate_at, rule_rate

FORMS: list[Row] = [
    {"prompt": ASKED, "chosen": BETTER, "rejected": WORSE},
    {"prompt": [say("user", ASKED)], "chosen": BETTER, "rejected": [say("assistant", WORSE)]},
    {"prompt": ASKED, "chosen": [say("user", ASKED), say("assistant", BETTER)], "rejected": [say("user", ASKED), say("assistant", WORSE)]},
    {"chosen": [say("user", ASKED), say("assistant", BETTER)], "rejected": [say("user", ASKED), say("assistant", WORSE)]},
    {"prompt": None, "chosen": [say("user", ASKED), say("assistant", BETTER)], "rejected": [say("user", ASKED), say("assistant", WORSE)], "score": 7},
]  # fmt: skip


@pytest.mark.parametrize("row", FORMS)
def test_every_standard_form_is_the_same_pair(row: Row) -> None:
    assert parse_pair(row) == Pair((("user", ASKED),), BETTER, WORSE)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("text", "expected an object, found str"),
        ({"prompt": ASKED, "chosen": BETTER}, "found no rejected"),
        ({"chosen": BETTER, "rejected": WORSE}, "expected a prompt, found none"),
        ({"prompt": "  ", "chosen": BETTER, "rejected": WORSE}, "found an empty message of user"),
        ({"prompt": ASKED, "chosen": "", "rejected": WORSE}, "found an empty message of assistant"),
        ({"prompt": ASKED, "chosen": 5, "rejected": WORSE}, "expected text or messages in chosen, found 5"),
        ({"prompt": [say("assistant", "Да.")], "chosen": BETTER, "rejected": WORSE}, "the user last; found assistant"),
        ({"prompt": [say("user", "А"), say("user", "Б")], "chosen": BETTER, "rejected": WORSE}, "in turn"),
        ({"prompt": [say("robot", "А")], "chosen": BETTER, "rejected": WORSE}, "expected messages like"),
        ({"prompt": ASKED, "chosen": [say("user", "А"), say("assistant", "Б")], "rejected": WORSE}, "expected one message"),
        ({"prompt": ASKED, "chosen": [say("user", ASKED)], "rejected": WORSE}, "to be the assistant's, found user's"),
        (
            {"chosen": [say("user", "А"), say("assistant", "Б")], "rejected": [say("user", "В"), say("assistant", "Г")]},
            "the same conversation",
        ),
    ],
)  # fmt: skip
def test_rows_that_are_no_pairs_say_why(row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_pair(row)


def test_faulty_rows_are_named_by_number(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    good = json.dumps(FORMS[0])
    path.write_text(f'{good}\n\nnot json\n{{"chosen": "а"}}\n' + '{"prompt": 1}\n' * 9, "utf-8")
    with pytest.raises(TrainingError) as caught:
        read_pairs([path])
    text = str(caught.value)
    assert "found 11 that are not" in text and "and 6 rows more" in text and "Correct or delete" in text
    assert f"{path}:3: expected JSON" in text and f"{path}:4: expected chosen and rejected, found no rejected" in text
    assert f"{path}:1:" not in text and f"{path}:5:" in text
    with pytest.raises(TrainingError, match="kind preference"):
        read_pairs([tmp_path / "nothing"])


def test_equal_repeated_and_opposed_pairs_are_counted(tmp_path: Path) -> None:
    turned = {"prompt": ASKED, "chosen": WORSE, "rejected": BETTER}
    path = tmp_path / "pairs.jsonl"
    write_rows(path, [FORMS[0], FORMS[1], {**FORMS[0], "rejected": BETTER}, turned, {**FORMS[0], "prompt": "А?"}])
    found = read_pairs([path])
    assert (len(found.pairs), found.num_same, found.num_repeated, found.num_opposed) == (3, 1, 1, 2)
    assert found.same_at == (f"{path}:3",)
    write_rows(path, [{**FORMS[0], "rejected": BETTER}])
    with pytest.raises(TrainingError, match="found 1 rows of two equal answers"):
        read_pairs([path])


def test_parquet_holds_the_same_pairs(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"prompt": [say("user", f"Вопрос {n}?")], "chosen": [say("assistant", "Да.")], "rejected": [say("assistant", "Нет.")]} for n in range(9)]  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "pairs.parquet")
    write_rows(tmp_path / "other.jsonl", rows)
    assert read_pairs([tmp_path / "pairs.parquet"]).sha256 == read_pairs([tmp_path / "other.jsonl"]).sha256
    assert read_pairs([tmp_path]).num_repeated == 9  # a folder: both files
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "pairs.parquet").read_bytes()[:200])
    with pytest.raises(TrainingError, match="expected a Parquet file"):
        read_pairs([tmp_path / "torn.parquet"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=4, max_size=60, unique=True), st.integers(1, 30)
)
def test_sides_part_by_group_and_hold_when_data_grow(numbers: list[tuple[int, int]], cut: int) -> None:
    pairs = [Pair((("user", f"{group} {n}"),), "а", "б", group=f"g{group}") for group, n in numbers]
    if len({pair.group for pair in pairs}) < 2:
        return
    train, held = split_pairs(pairs)
    assert len(train) + len(held) == len(pairs) and train and held
    assert not {p.group for p in train} & {p.group for p in held}
    some = pairs[:cut]
    if len({pair.group for pair in some}) > 1:  # at most the one that had to be held out is trained on later
        assert len({p.group for p in split_pairs(some)[1]} - {p.group for p in held}) <= 1


# -- plan -----------------------------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.floats(0.1, 5), st.integers(0, 3))
def test_each_epoch_shows_every_pair_once(num_pairs: int, batch: int, epochs: float, seed: int) -> None:
    made = plan(num_pairs=num_pairs, batch_pairs=batch, epochs=epochs, seed=seed)
    order = order_pairs(made, num_pairs)
    assert len(order) == made.num_steps * batch and order == order_pairs(made, num_pairs)
    for start in range(0, len(order) - num_pairs + 1, num_pairs):
        assert sorted(order[start : start + num_pairs]) == list(range(num_pairs))


def test_rates_rise_and_fall() -> None:
    made = plan(epochs=8)
    rates = [rate_at(made, step) for step in range(made.num_steps + 1)]
    assert rates[0] < 0.2 and max(rates) > 0.85 and rates[-1] == 0
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:], reverse=True)
    assert plan(lora=True).rate == pytest.approx(10 * plan().rate) and plan(rate=0.5).rate == 0.5
    short, long = (rule_rate(2048, steps) for steps in (50, 1000))
    assert rule_rate(2048, 3000) == long == RATE and short == pytest.approx(20 * RATE)
    assert rule_rate(2048, 10) == short  # no haste beyond 20 times
    assert rule_rate(128, 250) == pytest.approx(RATE * 16 * 4)
    with pytest.raises(UsageError, match="dpo or ipo"):
        plan(method="ppo")
    with pytest.raises(UsageError, match="positive beta"):
        plan(beta=0)


def test_memory_and_disk_are_asked_for_before_the_start(tmp_path: Path) -> None:
    small = Size(10**6, 10**6, 4, 128, 512, 1000)
    assert choose_device_batch(plan(batch_pairs=12), small, 96, 0, "cpu") == 12
    assert choose_device_batch(plan(batch_pairs=12), small, 96, 0, "cpu", before=3) == 3  # as before a kill
    assert choose_device_batch(plan(batch_pairs=12), small, 96, 0, "cpu", before=5) == 12  # of another step
    room = 800 * 2**20  # a pair of 900 tokens takes about 110 MB
    chosen = choose_device_batch(plan(batch_pairs=12), small, 900, room, "cpu")
    assert 1 <= chosen < 12 and 12 % chosen == 0
    with pytest.raises(TrainingError, match=r"expected at least .* GiB of free memory .* --lora"):
        choose_device_batch(plan(), small, 96, 10**6, "cpu")
    with pytest.raises(TrainingError, match="to divide the 8 pairs"):
        choose_device_batch(plan(device_batch=3), small, 96, 0, "cpu")
    with pytest.raises(TrainingError, match="GiB of free space"):
        check_disk(plan(), Size(10**14, 10**14, 4, 128, 512, 1000), tmp_path)
