#include "worker/model/registry.h"

#include <utility>

namespace promptcache {
namespace {

constexpr std::pair<const char*, BuildModel> kArchitectures[] = {
    {"llama", BuildLlama},
};

}  // namespace

BuildModel FindArchitecture(const std::string& name) {
  for (const auto& [known, build] : kArchitectures) {
    if (name == known) return build;
  }
  return nullptr;
}

std::string KnownArchitectures() {
  std::string names;
  for (const auto& [known, build] : kArchitectures)
    names += (names.empty() ? "" : ", ") + std::string(known);
  return names;
}

}  // namespace promptcache
