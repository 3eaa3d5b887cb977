// A message from a peer: decoded as every process decodes it. What decodes must survive being sent
// on.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cluster/wire/codec.h"
#include "tests/fuzz/fuzzer.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto decoded = promptcache::DecodeEnvelope({data, size});
  if (!decoded.ok()) return 0;
  const std::vector<uint8_t> bytes = promptcache::EncodeEnvelope(*decoded);
  const auto again = promptcache::DecodeEnvelope(bytes);
  if (!again.ok() || !(*again == *decoded)) {
    std::fprintf(stderr, "%s does not survive a round trip\n",
                 std::string(promptcache::MessageName(decoded->body)).c_str());
    std::abort();
  }
  return 0;
}
