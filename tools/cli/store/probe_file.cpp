#include "tools/cli/store/probe_file.h"

#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

using nlohmann::json;

SourceFile FileOf(const json& in) {
  return {.path = in.at("path").get<std::string>(), .text = in.at("text").get<std::string>()};
}

json FileToJson(const SourceFile& file) { return {{"path", file.path}, {"text", file.text}}; }

PackProbe ProbeOf(const json& in) {
  const json& identity = in.at("identity");
  PackProbe probe{.model = in.at("model").get<std::string>(),
                  .identity = {.weights = identity.at("weights").get<std::string>(),
                               .tokenizer = identity.at("tokenizer").get<std::string>(),
                               .positions = identity.at("positions").get<std::string>(),
                               .dtype = identity.at("dtype").get<std::string>(),
                               .kv_layout = identity.at("kv_layout").get<std::string>(),
                               .encoder = identity.at("encoder").get<std::string>()},
                  .schema = FileOf(in.at("schema")),
                  .max_tokens = in.at("max_tokens").get<uint32_t>(),
                  .prompt = in.at("prompt").get<std::string>(),
                  .expected = in.at("expected").get<std::vector<TokenId>>()};
  for (const json& file : in.at("sources")) probe.sources.push_back(FileOf(file));
  return probe;
}

}  // namespace

Result<PackProbe> ReadProbeFile(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const std::string text, ReadInput(path));
  try {
    return ProbeOf(json::parse(text));
  } catch (const json::exception& error) {
    return InvalidArgument(path + " is not a probe: " + error.what());
  }
}

std::string ProbeText(const PackProbe& probe) {
  json sources = json::array();
  for (const SourceFile& file : probe.sources) sources.push_back(FileToJson(file));
  return json{{"model", probe.model},
              {"identity", IdentityToJson(probe.identity)},
              {"schema", FileToJson(probe.schema)},
              {"sources", std::move(sources)},
              {"max_tokens", probe.max_tokens},
              {"prompt", probe.prompt},
              {"expected", probe.expected}}
      .dump(2);
}

}  // namespace promptcache
