// Whether a unit that is not in memory is loaded or encoded: whichever has cost less so far. Pure:
// a function of what it was told. Internal to worker/engine.
#pragma once

#include <cstdint>

namespace promptcache {

// Seconds that an amount of something takes.
struct CostLine {
  double fixed = 0;
  double each = 0;
  double Of(double amount) const { return fixed + each * amount; }
};

// Such a line, learned from samples
// of which the latest count most. Errors count in proportion, so that small amounts are met as well
// as large ones.
class LinearCost {
 public:
  // Ignored unless both are positive.
  void Add(double amount, double seconds);
  // Time goes by without a sample: those that are there will count for less beside the next one.
  void Age();
  bool known() const { return weight_ > 0; }
  // Neither part is negative. REQUIRES: known().
  CostLine Line() const;
  double Of(double amount) const { return Line().Of(amount); }

 private:
  void Fade();

  // Sums over samples, the earlier ones fading, of u = 1 / amount and r = seconds / amount.
  double weight_ = 0;
  double u_ = 0, r_ = 0, uu_ = 0, ur_ = 0;
};

enum class Acquisition : uint8_t { kLoad, kEncode };

struct UnitCost {
  uint64_t bytes = 0;   // to load
  uint64_t tokens = 0;  // to compute, those of the context that are not there included
};

// Not thread safe.
class LoadChoice {
 public:
  // A load kept a thread busy for so long, or failed after that time.
  void Loaded(uint64_t bytes, double seconds) { load_.Add(static_cast<double>(bytes), seconds); }
  void Encoded(uint64_t tokens, double seconds) {
    encode_.Add(static_cast<double>(tokens), seconds);
  }

  // The cheaper way; loading while either cost is unknown. Now and then the other one, so that a
  // belief that is wrong, or was right once, heals: as often as keeps the time lost by trying below
  // kTrialShare of all.
  Acquisition Choose(const UnitCost& unit);

  // Of the way that has cost less, by what is known; 0 when nothing is.
  double SecondsOf(const UnitCost& unit) const;
  // Of bytes; all zero when no load was seen.
  CostLine loads() const { return load_.known() ? load_.Line() : CostLine{}; }

  static constexpr double kTrialShare = 1.0 / 16;

 private:
  LinearCost load_, encode_;
  double saved_for_trial_ = 0;  // seconds
};

}  // namespace promptcache
