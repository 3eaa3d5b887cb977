// A Hugging Face directory with a tiny model and a tokenizer of printable ASCII.
#pragma once

#include <filesystem>
#include <string>

namespace promptcache::testing {

// Writes the files into an existing directory. `family`: a folder of tests/golden/model/tiny.
void WriteTinyModel(const std::string& family, const std::filesystem::path& directory);

}  // namespace promptcache::testing
