#include "coordinator/tenant_domains.h"

#include <array>
#include <charconv>

#include "common/ids.h"

namespace promptcache {
namespace {

using Records = MetaClient::Records;

constexpr int kAttempts = 3;

std::string KeyOf(const std::string& tenant) { return "tenant/" + tenant + "/domain"; }

uint64_t RandomDomain() {
  uint64_t domain = 0;
  while (domain == 0) {
    for (const uint8_t byte : RequestId::Random().bytes) domain = domain << 8 | byte;
  }
  return domain;
}

std::string ToText(uint64_t domain) {
  std::array<char, 16> hex{};
  const char* const end = std::to_chars(hex.data(), hex.data() + hex.size(), domain, 16).ptr;
  return std::string(hex.data(), static_cast<size_t>(end - hex.data()));
}

// 0: it is none.
uint64_t ParseDomain(const std::string& text) {
  uint64_t domain = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, domain, 16);
  return error == std::errc() && stop == end ? domain : 0;
}

}  // namespace

void TenantDomains::Find(const std::string& tenant, const Callback& done) {
  if (tenant.empty()) return done(0);
  if (const auto known = known_.find(tenant); known != known_.end()) return done(known->second);
  if (meta_ == nullptr) return done(known_[tenant] = RandomDomain());
  Ask(tenant, kAttempts, done);
}

void TenantDomains::Ask(const std::string& tenant, int attempts, const Callback& done) {
  meta_->Get(KeyOf(tenant), [=, this](const Result<Records>& found) {
    // A damaged one is replaced; what was stored under it is encoded again.
    const bool is_damaged = found.status().code() == Code::kDataLoss;
    if (!found.ok() && !is_damaged) return done(found.status());
    const bool is_there = !is_damaged && !found->empty();
    const uint64_t domain = is_there ? ParseDomain(found->front().value) : 0;
    if (domain != 0) return done(known_[tenant] = domain);
    const uint64_t revision = is_there ? found->front().revision : 0;
    const uint64_t drawn = RandomDomain();
    meta_->Swap({.key = KeyOf(tenant), .expected = revision, .value = ToText(drawn)},
                [=, this](const Result<Records>& set) {
                  const Code code = set.status().code();
                  if (code == Code::kOk) return done(known_[tenant] = drawn);
                  // Another coordinator was faster.
                  const bool again = code == Code::kFailedPrecondition && attempts > 1;
                  if (again) return Ask(tenant, attempts - 1, done);
                  done(set.status());
                });
  });
}

}  // namespace promptcache
