// The file of a chat template.
#include <string_view>

#include "common/text/templates.h"
#include "tests/fuzz/fuzzer.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)promptcache::ParseChatTemplate({reinterpret_cast<const char*>(data), size}, "input");
  return 0;
}
