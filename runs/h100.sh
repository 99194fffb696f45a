#!/usr/bin/env bash
# A base model of about 0.54 B weights (depth 20) on one machine with 8 H100s. Not run by us: no such machine was at hand. The times are calculated.
#
#   CORPUS=my-corpus bash runs/h100.sh          a corpus built with  samovar corpus build  (9 B tokens wanted: about 60 GB of Russian text)
#
# Hours and cost are calculated, not measured: FLOPs divided by a rate. The first thing this script does is print them for your depth, at MFU per cent
# of the GPU's bf16 peak and PRICE for a GPU hour, or from TOKENS_PER_S that you have measured on one GPU (200 steps show it):
#
#   MFU=50 PRICE=3 bash runs/h100.sh     or by hand:  samovar train plan --depth 20 --gpus 1,8,64 --mfu 50 --price 3
#
# What that prints at 50 % and 3 a GPU hour, for 8 GPUs and a vocabulary of 65,536 (50 % is what nanochat reports for such a machine):
#   depth 12:  0.18 B weights,   2.6 B tokens, 2.6e+18 FLOP,   0.2 h, cost    4
#   depth 20:  0.54 B weights,   9.1 B tokens, 3.1e+19 FLOP,   2.2 h, cost   52
#   depth 24:  0.82 B weights,  14.5 B tokens, 7.6e+19 FLOP,   5.3 h, cost  128
#   depth 32:  1.78 B weights,  32.9 B tokens, 3.8e+20 FLOP,  26.5 h, cost  636
# Stopped (Ctrl-C, TERM) or killed, the same command goes on. More than fits one GPU: the weights are shared out by themselves (--shard).
set -euo pipefail
corpus="${CORPUS:?name the folder of a built corpus}"
out="${OUT:-h100}"
depth="${DEPTH:-20}"
gpus="${GPUS:-8}"

samovar train plan --depth "$depth" --seq-len 2048 --gpus "1,$gpus,64" --mfu "${MFU:-50}" --price "${PRICE:-3}" --tokens-per-s "${TOKENS_PER_S:-0}"

[ -e "$out/tokenizer/samovar.json" ] || samovar train tokenizer "$corpus" --vocab-size 65536 --max-chars 4000000000 --output "$out/tokenizer"
[ -e "$out/tokens/index.json" ] || samovar train prepare "$corpus" --tokenizer "$out/tokenizer" --output "$out/tokens"
torchrun --standalone --nproc-per-node "$gpus" -m samovar train pretrain "$out/tokens" --tokenizer "$out/tokenizer" \
    --output "$out/base" --depth "$depth" --seq-len 2048
[ -e "$out/base-hf" ] || samovar export "$out/base" --to hf --type bf16 --output "$out/base-hf"
[ -e "$out/base-q8_0.gguf" ] || samovar export "$out/base" --to gguf --type q8_0 --output "$out/base-q8_0.gguf"
