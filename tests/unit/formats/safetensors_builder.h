// Writes safetensors files, well formed or deliberately not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace promptcache::testing {

// A file with this header, whatever it says.
std::vector<uint8_t> SafetensorsOf(std::string_view header, std::span<const uint8_t> data);

// Tensors one behind the other, in the order in which they were added.
class SafetensorsBuilder {
 public:
  SafetensorsBuilder& Tensor(std::string_view name, std::string_view dtype,
                             const std::vector<int64_t>& sizes, std::span<const uint8_t> bytes);
  std::vector<uint8_t> Build() const;

 private:
  std::string fields_;
  std::vector<uint8_t> data_;
};

}  // namespace promptcache::testing
