// Writes the sample messages as golden files: see tests/golden/wire/README.md.
//
// Usage: write_wire_samples FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/sample_messages.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_wire_samples FOLDER\n");
    return 2;
  }
  for (const auto& [name, envelope] : promptcache::testing::GoldenMessages()) {
    const auto path = std::filesystem::path(argv[1]) / name;
    const std::vector<uint8_t> bytes = promptcache::EncodeEnvelope(envelope);
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return 0;
}
