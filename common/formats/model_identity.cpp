#include "common/formats/model_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace promptcache {
namespace {

constexpr size_t kHashedAtOnce = 64 << 20;
Status CheckDtype(const std::string& dtype) {
  if (dtype == "fp32" || dtype == "bf16") return {};
  return InvalidArgument("dtype '" + dtype + "' is not fp32 or bf16");
}

std::string HashOf(std::span<const uint8_t> bytes, const HashProgress& progress) {
  Blake2b hash;
  for (size_t done = 0; done < bytes.size();) {
    const size_t count = std::min(kHashedAtOnce, bytes.size() - done);
    hash.AddBytes(bytes.subspan(done, count));
    done += count;
    if (progress) progress(done, bytes.size());
  }
  return hash.Finish().ToHex();
}

}  // namespace

Result<Identity> IdentityOfModel(const Checkpoint& checkpoint, const std::string& dtype,
                                 const HashProgress& progress) {
  PC_RETURN_IF_ERROR(CheckDtype(dtype));
  const auto files = checkpoint.files();
  Blake2b all;
  std::string one;
  for (const auto& file : files) {
    one = HashOf(file.bytes, progress);
    all.AddString(one);
  }
  return Identity{.weights = files.size() == 1 ? one : all.Finish().ToHex(),
                  .positions = checkpoint.config().positions.text,
                  .dtype = dtype,
                  .kv_layout = "lkhtd-v1",
                  .encoder = "1"};
}

Result<uint64_t> KvBytesPerToken(const ModelConfig& config, const std::string& dtype) {
  PC_RETURN_IF_ERROR(CheckDtype(dtype));
  return static_cast<uint64_t>(config.shape.kv_bytes_per_token(dtype == "bf16" ? 2 : 4));
}

}  // namespace promptcache
