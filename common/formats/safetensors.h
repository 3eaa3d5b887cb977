// safetensors files: a JSON header, then the bytes of all tensors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/formats/mapped_file.h"
#include "common/formats/stored_tensor.h"
#include "common/status.h"

namespace promptcache {

// Verifies the whole header: its size (at most 100 MiB and inside the file), that it is JSON, that
// names are distinct, dtypes are F32, F16 or BF16 (kUnimplemented naming others), sizes are not
// negative and their product is the byte range, that ranges lie inside the file, do not overlap and
// leave no gap. kInvalidArgument names tensor, offset and fault. Tensors as the file names them, in
// the order of their bytes; spans into `bytes`. Allocates at most twice the size of `bytes` and
// 64 KiB: a file may have 128 tensors and one more for every 512 bytes.
Result<std::vector<StoredTensor>> ParseSafetensors(std::span<const uint8_t> bytes);

// Immutable; safe for concurrent use.
struct SafetensorsFile {
  std::shared_ptr<const MappedFile> file;
  std::vector<StoredTensor> tensors;
};

// The weights of a Hugging Face directory: those of model.safetensors.index.json when it is there
// (every file and tensor it names must exist, and no other tensor may), else model.safetensors.
// File names with a '/' are refused. Errors name the file.
Result<std::vector<SafetensorsFile>> OpenSafetensors(const std::string& directory);

}  // namespace promptcache
