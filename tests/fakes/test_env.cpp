#include "tests/fakes/test_env.h"

#include <cstdlib>

namespace promptcache::testing {
namespace {

std::optional<std::filesystem::path> Existing(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0' || !std::filesystem::exists(value)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::filesystem::path> TestDataDir() { return Existing("PROMPTCACHE_TEST_DATA"); }

std::optional<std::filesystem::path> DepsDir() { return Existing("PROMPTCACHE_DEPS"); }

std::optional<std::filesystem::path> ModelPath() {
  const auto deps = DepsDir();
  if (!deps) return std::nullopt;
  const auto path = *deps / "models" / "smollm2-135m-instruct-q4_1.gguf";
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

std::string TestDevice() {
  const char* device = std::getenv("PROMPTCACHE_TEST_DEVICE");
  return device == nullptr || *device == '\0' ? "cpu" : device;
}

}  // namespace promptcache::testing
