#!/usr/bin/env python3
"""Speed of the `tokenizers` package on one core, beside that of `promptcache bench tokenizer` in the same run.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing. Both sides tokenize the same
texts on the same core, one after the other, `--rounds` times in turn. Prints JSON: the median of each side's
rounds, how many times faster ours is, and whether the ids are the same.
"""

import argparse
import hashlib
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import tokenizers  # noqa: E402


def contexts(folder):
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line)["context"] for file in files for line in file.open(encoding="utf-8")]


def load(path):
    if path.is_dir() and not (path / "tokenizer.json").exists():
        import transformers
        peer = transformers.AutoTokenizer.from_pretrained(str(path)).backend_tokenizer
    else:
        peer = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))
    peer.encode_special_tokens = True
    return peer


def digest(peer, texts):
    hasher = hashlib.blake2b(digest_size=32)
    for text in texts:
        ids = peer.encode(text, add_special_tokens=False).ids
        hasher.update(struct.pack(f"<{len(ids)}i", *ids))
    return hasher.hexdigest()


def speed(peer, texts, size):
    """10^6 bytes a second, the faster of the two ways to call it: each text by itself, or all without offsets."""
    best = 0
    for encode in (lambda: [peer.encode(text, add_special_tokens=False) for text in texts],
                   lambda: peer.encode_batch_fast(texts, add_special_tokens=False)):
        start = time.perf_counter()
        encode()
        best = max(best, size / 1e6 / (time.perf_counter() - start))
    return best


def ours(args, path):
    command = [args.promptcache, "bench", "tokenizer", "--json", "--tokenizer", path, "--data", args.data,
               "--iterations", "3", "--largest", "128"]
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)["tokenizers"][0]


def compare(args, path, texts):
    peer_path = args.peer_of.get(path, path)
    peer = load(peer_path)
    size = sum(len(text.encode()) for text in texts)
    expected = digest(peer, texts)  # and its words are remembered
    mine, theirs = [], []
    for _ in range(args.rounds):
        mine.append(ours(args, path))
        theirs.append(speed(peer, texts, size))
    speeds = [one["mb_per_s"] for one in mine]
    row = {"tokenizer": str(path), "same_ids": mine[0]["ids_digest"] == expected,
           "promptcache_over_peer": statistics.median(speeds) / statistics.median(theirs)}
    for name, series in (("promptcache", speeds), ("tokenizers", theirs)):
        row[name + "_mb_per_s"] = statistics.median(series)
        row[name + "_mb_per_s_min"], row[name + "_mb_per_s_max"] = min(series), max(series)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--promptcache", type=pathlib.Path, default="build/release/bin/promptcache")
    parser.add_argument("--tokenizer", type=pathlib.Path, action="append", required=True,
                        help="model directory or tokenizer.json; FILE=JSON for a file that tokenizers cannot read")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with *.jsonl of `context`")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pairs = [str(path).split("=", 1) for path in args.tokenizer]
    args.peer_of = {pathlib.Path(pair[0]): pathlib.Path(pair[-1]) for pair in pairs}
    for path in (args.promptcache, args.data, *args.peer_of, *args.peer_of.values()):
        if not path.exists():
            sys.exit(f"{path}: no such file or folder")
    texts = contexts(args.data)
    rows = [compare(args, path, texts) for path in args.peer_of]
    json.dump({"peer": "tokenizers", "version": tokenizers.__version__, "texts": len(texts), "rows": rows},
              sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
