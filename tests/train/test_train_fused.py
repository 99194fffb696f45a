"""Attention by blocks and the loss without logits compute what torch's plain operators compute, gradients too, compiled or not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from train_toys import LENGTH, SEPARATOR, VOCABULARY, make_model

from samovar.train import cross_entropy
from samovar.train.attention import BLOCK, attend, attend_blocks, make_mask
from samovar.train.cross_entropy import fused, list_nats, mean_nats
from samovar.train.model import IGNORED, LanguageModel, number_documents
from samovar.train.muon import orthogonalise


def draw(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).requires_grad_()


def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    heads = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*heads, attn_mask=mask, enable_gqa=True).transpose(1, 2)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 2 * BLOCK + 40),
    st.sampled_from([(1, 1), (2, 1), (4, 2), (3, 3)]),
    st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    st.integers(0, 99),
)
def test_blocks_compute_what_the_kernel_computes(length: int, heads: tuple[int, int], often: float, seed: int) -> None:
    q, k, v = (draw(seed + number, 2, length, count, 8) for number, count in enumerate((heads[0], heads[1], heads[1])))
    segments = (torch.rand(2, length, generator=torch.Generator().manual_seed(seed)) < often).cumsum(1)
    grad = draw(seed + 9, 2, length, heads[0], 8).detach()
    results = []
    for form in (attend(q, k, v, segments), plain(q, k, v, make_mask(segments))):
        results.append([form, *torch.autograd.grad(form, (q, k, v), grad)])
    for mine, theirs in zip(*results, strict=True):
        assert torch.allclose(mine, theirs, atol=2e-5, rtol=1e-4)


def test_without_documents_the_whole_row_is_one() -> None:
    q, k, v = (draw(number, 1, BLOCK + 3, 2, 4) for number in range(3))
    assert torch.equal(attend(q, k, v, None), attend(q, k, v, torch.zeros(1, BLOCK + 3, dtype=torch.int64)))


def test_no_gradient_crosses_from_one_document_to_another() -> None:
    q, k, v = (draw(number, 1, 200, 2, 4) for number in range(3))
    segments = (torch.arange(200) >= 150).long()[None]
    attend(q, k, v, segments)[:, 150:].sum().backward()
    for x in (q, k, v):
        assert x.grad is not None and not x.grad[:, :150].any()
    assert v.grad is not None and bool(v.grad[:, 150:].any())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch imports its compiler
def test_the_operators_keep_torchs_contract() -> None:
    q, k, v = (draw(number, 2, 140, heads, 4) for number, heads in enumerate((4, 2, 2)))
    torch.library.opcheck(attend_blocks, (q, k, v, (torch.arange(140) // 50).repeat(2, 1)))
    torch.library.opcheck(attend_blocks, (q, k, v, None))
    torch.library.opcheck(
        fused, (draw(3, 10, 4), draw(4, 6, 4), torch.tensor([1, 5, 0, -100] * 2 + [2, 3]), -100, False)
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(2, 50), st.integers(1, 8), st.integers(1, 4), st.integers(0, 99))
def test_the_loss_and_its_gradients_do_not_depend_on_the_chunks(
    rows: int, words: int, chunk: int, blocks: int, seed: int
) -> None:
    hidden, weight = draw(seed, rows, 6), draw(seed + 1, words, 6)
    targets = torch.randint(0, words, (rows,), generator=torch.Generator().manual_seed(seed))
    targets[seed % rows :: 3] = IGNORED
    targets[(seed + 1) % rows] = words - 1  # at least one counts
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cross_entropy.CHUNK_BYTES, "cpu", 4 * words * chunk)
        patch.setitem(cross_entropy.BLOCK_BYTES, "cpu", 4 * words * chunk * blocks)
        mine = mean_nats(hidden, weight, targets, IGNORED)
        each = list_nats(hidden, weight, targets, IGNORED)
    theirs = F.cross_entropy(F.linear(hidden, weight), targets, ignore_index=IGNORED)
    assert torch.allclose(mine, theirs, atol=1e-5)
    assert torch.allclose(each.sum() / (targets != IGNORED).sum(), theirs, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad(3 * x, (hidden, weight)) for x in (mine, theirs)), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_bf16_products_are_as_good_as_autocasts() -> None:
    hidden, weight = draw(0, 64, 32), draw(1, 500, 32)
    targets = torch.randint(0, 500, (64,), generator=torch.Generator().manual_seed(0))
    exact = torch.autograd.grad(F.cross_entropy(F.linear(hidden, weight), targets), (hidden, weight))
    errors = []
    for form in (mean_nats, lambda h, w, t, i: F.cross_entropy(F.linear(h, w).float(), t)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = form(hidden, weight, targets, IGNORED)
        assert loss.dtype == torch.float32
        grads = torch.autograd.grad(loss, (hidden, weight))
        errors.append([float((a - b).norm() / b.norm()) for a, b in zip(grads, exact, strict=True)])
    assert all(mine < 1.2 * theirs for mine, theirs in zip(*errors, strict=True))


@pytest.mark.parametrize("shape", [(2, 64, 192), (2, 192, 64), (3, 64, 64)])
def test_steps_made_orthogonal_in_bf16_are_those_of_float32(shape: tuple[int, int, int]) -> None:
    sizes = torch.logspace(0, -2, shape[-1])
    matrices = draw(0, *shape).detach() * sizes
    one, two = (orthogonalise(matrices, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert float((one - two).norm() / one.norm()) < 0.03
    true = torch.linalg.svdvals(matrices)
    values = torch.linalg.svdvals(two)[true > 0.05 * true.amax(-1, keepdim=True)]
    assert bool((values > 0.6).all()) and bool((values < 1.25).all())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch imports its compiler
def test_compiled_the_model_learns_the_same() -> None:
    model = LanguageModel(make_model(num_layers=1))
    model.initialise(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    tokens = torch.randint(0, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(2))
    tokens[:, 11] = SEPARATOR
    targets = tokens.roll(-1, 1)
    segments = number_documents(tokens, SEPARATOR)
    results = []
    for loss in (model.loss, torch.compile(model.loss, dynamic=False)):
        value = loss(tokens, targets, segments)
        results.append([value, *torch.autograd.grad(value, list(model.parameters()))])
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, atol=2e-5)
