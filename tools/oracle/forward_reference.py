"""The forward pass of Llama, Falcon and MPT in NumPy, float64, written from the formulas.

Knows nothing of torch or transformers: it reads the keys of a config.json and weights under their
Hugging Face names, takes any ascending positions and any mask, and computes one sequence at once.
Where a library rounds on the way (fp32 norms and angles, ALiBi in bf16), it does not.
"""

import math

import numpy


def logits(config, weights, ids, positions, sees):
    """[tokens, vocabulary]. `sees` [tokens, tokens]: whether a token (row) attends to another."""
    family = {"falcon": _falcon, "mpt": _mpt}.get(config["model_type"], _llama)
    positions = numpy.asarray(positions, dtype=numpy.float64)
    assert (numpy.diff(positions) > 0).all()
    return family(config, weights, numpy.asarray(ids), positions, sees)


def causal(tokens, unit=()):
    """Every token sees itself and those before it; those of `unit` see none but their own."""
    sees = numpy.tri(tokens, dtype=bool)
    within = numpy.isin(numpy.arange(tokens), unit)
    return sees & (within | ~within[:, None])


# ---- the blocks ----


def _linear(weights, name, x):
    y = x @ weights[name + ".weight"].T
    return y + weights[name + ".bias"] if name + ".bias" in weights else y


