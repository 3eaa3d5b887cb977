#include "common/text/sentencepiece_model.h"

#include <bit>
#include <unordered_set>

#include "common/text/llama_tokenizer.h"
#include "common/text/protobuf_reader.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kMaxFileBytes = size_t{16} << 20;
constexpr size_t kMaxPieces = size_t{1} << 20;
constexpr size_t kMaxShownBytes = 200;

// Types of pieces.
constexpr int64_t kNormal = 1;
constexpr int64_t kUnknown = 2;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kUnused = 5;
constexpr int64_t kByte = 6;

using Type = ProtobufField::Type;

// Calls `take` with every field of a message.
template <typename Take>
Status ForEachField(std::string_view message, const Take& take) {
  ProtobufReader reader(message);
  while (true) {
    PC_ASSIGN_OR_RETURN(const auto field, reader.Next());
    if (!field) return {};
    PC_RETURN_IF_ERROR(take(*field));
  }
}

Status CheckType(const ProtobufField& field, Type wanted, const char* name) {
  if (field.type == wanted) return {};
  return InvalidArgument(std::string(name) + " has another type than SentencePiece gives it");
}

Status Unsupported(const std::string& what) { return Unimplemented(what + " is not supported"); }

std::string Quoted(std::string_view text) {
  return "'" + (IsUtf8(text) ? AbbreviateUtf8(text, kMaxShownBytes) : "(not UTF-8)") + "'";
}

struct Piece {
  std::string_view text;
  float score = 0;
  int64_t type = kNormal;
};

class ModelReader {
 public:
  Result<BpeDefinition> Read(std::string_view file) {
    definition_.alphabet = BpeAlphabet::kCharacters;
    PC_RETURN_IF_ERROR(ForEachField(file, [this](const ProtobufField& field) {
      switch (field.number) {
        case 1:
          return ReadPiece(field);
        case 2:
          return ReadTrainer(field);
        case 3:
          return ReadNormalizer(field);
        case 5:
          return ReadDenormalizer(field);
        default:
          return Status();  // test data and extensions
      }
    }));
    if (definition_.tokens.empty()) return InvalidArgument("there are no pieces");
    if (model_type_ != 2) return WrongModel();
    PC_RETURN_IF_ERROR(CheckNormalizer());
    PC_RETURN_IF_ERROR(SetPieceTypes(types_, definition_));
    return std::move(definition_);
  }

 private:
  static Status ReadPieceField(const ProtobufField& field, Piece& piece) {
    switch (field.number) {
      case 1:
        piece.text = field.bytes;
        return CheckType(field, Type::kBytes, "pieces.piece");
      case 2:
        piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
        return CheckType(field, Type::kFixed32, "pieces.score");
      case 3:
        piece.type = static_cast<int64_t>(field.value);
        return CheckType(field, Type::kVarint, "pieces.type");
      default:
        return {};
    }
  }

  Status ReadPiece(const ProtobufField& message) {
    PC_RETURN_IF_ERROR(CheckType(message, Type::kBytes, "pieces"));
    Piece piece;
    const auto take = [&](const ProtobufField& field) { return ReadPieceField(field, piece); };
    PC_RETURN_IF_ERROR(ForEachField(message.bytes, take));
    const std::string place = "piece " + std::to_string(types_.size());
    if (types_.size() == kMaxPieces) return ResourceExhausted("there are more than 1048576 pieces");
    if (piece.text.empty() || !IsUtf8(piece.text)) {
      return InvalidArgument(place + " is empty or not UTF-8");
    }
    if (!known_.insert(piece.text).second) {
      return InvalidArgument(place + " (" + Quoted(piece.text) + ") is there twice");
    }
    definition_.tokens.emplace_back(piece.text);
    definition_.scores.push_back(piece.score);
    types_.push_back(piece.type);
    return {};
  }

  Status ReadTrainer(const ProtobufField& message) {
    PC_RETURN_IF_ERROR(CheckType(message, Type::kBytes, "trainer_spec"));
    return ForEachField(message.bytes, [this](const ProtobufField& field) -> Status {
      if (field.number == 3) {
        PC_RETURN_IF_ERROR(CheckType(field, Type::kVarint, "trainer_spec.model_type"));
        model_type_ = field.value;
      } else if (field.number == 24 && field.value != 0) {
        return Unsupported("trainer_spec.treat_whitespace_as_suffix");
      }
      return {};
    });
  }

