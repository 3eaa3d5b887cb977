#include "tools/cli/model_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kMemories[] = {1 * kGiB, 4 * kGiB, 16 * kGiB, 64 * kGiB};
constexpr int64_t kFirstContext = 1024;

std::string_view NameOf(Residual residual) {
  switch (residual) {
    case Residual::kSequential:
      return "attention, then feed-forward";
    case Residual::kParallel:
      return "attention and feed-forward in parallel behind one norm";
    case Residual::kParallelTwoNorms:
      return "attention and feed-forward in parallel, a norm each";
  }
  return "";
}

// What the layers are made of: "RMS norm, SwiGLU, biases of q, k and v".
std::string LayersOf(const ModelConfig& config) {
  std::string text(NameOf(config.residual));
  text += config.norm == NormKind::kRms ? "; RMS norm" : "; layer norm";
  text += config.feed_forward == FeedForwardKind::kSwiglu ? ", SwiGLU" : ", GELU";
  if (config.qkv_bias) text += ", biases of q, k and v";
  if (config.qk_norm) text += ", norms of q and k";
  if (config.clip_qkv > 0) text += fmt::format(", q, k and v clipped to {}", config.clip_qkv);
  if (config.tied_head) text += ", head tied to the embedding";
  return text;
}

// 1024, 4096, ... and the model's own.
std::vector<int64_t> ContextsOf(const ModelShape& shape) {
  std::vector<int64_t> contexts;
  for (int64_t tokens = kFirstContext; tokens < shape.context_length; tokens *= 4) {
    contexts.push_back(tokens);
  }
  contexts.push_back(shape.context_length);
  return contexts;
}

json ShapeToJson(const ModelShape& shape) {
  return {{"layers", shape.layers},         {"hidden", shape.hidden},
          {"heads", shape.heads},           {"kv_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},     {"feed_forward", shape.feed_forward},
          {"vocabulary", shape.vocabulary}, {"context_length", shape.context_length}};
}

json MemoryToJson(const ModelShape& shape) {
  json contexts = json::array(), fits = json::array();
  for (const int64_t tokens : ContextsOf(shape)) {
    contexts.push_back({{"tokens", tokens},
                        {"bf16_bytes", tokens * shape.kv_bytes_per_token(2)},
                        {"fp32_bytes", tokens * shape.kv_bytes_per_token(4)}});
  }
  for (const uint64_t memory : kMemories) {
    fits.push_back({{"bytes", memory},
                    {"bf16_tokens", memory / static_cast<uint64_t>(shape.kv_bytes_per_token(2))},
                    {"fp32_tokens", memory / static_cast<uint64_t>(shape.kv_bytes_per_token(4))}});
  }
  return {{"bf16_bytes_per_token", shape.kv_bytes_per_token(2)},
          {"fp32_bytes_per_token", shape.kv_bytes_per_token(4)},
          {"contexts", std::move(contexts)},
          {"fits", std::move(fits)}};
}

std::string RenderMemory(const ModelShape& shape) {
  Table contexts(
      {{"tokens of context", Align::kRight}, {"bf16", Align::kRight}, {"fp32", Align::kRight}});
  for (const int64_t tokens : ContextsOf(shape)) {
    contexts.AddRow({std::to_string(tokens),
                     FormatBytes(static_cast<uint64_t>(tokens * shape.kv_bytes_per_token(2))),
                     FormatBytes(static_cast<uint64_t>(tokens * shape.kv_bytes_per_token(4)))});
  }
  Table fits({{"memory for states", Align::kRight},
              {"bf16 tokens", Align::kRight},
              {"fp32 tokens", Align::kRight}});
  for (const uint64_t memory : kMemories) {
    fits.AddRow({FormatBytes(memory),
                 std::to_string(memory / static_cast<uint64_t>(shape.kv_bytes_per_token(2))),
                 std::to_string(memory / static_cast<uint64_t>(shape.kv_bytes_per_token(4)))});
  }
  return fmt::format("{}\n{}", contexts.Render(), fits.Render());
}

std::string RenderConfig(const ModelReport& report) {
  const ModelShape& shape = report.config->shape;
  const uint64_t parameters = report.parameters();
  std::string text = fmt::format(
      "layers        {}: {}\n"
      "width         {}, {} in feed-forward; {} query heads, {} key heads of {}\n"
      "context       {} tokens, {} in the vocabulary\n"
      "positions     {}\n"
      "in memory     {} of weights in bf16, {} in fp32\n",
      shape.layers, LayersOf(*report.config), shape.hidden, shape.feed_forward, shape.heads,
      shape.kv_heads, shape.head_dim, shape.context_length, shape.vocabulary,
      report.config->positions.text, FormatBytes(2 * parameters), FormatBytes(4 * parameters));
  for (const Identity& identity : report.identities) {
    text += fmt::format("identity      {} in {}\n", identity.Digest().ToHex(), identity.dtype);
  }
  const Identity& any = report.identities.front();
  text += fmt::format("  weights     {}\n  kv layout   {}, encoder {}\n", any.weights,
                      any.kv_layout, any.encoder);
  return text + fmt::format("states        {} a token in bf16, {} in fp32\n\n{}",
                            FormatBytes(static_cast<uint64_t>(shape.kv_bytes_per_token(2))),
                            FormatBytes(static_cast<uint64_t>(shape.kv_bytes_per_token(4))),
                            RenderMemory(shape));
}

}  // namespace

json ModelReportToJson(const ModelReport& report) {
  json types = json::array();
  for (const TensorTypeTotal& total : report.types) {
    types.push_back({{"type", total.type},
                     {"tensors", total.tensors},
                     {"elements", total.elements},
                     {"bytes", total.bytes}});
  }
  json out = {{"path", report.path},
              {"name", report.name},
              {"architecture", report.architecture},
              {"supported", report.supported.ok()},
              {"parameters", report.parameters()},
              {"bytes", report.bytes()},
              {"tensor_types", std::move(types)},
              {"tokenizer", report.tokenizer},
              {"chat_template", report.chat_template}};
  if (!report.config) {
    out["reason"] = report.supported.message();
    return out;
  }
  out["shape"] = ShapeToJson(report.config->shape);
  out["layers"] = LayersOf(*report.config);
  out["positions"] = report.config->positions.text;
  out["states"] = MemoryToJson(report.config->shape);
  out["identities"] = json::array();
  for (const Identity& identity : report.identities) {
    out["identities"].push_back(IdentityToJson(identity));
  }
  return out;
}

std::string RenderModelReport(const ModelReport& report) {
  std::string text =
      fmt::format("model         {}{}\narchitecture  {}\n", report.path,
                  report.name.empty() ? "" : ", '" + report.name + "'", report.architecture);
  text += fmt::format("parameters    {} in {}\n", report.parameters(), FormatBytes(report.bytes()));
  for (const TensorTypeTotal& total : report.types) {
    text += fmt::format("  {:<12}{} tensors, {}\n", total.type, total.tensors,
                        FormatBytes(total.bytes));
  }
  text +=
      fmt::format("tokenizer     {}\nchat template {}\n", report.tokenizer, report.chat_template);
  return report.config ? text + RenderConfig(report)
                       : text + "not supported: " + report.supported.message() + "\n";
}

}  // namespace promptcache
