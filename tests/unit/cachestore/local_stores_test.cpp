// The conformance tests over the stores of one process.
#include "tests/unit/cachestore/local_stores.h"

namespace promptcache::testing {
namespace {

const StoreKind kKinds[] = {
    {.name = "Memory", .open = [](uint64_t max) { return OpenLocal(Medium::kMemory, max); }},
    {.name = "Disk", .open = [](uint64_t max) { return OpenLocal(Medium::kDisk, max); }}};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace promptcache::testing
