#include <nlohmann/json.hpp>

#include "coordinator/registry/registry.h"

namespace promptcache {

std::string SchemaKey(const RegisteredSchema& schema) {
  return "schema/" + schema.name + "/" + schema.version;
}

std::string SchemaRecord(const RegisteredSchema& schema) {
  return nlohmann::json{{"format", 1},
                        {"document", schema.document},
                        {"max_tokens", schema.max_tokens},
                        {"registered_unix_ms", schema.registered_unix_ms}}
      .dump();
}

Result<StoredSchema> ParseSchemaRecord(const std::string& record) {
  try {
    const auto json = nlohmann::json::parse(record);
    if (json.at("format").get<int>() != 1) {
      return DataLoss("a schema record of format " + std::to_string(json.at("format").get<int>()) +
                      "; this version reads format 1");
    }
    StoredSchema stored;
    stored.add.document = json.at("document").get<std::string>();
    stored.add.max_tokens = json.at("max_tokens").get<uint32_t>();
    stored.registered_unix_ms = json.at("registered_unix_ms").get<uint64_t>();
    return stored;
  } catch (const nlohmann::json::exception& error) {
    return DataLoss(std::string("a schema record does not parse: ") + error.what());
  }
}

}  // namespace promptcache
