#include "cluster/launch/gpus.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

namespace promptcache {
namespace {

constexpr uint32_t kMaxGpu = 255;
constexpr std::string_view kDevice = "nvidia";

std::optional<uint32_t> NumberOf(std::string_view text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const bool good = parsed.ec == std::errc() && parsed.ptr == end && number <= kMaxGpu;
  return good ? std::optional(number) : std::nullopt;
}

Result<std::vector<uint32_t>> AllGpus(const std::string& device_directory) {
  std::vector<uint32_t> gpus;
  std::error_code error;
  using Entries = std::filesystem::directory_iterator;
  for (Entries entry(device_directory, error); !error && entry != Entries();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kDevice)) continue;
    // Not nvidiactl, nvidia-uvm and the like.
    const auto number = NumberOf(std::string_view(name).substr(kDevice.size()));
    if (number) gpus.push_back(*number);
  }
  std::sort(gpus.begin(), gpus.end());
  if (!gpus.empty()) return gpus;
  return NotFound("cluster.gpus is \"all\", and there is no GPU here: no " + device_directory +
                  "/nvidia0; for workers on the CPU leave cluster.gpus empty");
}

}  // namespace

Result<std::vector<uint32_t>> ChooseGpus(const std::string& gpus,
                                         const std::string& device_directory) {
  if (gpus.empty()) return std::vector<uint32_t>();
  if (gpus == "all") return AllGpus(device_directory);
  std::vector<uint32_t> chosen;
  for (size_t begin = 0; begin <= gpus.size();) {
    const size_t end = std::min(gpus.find(',', begin), gpus.size());
    const auto number = NumberOf(std::string_view(gpus).substr(begin, end - begin));
    if (!number || std::find(chosen.begin(), chosen.end(), *number) != chosen.end()) {
      return InvalidArgument(
          "cluster.gpus is '" + gpus +
          "'; write \"all\", or the numbers of GPUs, each once, such as \"0,1,3\"");
    }
    chosen.push_back(*number);
    begin = end + 1;
  }
  return chosen;
}

}  // namespace promptcache
