#!/usr/bin/env python3
"""llama.cpp on the decoding of `promptcache bench ttft`: the same weights, as BF16 and as stored.

Writes the dequantised weights as a BF16 GGUF beside a temporary directory's other files, then runs
llama-bench (built from llama.cpp's source; give its path) behind as many tokens as ours decodes
behind. Prints JSON; with --against also ours over theirs. Needs the environment that
`tools/bootstrap --oracle` makes.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy


def write_bf16(source, path):
    """The same model with every matrix as BF16."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path, architecture)
    skip = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
    for name, field in reader.fields.items():
        if name.startswith(skip):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
            continue
        packed = gguf.quantize(values, gguf.GGMLQuantizationType.BF16)
        writer.add_tensor(tensor.name, packed, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bench(args, model):
    """Tokens a second of decoding behind args.depth tokens: mean, deviation, samples."""
    command = [
        str(args.llama_bench), "-m", str(model), "-t", str(args.threads), "-p", "0", "-n",
        str(args.decoded), "-d", str(args.depth), "-r", str(args.iterations), "-o", "json",
    ]
    runs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    [run] = [run for run in runs if run["n_gen"] == args.decoded]
    return run


def arguments():
    deps = os.environ.get("PROMPTCACHE_DEPS", os.path.expanduser("~/.cache/promptcache"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--llama-bench", type=pathlib.Path, required=True, help="llama.cpp's program")
    parser.add_argument(
        "--model", type=pathlib.Path, help="GGUF file; default: the model tools/bootstrap installs",
        default=pathlib.Path(deps) / "models" / "smollm2-135m-instruct-q4_1.gguf",
    )
    parser.add_argument("--depth", type=int, default=2112, help="tokens before the first decoded one")
    parser.add_argument("--decoded", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument(
        "--against", type=pathlib.Path, help="output of `promptcache bench ttft --json` to compare"
    )
    args = parser.parse_args()
    for path in (args.llama_bench, args.model):
        if not path.is_file():
            sys.exit(f"{path}: no such file")
    return args


def main():
    args = arguments()
    result = {"peer": "llama.cpp", "threads": args.threads, "depth": args.depth}
    with tempfile.TemporaryDirectory() as folder:
        converted = pathlib.Path(folder) / "bf16.gguf"
        write_bf16(args.model, converted)
        for name, model in (("bf16", converted), ("stored", args.model)):
            run = bench(args, model)
            result["build"] = run["build_commit"]
            result[f"{name}_type"] = run["model_type"]
            result[f"{name}_tokens_per_s"] = run["avg_ts"]
            result[f"{name}_tokens_per_s_stddev"] = run["stddev_ts"]
    if args.against:
        ours = json.loads(args.against.read_text())["decode_tokens_per_s"]
        result["promptcache_tokens_per_s"] = ours
        for name in ("bf16", "stored"):
            result[f"promptcache_over_{name}"] = ours / result[f"{name}_tokens_per_s"]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
