#!/usr/bin/env python3
"""Writes tests/golden/model/tiny: small random models and the logits a decoder must give.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing:

    $PROMPTCACHE_DEPS/oracle/bin/python tools/oracle/tiny_models.py [NAME ...]

The logits are those of forward_reference.py in float64. Where transformers knows the model and the
positions, both must agree to 1e-9 of the logit range, transformers computing all in float64; else
nothing is written. Printed per model: that difference, the difference of transformers in fp32 as it
is, and the largest KL divergence of its bf16 from the reference.
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers.models.mpt import modeling_mpt  # noqa: E402

import forward_reference  # noqa: E402
import tiny_gguf  # noqa: E402
from tiny_variants import VARIANTS  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/model/tiny"
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
AGREEMENT = 1e-9


# ---- weights ----


def shapes(variant):
    """Names and shapes of the tensors, those that transformers makes and those it does not know."""
    config = dict(variant.twin or variant.config)
    if config["model_type"] == "mpt":  # what it would refuse matters to no shape it makes
        config["attn_config"] = None
    config = transformers.AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if config.tie_word_embeddings:
        found.pop("lm_head.weight", None)
    if config.model_type == "mpt":
        _add_llm_foundry(variant.config, found)
    return found


def _add_llm_foundry(config, found):
    """What MPT has where it was trained and transformers leaves out."""
    hidden, inner = config["d_model"], config["d_model"] * config["expansion_ratio"]
    attention = config["attn_config"]
    keys = hidden // config["n_heads"] * attention.get("kv_n_heads", config["n_heads"])
    for layer in range(config["n_layers"]):
        prefix = f"transformer.blocks.{layer}."
        found[prefix + "ffn.up_proj.weight"] = (inner, hidden)
        found[prefix + "ffn.down_proj.weight"] = (hidden, inner)
        found[prefix + "attn.Wqkv.weight"] = (hidden + 2 * keys, hidden)
        if attention["qk_ln"]:
            found[prefix + "attn.q_ln.weight"] = (hidden,)
            found[prefix + "attn.k_ln.weight"] = (keys,)
    if not config["no_bias"]:
        for name, shape in list(found.items()):
            if "wte" not in name:
                found[name.removesuffix("weight") + "bias"] = shape[:1]


def draw(name, shape, random, tied):
    """Values that make scores of attention about two units wide and logits about one."""
    values = random.standard_normal(shape)
    if name.endswith(".bias"):
        return 0.3 * values
    if len(shape) == 1:
        return 1 + 0.3 * values
    if name == "model.embed_tokens.weight" and not tied:
        return 0.5 * values
    if any(part in name for part in ("embed", "wte", "lm_head")):
        return 0.8 / shape[1] ** 0.5 * values
    if any(part in name for part in ("q_proj", "k_proj", "query_key_value", "Wqkv")):
        return 1.3 / shape[1] ** 0.5 * values
    return 0.7 / shape[1] ** 0.5 * values


def weights_of(variant):
    """Tensors as they are stored."""
    random = numpy.random.default_rng(variant.seed)
    tied = variant.config["tie_word_embeddings"]
    return {
        name: torch.from_numpy(draw(name, shape, random, tied)).to(DTYPES[variant.dtype])
        for name, shape in sorted(shapes(variant).items())
    }


# ---- cases ----


def cases_of(variant):
    """What a decoder meets when prompts are put together from parts."""
    random = numpy.random.default_rng(1000 + variant.seed)
    context = variant.config.get("max_position_embeddings") or variant.config["max_seq_len"]
    span = 200 if alibi(variant) else context  # it sees nothing far away
    far = context - 40
    positions = {
        "short": range(12),
        "long": range(min(160, context)),
        "gaps": sorted(random.choice(span, 48, replace=False)),
        "offset": range(37, 61),
        "far": range(far, far + 24),
        # Two runs of a unit around a slot, its argument, text at the end.
        "slot": [*range(9, 25), *range(27, 30), *range(33, 49), *range(60, 68)],
    }
    for name, at in positions.items():
        last = len(at) - 1
        case = {
            "name": name,
            "checked": False,
            "ids": random.integers(0, variant.config["vocab_size"], len(at)).tolist(),
            "positions": [int(p) for p in at],
            "unit": [],
            "rows": [last // 2, last] if last > 30 else [last],
        }
        if name == "slot":
            case |= {"unit": [*range(16), *range(19, 35)], "rows": [18, last]}
        yield case


def sees_of(case):
    return forward_reference.causal(len(case["ids"]), case["unit"])


def alibi(variant):
    return variant.config.get("alibi", variant.config["model_type"] == "mpt")


def contiguous(positions):
    return positions[-1] - positions[0] == len(positions) - 1


# ---- transformers ----


@contextlib.contextmanager
def all_in_double():
    """transformers computes norms, softmax and angles in fp32 and Falcon's ALiBi in bf16, whatever
    the dtype of the model. Here every such step is float64, too."""
    with contextlib.ExitStack() as undo:
        def put(owner, name, value):
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)

        undo.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float64)
        for name in ("float32", "float", "bfloat16"):
            put(torch, name, torch.float64)
        for name in ("float", "bfloat16"):
            put(torch.Tensor, name, torch.Tensor.double)
        yield


@torch.no_grad()
def run(model, case):
    ids = torch.tensor([case["ids"]])
    if model.config.model_type == "mpt":  # which reads alibi_bias_max and does not use it
        build = modeling_mpt.build_mpt_alibi_tensor
        most = model.config.attn_config.alibi_bias_max
        model.transformer.build_mpt_alibi_tensor = functools.partial(build, alibi_bias_max=most)
        more = {}
    else:
        more = {"position_ids": torch.tensor([case["positions"]])}
    # With a mask: without one, gaps in the positions are taken for several sequences.
    mask = torch.ones_like(ids)
    if case["unit"]:
        hidden = torch.from_numpy(~sees_of(case))[None, None]
        mask = torch.zeros(hidden.shape, dtype=model.dtype)
        mask = mask.masked_fill(hidden, torch.finfo(model.dtype).min)
    out = model(ids, attention_mask=mask, use_cache=False, **more)
    return out.logits[0].double().numpy()


def load(folder, variant, dtype):
    config = transformers.AutoConfig.for_model(**variant.twin)
    # Its eager path adds Falcon's ALiBi twice: to the scores and again with the mask.
    attention = "sdpa" if variant.config.get("alibi") else "eager"
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=dtype, attn_implementation=attention, output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


def in_double(model):
    """The same model, made anew in float64, tables of angles included."""
    weights = model.state_dict()
    with all_in_double():
        double = type(model)(model.config)
        double.load_state_dict(weights)
    return double.eval()


def divergence(expected, found):
    """KL(expected || found), largest of the rows."""
    logs = [x - numpy.logaddexp.reduce(x, axis=-1, keepdims=True) for x in (expected, found)]
    return (numpy.exp(logs[0]) * (logs[0] - logs[1])).sum(-1).max()


def check(folder, variant, cases):
    """Compares the reference with transformers; marks the cases that were."""
    dtypes = {"bf16": torch.bfloat16, "fp32": torch.float32}
    models = {name: load(folder, variant, dtype) for name, dtype in dtypes.items()}
    models["double"] = in_double(models["fp32"])
    worst = dict.fromkeys(models, 0.0)
    for case, expected in cases:
        if alibi(variant) and not contiguous(case["positions"]):
            continue  # it counts tokens, whatever their positions
        case["checked"] = True
        for name, model in models.items():
            with all_in_double() if name == "double" else contextlib.nullcontext():
                found = run(model, case)
            scale = 1 if name == "bf16" else numpy.ptp(expected)
            distance = divergence if name == "bf16" else lambda a, b: abs(a - b).max()
            worst[name] = max(worst[name], distance(expected, found) / scale)
    assert worst["double"] < AGREEMENT, (variant.name, worst)
    return "float64 {double:.1e}, fp32 {fp32:.1e}, KL of bf16 {bf16:.1e}".format(**worst)


# ---- writing ----


def write_folder(folder, variant, weights):
    (folder / "config.json").write_text(json.dumps(variant.config, indent=1) + "\n")
    names = sorted(weights)
    parts = [names[i :: variant.shards] for i in range(variant.shards)]
    files = ["model.safetensors"]
    if variant.shards > 1:
        files = [f"model-{i + 1:05}-of-{variant.shards:05}.safetensors" for i in range(variant.shards)]
        size = sum(value.numel() * value.element_size() for value in weights.values())
        where = {name: file for part, file in zip(parts, files) for name in part}
        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    for part, file in zip(parts, files):
        tensors = {name: weights[name].contiguous() for name in part}
        safetensors.torch.save_file(tensors, folder / file, metadata={"format": "pt"})


def write_oracle(path, cases):
    """One line a field: a readable diff, and no line a number."""
    texts = []
    for case, logits in cases:
        rows = [[float(f"{x:.6g}") for x in logits[row]] for row in case["rows"]]
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items()]
        lines += ['  "logits": [\n   ' + ",\n   ".join(json.dumps(row) for row in rows) + "\n  ]"]
        texts.append(" {\n" + ",\n".join(lines) + "\n }")
    path.write_text('{"cases": [\n' + ",\n".join(texts) + "\n]}\n")


def compute(variant, weights):
    """Cases and the logits of all their tokens."""
    plain = {name: value.double().numpy() for name, value in weights.items()}
    for case in cases_of(variant):
        at = case["positions"]
        yield case, forward_reference.logits(variant.config, plain, case["ids"], at, sees_of(case))


def make(variant):
    folder = OUT / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = weights_of(variant)
    cases = list(compute(variant, weights))
    with tempfile.TemporaryDirectory() as other:
        plain = pathlib.Path(other) if variant.gguf else folder
        write_folder(plain, variant, weights)
        said = check(plain, variant, cases) if variant.twin else "NumPy alone"
    if variant.gguf:
        tiny_gguf.write(folder / "model.gguf", variant.config, weights)
    size = sum(file.stat().st_size for file in folder.iterdir())
    write_oracle(folder / "oracle.json", cases)
    spread = max(numpy.ptp(logits) for _, logits in cases)
    print(f"{variant.name}: {size} bytes, logit range {spread:.1f}; {said}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="variants to make; default: all")
    names = parser.parse_args().names
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for variant in VARIANTS:
        if not names or variant.name in names:
            make(variant)


if __name__ == "__main__":
    main()
