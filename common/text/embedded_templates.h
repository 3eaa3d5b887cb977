// The files of common/text/templates, built in.
#pragma once

#include <span>
#include <string_view>

namespace promptcache {

// Each a TOML file; ordered by file name.
std::span<const std::string_view> EmbeddedTemplates();

}  // namespace promptcache
