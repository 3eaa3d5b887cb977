// How `submit` and `run` show an answer: streamed to people, as one JSON object to programs.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cluster/client/client.h"

namespace promptcache {

nlohmann::json AnswerToJson(const Answer& answer);
// Each generated token with its log-probability and the likeliest ones in its place: a table a
// sample, named where there are several. Empty without log-probabilities.
std::string RenderLogprobs(const Answer& answer);

// The answer goes to standard output, tables to standard error.
struct AnswerOutput {
  bool json = false;
  bool quiet = false;

  // Adds --json and --quiet.
  void AddTo(CLI::App& command);
  // Prints the answer while it comes, unless it is printed at its end: as JSON, or when several
  // samples come at once. Give it to the client.
  PartialCallback Stream(const GenerationOptions& options) const;
  // Prints what is left to print. Returns the exit code.
  int Finish(const Answer& answer) const;
};

}  // namespace promptcache
