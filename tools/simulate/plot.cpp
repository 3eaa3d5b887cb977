#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/simulate/report.h"

namespace promptcache {
namespace {

constexpr std::array kColors = {"#0b6e4f", "#c8553d", "#3d5a80", "#8e7dbe", "#e0a458"};
constexpr std::array kTiers = {Source::kDevice, Source::kHost, Source::kDisk, Source::kRemote,
                               Source::kEncoded};
constexpr double kLeft = 60;
constexpr double kTop = 50;
constexpr double kHeight = 300;
constexpr double kCurveWidth = 460;
constexpr double kBarsLeft = 580;
constexpr double kBarsWidth = 380;
constexpr double kLegendTop = kTop + kHeight + 50;

std::string Text(double x, double y, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x, y, text);
}

std::string Box(double x, double y, double width, double height, const char* color) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", x, y,
      width, height, color);
}

// From powers of ten to places on the axis of times.
class TimeAxis {
 public:
  explicit TimeAxis(const std::vector<SimulationResult>& results) {
    double least = 1e9;
    double most = 1e-9;
    for (const SimulationResult& result : results) {
      if (result.ttft_s.samples.empty()) continue;
      least = std::min(least, result.ttft_s.minimum());
      most = std::max(most, result.ttft_s.maximum());
    }
    first_ = std::floor(std::log10(std::clamp(least, 1e-6, 1e6)));
    last_ = std::max(first_ + 1, std::ceil(std::log10(std::clamp(most, 1e-6, 1e6))));
  }
  double Place(double seconds) const {
    const double power = std::log10(std::max(seconds, 1e-6));
    return kLeft + kCurveWidth * (power - first_) / (last_ - first_);
  }
  std::string Draw() const {
    std::string out;
    for (double power = first_; power <= last_; ++power) {
      const double x = Place(std::pow(10, power));
      out += fmt::format(
          "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#ddd\"/>\n", x, kTop,
          kTop + kHeight);
      out += Text(x - 10, kTop + kHeight + 18, fmt::format("{:g} s", std::pow(10, power)));
    }
    return out;
  }

 private:
  double first_ = 0;
  double last_ = 1;
};

std::string Curve(const SimulationResult& result, const TimeAxis& axis, const char* color) {
  std::vector<double> times = result.ttft_s.samples;
  std::sort(times.begin(), times.end());
  std::string points;
  constexpr size_t kSteps = 500;
  for (size_t i = 0; i <= kSteps && !times.empty(); ++i) {
    const double share = static_cast<double>(i) / kSteps;
    const auto rank = static_cast<size_t>(share * static_cast<double>(times.size() - 1));
    points += fmt::format("{:.1f},{:.1f} ", axis.Place(times[rank]), kTop + kHeight * (1 - share));
  }
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                     points, color);
}

std::string Bar(const SimulationResult& result, double x, double width) {
  std::string out;
  double y = kTop + kHeight;
  for (size_t i = 0; i < kTiers.size(); ++i) {
    const double height = kHeight * result.Share(kTiers[i]);
    y -= height;
    out += Box(x, y, width, height, kColors[i]);
  }
  return out + Text(x, kTop + kHeight + 18, result.policy);
}

}  // namespace

std::string PlotSimulations(const std::vector<SimulationResult>& results) {
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"980\" height=\"450\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n"
      "<rect width=\"980\" height=\"450\" fill=\"white\"/>\n";
  out +=
      Text(kLeft, 20, fmt::format("{}, seed {}", results.front().workload, results.front().seed));
  out += Text(kLeft, 40, "share of requests with a first token after") +
         Text(kBarsLeft, 40, "where units were found, by tokens");
  const TimeAxis axis(results);
  out += axis.Draw();
  for (const int percent : {0, 50, 90, 99}) {
    out +=
        Text(kLeft - 40, kTop + kHeight * (1 - percent / 100.0) + 4, fmt::format("{} %", percent));
  }
  const double bar = kBarsWidth / static_cast<double>(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const char* color = kColors[i % kColors.size()];
    const double place = static_cast<double>(i);
    out += Curve(results[i], axis, color) + Box(kLeft + 115 * place, kLegendTop, 10, 10, color) +
           Text(kLeft + 115 * place + 15, kLegendTop + 9, results[i].policy) +
           Bar(results[i], kBarsLeft + bar * place, bar * 0.7);
  }
  for (size_t i = 0; i < kTiers.size(); ++i) {
    const double x = kBarsLeft + 65 * static_cast<double>(i);
    out += Box(x, kLegendTop, 10, 10, kColors[i]) +
           Text(x + 15, kLegendTop + 9, std::string(SourceName(kTiers[i])));
  }
  return out + "</svg>\n";
}

}  // namespace promptcache
