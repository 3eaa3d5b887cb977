#include "tools/engine/engine_flags.h"

namespace promptcache {

void AddEngineFlags(CLI::App& command, EmbeddedOptions& options) {
  options.model = PROMPTCACHE_DEFAULT_MODEL;
  command.add_option("--model", options.model, "GGUF file or Hugging Face directory of the model")
      ->capture_default_str();
  command.add_option("--device", options.device, "cpu or cuda:N")->capture_default_str();
  command.add_option("--dtype", options.dtype, "auto, fp32 or bf16")->capture_default_str();
  command
      .add_option("--store-compression", options.store_compression,
                  "none, zstd, int8 or int8-zstd: what units are stored as "
                  "(`promptcache precompute --compression`)")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "CPU threads; 0: one per core")
      ->capture_default_str();
}

}  // namespace promptcache
