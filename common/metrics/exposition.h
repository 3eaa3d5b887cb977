// Metrics as text in the format that Prometheus scrapes.
#pragma once

#include <string>

#include "common/metrics/metric.h"

namespace promptcache {

inline constexpr char kExpositionType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string ExpositionText(const Metrics& metrics);

}  // namespace promptcache
