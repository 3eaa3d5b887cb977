#!/usr/bin/env python3
"""transformers on the work of `promptcache bench ttft`: the same weights, tokens, threads and dtype.

Times the whole prompt without reuse, its last tokens behind a cached prefix (the only reuse that
transformers has), and further tokens of the answer. Runs in the environment that
`tools/bootstrap --oracle` makes and downloads nothing. Prints JSON with medians under the names that
`promptcache bench ttft --json` uses; with --against also ours over theirs.
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


def clock(action):
    start = time.perf_counter()
    result = action()
    return (time.perf_counter() - start) * 1000, result


@torch.no_grad()
def forward(model, ids, cache):
    """The likeliest next token; `cache` gets the keys and values of `ids`."""
    out = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return int(torch.argmax(out.logits[0, -1]))


def one_run(model, args):
    """Milliseconds for the whole prompt, for what follows a cached prefix, and for a further token."""
    # Other tokens each time, as the benchmark's text is.
    ids = torch.randint(100, model.config.vocab_size, (1, args.cached + args.new))
    full_ms, _ = clock(lambda: forward(model, ids, transformers.DynamicCache()))
    cache = transformers.DynamicCache()
    forward(model, ids[:, : args.cached], cache)
    prefix_ms, token = clock(lambda: forward(model, ids[:, args.cached :], cache))

    def decode():
        last = token
        for _ in range(args.decoded):
            last = forward(model, torch.tensor([[last]]), cache)

    decode_ms, _ = clock(decode)
    return {"full": full_ms, "prefix": prefix_ms, "decode": decode_ms / args.decoded}


def measure(args):
    model = load(args.model, DTYPES[args.dtype])
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    runs = [one_run(model, args) for _ in range(args.iterations + 1)][1:]  # the first warms up
    result = {
        "peer": "transformers",
        "version": transformers.__version__,
        "torch": torch.__version__,
        "dtype": args.dtype,
        "threads": args.threads,
        "cached": args.cached,
        "new": args.new,
        "iterations": args.iterations,
    }
    for name in runs[0]:
        samples = [run[name] for run in runs]
        result[f"{name}_ms"] = statistics.median(samples)
        result[f"{name}_ms_min"] = min(samples)
        result[f"{name}_ms_max"] = max(samples)
    return result


# Ours and theirs: a warm start of any modules against the hit of one prefix.
PAIRS = {"full": "full", "warm": "prefix", "decode": "decode"}


def compare(result, path):
    """Adds ratios to a report of `promptcache bench ttft --json`."""
    ours = json.loads(path.read_text())
    work = ("dtype", "cached", "new")
    if any(ours[key] != result[key] for key in work):
        sys.exit(f"{path}: {[ours[key] for key in work]}, here {[result[key] for key in work]}")
    for mine, theirs in PAIRS.items():
        result[f"promptcache_{mine}_ms"] = ours[f"{mine}_ms"]
        result[f"promptcache_{mine}_over_{theirs}"] = ours[f"{mine}_ms"] / result[f"{theirs}_ms"]


def arguments():
    deps = os.environ.get("PROMPTCACHE_DEPS", os.path.expanduser("~/.cache/promptcache"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument(
        "--model", type=pathlib.Path, help="GGUF file; default: the model tools/bootstrap installs",
        default=pathlib.Path(deps) / "models" / "smollm2-135m-instruct-q4_1.gguf",
    )
    parser.add_argument("--cached", type=int, default=2048, help="tokens of the prefix")
    parser.add_argument("--new", type=int, default=64, help="tokens behind it")
    parser.add_argument("--decoded", type=int, default=64, help="further tokens of the answer")
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
    if min(args.cached, args.new, args.decoded, args.iterations) < 1 or args.threads < 0:
        sys.exit("numbers of tokens and iterations must be at least 1, --threads at least 0")
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
