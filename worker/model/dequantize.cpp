#include "worker/model/dequantize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>

namespace promptcache {
namespace {

// Elements [begin, end) of blocks of `bytes`; one block is 32 elements for the quantised types.
using Decoder = void (*)(const uint8_t* bytes, int64_t blocks, float* out);

float HalfAt(const uint8_t* bytes) {
  c10::Half half;
  std::memcpy(&half.x, bytes, sizeof(half.x));
  return static_cast<float>(half);
}

void DecodeF32(const uint8_t* bytes, int64_t blocks, float* out) {
  std::memcpy(out, bytes, blocks * sizeof(float));
}

void DecodeF16(const uint8_t* bytes, int64_t blocks, float* out) {
  for (int64_t i = 0; i < blocks; ++i) out[i] = HalfAt(bytes + 2 * i);
}

void DecodeBf16(const uint8_t* bytes, int64_t blocks, float* out) {
  for (int64_t i = 0; i < blocks; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof(bits));
    out[i] = c10::detail::f32_from_bits(bits);
  }
}

// Block: fp16 scale d, 16 bytes of which the low halves are elements 0..15, the high ones 16..31;
// x = d (q - 8).
void DecodeQ4_0(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 18, out += 32) {
    const float d = HalfAt(bytes);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((bytes[2 + i] & 15) - 8);
      out[16 + i] = d * static_cast<float>((bytes[2 + i] >> 4) - 8);
    }
  }
}

// As Q4_0 with an fp16 minimum m after the scale; x = d q + m.
void DecodeQ4_1(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 20, out += 32) {
    const float d = HalfAt(bytes), m = HalfAt(bytes + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(bytes[4 + i] & 15) + m;
      out[16 + i] = d * static_cast<float>(bytes[4 + i] >> 4) + m;
    }
  }
}

// Block: fp16 scale d, 32 signed bytes; x = d q.
void DecodeQ8_0(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 34, out += 32) {
    const float d = HalfAt(bytes);
    for (int i = 0; i < 32; ++i) {
      out[i] = d * static_cast<float>(static_cast<int8_t>(bytes[2 + i]));
    }
  }
}

Decoder DecoderOf(GgufTensorType type) {
  switch (type) {
    case GgufTensorType::kF32:
      return DecodeF32;
    case GgufTensorType::kF16:
      return DecodeF16;
    case GgufTensorType::kBF16:
      return DecodeBf16;
    case GgufTensorType::kQ4_0:
      return DecodeQ4_0;
    case GgufTensorType::kQ4_1:
      return DecodeQ4_1;
    case GgufTensorType::kQ8_0:
      return DecodeQ8_0;
    default:
      return nullptr;
  }
}

}  // namespace

Result<at::Tensor> Dequantize(const GgufTensor& tensor) {
  const Decoder decode = DecoderOf(tensor.type);
  if (decode == nullptr) {
    return Unimplemented("tensor '" + tensor.name + "' is stored as " + GgufTypeName(tensor.type) +
                         "; F32, F16, BF16, Q4_0, Q4_1 and Q8_0 can be read");
  }
  PC_ASSIGN_OR_RETURN(const GgufBlock block, BlockOf(tensor.type));
  const auto blocks = static_cast<int64_t>(tensor.elements() / block.elements);
  if (tensor.dims.empty() || tensor.dims[0] % block.elements != 0 ||
      tensor.bytes.size() != static_cast<uint64_t>(blocks) * block.bytes) {
    return InvalidArgument("tensor '" + tensor.name + "': " + std::to_string(tensor.bytes.size()) +
                           " bytes do not hold its " + std::to_string(tensor.elements()) +
                           " elements of " + GgufTypeName(tensor.type));
  }
  const std::vector<int64_t> sizes(tensor.dims.rbegin(), tensor.dims.rend());
  at::Tensor out = at::empty(sizes, at::kFloat);
  float* data = out.mutable_data_ptr<float>();
  at::parallel_for(0, blocks, 8192, [&](int64_t begin, int64_t end) {
    decode(tensor.bytes.data() + begin * block.bytes, end - begin, data + begin * block.elements);
  });
  return out;
}

Result<at::Tensor> Dequantize(const StoredTensor& tensor, at::ScalarType dtype) {
  GgufTensor stored{.name = tensor.name, .type = tensor.type, .dims = {}, .bytes = tensor.bytes};
  stored.dims.assign(tensor.sizes.rbegin(), tensor.sizes.rend());
  PC_ASSIGN_OR_RETURN(const at::Tensor values, Dequantize(stored));
  if (!values.isfinite().all().item<bool>()) {
    return DataLoss("tensor '" + tensor.name + "' holds values that are not finite");
  }
  return values.to(dtype);
}

}  // namespace promptcache
