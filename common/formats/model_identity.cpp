#include "common/formats/model_identity.h"

#include <chrono>
#include <filesystem>

#include "common/formats/digest_record.h"
#include "common/hash.h"

namespace promptcache {
namespace {

Status CheckDtype(const std::string& dtype) {
  if (dtype == "fp32" || dtype == "bf16") return {};
  return InvalidArgument("dtype '" + dtype + "' is not fp32 or bf16");
}

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<std::string> WeightsDigest(const Checkpoint& checkpoint, DigestSource source,
                                  const HashProgress& progress) {
  const auto files = checkpoint.files();
  uint64_t total = 0, ahead = 0;
  for (const auto& file : files) total += file->bytes().size();
  Blake2b all;
  std::string digest;
  for (const auto& file : files) {
    const auto hashed = [&](uint64_t done) {
      if (progress) progress(ahead + done, total);
    };
    PC_ASSIGN_OR_RETURN(digest, FileDigest(*file, source, NowNs(), hashed));
    ahead += file->bytes().size();
    all.AddString(std::filesystem::path(file->path()).filename().string()).AddString(digest);
  }
  return files.size() == 1 ? digest : all.Finish().ToHex();
}

Result<Identity> IdentityOfModel(const Checkpoint& checkpoint, const std::string& dtype,
                                 const HashProgress& progress) {
  PC_RETURN_IF_ERROR(CheckDtype(dtype));
  PC_ASSIGN_OR_RETURN(std::string weights,
                      WeightsDigest(checkpoint, DigestSource::kCached, progress));
  return Identity{.weights = std::move(weights),
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
