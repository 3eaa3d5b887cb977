#include "tools/cli/generation_flags.h"

#include <charconv>
#include <cstdint>
#include <limits>

namespace promptcache {
namespace {

constexpr double kLongestDeadline = 30.0 * 24 * 3600;

// What is wrong with it; empty: nothing.
std::string CheckDeadline(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && seconds >= 0.001 && seconds <= kLongestDeadline) return {};
  return "'" + text + "' is not a number of seconds from 0.001 to " +
         std::to_string(static_cast<int64_t>(kLongestDeadline)) + " (30 days)";
}

}  // namespace

void ReuseFlags::AddTo(CLI::App& command) {
  CLI::Option* full = command.add_flag("--no-cache", no_cache,
                                       "Compute everything, at the positions the schema gives");
  command.add_flag("--contiguous", contiguous, "With --no-cache: renumber positions 0, 1, 2, ...")
      ->needs(full);
  CLI::Option* how =
      command
          .add_option("--repair", repair,
                      "What is computed again because modules could not see each other: none, "
                      "linked (the first tokens of every run of cached ones) or full (default: "
                      "coordinator.repair)")
          ->check(CLI::IsMember({"none", "linked", "full"}))
          ->excludes(full);
  command
      .add_option("--linked-tokens", linked_tokens,
                  "How many tokens of each run repair linked computes again, which this asks for "
                  "(default: coordinator.linked_tokens)")
      ->check(CLI::Range(1U, kMaxLinkedTokens))
      ->excludes(full)
      ->check([how](const std::string&) {
        return how->count() == 0 || how->results().front() == "linked"
                   ? std::string()
                   : std::string("needs --repair linked");
      });
}

ReuseMode ReuseFlags::mode() const {
  if (!no_cache) return ReuseMode::kReuse;
  return contiguous ? ReuseMode::kFullContiguous : ReuseMode::kFull;
}

std::optional<Repair> ReuseFlags::wanted_repair() const {
  if (linked_tokens > 0) return Repair::kLinked;
  return FindRepair(repair);
}

void GenerationFlags::AddTo(CLI::App& command) {
  command.add_option("--max-new-tokens", options.max_new_tokens, "Longest answer; 0: encode only")
      ->capture_default_str();
  command.add_option("--temperature", options.temperature, "0: greedy")->capture_default_str();
  command.add_option("--top-p", options.top_p, "Keep the likeliest tokens of this total mass")
      ->capture_default_str();
  command.add_option("--top-k", options.top_k, "Keep the K likeliest tokens; 0: all")
      ->capture_default_str();
  command
      .add_option("--repetition-penalty", options.repetition_penalty,
                  "Above 1: tokens seen in prompt or answer become less likely")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "The same seed gives the same answer")
      ->capture_default_str();
  command.add_option("--stop", options.stop_strings,
                     "End the answer before this text (repeatable)");
  command
      .add_option("--samples", options.samples,
                  "Answers to the one prompt; they differ where tokens are drawn")
      ->check(CLI::Range(1u, GenerationOptions::kMaxSamples))
      ->capture_default_str();
  command
      .add_option("--logprobs", options.logprobs,
                  "Show each token's log-probability and the K likeliest in its place; 0: off")
      ->check(CLI::Range(0u, GenerationOptions::kMaxLogprobs))
      ->capture_default_str();
  reuse.AddTo(command);
  command.add_option("--deadline", deadline_seconds, "Seconds until the request fails")
      ->check(CLI::Validator(CheckDeadline, "SECONDS"))
      ->capture_default_str();
}

void GenerationFlags::AddPriorityTo(CLI::App& command) {
  command
      .add_option("--priority", priority,
                  "Where requests wait for a worker, your tenant's of higher priority go first")
      ->check(CLI::Range(uint32_t{0}, uint32_t{std::numeric_limits<uint8_t>::max()}))
      ->capture_default_str();
}

struct Submit GenerationFlags::ToSubmit(std::string prompt) const {
  return {.model = model,
          .prompt = std::move(prompt),
          .options = options,
          .reuse = reuse.mode(),
          .repair = reuse.wanted_repair(),
          .linked_tokens = reuse.linked_tokens,
          .priority = static_cast<uint8_t>(priority)};
}

SubmitOptions GenerationFlags::ToOptions() const {
  return {.deadline = std::chrono::milliseconds(static_cast<int64_t>(deadline_seconds * 1000))};
}

}  // namespace promptcache
