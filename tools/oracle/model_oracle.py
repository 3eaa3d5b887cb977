#!/usr/bin/env python3
"""Writes tests/golden/model: what transformers answers on the weights of a GGUF file.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing:

    $PROMPTCACHE_DEPS/oracle/bin/python tools/oracle/model_oracle.py

For each prompt: NAME.json (token ids, 64 greedy tokens, per step the largest logit, its lead over
the second and the logarithm of the sum of exponentials) and NAME.logits.f32 (all logits of the last
prompt position, little-endian fp32).
"""

import argparse
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

STEPS = 64
ROOT = pathlib.Path(__file__).resolve().parents[2]

LONG = """A lighthouse keeper's log, kept in a plain hand from the autumn to the spring.
On the first night the wind came round to the north-west and the glass fell two tenths before
midnight. I trimmed the lamp at ten and again at two. A schooner passed inside the reef, closer
than I should have liked, and answered my signal with three flashes of a lantern.
On the second night there was fog. I sounded the horn every two minutes by the clock from dusk until
the sun had burnt the bank away, and wrote down every vessel that answered: a collier, two trawlers,
and something large that did not slow. The cat slept through all of it.
On the third day the supply boat came with flour, oil, tea, a sack of onions and eleven letters, of
which nine were for the man who kept the light before me. I have put them in the tin box with the
others. The boatman says that the harbour is full of ice upstream and that he will not come again
before the month is out, whatever the office writes.
On the fourth night the great lens stuck in its track. I turned it by hand for five hours, counting
sixty between the flashes, and my arms are no use to me today. The fault was a single pin, bent like
a question mark. I have made another from a nail.
On the fifth day I slept, and mended, and read the letters that were mine, and then, I am ashamed to
say, one that was not. It began:"""

PROMPTS = {
    "short": "The capital of France is",
    "chat": (
        "<|im_start|>system\nYou answer in one short paragraph.<|im_end|>\n"
        "<|im_start|>user\nName three rivers in Europe and one city on each of them.<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "code": (
        "def merge_sorted(left, right):\n"
        '    """Merges two sorted lists into one sorted list."""\n'
        "    result = []\n    i = j = 0\n    while i < len(left) and j < len(right):\n"
    ),
    "unicode": "Übersetzung: «naïve café» — 東京 и Москва, ½ € 🦊. The languages used above are",
    "long": LONG,
}


def load(model_path):
    """The model in fp32 and the tokenizer, both from one GGUF file."""
    folder, name = str(model_path.parent), model_path.name
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)


@torch.no_grad()
def answer(model, ids):
    """Greedy tokens that no end token stops, one record per step, and the first step's logits."""
    out = model(torch.tensor([ids]), use_cache=True)
    first = logits = out.logits[0, -1]
    tokens, steps = [], []
    for _ in range(STEPS):
        top = torch.topk(logits, 2).values.tolist()
        steps.append(
            {
                "max": top[0],
                "lead": top[0] - top[1],
                "logsumexp": torch.logsumexp(logits.double(), 0).item(),
            }
        )
        tokens.append(int(torch.argmax(logits)))
        out = model(torch.tensor([[tokens[-1]]]), past_key_values=out.past_key_values, use_cache=True)
        logits = out.logits[0, -1]
    return tokens, steps, first


def write(out_dir, name, prompt, ids, model):
    tokens, steps, first = answer(model, ids)
    record = {
        "prompt": prompt,
        "ids": ids,
        "greedy": tokens,
        "max": [round(step["max"], 6) for step in steps],
        "lead": [round(step["lead"], 6) for step in steps],
        "logsumexp": [round(step["logsumexp"], 6) for step in steps],
    }
    # One line a field: a readable diff, and no line a number.
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    (out_dir / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    first.numpy().astype("<f4").tofile(out_dir / f"{name}.logits.f32")
    lead = min(step["lead"] for step in steps)
    print(f"{name}: {len(ids)} prompt tokens, smallest lead of a greedy token {lead:.4f}")


def main():
    deps = os.environ.get("PROMPTCACHE_DEPS", os.path.expanduser("~/.cache/promptcache"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", type=pathlib.Path, help="GGUF file; default: the model tools/bootstrap installs",
        default=pathlib.Path(deps) / "models" / "smollm2-135m-instruct-q4_1.gguf",
    )
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "golden" / "model")
    args = parser.parse_args()
    if not args.model.is_file():
        sys.exit(f"{args.model}: no such file; run tools/bootstrap")
    model, tokenizer = load(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, prompt in PROMPTS.items():
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        write(args.out, name, prompt, ids, model)


if __name__ == "__main__":
    main()
