#include "common/formats/model_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace promptcache {
namespace {

constexpr size_t kHashedAtOnce = 64 << 20;
constexpr int64_t kMaxDimension = 1 << 20;

Result<int64_t> Size(const GgufFile& file, const std::string& key) {
  const auto value = file.GetUnsigned(key);
  if (!value.ok()) return value.status().WithContext(file.name());
  if (*value == 0 || *value > static_cast<uint64_t>(kMaxDimension)) {
    return InvalidArgument(
        fmt::format("{}: '{}' is {}, not from 1 to {}", file.name(), key, *value, kMaxDimension));
  }
  return static_cast<int64_t>(*value);
}

Result<double> Factor(const GgufFile& file, const std::string& key) {
  const auto value = file.GetFloat(key);
  if (!value.ok()) return value.status().WithContext(file.name());
  if (!(*value > 0) || !std::isfinite(*value)) {
    return InvalidArgument(
        fmt::format("{}: '{}' is {}, not a positive number", file.name(), key, *value));
  }
  return *value;
}

Status CheckDtype(const std::string& dtype) {
  if (dtype == "fp32" || dtype == "bf16") return {};
  return InvalidArgument("dtype '" + dtype + "' is not fp32 or bf16");
}

std::string PositionsText(const PositionSettings& settings) {
  const std::string scaling =
      settings.scale == 1 ? "none" : fmt::format("linear:{:.17g}", 1 / settings.scale);
  return fmt::format("rope theta={:.17g} dim={} scaling={} layout=half", settings.theta,
                     settings.dim, scaling);
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

Result<int64_t> HeadDimension(const GgufFile& file, const std::string& architecture) {
  if (file.Has(architecture + ".attention.key_length")) {
    return Size(file, architecture + ".attention.key_length");
  }
  PC_ASSIGN_OR_RETURN(const int64_t width, Size(file, architecture + ".embedding_length"));
  PC_ASSIGN_OR_RETURN(const int64_t heads, Size(file, architecture + ".attention.head_count"));
  return width / heads;
}

Result<PositionSettings> ReadPositionSettings(const GgufFile& file,
                                              const std::string& architecture) {
  const auto key = [&](const char* name) { return architecture + ".rope." + name; };
  PositionSettings settings;
  PC_ASSIGN_OR_RETURN(settings.dim, HeadDimension(file, architecture));
  if (file.Has(key("freq_base"))) {
    PC_ASSIGN_OR_RETURN(settings.theta, Factor(file, key("freq_base")));
  }
  if (file.Has(key("dimension_count"))) {
    PC_ASSIGN_OR_RETURN(settings.dim, Size(file, key("dimension_count")));
  }
  std::string scaling = file.Has(key("scaling.factor")) ? "linear" : "none";
  if (file.Has(key("scaling.type"))) {
    PC_ASSIGN_OR_RETURN(scaling, file.GetString(key("scaling.type")));
  }
  if (file.Has(key("scale_linear"))) {
    PC_ASSIGN_OR_RETURN(const double factor, Factor(file, key("scale_linear")));
    settings.scale = 1 / factor;
  }
  if (scaling == "linear") {
    PC_ASSIGN_OR_RETURN(const double factor, Factor(file, key("scaling.factor")));
    settings.scale = 1 / factor;
  } else if (scaling != "none") {
    return Unimplemented(fmt::format("{}: '{}' is '{}'; none and linear are supported", file.name(),
                                     key("scaling.type"), scaling));
  }
  return settings;
}

Result<Identity> IdentityOfModel(const GgufFile& file, const std::string& dtype,
                                 const HashProgress& progress) {
  PC_RETURN_IF_ERROR(CheckDtype(dtype));
  PC_ASSIGN_OR_RETURN(const std::string architecture, file.GetString("general.architecture"));
  PC_ASSIGN_OR_RETURN(const PositionSettings positions, ReadPositionSettings(file, architecture));
  return Identity{.weights = HashOf(file.bytes(), progress),
                  .positions = PositionsText(positions),
                  .dtype = dtype,
                  .kv_layout = "lkhtd-v1",
                  .encoder = "1"};
}

Result<uint64_t> KvBytesPerToken(const std::string& path, const std::string& dtype) {
  PC_RETURN_IF_ERROR(CheckDtype(dtype));
  PC_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  PC_ASSIGN_OR_RETURN(const std::string architecture, file->GetString("general.architecture"));
  PC_ASSIGN_OR_RETURN(const int64_t layers, Size(*file, architecture + ".block_count"));
  PC_ASSIGN_OR_RETURN(int64_t heads, Size(*file, architecture + ".attention.head_count"));
  if (file->Has(architecture + ".attention.head_count_kv")) {
    PC_ASSIGN_OR_RETURN(heads, Size(*file, architecture + ".attention.head_count_kv"));
  }
  PC_ASSIGN_OR_RETURN(const int64_t dim, HeadDimension(*file, architecture));
  const uint64_t element = dtype == "bf16" ? 2 : 4;
  return 2 * static_cast<uint64_t>(layers) * static_cast<uint64_t>(heads) *
         static_cast<uint64_t>(dim) * element;
}

}  // namespace promptcache
