// Packs that are no files.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cachestore/pack/pack_reader.h"

namespace promptcache::testing {

class PackInMemory : public PackSource {
 public:
  explicit PackInMemory(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  const std::string& name() const override { return name_; }
  uint64_t size() const override { return bytes_.size(); }
  Status Read(uint64_t offset, std::span<uint8_t> out) const override {
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }

 private:
  const std::string name_ = "memory";
  const std::vector<uint8_t> bytes_;
};

inline Result<PackReader> OpenPack(std::vector<uint8_t> bytes,
                                   const PackTrust& trust = {.others = OtherPacks::kAccept}) {
  return PackReader::Open(std::make_shared<PackInMemory>(std::move(bytes)), trust);
}

}  // namespace promptcache::testing
