#!/usr/bin/env python3
"""Writes tests/golden/model/stories260K.json: what a trained model of 260,000 parameters tells.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing:

    $PROMPTCACHE_DEPS/oracle/bin/python tools/oracle/stories_oracle.py

128 greedy tokens behind the begin-of-sequence token, by transformers in fp32 and by
forward_reference.py in float64, which must be the same; the logits of the last prompt token and of
the last greedy one, and the smallest lead of a greedy token over the second.
"""

import argparse
import json
import os
import pathlib
import re
import struct

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import forward_reference  # noqa: E402

STEPS = 128
PROMPT = [1]
ROOT = pathlib.Path(__file__).resolve().parents[2]
STORY = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."


def read_pieces(path):
    """llama2.c's tokenizer: the longest piece, then per token a score, a length and its bytes."""
    data = path.read_bytes()
    at, pieces = 4, []
    while at < len(data):
        _, size = struct.unpack_from("<fi", data, at)
        pieces.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return pieces


def text_of(pieces, ids):
    """Pieces such as <0x0A> stand for a byte."""
    text = b"".join(pieces[token] for token in ids)
    text = re.sub(rb"<0x(..)>", lambda byte: bytes.fromhex(byte[1].decode()), text)
    return text.decode("utf-8").removeprefix(" ")


@torch.no_grad()
def greedy(model):
    ids = list(PROMPT)
    out = model(torch.tensor([ids]), use_cache=True)
    for _ in range(STEPS):
        ids.append(int(torch.argmax(out.logits[0, -1])))
        out = model(torch.tensor([ids[-1:]]), past_key_values=out.past_key_values, use_cache=True)
    return ids, out.logits[0, -1].numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=pathlib.Path, help="where the weights are; default: %(default)s",
        default=ROOT.parent / "shared/data/weights/llama/stories260K",
    )
    folder = parser.parse_args().folder
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "hf-derived", dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids, last = greedy(model)
    config = json.loads((folder / "hf-derived/config.json").read_text())
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    sees = forward_reference.causal(len(ids))
    logits = forward_reference.logits(config, weights, ids, range(len(ids)), sees)
    difference = abs(logits[-1] - last).max()
    assert difference < 1e-4, difference
    # The float64 pass over all of them chooses each of them from those before it.
    chosen = logits[len(PROMPT) - 1 : -1]
    assert chosen.argmax(-1).tolist() == ids[len(PROMPT) :]
    two = numpy.sort(chosen, axis=-1)[:, -2:]
    text = text_of(read_pieces(folder / "tok512.bin"), ids[len(PROMPT) :])
    assert text.startswith(STORY), text
    record = {
        "ids": PROMPT,
        "greedy": ids[len(PROMPT) :],
        "text": text,
        "lead": float(f"{(two[:, 1] - two[:, 0]).min():.3g}"),
        "prompt_logits": [float(f"{x:.6g}") for x in logits[len(PROMPT) - 1]],
        "last_logits": [float(f"{x:.6g}") for x in logits[-1]],
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    path = ROOT / "tests/golden/model/stories260K.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{text}\nfp32 differs by {difference:.1e}, smallest lead {record['lead']}")


if __name__ == "__main__":
    main()
