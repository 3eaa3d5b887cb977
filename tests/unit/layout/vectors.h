// The observed layouts of the reference implementation (reference_vectors.json), and where this
// project decides otherwise.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace promptcache::testing {

// "a@0 b@1" of a JSON list of [word, position], by position.
std::string Listed(const nlohmann::json& pairs);

// Holds what `outcome` gives for each of the 50 vectors against the file, or against the table of
// deliberate deviations, which it prints. An outcome is "length 5; cached r@0; new q@5; baseline
// r@0 q@1", "length 5" for a vector without a prompt, or "error: ...". Skips without the data.
void CheckVectors(const std::function<std::string(const nlohmann::json& vector)>& outcome);

}  // namespace promptcache::testing
