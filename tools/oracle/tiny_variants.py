"""The variants of tests/golden/model/tiny: one entry a model, with its configuration and seed."""

import dataclasses


@dataclasses.dataclass
class Variant:
    name: str
    config: dict  # of config.json
    seed: int
    dtype: str = "BF16"  # of the stored weights: F32, F16, BF16
    shards: int = 1
    # What transformers is told instead of `config`, where it knows the numbers by another name;
    # None: it has no such model and the NumPy forward stands alone.
    twin: dict | None = None
    gguf: bool = False  # written as a GGUF file and not as a folder


_LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 97,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
}
_FALCON = {
    "architectures": ["FalconForCausalLM"],
    "model_type": "falcon",
    "hidden_size": 32,
    "ffn_hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 97,
    "max_position_embeddings": 2048,
    "layer_norm_epsilon": 1e-05,
    "rope_theta": 10000.0,
    "activation": "gelu",
    "alibi": False,
    "bias": False,
    "multi_query": True,
    "new_decoder_architecture": False,
    "parallel_attn": True,
    "tie_word_embeddings": True,
}
_RW = {"alibi": True, "bias": True, "multi_query": False, "parallel_attn": False}
_NEW_DECODER = {"new_decoder_architecture": True, "num_kv_heads": 2}
_MPT = {
    "architectures": ["MPTForCausalLM"],
    "model_type": "mpt",
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "expansion_ratio": 4,
    "max_seq_len": 2048,
    "vocab_size": 97,
    "layer_norm_epsilon": 1e-05,
    "no_bias": True,
    "learned_pos_emb": False,
    "norm_type": "low_precision_layernorm",
    "tie_word_embeddings": True,
}
_MPT_ATTENTION = {
    "attn_type": "multihead_attention",
    "alibi": True,
    "alibi_bias_max": 8,
    "clip_qkv": None,
    "prefix_lm": False,
    "qk_ln": False,
    "softmax_scale": None,
}


def _llama(**changes):
    return dict(_LLAMA, **changes)


def _scaled(kind, **numbers):
    return _llama(num_key_value_heads=2, rope_scaling=dict(rope_type=kind, **numbers))


def _mistral(window):
    changes = {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "head_dim": 8}
    config = _llama(num_key_value_heads=2, hidden_size=24, sliding_window=window, **changes)
    del config["attention_bias"], config["mlp_bias"]
    return config


def _qwen2(**changes):
    config = _llama(architectures=["Qwen2ForCausalLM"], model_type="qwen2", rope_theta=1e6,
                    num_key_value_heads=2, use_sliding_window=False, sliding_window=4096, **changes)
    del config["attention_bias"], config["mlp_bias"]
    return config


def _falcon(**changes):
    return dict(_FALCON, **changes)


def _mpt(attention=None, **changes):
    return dict(_MPT, attn_config=dict(_MPT_ATTENTION, **(attention or {})), **changes)


def _ntk(factor, theta=10000.0, dim=8):
    """The configuration with static NTK scaling, and the same angles by a theta of their own."""
    return (_scaled("ntk", factor=factor),
            _llama(num_key_value_heads=2, rope_theta=theta * factor ** (dim / (dim - 2))))


def _variant(name, config, seed, **more):
    return Variant(name, config, seed, **({"twin": config} | more))


