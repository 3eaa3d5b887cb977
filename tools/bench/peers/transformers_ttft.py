#!/usr/bin/env python3
"""Time to first token of transformers without any reuse: the same weights, tokens, threads and dtype.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing. Prints JSON with
medians under the names that `promptcache bench ttft --json` uses; with --against also how much
longer its `full` takes.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
# As the worker does: threads that spin take the cores from whatever else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch  # noqa: E402
import transformers  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def native_bf16():
    """What --dtype auto of the worker asks of a CPU."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split("\nflags", 1)[-1].split("\n", 1)[0]
    return "avx512_bf16" in flags


def load(path, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=dtype, attn_implementation="sdpa"
    ).eval()


@torch.no_grad()
def first_token(model, ids):
    """Milliseconds from the ids to the first token, with the keys and values kept to go on."""
    start = time.perf_counter()
    out = model(ids, use_cache=True, logits_to_keep=1)
    int(torch.argmax(out.logits[0, -1]))
    return (time.perf_counter() - start) * 1000


def measure(args):
    model = load(args.model, DTYPES[args.dtype])
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    # Other tokens each time, as the benchmark's text is; one run unmeasured.
    runs = [
        first_token(model, torch.randint(100, model.config.vocab_size, (1, args.tokens)))
        for _ in range(args.iterations + 1)
    ][1:]
    return {
        "peer": "transformers",
        "version": transformers.__version__,
        "torch": torch.__version__,
        "dtype": args.dtype,
        "threads": args.threads,
        "tokens": args.tokens,
        "iterations": args.iterations,
        "full_ms": statistics.median(runs),
        "full_ms_min": min(runs),
        "full_ms_max": max(runs),
    }


def compare(result, path):
    """Adds the ratio to a report of `promptcache bench ttft --json`."""
    ours = json.loads(path.read_text())
    tokens = ours["cached"] + ours["new"]
    if (ours["dtype"], tokens) != (result["dtype"], result["tokens"]):
        sys.exit(
            f"{path}: {tokens} tokens in {ours['dtype']}, here {result['tokens']} in {result['dtype']}"
        )
    result["promptcache_full_ms"] = ours["full_ms"]
    result["promptcache_over_peer"] = ours["full_ms"] / result["full_ms"]


def arguments():
    deps = os.environ.get("PROMPTCACHE_DEPS", os.path.expanduser("~/.cache/promptcache"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument(
        "--model", type=pathlib.Path, help="GGUF file; default: the model tools/bootstrap installs",
        default=pathlib.Path(deps) / "models" / "smollm2-135m-instruct-q4_1.gguf",
    )
    parser.add_argument("--tokens", type=int, default=2112, help="prompt tokens (2048 + 64)")
    parser.add_argument("--dtype", choices=["auto", *DTYPES], default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: one per core")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--against", type=pathlib.Path, help="output of `promptcache bench ttft --json` to compare"
    )
    args = parser.parse_args()
    if not args.model.is_file():
        sys.exit(f"{args.model}: no such file; run tools/bootstrap")
    if args.tokens < 1 or args.iterations < 1 or args.threads < 0:
        sys.exit("--tokens and --iterations must be at least 1, --threads at least 0")
    args.dtype = ("bf16" if native_bf16() else "fp32") if args.dtype == "auto" else args.dtype
    args.threads = args.threads or os.cpu_count()
    return args


def main():
    args = arguments()
    result = measure(args)
    if args.against:
        compare(result, args.against)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
