#include "common/store_reports.h"

namespace promptcache {
namespace {

bool Fits(const std::string& wanted, const std::string& actual) {
  return wanted.empty() || wanted == actual;
}

bool IsInside(const std::string& module, const std::string& path) {
  return module.empty() || path == module || path.starts_with(module + "/");
}

}  // namespace

bool BlobSelector::names_references() const {
  return !tenant.empty() || !schema.empty() || !version.empty() || !module.empty();
}

bool BlobSelector::Matches(const Reference& reference) const {
  return Fits(tenant, reference.tenant) && Fits(schema, reference.schema) &&
         Fits(version, reference.version) && IsInside(module, reference.module);
}

Status CheckSelector(const BlobSelector& selector) {
  if (!selector.keys.empty() || selector.names_references()) return {};
  return InvalidArgument("nothing is named: give a schema, a module, a tenant or keys");
}

}  // namespace promptcache
