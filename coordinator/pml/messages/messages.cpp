#include "coordinator/pml/messages/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "coordinator/pml/messages/tables.h"

namespace promptcache {
namespace {

std::vector<PmlMessage> Joined() {
  std::vector<PmlMessage> all;
  for (const auto part :
       {internal::DocumentMessages(), internal::SchemaMessages(), internal::PromptMessages(),
        internal::LayoutMessages(), internal::PlanMessages(), internal::SourceMessages(),
        internal::LintMessages()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

const PmlMessage* Find(uint32_t number) {
  const auto all = PmlMessages();
  const auto found = std::lower_bound(all.begin(), all.end(), number,
                                      [](const PmlMessage& message, uint32_t wanted) {
                                        return static_cast<uint32_t>(message.id) < wanted;
                                      });
  return found != all.end() && static_cast<uint32_t>(found->id) == number ? &*found : nullptr;
}

}  // namespace

std::span<const PmlMessage> PmlMessages() {
  static const std::vector<PmlMessage> kAll = Joined();
  return kAll;
}

const PmlMessage& MessageOf(PmlId id) {
  const PmlMessage* message = Find(static_cast<uint32_t>(id));
  if (message == nullptr) std::abort();  // an id without a row
  return *message;
}

std::string PmlIdName(PmlId id) { return fmt::format("PML{:04}", static_cast<unsigned>(id)); }

const PmlMessage* FindMessage(std::string_view name) {
  if (name.size() > 3 && (name[0] | 0x20) == 'p' && (name[1] | 0x20) == 'm' &&
      (name[2] | 0x20) == 'l') {
    name.remove_prefix(3);
  }
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? Find(number) : nullptr;
}

}  // namespace promptcache
