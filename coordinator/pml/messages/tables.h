// The parts of the table, each ascending by id. Internal to coordinator/pml/messages.
#pragma once

#include <span>

#include "coordinator/pml/messages/messages.h"

namespace promptcache::internal {

std::span<const PmlMessage> DocumentMessages();
std::span<const PmlMessage> SchemaMessages();
std::span<const PmlMessage> PromptMessages();
std::span<const PmlMessage> LayoutMessages();
std::span<const PmlMessage> PlanMessages();
std::span<const PmlMessage> SourceMessages();
std::span<const PmlMessage> LintMessages();

}  // namespace promptcache::internal
