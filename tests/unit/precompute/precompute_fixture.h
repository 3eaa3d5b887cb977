// Schemas in files, a model of which only the tokenizer is real, and units of made-up numbers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/cachestore/temp_dir.h"
#include "tools/precompute/run.h"

namespace promptcache::testing {

// Words are tokens; no template; no limit of the context.
ServedModel ToyModel();
UnitFormat ToyFormat();

class PrecomputeTest : public ::testing::Test {
 protected:
  // A manifest's entry for a file with this text.
  ManifestSchema Write(const std::string& name, const std::string& text) const;
  // What the files compile to, all of them one after the other.
  static std::vector<CompiledSchema> Compile(const std::vector<ManifestSchema>& schemas);
  std::vector<CompiledSchema> CompileText(const std::string& text) const;
  std::vector<WorkUnit> ListText(const std::string& text) const;

  const TempDir directory_;
};

// "desk, desk/returns, ...": the modules in the order of the list.
std::vector<std::string> ModulesOf(const std::vector<WorkUnit>& units);

// Writes blobs whose numbers follow from the key, and remembers the modules.
class FakeProducer : public UnitProducer {
 public:
  Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) override;

  std::vector<std::string> produced;
};

}  // namespace promptcache::testing
