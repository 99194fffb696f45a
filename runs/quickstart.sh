#!/usr/bin/env bash
# From texts to talking to an own model, on two CPU cores: the whole road at toy size.
#
#   bash runs/quickstart.sh                                   the starter library that comes with Samovar (about 1 MB of Russian)
#   TEXT_LANGUAGE=en bash runs/quickstart.sh my-articles/     your own texts, .md and .txt, in another language
#
# Needs  pip install 'samovar[corpus,train,llama]'. Killed anywhere, the same command goes on. Other values of the variables below want another
# OUT. What comes out is a toy: it has read one megabyte and knows next to nothing; the road is the same for a real model (runs/h100.sh).
set -euo pipefail

language="${TEXT_LANGUAGE:-ru}"    # of the texts
packs="$(python -c 'import samovar, pathlib; print(pathlib.Path(samovar.__file__).parent / "packs")')"
texts="${1:-$packs/$language/library}"
out="${OUT:-quickstart}"
vocab="${VOCAB:-4096}"             # tokens in the vocabulary
depth="${DEPTH:-3}"                # layers; width and rates follow
tokens="${TOKENS:-450000}"        # to pretrain on
length="${LENGTH:-1024}"           # context: a question with its passages has to fit
dialogues="${DIALOGUES:-200}"      # made from the texts, to answer from passages
epochs="${EPOCHS:-2}"              # over the dialogues
questions="${QUESTIONS:-20}"       # asked when the model is measured
threads="${THREADS:-0}"            # 0: all cores
[ "$threads" = 0 ] || export OMP_NUM_THREADS="$threads"
compile="${COMPILE:---compile}"    # --no-compile: slower, but needs no C++ compiler

licence="${LICENCE:-$([ $# -gt 0 ] && echo unknown || echo CC-BY-4.0)}" # of the texts

if [ ! -d "$texts" ]; then
    echo "expected a folder of texts (.md, .txt) in the language \"$language\", found nothing at $texts: bash runs/quickstart.sh FOLDER" >&2
    exit 2
fi
if [ "$length" -lt 512 ]; then
    echo "expected a LENGTH of at least 512 tokens, found $length: the question of the last step would not fit into the model" >&2
    exit 2
fi
mkdir -p "$out"
texts="$(cd "$texts" && pwd)"
if [ $# -gt 0 ]; then
    SAMOVAR_HOME="$(cd "$out" && pwd)/home" # your own library stays as it is
    export SAMOVAR_HOME
fi

# Of few texts more are set aside, so that there is something to check on: of a thousand documents 10, of small folders up to 100.
validation="$(python -c 'import pathlib, sys
size = sum(path.stat().st_size for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file())
print(max(10, min(100, 10_000_000 // max(size, 1))))' "$texts")"

echo "== 1. corpus: clean, without duplicates, every drop in a ledger"
cat > "$out/recipe.toml" <<TOML
name = "quickstart"
languages = ["$language"]

[[source]]
name = "texts"
kind = "folder"
paths = [$(python -c 'import json, sys; print(json.dumps(sys.argv[1], ensure_ascii=False))' "$texts")]
licence = "$licence"
TOML
samovar corpus build "$out/recipe.toml" --output "$out/corpus"

echo "== 2. tokenizer"
[ -e "$out/tokenizer/samovar.json" ] || samovar train tokenizer "$out/corpus" --vocab-size "$vocab" --output "$out/tokenizer"

echo "== 3. tokens"
[ -e "$out/tokens/index.json" ] || samovar train prepare "$out/corpus" --tokenizer "$out/tokenizer" --output "$out/tokens" \
    --validation "$validation"

echo "== 4. pretraining"
samovar train pretrain "$out/tokens" --tokenizer "$out/tokenizer" --output "$out/base" \
    --depth "$depth" --seq-len "$length" --num-tokens "$tokens" --threads "$threads" "$compile"

model="$out/base"
data=()
[ ! -d "$packs/$language/dialogues" ] || data+=(--data "seed:$language")
if [ -e "$packs/$language/makers.toml" ]; then
    echo "== 5. dialogues from the texts: a question, passages, an answer with its citation, or none where they hold none"
    [ -e "$out/dialogues.jsonl" ] || samovar train data --from "$texts" --language "$language" --count "$dialogues" --output "$out/dialogues.jsonl"
    data+=(--data "$out/dialogues.jsonl")
fi
if [ ${#data[@]} -gt 0 ]; then
    echo "== 6. instruction tuning"
    samovar train sft "$out/base" "${data[@]}" --output "$out/chat" --epochs "$epochs" --threads "$threads" "$compile"
    model="$out/chat"
else
    echo "No dialogues are known in the language \"$language\": the model only continues texts."
fi

echo "== 7. export, proven against llama.cpp"
[ -e "$out/model.gguf" ] || samovar export "$model" --to gguf --type q8_0 --output "$out/model.gguf"

echo "== 8. what it is worth"
[ -e "$model/card.md" ] || samovar train eval "$model" --texts "$out/tokens" --pack core --language "$language" --limit "$questions" \
    --licence "$licence (that of the texts)" --threads "$threads"

echo "== 9. talk to it"
if [ $# -gt 0 ] && [ ! -e "$out/home/added" ]; then
    samovar add "$texts" && touch "$out/home/added"
fi
question="${QUESTION:-$(python - "$out/dialogues.jsonl" "$texts" <<'PYTHON'
import json, pathlib, sys
made, texts = map(pathlib.Path, sys.argv[1:])
if made.exists():  # what is asked in the first dialogue
    messages = json.loads(made.open(encoding="utf-8").readline())["messages"]
    print(next(message["content"] for message in messages if message["role"] == "user").split("\n")[0])
else:
    print(min(path for path in texts.rglob("*") if path.suffix in (".md", ".txt")).stem + "?")
PYTHON
)}"
echo "> $question"
samovar ask "$question" --model "$out/model.gguf"
echo
echo "The model is $out/model.gguf, its card $model/card.md. Talk on:"
[ $# -eq 0 ] || at="SAMOVAR_HOME='$SAMOVAR_HOME' "
echo "    ${at:-}samovar chat --model $out/model.gguf"
