// What `promptcache config --check` finds in settings whose types and ranges are right.
#pragma once

#include <string>
#include <vector>

#include "common/config.h"
#include "common/status.h"

namespace promptcache {

// A line for each value that a service would refuse at its start, in that service's own words:
// `log.level = "loud": log level 'loud' is not one of ...`. Nothing on this machine is looked at
// but a chat template's file where there is one: the settings may be meant for other machines.
std::vector<std::string> RefusedSettings(const Settings& settings);

// As LoadSettings; kInvalidArgument with a line for each value that would be refused, each with the
// path.
Status CheckSettingsFile(const std::string& path);

}  // namespace promptcache
