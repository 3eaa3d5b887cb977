// The header of a safetensors file: what is read of it lies inside, and says what it is.
#include <cstdlib>

#include "common/formats/safetensors.h"
#include "tests/fuzz/fuzzer.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  const auto tensors = ParseSafetensors({data, size});
  if (!tensors.ok()) return 0;
  volatile uint8_t sink = 0;
  size_t bytes = 0;
  for (const StoredTensor& tensor : *tensors) {
    bytes += tensor.bytes.size();
    if (static_cast<uint64_t>(tensor.elements()) * BlockOf(tensor.type)->bytes !=
        tensor.bytes.size()) {
      std::abort();
    }
    if (!tensor.bytes.empty()) sink = tensor.bytes.front() ^ tensor.bytes.back();
  }
  (void)sink;
  if (bytes > size) std::abort();
  return 0;
}