LLAMA = [
    _variant("llama_mha", _llama(hidden_size=24, num_attention_heads=3, num_key_value_heads=3), 1,
             dtype="F32"),
    _variant("llama_gqa", _llama(num_key_value_heads=2, hidden_size=32, head_dim=16), 2, shards=2),
    _variant("llama_mqa", _llama(num_key_value_heads=1), 3, dtype="F16"),
    _variant("llama_heads9", _llama(num_attention_heads=9, num_key_value_heads=3, hidden_size=36), 4),
    _variant("llama_heads5", _llama(num_attention_heads=5, num_key_value_heads=5, hidden_size=30), 5),
    _variant("llama_head_dim", _llama(head_dim=32, num_key_value_heads=2, hidden_size=24), 6),
    _variant("llama_tied", _llama(tie_word_embeddings=True, rms_norm_eps=1e-2), 7),
    _variant("llama_biases", _llama(attention_bias=True, mlp_bias=True, num_key_value_heads=2), 8),
    _variant("codellama", _llama(rope_theta=1e6, max_position_embeddings=16384), 9),
    _variant("llama3", _scaled("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                               original_max_position_embeddings=16), 10),
    # As transformers 5 writes it.
    _variant("llama3_parameters", _llama(
        max_position_embeddings=131072, rope_theta=None, rope_parameters=dict(
            rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
            high_freq_factor=4.0, original_max_position_embeddings=8192)), 11),
    _variant("llama_linear", _scaled("linear", factor=4.0), 12),
    _variant("llama_yarn", dict(_scaled(
        "yarn", factor=8.0, original_max_position_embeddings=128), max_position_embeddings=1024), 13),
    _variant("llama_yarn_attention", _scaled(
        "yarn", factor=4.0, attention_factor=1.3, beta_fast=16.0, beta_slow=2.0,
        original_max_position_embeddings=1024), 14),
    _variant("llama_yarn_mscale", _scaled(
        "yarn", factor=16.0, mscale=1.0, mscale_all_dim=0.5, truncate=False,
        original_max_position_embeddings=256), 15),
    _variant("llama_dynamic", dict(_scaled("dynamic", factor=4.0), max_position_embeddings=320), 16),
    _variant("llama_ntk", _ntk(4.0)[0], 17, twin=_ntk(4.0)[1]),
    _variant("mistral", _mistral(None), 18),
    _variant("mistral_window", _mistral(8192), 19),
    _variant("qwen2", _qwen2(), 20),
    _variant("smollm2", _llama(num_attention_heads=9, num_key_value_heads=3, hidden_size=54,
                               intermediate_size=24, tie_word_embeddings=True, rope_theta=1e5,
                               max_position_embeddings=8192), 21),
]

FALCON = [
    _variant("falcon_7b", _falcon(hidden_size=48, num_attention_heads=3,
                                  ffn_hidden_size=24), 30),
    _variant("falcon_71heads", _falcon(hidden_size=40, num_attention_heads=5, bias=True,
                                       layer_norm_epsilon=1e-2), 31),
    _variant("falcon_40b", _falcon(**_NEW_DECODER, hidden_size=64, ffn_hidden_size=16), 32),
    _variant("falcon_11b", _falcon(**_NEW_DECODER, num_ln_in_parallel_attn=1,
                                   rope_theta=500042.0, max_position_embeddings=8192), 33),
    _variant("falcon_180b_bias", _falcon(**_NEW_DECODER, bias=True, num_attention_heads=6,
                                         hidden_size=36, ffn_hidden_size=32), 34),
    _variant("falcon_rw", _falcon(**_RW), 35, dtype="F16"),
    _variant("falcon_rw_heads5", _falcon(**_RW, hidden_size=30, num_attention_heads=5), 36),
    _variant("falcon_alibi_mqa", _falcon(alibi=True, hidden_size=36, num_attention_heads=6,
                                         ffn_hidden_size=24), 37, dtype="F32"),
    _variant("falcon_sequential_mqa", _falcon(parallel_attn=False, bias=True), 38),
]
# The fourfold feed-forward of a config that gives no width.
del FALCON[3].config["ffn_hidden_size"]

MPT = [
    _variant("mpt", _mpt(d_model=24), 50),
    _variant("mpt_heads6", _mpt(n_heads=6, d_model=24, layer_norm_epsilon=1e-2), 51),
    _variant("mpt_heads5", _mpt(dict(alibi_bias_max=4), n_heads=5, d_model=30), 52),
    _variant("mpt_head_dim16", _mpt(dict(softmax_scale=0.4), n_heads=2), 53),
    _variant("mpt_clip", _mpt(dict(clip_qkv=0.8), d_model=24), 54, dtype="F16"),
    _variant("mpt_qk_ln", _mpt(dict(qk_ln=True, clip_qkv=2.0), d_model=24), 55, twin=None),
    _variant("mpt_biases", _mpt(dict(qk_ln=True), no_bias=False, n_heads=3, d_model=24), 56,
             twin=None),
    _variant("mpt_gqa", _mpt(dict(attn_type="grouped_query_attention", kv_n_heads=2, qk_ln=True),
                             n_heads=6, d_model=24), 58, twin=None),
    _variant("mpt_logit_scale", _mpt(logit_scale="inv_sqrt_d_model", expansion_ratio=2), 57,
             twin=None),
]

_SMALL = {"hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
GGUF = [
    _variant("gguf_llama", _llama(num_key_value_heads=2, hidden_size=24, head_dim=16), 70,
             gguf=True, dtype="F16"),
    _variant("gguf_llama3", _scaled("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                    original_max_position_embeddings=64), 71, gguf=True),
    _variant("gguf_llama_linear", dict(_scaled("linear", factor=2.0), **_SMALL), 79, gguf=True),
    _variant("gguf_llama_yarn", dict(_scaled(
        "yarn", factor=32.0, original_max_position_embeddings=128), **_SMALL), 80, gguf=True),
    _variant("gguf_llama_partial", _llama(partial_rotary_factor=0.5, num_key_value_heads=2), 72,
             gguf=True, twin=None),
    _variant("gguf_llama_biases", _llama(attention_bias=True, hidden_size=24, num_attention_heads=3,
                                         num_key_value_heads=1), 73, gguf=True),
    _variant("gguf_qwen2", _qwen2(hidden_size=24), 74, gguf=True, dtype="F32"),
    _variant("gguf_falcon_7b", _falcon(hidden_size=24, num_attention_heads=3), 75, gguf=True),
    _variant("gguf_falcon_40b", _falcon(**_NEW_DECODER), 76, gguf=True),
    _variant("gguf_mpt", _mpt(n_heads=3, d_model=24), 77, gguf=True),
    _variant("gguf_mpt_qk_ln", _mpt(dict(qk_ln=True, clip_qkv=2.0), d_model=24), 78, gguf=True,
             twin=None),
]

VARIANTS = LLAMA + FALCON + MPT + GGUF
