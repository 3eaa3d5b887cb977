#include "tests/unit/precompute/precompute_fixture.h"

#include <cstring>
#include <fstream>

#include "cachestore/format/blob_io.h"
#include "common/text/toy_tokenizer.h"

namespace promptcache::testing {

ServedModel ToyModel() {
  return {.name = "toy",
          .tokenizer = MakeToyTokenizer(),
          .chat_template = FindChatTemplate("none", "").value()};
}

UnitFormat ToyFormat() {
  return {.identity = {.weights = "w",
                       .tokenizer = "t",
                       .positions = "rope",
                       .dtype = "fp32",
                       .kv_layout = "lkhtd-v1",
                       .encoder = "1"},
          .dtype = BlobDtype::kFloat32,
          .layers = 2,
          .kv_heads = 1,
          .head_dim = 4};
}

ManifestSchema PrecomputeTest::Write(const std::string& name, const std::string& text) const {
  std::ofstream(directory_.path() / name, std::ios::binary) << text;
  return {.file = directory_.Sub(name)};
}

std::vector<CompiledSchema> PrecomputeTest::Compile(const std::vector<ManifestSchema>& schemas) {
  std::vector<CompiledSchema> all;
  for (const ManifestSchema& schema : schemas) {
    const auto compiled = CompileVariants(schema, ToyModel());
    EXPECT_TRUE(compiled.ok()) << compiled.status().ToString();
    if (compiled.ok()) all.insert(all.end(), compiled->begin(), compiled->end());
  }
  return all;
}

std::vector<CompiledSchema> PrecomputeTest::CompileText(const std::string& text) const {
  return Compile({Write("schema.xml", text)});
}

std::vector<WorkUnit> PrecomputeTest::ListText(const std::string& text) const {
  return ListUnits(CompileText(text), ToyFormat()).value();
}

std::vector<std::string> ModulesOf(const std::vector<WorkUnit>& units) {
  std::vector<std::string> modules;
  for (const WorkUnit& unit : units) modules.push_back(unit.module());
  return modules;
}

Result<ProducedUnit> FakeProducer::Produce(const WorkUnit& unit, BlobStore& store) {
  const UnitFormat format = ToyFormat();
  BlobHeader header{.identity = format.identity,
                    .recipe = unit.MakeRecipe(),
                    .dtype = format.dtype,
                    .shape = {format.layers, format.kv_heads, unit.rows, format.head_dim}};
  std::vector<uint8_t> layer(BlobSegmentBytes(header.dtype, header.shape).value());
  std::memcpy(layer.data(), unit.key.bytes.data(), unit.key.bytes.size());
  const std::vector<std::span<const uint8_t>> layers(format.layers, layer);
  PC_ASSIGN_OR_RETURN(const uint64_t bytes,
                      WriteBlob(store, {unit.key, unit.imports}, std::move(header), layers));
  produced.push_back(unit.module());
  return ProducedUnit{.tokens = unit.run_tokens(), .bytes = bytes};
}

}  // namespace promptcache::testing
