// GGUF model files, versions 2 and 3, little endian: metadata and the tensor directory. Everything
// is verified while parsing; tensors are spans into the file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/mapped_file.h"
#include "common/status.h"

namespace promptcache {

// The numbers are the file's.
enum class GgufTensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

// Elements and bytes of the smallest part a type is stored in.
struct GgufBlock {
  uint32_t elements = 0;
  uint32_t bytes = 0;
};
// kUnimplemented for a type this reader does not know.
Result<GgufBlock> BlockOf(GgufTensorType type);
std::string GgufTypeName(GgufTensorType type);  // "Q4_1"; "type 99" for others

struct GgufTensor {
  std::string name;
  GgufTensorType type = GgufTensorType::kF32;
  std::vector<uint64_t> dims;      // fastest first, as in the file: [in, out] for a matrix
  std::span<const uint8_t> bytes;  // valid as long as the GgufFile

  uint64_t elements() const;
};

// A metadata value where it lies in the file.
struct GgufValue {
  uint32_t type = 0;
  uint32_t element_type = 0;  // arrays only
  uint64_t count = 0;         // arrays only
  uint64_t offset = 0;        // of the scalar, of a string's length, or of the first element
};

struct GgufDirectory {
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;
};

// Verifies the whole header: counts, sizes, types, that every string and array lies inside the
// file, that tensors are aligned, inside the file and do not overlap. kInvalidArgument names offset
// and fault. Allocates at most twice the size of `bytes` and 64 KiB: a file may have 128 tensors
// and as many keys, and one more of each for every 512 bytes.
Result<GgufDirectory> ParseGgufDirectory(std::span<const uint8_t> bytes);

// Immutable; safe for concurrent use.
class GgufFile {
 public:
  // Errors: those of MappedFile, and kInvalidArgument naming file, offset and what is wrong.
  static Result<std::shared_ptr<const GgufFile>> Open(const std::string& path);
  // Parses bytes that outlive the result; `name` is for messages.
  static Result<std::shared_ptr<const GgufFile>> Parse(std::span<const uint8_t> bytes,
                                                       std::string name);

  const std::string& name() const { return name_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  // nullptr when the bytes were given to Parse.
  const std::shared_ptr<const MappedFile>& mapping() const { return mapping_; }

  bool Has(std::string_view key) const;
  // kNotFound when the key is absent, kInvalidArgument when it has another type; both name it.
  // Integers of any width are accepted where the value fits.
  Result<uint64_t> GetUnsigned(std::string_view key) const;
  Result<double> GetFloat(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;
  Result<std::string> GetString(std::string_view key) const;
  Result<std::vector<std::string>> GetStrings(std::string_view key) const;
  Result<std::vector<int64_t>> GetIntegers(std::string_view key) const;
  Result<std::vector<float>> GetFloats(std::string_view key) const;

  const std::vector<GgufTensor>& tensors() const { return directory_.tensors; }
  // nullptr when there is none.
  const GgufTensor* FindTensor(std::string_view name) const;

 private:
  GgufFile(std::string name, std::span<const uint8_t> bytes, GgufDirectory directory);
  Result<const GgufValue*> Find(std::string_view key) const;
  Status WrongType(std::string_view key, std::string_view wanted) const;

  const std::string name_;
  const std::span<const uint8_t> bytes_;
  const GgufDirectory directory_;
  std::shared_ptr<const MappedFile> mapping_;
  std::map<std::string_view, size_t> tensor_index_;
};

}  // namespace promptcache
