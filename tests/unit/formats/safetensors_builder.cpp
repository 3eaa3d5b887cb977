#include "tests/unit/formats/safetensors_builder.h"

#include "common/formats/stored_tensor.h"

namespace promptcache::testing {

std::vector<uint8_t> SafetensorsOf(std::string_view header, std::span<const uint8_t> data) {
  std::vector<uint8_t> file;
  for (int shift = 0; shift < 64; shift += 8) {
    file.push_back(static_cast<uint8_t>(uint64_t{header.size()} >> shift));
  }
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

SafetensorsBuilder& SafetensorsBuilder::Tensor(std::string_view name, std::string_view dtype,
                                               const std::vector<int64_t>& sizes,
                                               std::span<const uint8_t> bytes) {
  const size_t begin = data_.size();
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  fields_ += (fields_.empty() ? "\"" : ",\"") + std::string(name) + "\":{\"dtype\":\"" +
             std::string(dtype) + "\",\"shape\":" + SizesText(sizes) + ",\"data_offsets\":[" +
             std::to_string(begin) + "," + std::to_string(data_.size()) + "]}";
  return *this;
}

std::vector<uint8_t> SafetensorsBuilder::Build() const {
  return SafetensorsOf("{" + fields_ + "}", data_);
}

}  // namespace promptcache::testing
