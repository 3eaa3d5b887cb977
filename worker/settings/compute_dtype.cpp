#include "worker/settings/compute_dtype.h"

#include <string>

namespace promptcache {

Result<ComputeDtype> ParseComputeDtype(std::string_view name) {
  if (name == "auto") return ComputeDtype::kAuto;
  if (name == "fp32") return ComputeDtype::kFp32;
  if (name == "bf16") return ComputeDtype::kBf16;
  return InvalidArgument("dtype '" + std::string(name) + "' is not auto, fp32 or bf16");
}

}  // namespace promptcache
