#!/usr/bin/env bash
# A base model of about 0.46 B weights (depth 20) on one machine with 8 H100s. Not run by us: no such machine was at hand. The times are computed.
#
#   CORPUS=my-corpus bash runs/h100.sh          a corpus built with  samovar corpus build  (9 B tokens wanted: about 60 GB of Russian text)
#
# Expected, at the 50 % of bf16 peak that nanochat reports for a machine of this kind (989 TFLOP/s a GPU, 3.96 PFLOP/s for the machine):
#   depth 12:  0.13 B weights,  2.6 B tokens, 2.6e18 FLOP,  0.2 h,    4 USD at 3 USD a GPU hour (a price of November 2026; yours will differ)
#   depth 20:  0.46 B weights,  9.1 B tokens, 3.1e19 FLOP,  2.2 h,   52 USD
#   depth 24:  0.72 B weights, 14.5 B tokens, 7.6e19 FLOP,  5.3 h,  128 USD
#   depth 32:  1.78 B weights, 32.9 B tokens, 3.8e20 FLOP, 26.5 h,  636 USD
# `samovar train pretrain … --dry-run` computes these numbers for any depth. Measure first: 200 steps show tokens/s and MFU.
set -euo pipefail
corpus="${CORPUS:?name the folder of a built corpus}"
out="${OUT:-h100}"
depth="${DEPTH:-20}"
gpus="${GPUS:-8}"

samovar train tokenizer "$corpus" --vocab-size 65536 --max-chars 4000000000 --output "$out/tokenizer"
samovar train prepare "$corpus" --tokenizer "$out/tokenizer" --output "$out/tokens"
torchrun --standalone --nproc-per-node "$gpus" -m samovar train pretrain "$out/tokens" --tokenizer "$out/tokenizer" \
    --output "$out/base" --depth "$depth" --seq-len 2048
samovar export "$out/base" --to hf --type bf16 --output "$out/base-hf"
samovar export "$out/base" --to gguf --type q8_0 --output "$out/base-q8_0.gguf"
