#!/usr/bin/env python3
"""Writes tests/golden/formats: a small model file and what the `gguf` package reads from it.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing:

    $PROMPTCACHE_DEPS/oracle/bin/python tools/oracle/gguf_oracle.py

sample.gguf has a value of every type and a tensor of every type that can be dequantised, its blocks
random with edge cases for their scales. sample.json has the tensors' values, as `gguf` dequantises
them: fp32, little endian, in hexadecimal.
"""

import json
import pathlib

import gguf
import numpy

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/formats"
ROWS, COLUMNS = 2, 256
# Where a block has its fp16 scales (and minimums).
HALVES = {
    "F32": (), "F16": (), "BF16": (), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2),
    "Q8_0": (0,), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
}
# Bits of fp16: 0, -0, least and largest subnormal, least normal, 1, -1, 1/3, the largest, -the largest.
SCALES = (0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x3555, 0x7BFF, 0xFBFF)


def add_values(writer):
    writer.add_uint8("sample.u8", 200)
    writer.add_int8("sample.i8", -100)
    writer.add_uint16("sample.u16", 60000)
    writer.add_int16("sample.i16", -30000)
    writer.add_uint32("sample.u32", 4000000000)
    writer.add_int32("sample.i32", -2000000000)
    writer.add_uint64("sample.u64", 2**64 - 1)
    writer.add_int64("sample.i64", -2**63)
    writer.add_float32("sample.f32", 0.1)
    writer.add_float64("sample.f64", 0.1)
    writer.add_bool("sample.yes", True)
    writer.add_bool("sample.no", False)
    writer.add_string("sample.text", "na\u00efve")
    writer.add_array("sample.texts", ["", "a", "\u20ac"])
    writer.add_array("sample.integers", [-1, 0, 7])
    writer.add_array("sample.floats", [0.5, -0.25])


def raw_tensor(kind, random):
    """Rows of blocks as random bytes, but for their scales: those of SCALES where there are many
    blocks, else random ones."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = ROWS * COLUMNS // elements
    data = random.integers(0, 256, (blocks, size), dtype=numpy.uint8)
    if elements == 1:
        values = random.standard_normal(blocks).astype(numpy.float32)
        if size == 4:
            data = values.view(numpy.uint8)
        elif kind.name == "F16":
            half = values.astype(numpy.float16).view(numpy.uint16)
            half[:len(SCALES)] = SCALES
            data = half.view(numpy.uint8)
        else:
            data = (values.view(numpy.uint32) >> 16).astype(numpy.uint16).view(numpy.uint8)
        return data.reshape(ROWS, COLUMNS * size)
    for block in range(blocks):
        for number, at in enumerate(HALVES[kind.name]):
            bits = SCALES[(block + 5 * number) % len(SCALES)]
            if blocks < len(SCALES):
                bits = int(numpy.float16(random.standard_normal()).view(numpy.uint16))
            data[block, at : at + 2] = (bits & 255, bits >> 8)
    return data.reshape(ROWS, COLUMNS // elements * size)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(20260101)
    writer = gguf.GGUFWriter(OUT / "sample.gguf", "llama")
    add_values(writer)
    tensors = {}
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        data = raw_tensor(kind, random)
        writer.add_tensor(name, data, raw_dtype=kind)
        values = gguf.quants.dequantize(data, kind).astype("<f4")
        assert values.shape == (ROWS, COLUMNS) and numpy.isfinite(values).all()
        tensors[name] = values.tobytes().hex()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    golden = {"rows": ROWS, "columns": COLUMNS, "tensors": tensors}
    (OUT / "sample.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
