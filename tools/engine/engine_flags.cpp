#include "tools/engine/engine_flags.h"

#include <stdlib.h>

#include <filesystem>

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

Result<ScratchDirectory> ScratchDirectory::Make() {
  std::string path = (std::filesystem::temp_directory_path() / "promptcache-bench.XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return Unavailable("cannot create a directory like " + path);
  }
  return ScratchDirectory(std::move(path));
}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace promptcache
