#include "worker/engine/load_choice.h"

#include <algorithm>

namespace promptcache {
namespace {

constexpr double kFading = 0.95;
constexpr double kLeastWeight = 0.05;  // of all samples, beside 1 of the next
// Of 1 / amount, relative to its mean: with less the samples do not tell a fixed part from the
// rest.
constexpr double kLeastVariance = 0.25;

}  // namespace

void LinearCost::Add(double amount, double seconds) {
  if (amount <= 0 || seconds <= 0) return;
  const double u = 1 / amount, r = seconds / amount;
  Fade();
  weight_ += 1;
  u_ += u, r_ += r;
  uu_ += u * u, ur_ += u * r;
}

void LinearCost::Age() {
  if (weight_ > kLeastWeight) Fade();
}

void LinearCost::Fade() {
  for (double* sum : {&weight_, &u_, &r_, &uu_, &ur_}) *sum *= kFading;
}

// The line r = fixed * u + each through the samples by least squares.
CostLine LinearCost::Line() const {
  const double u = u_ / weight_, r = r_ / weight_;
  const double variance = uu_ / weight_ - u * u;
  if (variance < kLeastVariance * u * u) return {.each = r};
  const double fixed = std::max(0.0, (ur_ / weight_ - u * r) / variance);
  const double each = r - fixed * u;
  return each >= 0 ? CostLine{fixed, each} : CostLine{.fixed = ur_ / uu_};
}

Acquisition LoadChoice::Choose(const UnitCost& unit) {
  if (!load_.known() || !encode_.known()) return Acquisition::kLoad;
  const double load = load_.Of(static_cast<double>(unit.bytes));
  const double encode = encode_.Of(static_cast<double>(unit.tokens));
  const bool loads = load <= encode;
  saved_for_trial_ += kTrialShare * std::min(load, encode);
  const bool tries = saved_for_trial_ >= std::max(load, encode) - std::min(load, encode);
  if (tries) saved_for_trial_ = 0;
  if (loads == tries) {
    load_.Age();
    return Acquisition::kEncode;
  }
  encode_.Age();
  return Acquisition::kLoad;
}

double LoadChoice::SecondsOf(const UnitCost& unit) const {
  const double load = load_.known() ? load_.Of(static_cast<double>(unit.bytes)) : 0;
  const double encode = encode_.known() ? encode_.Of(static_cast<double>(unit.tokens)) : 0;
  return load_.known() && encode_.known() ? std::min(load, encode) : load + encode;
}

}  // namespace promptcache
