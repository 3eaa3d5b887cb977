// SentencePiece .model files, written field by field.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace promptcache::testing {

class ProtobufBuilder {
 public:
  ProtobufBuilder& Varint(uint32_t field, uint64_t value) {
    Number(field << 3);
    Number(value);
    return *this;
  }
  ProtobufBuilder& Float(uint32_t field, float value) {
    Number(field << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
    return *this;
  }
  ProtobufBuilder& Bytes(uint32_t field, std::string_view bytes) {
    Number(field << 3 | 2);
    Number(bytes.size());
    bytes_ += bytes;
    return *this;
  }
  const std::string& Build() const { return bytes_; }

 private:
  void Number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

struct ModelPiece {
  std::string text;
  float score = 0;
  uint64_t type = 1;
};

// 0 "<unk>", 1 "<s>", 2 to 257 the bytes, then `more`.
inline std::vector<ModelPiece> LlamaPieces(const std::vector<ModelPiece>& more) {
  std::vector<ModelPiece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    pieces.push_back({{'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'}, 0, 6});
  }
  pieces.insert(pieces.end(), more.begin(), more.end());
  return pieces;
}

inline std::string PiecesOf(const std::vector<ModelPiece>& pieces) {
  ProtobufBuilder model;
  for (const ModelPiece& one : pieces) {
    ProtobufBuilder piece;
    piece.Bytes(1, one.text).Float(2, one.score);
    if (one.type != 1) piece.Varint(3, one.type);
    model.Bytes(1, piece.Build());
  }
  return model.Build();
}

// Of the type BPE, with the normalizer that Llama 2 has.
inline std::string ModelOf(const std::vector<ModelPiece>& pieces) {
  const std::string trainer = ProtobufBuilder().Varint(3, 2).Varint(35, 1).Build();
  const std::string normalizer = ProtobufBuilder().Bytes(1, "identity").Varint(4, 0).Build();
  return PiecesOf(pieces) + ProtobufBuilder().Bytes(2, trainer).Bytes(3, normalizer).Build();
}

}  // namespace promptcache::testing
