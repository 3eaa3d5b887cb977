// What fsck and gc found and did. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/store_reports.h"

namespace promptcache {

// Marks what `after`, a check after a repair, does not find any more.
void MarkRepaired(const CheckReport& after, CheckReport& report);
// Whether something was found that was not repaired.
bool HasFindingsLeft(const CheckReport& report);

nlohmann::json CheckToJson(const CheckReport& report);
std::string RenderCheck(const CheckReport& report);

nlohmann::json GarbageToJson(const GarbageReport& report);
std::string RenderGarbage(const GarbageReport& report);

}  // namespace promptcache
