#include "tools/cli/store/norms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cachestore/format/half.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr double kBarWidth = 24;

template <typename T>
T LoadAt(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

double ElementAt(BlobDtype dtype, const uint8_t* at) {
  switch (dtype) {
    case BlobDtype::kFloat32:
      return LoadAt<float>(at);
    case BlobDtype::kBfloat16:
      return FloatOfBfloat16(LoadAt<uint16_t>(at));
    case BlobDtype::kFloat16:
      return FloatOfFloat16(LoadAt<uint16_t>(at));
  }
  return 0;
}

// Of the vectors of `dim` elements that `bytes` are.
double MeanNorm(BlobDtype dtype, uint32_t dim, std::span<const uint8_t> bytes) {
  const uint64_t element = BlobDtypeBytes(dtype);
  const uint64_t vectors = bytes.size() / (element * dim);
  double sum = 0;
  const uint8_t* at = bytes.data();
  for (uint64_t v = 0; v < vectors; ++v) {
    double squares = 0;
    for (uint32_t d = 0; d < dim; ++d, at += element) {
      const double x = ElementAt(dtype, at);
      squares += x * x;
    }
    sum += std::sqrt(squares);
  }
  return sum / static_cast<double>(vectors);
}

std::string Bar(double value, double largest) {
  const double share = largest > 0 && std::isfinite(value / largest) ? value / largest : 0;
  return fmt::format("{:>9.4g} ", value) + std::string(std::lround(share * kBarWidth), '#');
}

}  // namespace

LayerNorms NormsOf(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> layer) {
  return {.key = MeanNorm(dtype, shape.head_dim, layer.first(layer.size() / 2)),
          .value = MeanNorm(dtype, shape.head_dim, layer.subspan(layer.size() / 2))};
}

std::string RenderNorms(const std::vector<LayerNorms>& layers) {
  LayerNorms largest;
  for (const LayerNorms& layer : layers) {
    largest = {std::max(largest.key, layer.key), std::max(largest.value, layer.value)};
  }
  Table table({{"layer", Align::kRight}, {"mean norm of keys"}, {"mean norm of values"}});
  for (size_t i = 0; i < layers.size(); ++i) {
    table.AddRow(
        {std::to_string(i), Bar(layers[i].key, largest.key), Bar(layers[i].value, largest.value)});
  }
  return table.Render();
}

}  // namespace promptcache
