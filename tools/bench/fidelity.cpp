#include "tools/bench/fidelity.h"

#include <algorithm>
#include <chrono>

#include "common/formats/gguf.h"
#include "common/text/load_tokenizer.h"
#include "tools/bench/fidelity_prompt.h"
#include "tools/bench/fidelity_text.h"

namespace promptcache {
namespace {

constexpr EncodingMode kEncodings[] = {EncodingMode::kIndependent, EncodingMode::kAnchored};

Status CheckOptions(const FidelityOptions& options) {
  if (options.modules.empty() || options.tokens.empty() || options.samples == 0 ||
      options.new_tokens == 0 || options.continuation == 0) {
    return InvalidArgument(
        "fidelity needs a number of modules, their tokens, a sample, new tokens and a position");
  }
  for (const uint32_t k : options.linked) {
    if (k > kMaxLinkedTokens) {
      return InvalidArgument("--k " + std::to_string(k) + " is too large");
    }
  }
  return {};
}

class Measurement {
 public:
  Measurement(const FidelityOptions& options, std::string_view kv_layout,
              const Tokenizer& tokenizer, LoadedModel& loaded, const TokenStream& news)
      : options_(options),
        kv_layout_(kv_layout),
        model_(*loaded.model),
        compiler_(tokenizer, static_cast<uint32_t>(loaded.model->shape().context_length)),
        news_(news) {
    report_.options = options;
    report_.identity = loaded.identity;
  }

  Status Run(const FidelityProgress& progress) {
    const std::vector<FidelityShape> shapes = Shapes();
    if (shapes.empty()) return InvalidArgument(report_.skipped.front());
    const auto total = static_cast<uint32_t>(shapes.size()) * options_.samples;
    uint32_t done = 0;
    progress(done, total);
    for (const FidelityShape& shape : shapes) {
      const size_t first = AddCells(shape);
      for (uint32_t sample = 0; sample < options_.samples; ++sample) {
        PC_ASSIGN_OR_RETURN(const FidelityText text,
                            news_.Cut(shape, options_.seed * 1000 + sample));
        PC_RETURN_IF_ERROR(MeasureText(text, first));
        progress(++done, total);
      }
    }
    return {};
  }
  FidelityReport Take() && { return std::move(report_); }

 private:
  // Those that fit the context; the report names the others.
  std::vector<FidelityShape> Shapes() {
    constexpr uint32_t kMargin = 128;  // introduction, and cuts that tokenize to a little more
    std::vector<FidelityShape> shapes;
    for (const uint32_t modules : options_.modules) {
      for (const uint32_t tokens : options_.tokens) {
        const int64_t end =
            int64_t{modules} * tokens + options_.new_tokens + options_.continuation + kMargin;
        if (end > model_.shape().context_length) {
          report_.skipped.push_back(std::to_string(modules) + " modules of " +
                                    std::to_string(tokens) + " tokens need a context of " +
                                    std::to_string(end) + ", the model has " +
                                    std::to_string(model_.shape().context_length));
        } else {
          shapes.push_back({modules, tokens, options_.new_tokens, options_.continuation});
        }
      }
    }
    return shapes;
  }

  // The cells of one size, full prefill first, and the index of that.
  size_t AddCells(const FidelityShape& shape) {
    const size_t first = report_.cells.size();
    report_.cells.push_back(
        {.modules = shape.modules, .tokens = shape.tokens, .repair = Repair::kFull});
    for (const EncodingMode encoding : kEncodings) {
      for (const uint32_t k : options_.linked) {
        report_.cells.push_back({.modules = shape.modules,
                                 .tokens = shape.tokens,
                                 .encoding = encoding,
                                 .repair = k == 0 ? Repair::kNone : Repair::kLinked,
                                 .linked_tokens = k});
        if (kv_layout_ == kBlobLayout) continue;
        report_.cells.push_back(report_.cells.back());
        report_.cells.back().kv_layout = kv_layout_;
      }
    }
    return first;
  }

  Status MeasureText(const FidelityText& text, size_t first) {
    std::vector<std::unique_ptr<RunningPrompt>> prompts;
    std::vector<size_t> lossless;  // of each prompt, the one that differs in the layout only
    UnitsByDigest units;
    for (size_t i = first; i < report_.cells.size(); ++i) {
      const FidelityCell& cell = report_.cells[i];
      PC_ASSIGN_OR_RETURN(
          auto compiled, compiler_.Compile(text, cell.encoding, {cell.repair, cell.linked_tokens}));
      PC_ASSIGN_OR_RETURN(auto prompt,
                          RunningPrompt::Make(model_, std::move(compiled), cell.kv_layout, units));
      lossless.push_back(cell.kv_layout == kBlobLayout ? prompts.size() : prompts.size() - 1);
      prompts.push_back(std::move(prompt));
    }
    PC_ASSIGN_OR_RETURN(const std::vector<Difference> differences,
                        Compare(model_, prompts, lossless, text.continuation));
    for (size_t i = 0; i < prompts.size(); ++i) {
      Add(differences[i], *prompts[i], report_.cells[first + i]);
    }
    return {};
  }

  static void Add(const Difference& difference, const RunningPrompt& prompt, FidelityCell& cell) {
    cell.kl_first.samples.push_back(difference.kl_first);
    cell.kl.samples.push_back(difference.kl);
    cell.agreement.samples.push_back(difference.agreement);
    cell.delta_nll.samples.push_back(difference.delta_nll);
    cell.kl_layout.samples.push_back(difference.kl_layout);
    cell.share.samples.push_back(prompt.recomputed_share());
    cell.ttft_ms.samples.push_back(prompt.ttft_ms());
  }

  const FidelityOptions& options_;
  const std::string_view kv_layout_;
  Model& model_;
  const FidelityCompiler compiler_;
  const TokenStream& news_;
  FidelityReport report_;
};

}  // namespace

Result<FidelityReport> MeasureFidelity(const FidelityOptions& options,
                                       const FidelityProgress& progress) {
  PC_RETURN_IF_ERROR(CheckOptions(options));
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, ParseComputeDtype(options.dtype));
  PC_ASSIGN_OR_RETURN(const Compression compression, ParseCompression(options.compression));
  PC_ASSIGN_OR_RETURN(const std::string text, ReadNews(options.data));
  PC_ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizerFile(options.model));
  PC_ASSIGN_OR_RETURN(const TokenStream news, TokenStream::Of(*tokenizer, text));
  PC_ASSIGN_OR_RETURN(LoadedModel loaded,
                      LoadModel(options.model, {.dtype = dtype, .threads = options.threads}));
  Measurement measurement(options, compression.kv_layout, *tokenizer, loaded, news);
  PC_RETURN_IF_ERROR(measurement.Run(progress));
  return std::move(measurement).Take();
}

}  // namespace promptcache
