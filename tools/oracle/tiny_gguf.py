"""Writes a model of tiny_models.py as the GGUF file that llama.cpp's converter would make of it."""

import gguf
import numpy
import torch

import forward_reference

ARCHITECTURES = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}


def interleaved(rows, heads, pairs):
    """Rows of heads whose dimensions i and i + pairs turn together, with those made neighbours;
    rows past 2 * pairs of a head stay where they are."""
    dim = len(rows) // heads
    order = numpy.arange(2 * pairs).reshape(2, pairs).T.reshape(-1)
    order = numpy.concatenate([order, numpy.arange(2 * pairs, dim)])
    return rows.reshape(heads, dim, -1)[:, order].reshape(rows.shape)


def grouped_to_fused(rows, heads, kv_heads):
    """Falcon's rows, for each key head its queries, itself, its values: all queries, keys, values."""
    dim = len(rows) // (heads + 2 * kv_heads)
    groups = rows.reshape(kv_heads, heads // kv_heads + 2, dim, -1)
    parts = [groups[:, :-2], groups[:, -2], groups[:, -1]]
    return torch.cat([part.reshape(-1, rows.shape[-1]) for part in parts])


def _llama(config, writer):
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    dim = config.get("head_dim") or config["hidden_size"] // heads
    turned = int(dim * config.get("partial_rotary_factor", 1.0))
    _sizes(writer, config, config["intermediate_size"], kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(turned)
    writer.add_key_length(dim)
    writer.add_value_length(dim)
    writer.add_vocab_size(config["vocab_size"])
    _scaling(writer, config, dim)
    if config["model_type"] == "qwen2":
        return lambda name, rows: rows

    def rearrange(name, rows):
        count = {"q_proj": heads, "k_proj": kv_heads}.get(name.split(".")[-2])
        return interleaved(rows, count, turned // 2) if count else rows

    return rearrange


def _scaling(writer, config, dim):
    scaling = config.get("rope_scaling")
    if not scaling:
        return
    if scaling["rope_type"] == "llama3":  # as a factor for each frequency
        plain, _ = forward_reference.rotary(dict(config, rope_scaling=None), dim)
        scaled, _ = forward_reference.rotary(config, dim)
        writer.add_tensor("rope_freqs.weight", (plain / scaled).astype(numpy.float32))
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType(scaling["rope_type"]))
    writer.add_rope_scaling_factor(scaling["factor"])
    if "original_max_position_embeddings" in scaling:
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def _falcon(config, writer):
    heads = config["num_attention_heads"]
    kv_heads = config["num_kv_heads"] if config["new_decoder_architecture"] else 1
    writer.add_tensor_data_layout("jploski")
    _sizes(writer, config, config["ffn_hidden_size"], kv_heads)
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    return lambda name, rows: (
        grouped_to_fused(rows, heads, kv_heads) if "query_key_value" in name else rows
    )


def _mpt(config, writer):
    attention = config["attn_config"]
    _sizes(writer, config, config["expansion_ratio"] * config["d_model"], None)
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    if attention["clip_qkv"]:
        writer.add_clamp_kqv(attention["clip_qkv"])
    writer.add_max_alibi_bias(float(attention["alibi_bias_max"]))
    return lambda name, rows: rows


def _sizes(writer, config, feed_forward, kv_heads):
    def first(*names):
        return next(config[name] for name in names if name in config)

    writer.add_context_length(first("max_position_embeddings", "max_seq_len"))
    writer.add_embedding_length(first("hidden_size", "d_model"))
    writer.add_block_count(first("num_hidden_layers", "n_layers"))
    writer.add_head_count(first("num_attention_heads", "n_heads"))
    writer.add_feed_forward_length(feed_forward)
    if kv_heads is not None:
        writer.add_head_count_kv(kv_heads)


def _add(writer, name, values):
    """Matrices in their own type, vectors in F32."""
    if values.dim() == 1 or values.dtype == torch.float32:
        writer.add_tensor(name, values.float().numpy())
    elif values.dtype == torch.float16:
        writer.add_tensor(name, values.numpy())
    else:
        data = values.view(torch.int16).numpy().view(numpy.uint8)
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.BF16)


def write(path, config, weights):
    """`weights` under their Hugging Face names."""
    family = {"falcon": _falcon, "mpt": _mpt}.get(config["model_type"], _llama)
    writer = gguf.GGUFWriter(path, config["model_type"])
    writer.add_name(path.parent.name)
    rearrange = family(config, writer)
    layers = config.get("num_hidden_layers", config.get("n_layers"))
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]], layers)
    for name, values in weights.items():
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        _add(writer, new_name, rearrange(name, values).contiguous())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
