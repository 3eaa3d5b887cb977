#include "tools/bench/pml_bench.h"

#include <fmt/format.h>

#include <utility>

#include "coordinator/plan/plan_builder.h"
#include "tools/bench/bench_tokenizers.h"

namespace promptcache {
namespace {

constexpr uint32_t kSchemaRuns = 40;
constexpr uint32_t kPromptRuns = 1000;
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kNestedModules = 12'000;
constexpr size_t kDepths[] = {1, 8, 60};
constexpr size_t kUnits[] = {8'192, 16'384, 32'768, 65'536};

// `measure` once for nothing, then `times` times into `into`.
template <typename Into, typename Measure>
Status Repeat(uint32_t times, Into& into, const Measure& measure) {
  Into unmeasured = into;
  PC_RETURN_IF_ERROR(measure(unmeasured));
  for (uint32_t i = 0; i < times; ++i) PC_RETURN_IF_ERROR(measure(into));
  return {};
}

Status CompilePersona(const PmlSource& source, const TextEncoder& encoder, PmlReport& report) {
  PC_RETURN_IF_ERROR(
      Timed<std::milli>(report.schema_parse, [&] { return ParseSchema(source); }).status());
  Diagnostics diagnostics(source);
  const auto layout = Timed<std::milli>(report.schema, [&] {
    const auto schema = ParseSchema(source, {}, diagnostics);
    return schema ? BuildLayout(*schema, encoder, {}, diagnostics) : std::nullopt;
  });
  if (!layout) return diagnostics.ToStatus();
  report.schema_tokens = static_cast<uint32_t>(layout->length);
  return {};
}

Status PlanPersona(const std::string& text, const Layout& layout, const TextEncoder& encoder,
                   Series& series) {
  return Timed<std::micro>(series,
                           [&]() -> Result<Plan> {
                             const PmlSource source("prompt.xml", text);
                             PC_ASSIGN_OR_RETURN(const auto prompt, ParsePrompt(source));
                             return BuildPlan(layout, encoder, source, prompt,
                                              {.max_new_tokens = 1});
                           })
      .status();
}

Status MeasurePersona(const PersonaWorkload& persona, const TextEncoder& encoder,
                      PmlReport& report) {
  const PmlSource source("persona.xml", persona.schema);
  report.schema_bytes = persona.schema.size();
  PmlReport first;
  PC_RETURN_IF_ERROR(CompilePersona(source, encoder, first));
  report.schema_first = std::move(first.schema);
  const uint32_t iterations = report.options.iterations;
  PC_RETURN_IF_ERROR(Repeat(iterations * kSchemaRuns, report, [&](PmlReport& into) {
    return CompilePersona(source, encoder, into);
  }));
  PC_ASSIGN_OR_RETURN(const SchemaDocument schema, ParseSchema(source));
  Diagnostics diagnostics(source);
  const auto layout = BuildLayout(schema, encoder, {}, diagnostics);
  if (!layout) return diagnostics.ToStatus();
  PC_ASSIGN_OR_RETURN(const auto known,
                      MakeLookUpTokenizer(encoder.tokenizer(), persona.new_texts));
  const TextEncoder looked_up = encoder.With(*known);
  return Repeat(iterations * kPromptRuns, report.prompt, [&](Series& into) {
    return PlanPersona(persona.prompt, *layout, looked_up, into);
  });
}

Status CompileDocument(const PmlSource& source, const TextEncoder& encoder, DocumentTimes& times) {
  Diagnostics diagnostics(source);
  const auto schema =
      Timed<std::milli>(times.parse, [&] { return ParseSchema(source, {}, diagnostics); });
  if (!schema) return diagnostics.ToStatus();
  Timed<std::milli>(times.layout, [&] { return BuildLayout(*schema, encoder, {}, diagnostics); });
  return diagnostics.ToStatus();
}

struct NamedDocument {
  std::string name;
  std::function<std::string()> make;
};

std::vector<NamedDocument> DocumentsOf(const PmlBenchOptions& options) {
  std::vector<NamedDocument> documents;
  for (size_t mib = 1; mib <= options.largest_mib; mib *= 4) {
    documents.push_back({fmt::format("text_{}", mib), [=] { return TextDocument(mib * kMiB); }});
  }
  documents.push_back({"tags", [] { return TagsDocument(kMiB); }});
  for (const size_t depth : kDepths) {
    documents.push_back(
        {fmt::format("depth_{}", depth), [=] { return NestedDocument(kNestedModules, depth); }});
  }
  for (const size_t units : kUnits) {
    documents.push_back({fmt::format("units_{}", units), [=] { return UnitsDocument(units); }});
  }
  return documents;
}

}  // namespace

Result<PmlReport> MeasurePml(const PersonaWorkload& persona, const TextEncoder& encoder,
                             const PmlBenchOptions& options,
                             const std::function<void(const std::string&)>& progress) {
  PmlReport report{.options = options, .cpu = CpuName()};
  progress("persona");
  PC_RETURN_IF_ERROR(MeasurePersona(persona, encoder, report));
  const auto constant = MakeConstantTokenizer();
  const TextEncoder timeless = encoder.With(*constant);
  for (const NamedDocument& document : DocumentsOf(options)) {
    progress(document.name);
    const PmlSource source(document.name, document.make());
    DocumentTimes times{.name = document.name, .bytes = source.text().size()};
    PC_RETURN_IF_ERROR(Repeat(options.iterations, times, [&](DocumentTimes& into) {
      return CompileDocument(source, timeless, into);
    }));
    report.documents.push_back(std::move(times));
  }
  return report;
}

}  // namespace promptcache