def _layer_norm(weights, name, x, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    y = centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return y * weights[name + ".weight"] + weights.get(name + ".bias", 0)


def _rms_norm(weights, name, x, epsilon):
    return x / numpy.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * weights[name + ".weight"]


def _silu(x):
    return x / (1 + numpy.exp(-x))


def _gelu(x):
    return x * 0.5 * (1 + numpy.vectorize(math.erf)(x / math.sqrt(2)))


def _attend(q, k, v, sees, scale, bias=0):
    """q [tokens, heads, dim], k and v [tokens, kv heads, dim], bias [heads, tokens, tokens]."""
    group = q.shape[1] // k.shape[1]
    k, v = (numpy.repeat(part, group, axis=1) for part in (k, v))
    scores = numpy.einsum("qhd,khd->hqk", q, k) * scale + bias
    scores = numpy.where(sees, scores, -numpy.inf)
    scores = numpy.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return numpy.einsum("hqk,khd->qhd", scores, v).reshape(len(q), -1)


# ---- positions ----


def rotary(config, head_dim):
    """(frequencies of the rotated pairs, what cos and sin are multiplied by)."""
    rope = dict(config.get("rope_scaling") or {}, **(config.get("rope_parameters") or {}))
    kind = rope.get("rope_type", rope.get("type", "default"))
    theta = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    factor = rope.get("factor", 1.0)
    original = rope.get("original_max_position_embeddings", config["max_position_embeddings"])
    dim = int(head_dim * config.get("partial_rotary_factor", 1.0))
    if kind == "ntk":
        theta *= factor ** (dim / (dim - 2))
    frequencies = theta ** -(numpy.arange(0, dim, 2) / dim)
    if kind == "linear":
        return frequencies / factor, 1.0
    if kind == "llama3":
        return _llama3(frequencies, rope, original), 1.0
    if kind == "yarn":
        return _yarn(frequencies, rope, theta, dim, original), _yarn_magnitude(rope)
    assert kind in ("default", "ntk", "dynamic"), kind  # dynamic: up to the original length
    return frequencies, 1.0


def _llama3(frequencies, rope, original):
    turns = original * frequencies / (2 * math.pi)  # over the original context
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = numpy.clip((turns - low) / (high - low), 0, 1)
    return frequencies * (kept + (1 - kept) / rope["factor"])


def _yarn(frequencies, rope, theta, dim, original):
    def dimension(turns):
        return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(rope.get("beta_fast") or 32), dimension(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    high = high + 0.001 if low == high else high
    divided = numpy.clip((numpy.arange(dim // 2) - low) / (high - low), 0, 1)
    return frequencies * (1 - divided + divided / rope["factor"])


def _yarn_magnitude(rope):
    def magnitude(scale):
        return 0.1 * scale * math.log(rope["factor"]) + 1 if rope["factor"] > 1 else 1.0

    if rope.get("attention_factor") is not None:
        return rope["attention_factor"]
    if rope.get("mscale") and rope.get("mscale_all_dim"):
        return magnitude(rope["mscale"]) / magnitude(rope["mscale_all_dim"])
    return magnitude(1)


def _rotate(x, positions, frequencies, magnitude):
    """Turns dimension i with i + pairs; those past 2 * pairs stay."""
    pairs = len(frequencies)
    angles = (positions[:, None] * frequencies)[:, None, :]
    cos, sin = magnitude * numpy.cos(angles), magnitude * numpy.sin(angles)
    a, b, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return numpy.concatenate([a * cos - b * sin, b * cos + a * sin, rest], axis=-1)


def alibi(heads, bias_max, positions):
    """[heads, tokens, tokens]: slope * (key's position - query's position)."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-bias_max * (i + 1) / power) for i in range(power)]
    slopes += [2 ** (-bias_max * (2 * i + 1) / (2 * power)) for i in range(heads - power)]
    distance = positions[None, :] - positions[:, None]
    return numpy.asarray(slopes)[:, None, None] * distance


# ---- the architectures ----


def _llama(config, weights, ids, positions, sees):
    heads = config["num_attention_heads"]
    dim = config.get("head_dim") or config["hidden_size"] // heads
    epsilon = config["rms_norm_eps"]
    turn = rotary(config, dim)
    x = weights["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        normed = _rms_norm(weights, prefix + "input_layernorm", x, epsilon)
        q, k, v = (
            _linear(weights, f"{prefix}self_attn.{part}_proj", normed).reshape(len(ids), -1, dim)
            for part in "qkv"
        )
        q, k = (_rotate(part, positions, *turn) for part in (q, k))
        attended = _attend(q, k, v, sees, dim**-0.5)
        x = x + _linear(weights, prefix + "self_attn.o_proj", attended)
        normed = _rms_norm(weights, prefix + "post_attention_layernorm", x, epsilon)
        gate = _silu(_linear(weights, prefix + "mlp.gate_proj", normed))
        x = x + _linear(
            weights, prefix + "mlp.down_proj", gate * _linear(weights, prefix + "mlp.up_proj", normed)
        )
    x = _rms_norm(weights, "model.norm", x, epsilon)
    return x @ weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).T


def _falcon_qkv(config, fused):
    """fused [tokens, heads of all kinds, dim]: per key head its queries, itself, its values."""
    heads = config["num_attention_heads"]
    if config.get("new_decoder_architecture"):
        kv_heads = config["num_kv_heads"]
    else:
        kv_heads = 1 if config.get("multi_query", True) else heads
    dim = config["hidden_size"] // heads
    grouped = fused.reshape(len(fused), kv_heads, heads // kv_heads + 2, dim)
    return grouped[:, :, :-2].reshape(len(fused), heads, dim), grouped[:, :, -2], grouped[:, :, -1]


def _falcon(config, weights, ids, positions, sees):
    heads = config["num_attention_heads"]
    dim = config["hidden_size"] // heads
    epsilon = config["layer_norm_epsilon"]
    parallel = config.get("new_decoder_architecture") or config.get("parallel_attn", True)
    x = weights["transformer.word_embeddings.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"transformer.h.{layer}."
        two_norms = prefix + "ln_attn.weight" in weights
        norm = prefix + ("ln_attn" if two_norms else "input_layernorm")
        normed = _layer_norm(weights, norm, x, epsilon)
        fused = _linear(weights, prefix + "self_attention.query_key_value", normed)
        q, k, v = _falcon_qkv(config, fused)
        if config.get("alibi"):
            bias = alibi(heads, 8, positions) * dim**-0.5  # scaled together with the scores
        else:
            turn, bias = rotary(config, dim), 0
            q, k = (_rotate(part, positions, *turn) for part in (q, k))
        attended = _attend(q, k, v, sees, dim**-0.5, bias)
        attended = _linear(weights, prefix + "self_attention.dense", attended)
        if not parallel:
            x, attended = x + attended, 0
            normed = _layer_norm(weights, prefix + "post_attention_layernorm", x, epsilon)
        elif two_norms:
            normed = _layer_norm(weights, prefix + "ln_mlp", x, epsilon)
        fed = _gelu(_linear(weights, prefix + "mlp.dense_h_to_4h", normed))
        x = x + attended + _linear(weights, prefix + "mlp.dense_4h_to_h", fed)
    x = _layer_norm(weights, "transformer.ln_f", x, epsilon)
    return x @ weights.get("lm_head.weight", weights["transformer.word_embeddings.weight"]).T


def _mpt(config, weights, ids, positions, sees):
    heads, hidden = config["n_heads"], config["d_model"]
    attention = config["attn_config"]
    kv_width = hidden // heads * attention.get("kv_n_heads", heads)
    epsilon = config.get("layer_norm_epsilon", 1e-5)
    clip = attention.get("clip_qkv") or numpy.inf
    scale = attention.get("softmax_scale") or (hidden // heads) ** -0.5
    bias = alibi(heads, attention.get("alibi_bias_max", 8), positions)
    x = weights["transformer.wte.weight"][ids]
    for layer in range(config["n_layers"]):
        prefix = f"transformer.blocks.{layer}."
        normed = _layer_norm(weights, prefix + "norm_1", x, epsilon)
        fused = numpy.clip(_linear(weights, prefix + "attn.Wqkv", normed), -clip, clip)
        q, k, v = numpy.split(fused, [hidden, hidden + kv_width], axis=-1)
        if attention.get("qk_ln"):  # over the whole width, before the heads part
            q = _layer_norm(weights, prefix + "attn.q_ln", q, epsilon=1e-5)
            k = _layer_norm(weights, prefix + "attn.k_ln", k, epsilon=1e-5)
        q, k, v = (part.reshape(len(ids), -1, hidden // heads) for part in (q, k, v))
        x = x + _linear(weights, prefix + "attn.out_proj", _attend(q, k, v, sees, scale, bias))
        normed = _layer_norm(weights, prefix + "norm_2", x, epsilon)
        fed = _gelu(_linear(weights, prefix + "ffn.up_proj", normed))
        x = x + _linear(weights, prefix + "ffn.down_proj", fed)
    x = _layer_norm(weights, "transformer.norm_f", x, epsilon)
    scale = config.get("logit_scale") or 1.0
    scale = hidden**-0.5 if scale == "inv_sqrt_d_model" else scale
    return scale * (x @ weights["transformer.wte.weight"].T)
