#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {

Digest256 SampleDigest(uint8_t first) {
  Digest256 digest;
  for (size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<uint8_t>(first + i * 7);
  }
  return digest;
}

Identity SampleIdentity() {
  return {.weights = "w1",
          .tokenizer = "t2",
          .positions = "rope theta=100000",
          .dtype = "bf16",
          .kv_layout = "lkhtd-v1",
          .encoder = "1"};
}

GenerationOptions SampleOptions() {
  return {.max_new_tokens = 17,
          .temperature = 0.75,
          .top_p = 0.9,
          .top_k = -40,
          .repetition_penalty = 1.25,
          .seed = 0xfedcba9876543210,
          .stop_ids = {0, 2, 49151},
          .stop_strings = {"</s>", std::string("a\0b", 3)}};
}

Usage SampleUsage() {
  return {.worker = "worker-1",
          .finish = FinishReason::kStop,
          .prompt_tokens = 215,
          .cached_tokens = 212,
          .reused_tokens = 200,
          .computed_tokens = 3,
          .encoded_tokens = 12,
          .generated_tokens = 9,
          .queue_ms = 0.5,
          .acquire_ms = 1.5,
          .ttft_ms = 20.25,
          .total_ms = 300.125,
          .repair = Repair::kFull,
          .units = {{"support", SampleDigest(1), Source::kEncoded, "not stored", 12, 4096, 3.5},
                    {"support/refunds", SampleDigest(2), Source::kDisk, "", 200, 65536, 2.25}}};
}

}  // namespace promptcache::testing
