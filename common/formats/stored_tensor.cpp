#include "common/formats/stored_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace promptcache {

int64_t StoredTensor::elements() const {
  int64_t product = 1;
  for (int64_t size : sizes) product *= size;
  return product;
}

std::string SizesText(std::span<const int64_t> sizes) {
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

}  // namespace promptcache
