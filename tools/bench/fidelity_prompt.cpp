#include "tools/bench/fidelity_prompt.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "coordinator/layout/layout.h"
#include "coordinator/plan/plan_builder.h"
#include "worker/engine/key_ranges.h"
#include "worker/kv/unit_encoder.h"
#include "worker/kv/unit_io.h"

namespace promptcache {
namespace {

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// Rows of logits, [steps, vocabulary].
Result<std::vector<std::vector<float>>> Forward(Model& model, std::span<SequenceStep> steps) {
  PC_ASSIGN_OR_RETURN(const auto logits, model.Forward(steps));
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const float* row = logits.template const_data_ptr<float>() + i * logits.size(1);
    rows.emplace_back(row, row + logits.size(1));
  }
  return rows;
}

std::vector<double> LogProbabilities(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  const double normal = largest + std::log(sum);
  std::vector<double> out(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) out[i] = logits[i] - normal;
  return out;
}

double Divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  return sum;
}

// Adds what one position shows; `next` is the true token there.
void AddPosition(const std::vector<std::vector<float>>& rows, std::span<const size_t> lossless,
                 TokenId next, std::vector<Difference>& sums) {
  std::vector<std::vector<double>> all;
  for (const auto& row : rows) all.push_back(LogProbabilities(row));
  const std::vector<double>& full = all.front();
  const auto likeliest = std::max_element(full.begin(), full.end()) - full.begin();
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<double>& reuse = all[i];
    sums[i].kl_layout += Divergence(all[lossless[i]], reuse);
    sums[i].kl += Divergence(full, reuse);
    sums[i].delta_nll += full[static_cast<size_t>(next)] - reuse[static_cast<size_t>(next)];
    const auto own = std::max_element(reuse.begin(), reuse.end()) - reuse.begin();
    sums[i].agreement += own == likeliest ? 1 : 0;
  }
}

}  // namespace

FidelityCompiler::FidelityCompiler(const Tokenizer& tokenizer, uint32_t context_length)
    : template_(*FindChatTemplate("none", "")),
      encoder_(tokenizer, *template_),
      context_length_(context_length) {}

Result<CompiledText> FidelityCompiler::Compile(const FidelityText& text, EncodingMode encoding,
                                               const RepairChoice& repair) const {
  const PmlSource schema_source("schema", text.schema(EncodingModeName(encoding)));
  Diagnostics diagnostics(schema_source);
  const auto schema = ParseSchema(schema_source, {}, diagnostics);
  if (!schema) return diagnostics.ToStatus();
  const auto layout =
      BuildLayout(*schema, encoder_, {.context_length = context_length_}, diagnostics);
  if (!layout) return diagnostics.ToStatus();
  const PmlSource source("prompt", text.prompt());
  PC_ASSIGN_OR_RETURN(const PromptDocument prompt, ParsePrompt(source));
  CompiledText compiled;
  PC_ASSIGN_OR_RETURN(compiled.plan,
                      BuildPlan(*layout, encoder_, source, prompt,
                                {.repair = repair,
                                 .max_new_tokens = static_cast<uint32_t>(text.continuation.size()),
                                 .context_length = context_length_}));
  for (const PlanUnit& wanted : compiled.plan.units) {
    const auto unit =
        std::find_if(layout->units.begin(), layout->units.end(),
                     [&](const LayoutUnit& one) { return one.digest == wanted.digest; });
    compiled.recipes.push_back(std::make_shared<const Recipe>(layout->RecipeOf(*unit)));
  }
  return compiled;
}

Result<std::unique_ptr<RunningPrompt>> RunningPrompt::Make(Model& model, CompiledText text,
                                                           std::string_view kv_layout,
                                                           UnitsByDigest& units) {
  std::unique_ptr<RunningPrompt> prompt(new RunningPrompt(std::move(text)));
  PC_RETURN_IF_ERROR(prompt->Encode(model, kv_layout, units));
  PC_RETURN_IF_ERROR(prompt->Prefill(model));
  return prompt;
}

Status RunningPrompt::Encode(Model& model, std::string_view kv_layout, UnitsByDigest& units) {
  ContextCache contexts;
  for (size_t i = 0; i < text_.recipes.size(); ++i) {
    const RecipeDigest& digest = text_.plan.units[i].digest;
    UnitPtr& unit = units[digest];
    if (unit == nullptr) {
      UnitEncoder encoder(model, contexts, digest, text_.recipes[i]);
      for (bool complete = false; !complete;) {
        PC_ASSIGN_OR_RETURN(complete, encoder.Step());
      }
      unit = encoder.Take();
    }
    PC_ASSIGN_OR_RETURN(UnitPtr stored, AsStored(unit, kv_layout));
    units_.push_back(std::move(stored));
  }
  return {};
}

Status RunningPrompt::Prefill(Model& model) {
  const auto start = std::chrono::steady_clock::now();
  const Tokens& fresh = text_.plan.new_tokens;
  own_ = KvBuffer(model.shape(), model.kv_options(), static_cast<int64_t>(fresh.size()));
  const auto ranges = BuildKeyRanges(text_.plan, units_, fresh.positions);
  SequenceStep step{.ids = fresh.ids, .positions = fresh.positions, .units = ranges, .own = &own_};
  PC_ASSIGN_OR_RETURN(auto rows, Forward(model, {&step, 1}));
  first_logits_ = std::move(rows.front());
  ttft_ms_ = MillisecondsSince(start);
  const std::vector<Position> behind = {text_.plan.next_position};
  ranges_ = BuildKeyRanges(text_.plan, units_, behind);
  return {};
}

double RunningPrompt::recomputed_share() const {
  const double repaired = text_.plan.repaired_tokens;
  return repaired / (repaired + static_cast<double>(text_.plan.cached_tokens()));
}

SequenceStep RunningPrompt::Next(TokenId id) {
  ids_ = {id};
  positions_ = {text_.plan.next_position + fed_++};
  return {.ids = ids_, .positions = positions_, .units = ranges_, .own = &own_};
}

Result<std::vector<Difference>> Compare(Model& model,
                                        std::span<const std::unique_ptr<RunningPrompt>> prompts,
                                        std::span<const size_t> lossless,
                                        std::span<const TokenId> continuation) {
  std::vector<Difference> sums(prompts.size());
  std::vector<std::vector<float>> rows;
  for (const auto& prompt : prompts) {
    rows.emplace_back(prompt->first_logits().begin(), prompt->first_logits().end());
  }
  for (size_t i = 0; i < continuation.size(); ++i) {
    if (i > 0) {
      std::vector<SequenceStep> steps;
      for (const auto& prompt : prompts) steps.push_back(prompt->Next(continuation[i - 1]));
      PC_ASSIGN_OR_RETURN(rows, Forward(model, steps));
    }
    AddPosition(rows, lossless, continuation[i], sums);
    if (i > 0) continue;
    for (Difference& sum : sums) sum.kl_first = sum.kl;
  }
  const auto positions = static_cast<double>(continuation.size());
  for (Difference& sum : sums) {
    sum.kl /= positions;
    sum.agreement /= positions;
    sum.delta_nll /= positions;
    sum.kl_layout /= positions;
  }
  return sums;
}

}  // namespace promptcache
