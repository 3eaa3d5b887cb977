// Where tests find what is not in the repository. Each is nullopt when it is not there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace promptcache::testing {

// The folder with public test data (data/, vectors/): $PROMPTCACHE_TEST_DATA.
std::optional<std::filesystem::path> TestDataDir();
// The folder that tools/bootstrap fills: $PROMPTCACHE_DEPS.
std::optional<std::filesystem::path> DepsDir();
// The SmolLM2-135M-Instruct Q4_1 GGUF below DepsDir().
std::optional<std::filesystem::path> ModelPath();
// The device that models of tests are loaded on: $PROMPTCACHE_TEST_DEVICE, or "cpu".
std::string TestDevice();

}  // namespace promptcache::testing

// Skips the running test, saying what is missing, unless `optional_path` has a value.
#define PC_SKIP_WITHOUT(optional_path, what) \
  if (!(optional_path)) GTEST_SKIP() << "missing: " << (what)
