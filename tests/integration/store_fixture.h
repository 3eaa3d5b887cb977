// A store of three units for the tests of `promptcache store`: its directory, and a cachestore that
// serves it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cluster/launch/process_runner.h"
#include "common/references.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {

// Units 1 and 2 are of "desk" ("desk/refunds", "desk/returns"), 2 is also "travel/ghent" of the
// tenant "acme", 3 is nobody's. Schema "desk" is registered.
class StoreCommand : public ::testing::Test {
 protected:
  void SetUp() override;

  static std::string KeyOf(uint32_t number);
  std::string Directory() const { return files_.Sub("store"); }
  std::string File(const std::string& name) const { return files_.Sub(name); }

  static ProgramResult Store(std::vector<std::string> words);
  ProgramResult OnDirectory(std::vector<std::string> words) const;
  nlohmann::json JsonOnDirectory(std::vector<std::string> words) const;

  // Serves the directory until the test ends or StopDaemon.
  void StartDaemon();
  void StopDaemon();
  ProgramResult OnDaemon(std::vector<std::string> words) const;

  // Stores one unit more. REQUIRES: no daemon runs.
  void AddUnit(uint32_t number, const std::vector<Import>& imports = {});
  // Changes a byte of the one file that holds this blob's tensors.
  void DamageBlob(uint32_t number);

 private:
  const TempDir files_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
  pid_t pid_ = 0;
  std::string endpoint_;
};

}  // namespace promptcache::testing
