#include "common/formats/positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "common/hash.h"

namespace promptcache {
namespace {

Status CheckPositive(double value, const char* what) {
  if (std::isfinite(value) && value > 0) return {};
  return InvalidArgument(fmt::format("{} of {} is not a positive number", what, value));
}

// Up to 2^30, as a model's context.
Status CheckContext(double tokens) {
  if (tokens >= 1 && tokens <= 0x1p30) return {};
  return InvalidArgument(fmt::format("rope original context of {} tokens", tokens));
}

Status Check(const RopeDesign& d) {
  if (d.dim < 2 || d.dim % 2 != 0) {
    return InvalidArgument(
        fmt::format("{} rotated dimensions are not a positive even number", d.dim));
  }
  PC_RETURN_IF_ERROR(CheckPositive(d.theta, "rope theta"));
  PC_RETURN_IF_ERROR(CheckPositive(d.factor, "rope factor"));
  const bool lengths = d.scaling == RopeScaling::kDynamic || d.scaling == RopeScaling::kYarn ||
                       d.scaling == RopeScaling::kLlama3;
  if (lengths) PC_RETURN_IF_ERROR(CheckContext(d.original_context));
  if (d.scaling == RopeScaling::kNtk && d.dim == 2) {
    return InvalidArgument("ntk scaling needs more than 2 rotated dimensions");
  }
  if (d.scaling == RopeScaling::kLlama3 &&
      !(d.low_frequency_factor > 0 && d.high_frequency_factor > d.low_frequency_factor)) {
    return InvalidArgument(fmt::format("llama3 scaling needs 0 < low {} < high {}",
                                       d.low_frequency_factor, d.high_frequency_factor));
  }
  if (d.scaling == RopeScaling::kYarn &&
      !(d.beta_slow > 0 && d.beta_fast > d.beta_slow && d.theta > 1)) {
    return InvalidArgument("yarn scaling needs 0 < beta_slow < beta_fast and theta above 1");
  }
  if (d.scaling != RopeScaling::kFactors) return {};
  if (d.factors.size() != static_cast<size_t>(d.dim / 2)) {
    return InvalidArgument(
        fmt::format("{} rope factors for {} frequencies", d.factors.size(), d.dim / 2));
  }
  for (const double factor : d.factors) PC_RETURN_IF_ERROR(CheckPositive(factor, "rope factor"));
  return {};
}

// "YaRN", section 3.2: the index of the frequency that makes `turns` turns in the original context.
double YarnIndex(const RopeDesign& d, double turns) {
  return static_cast<double>(d.dim) *
         std::log(d.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(d.theta));
}

// Frequencies above the ramp stay, those below are divided, those on it blended (NTK by parts).
void ScaleYarn(const RopeDesign& d, std::vector<double>& frequencies) {
  double low = YarnIndex(d, d.beta_fast), high = YarnIndex(d, d.beta_slow);
  if (d.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(d.dim - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= ramp / d.factor + (1 - ramp);
  }
}

void ScaleLlama3(const RopeDesign& d, std::vector<double>& frequencies) {
  for (double& frequency : frequencies) {
    const double turns = d.original_context * frequency / (2 * std::numbers::pi);
    if (turns > d.high_frequency_factor) continue;
    const double kept = std::max(
        0.0, (turns - d.low_frequency_factor) / (d.high_frequency_factor - d.low_frequency_factor));
    frequency *= (1 - kept) / d.factor + kept;
  }
}

void Scale(const RopeDesign& d, std::vector<double>& frequencies) {
  switch (d.scaling) {
    case RopeScaling::kLinear:
      for (double& frequency : frequencies) frequency /= d.factor;
      break;
    case RopeScaling::kYarn:
      ScaleYarn(d, frequencies);
      break;
    case RopeScaling::kLlama3:
      ScaleLlama3(d, frequencies);
      break;
    case RopeScaling::kFactors:
      for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= d.factors[i];
      break;
    case RopeScaling::kNone:
    case RopeScaling::kNtk:      // in theta
    case RopeScaling::kDynamic:  // nothing within the first regime
      break;
  }
}

double YarnMagnitude(const RopeDesign& d) {
  if (d.attention_factor > 0) return d.attention_factor;
  return d.factor <= 1 ? 1 : 0.1 * std::log(d.factor) + 1;
}

std::string ScalingText(const RopeDesign& d, double magnitude) {
  switch (d.scaling) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      return fmt::format("linear:{:.17g}", d.factor);
    case RopeScaling::kNtk:
      return fmt::format("ntk:{:.17g}", d.factor);
    case RopeScaling::kDynamic:
      return fmt::format("dynamic:below-{:.17g}", d.original_context);
    case RopeScaling::kYarn:
      return fmt::format("yarn:{:.17g},{:.17g},{:.17g},{:.17g},{:.17g}{}", d.factor,
                         d.original_context, d.beta_fast, d.beta_slow, magnitude,
                         d.truncate ? "" : ",exact");
    case RopeScaling::kLlama3:
      return fmt::format("llama3:{:.17g},{:.17g},{:.17g},{:.17g}", d.factor, d.low_frequency_factor,
                         d.high_frequency_factor, d.original_context);
    case RopeScaling::kFactors: {
      std::string all;
      for (const double factor : d.factors) all += fmt::format("{:.17g},", factor);
      return "factors:" + Blake2b().AddString(all).Finish().ToHex().substr(0, 16);
    }
  }
  return "none";
}

}  // namespace

Result<PositionSettings> MakeRope(const RopeDesign& design) {
  PC_RETURN_IF_ERROR(Check(design));
  const auto dim = static_cast<double>(design.dim);
  const bool ntk = design.scaling == RopeScaling::kNtk;
  const double theta = design.theta * (ntk ? std::pow(design.factor, dim / (dim - 2)) : 1);
  PositionSettings settings;
  for (int64_t i = 0; i < design.dim / 2; ++i) {
    settings.frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / dim));
  }
  Scale(design, settings.frequencies);
  for (const double frequency : settings.frequencies) {
    if (std::isfinite(frequency)) continue;
    return InvalidArgument(fmt::format("rope theta {} and factor {} make a frequency of {}",
                                       design.theta, design.factor, frequency));
  }
  if (design.scaling == RopeScaling::kYarn) settings.magnitude = YarnMagnitude(design);
  if (design.scaling == RopeScaling::kDynamic) {
    settings.regime_end = static_cast<int64_t>(design.original_context);
  }
  settings.text = fmt::format("rope theta={:.17g} dim={} scaling={} layout=half", design.theta,
                              design.dim, ScalingText(design, settings.magnitude));
  return settings;
}

Result<PositionSettings> MakeAlibi(int64_t heads, double bias_max, double scale) {
  PC_RETURN_IF_ERROR(CheckPositive(bias_max, "alibi bias_max"));
  PC_RETURN_IF_ERROR(CheckPositive(scale, "alibi scale"));
  int64_t power = 1;
  while (power < heads) power *= 2;
  PositionSettings settings;
  const auto add = [&](int64_t from) {
    for (int64_t i = from; i <= power; i += power == heads ? 1 : 2) {
      if (settings.slopes.size() == static_cast<size_t>(heads)) return;
      settings.slopes.push_back(
          scale * std::exp2(-bias_max * static_cast<double>(i) / static_cast<double>(power)));
    }
  };
  if (power != heads) add(2);  // those of the next lower power
  add(1);
  settings.text =
      fmt::format("alibi heads={} bias_max={:.17g} scale={:.17g}", heads, bias_max, scale);
  return settings;
}

}  // namespace promptcache
