#include <limits>
#include <nlohmann/json.hpp>

#include "coordinator/registry/registry.h"

namespace promptcache {
namespace {

constexpr uint64_t kFormatWithoutSources = 1;
constexpr uint64_t kFormatWithoutTenant = 2;
constexpr uint64_t kFormat = 3;
constexpr uint64_t kLatestUnixMs = uint64_t{1} << 53;

// The library converts silently what does not fit.
Result<uint64_t> NumberAt(const nlohmann::json& json, const char* key, uint64_t max) {
  const auto& value = json.at(key);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > max) {
    return DataLoss("a schema record's '" + std::string(key) + "' is not a number from 0 to " +
                    std::to_string(max));
  }
  return value.get<uint64_t>();
}

}  // namespace

std::string SchemaKey(const std::string& tenant, const std::string& name,
                      const std::string& version) {
  const std::string of = tenant.empty() ? "" : "@" + tenant;
  return kSchemaKeyPrefix + of + "/" + name + "/" + version;
}

std::string SchemaKey(const RegisteredSchema& schema) {
  return SchemaKey(schema.tenant, schema.name, schema.version);
}

std::string TenantOfSchemaKey(const std::string& key) {
  const std::string start = std::string(kSchemaKeyPrefix) + "@";
  if (!key.starts_with(start)) return "";
  return key.substr(start.size(), key.find('/') - start.size());
}

std::string SchemaRecord(const RegisteredSchema& schema) {
  nlohmann::json sources = nlohmann::json::array();
  for (const SourceFile& file : schema.sources) {
    sources.push_back({{"path", file.path}, {"text", file.text}});
  }
  return nlohmann::json{{"format", kFormat},
                        {"document", schema.document},
                        {"sources", std::move(sources)},
                        {"max_tokens", schema.max_tokens},
                        {"registered_unix_ms", schema.registered_unix_ms},
                        {"tenant", schema.tenant},
                        {"shared", schema.shared}}
      .dump();
}

Result<StoredSchema> ParseSchemaRecord(const std::string& record) {
  try {
    const auto json = nlohmann::json::parse(record);
    PC_ASSIGN_OR_RETURN(const uint64_t format,
                        NumberAt(json, "format", std::numeric_limits<uint64_t>::max()));
    if (format < kFormatWithoutSources || format > kFormat) {
      return DataLoss("a schema record of format " + std::to_string(format) +
                      "; this version reads formats 1 to 3");
    }
    StoredSchema stored;
    stored.add.document = json.at("document").get<std::string>();
    if (format != kFormatWithoutSources) {
      for (const auto& file : json.at("sources")) {
        stored.add.sources.push_back(
            {file.at("path").get<std::string>(), file.at("text").get<std::string>()});
      }
    }
    PC_ASSIGN_OR_RETURN(const uint64_t max_tokens,
                        NumberAt(json, "max_tokens", std::numeric_limits<uint32_t>::max()));
    stored.add.max_tokens = static_cast<uint32_t>(max_tokens);
    PC_ASSIGN_OR_RETURN(stored.registered_unix_ms,
                        NumberAt(json, "registered_unix_ms", kLatestUnixMs));
    if (format > kFormatWithoutTenant) {
      stored.tenant = json.at("tenant").get<std::string>();
      if (stored.tenant.find('/') != std::string::npos) {
        return DataLoss("a schema record's tenant is none");
      }
      stored.add.shared = json.at("shared").get<bool>();
    }
    return stored;
  } catch (const nlohmann::json::exception& error) {
    return DataLoss(std::string("a schema record does not parse: ") + error.what());
  }
}

}  // namespace promptcache
