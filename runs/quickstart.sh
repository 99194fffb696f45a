#!/usr/bin/env bash
# From texts to talking to an own model, on two CPU cores, in under 20 minutes: the whole road at toy size.
#
#   bash runs/quickstart.sh [FOLDER OF TEXTS]        default: the starter library that comes with Samovar (about 1 MB of Russian)
#
# Needs  pip install 'samovar[corpus,train,llama]'. Killed anywhere, the same command goes on. What comes out is a toy: it has read one
# megabyte and knows next to nothing; the road is the same for a real model (runs/h100.sh).
set -euo pipefail

texts="${1:-$(python -c 'import samovar, pathlib; print(pathlib.Path(samovar.__file__).parent / "packs/ru/library")')}"
out="${OUT:-quickstart}"
vocab="${VOCAB:-4096}"
depth="${DEPTH:-3}"
tokens="${TOKENS:-2000000}"
length="${LENGTH:-1024}"
threads="${THREADS:-0}"
mkdir -p "$out"

echo "== 1. corpus: clean, without duplicates, every drop in a ledger"
cat > "$out/recipe.toml" <<TOML
name = "quickstart"
languages = ["ru"]

[[source]]
name = "texts"
kind = "folder"
paths = ["$texts"]
licence = "CC-BY-4.0"
TOML
samovar corpus build "$out/recipe.toml" --output "$out/corpus"

echo "== 2. tokenizer"
[ -e "$out/tokenizer/samovar.json" ] || samovar train tokenizer "$out/corpus" --vocab-size "$vocab" --output "$out/tokenizer"

echo "== 3. tokens"
[ -e "$out/tokens/index.json" ] || samovar train prepare "$out/corpus" --tokenizer "$out/tokenizer" --output "$out/tokens"

echo "== 4. pretraining"
samovar train pretrain "$out/tokens" --tokenizer "$out/tokenizer" --output "$out/base" \
    --depth "$depth" --seq-len "$length" --num-tokens "$tokens" --threads "$threads"

model="$out/base"
if samovar train sft --help >/dev/null 2>&1; then
    echo "== 5. instruction tuning"
    samovar train sft "$out/base" --data seed:ru --output "$out/chat" --threads "$threads"
    model="$out/chat"
fi

echo "== 6. export, proven against llama.cpp"
[ -e "$out/model.gguf" ] || samovar export "$model" --to gguf --type q8_0 --output "$out/model.gguf"

echo "== 7. talk to it"
samovar ask "Что такое самовар?" --model "$out/model.gguf" || true
echo "The model is in $out/model.gguf: samovar chat --model $out/model.gguf"
