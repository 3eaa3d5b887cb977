// The tiny models of tests/golden/model/tiny and what they must answer.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/types.h"

namespace promptcache::testing {

struct OracleCase {
  std::string name;
  std::vector<TokenId> ids;
  std::vector<Position> positions;
  // Tokens that see no others than their own, ascending; the others see all before them. Empty
  // where nothing is computed ahead.
  std::vector<size_t> unit;
  std::vector<size_t> rows;                // tokens, ascending, the last one among them
  std::vector<std::vector<float>> logits;  // [rows, vocabulary]
};

// The names of all models, sorted.
std::vector<std::string> OracleModels();
// What is loaded: the model's folder, or the GGUF file in it.
std::filesystem::path OracleModelPath(const std::string& name);
std::vector<OracleCase> ReadOracle(const std::string& name);

// Those tokens of a case alone, with the rows that are among them.
OracleCase Only(const OracleCase& c, std::span<const size_t> tokens);

// max |found - expected| / (max expected - min expected).
double LogitDifference(std::span<const float> found, std::span<const float> expected);
// The Kullback-Leibler divergence of softmax(found) from softmax(expected).
double Divergence(std::span<const float> found, std::span<const float> expected);

}  // namespace promptcache::testing