  Status ReadNormalizer(const ProtobufField& message) {
    PC_RETURN_IF_ERROR(CheckType(message, Type::kBytes, "normalizer_spec"));
    return ForEachField(message.bytes, [this](const ProtobufField& field) -> Status {
      if (field.number == 1) normalizer_ = field.bytes;
      if (field.number == 2) has_charsmap_ = !field.bytes.empty();
      if (field.number == 3) definition_.space_before_text = field.value != 0;
      if (field.number == 4) removes_spaces_ = field.value != 0;
      if (field.number == 5) escapes_spaces_ = field.value != 0;
      return {};
    });
  }

  static Status ReadDenormalizer(const ProtobufField& message) {
    PC_RETURN_IF_ERROR(CheckType(message, Type::kBytes, "denormalizer_spec"));
    return ForEachField(message.bytes, [](const ProtobufField& field) -> Status {
      if (field.number != 2 || field.bytes.empty()) return {};
      return Unsupported("denormalizer_spec.precompiled_charsmap");
    });
  }

  Status WrongModel() const {
    const char* name = model_type_ == 1   ? "UNIGRAM"
                       : model_type_ == 3 ? "WORD"
                       : model_type_ == 4 ? "CHAR"
                                          : "";
    return Unimplemented("trainer_spec.model_type " + std::to_string(model_type_) + " " + name +
                         " is not supported; 2 (BPE) is");
  }

  Status CheckNormalizer() const {
    if (has_charsmap_) {
      return Unsupported("the normalizer " + Quoted(normalizer_) +
                         " (normalizer_spec.precompiled_charsmap) instead of 'identity'");
    }
    if (removes_spaces_) return Unsupported("normalizer_spec.remove_extra_whitespaces");
    if (!escapes_spaces_) return Unsupported("normalizer_spec.escape_whitespaces false");
    return {};
  }

  BpeDefinition definition_;
  std::vector<int64_t> types_;
  std::unordered_set<std::string_view> known_;
  uint64_t model_type_ = 1;
  std::string_view normalizer_;
  bool has_charsmap_ = false;
  // As where the file is silent.
  bool removes_spaces_ = true;
  bool escapes_spaces_ = true;
};

Result<TokenKind> KindOf(int64_t type) {
  switch (type) {
    case kNormal:
    case kByte:
      return TokenKind::kNormal;
    case kUnknown:
    case kControl:
      return TokenKind::kSpecial;
    case kUserDefined:
      return TokenKind::kUserDefined;
    case kUnused:
      return TokenKind::kUnused;
    default:
      return InvalidArgument("type " + std::to_string(type));
  }
}

}  // namespace

Status SetPieceTypes(std::span<const int64_t> types, BpeDefinition& definition) {
  if (types.size() != definition.tokens.size()) {
    return InvalidArgument("the vocabulary has " + std::to_string(definition.tokens.size()) +
                           " tokens but " + std::to_string(types.size()) + " kinds");
  }
  for (size_t id = 0; id < types.size(); ++id) {
    std::string& token = definition.tokens[id];
    const auto kind = KindOf(types[id]);
    const bool byte = ByteOfToken(token).has_value();
    if (!kind.ok() || (byte && types[id] == kNormal) || (!byte && types[id] == kByte)) {
      return InvalidArgument("the token " + std::to_string(id) + " (" + Quoted(token) +
                             ") cannot be of type " + std::to_string(types[id]));
    }
    definition.kinds.push_back(*kind);
    if (types[id] == kUserDefined) token = WithSpaces(token);  // as templates write it
    if (types[id] == kUnknown) definition.unknown = static_cast<TokenId>(id);
  }
  return {};
}

Result<BpeDefinition> ReadSentencePieceModel(std::string_view file) {
  if (file.size() > kMaxFileBytes) return ResourceExhausted("a .model file has at most 16 MiB");
  return ModelReader().Read(file);
}

}  // namespace promptcache
