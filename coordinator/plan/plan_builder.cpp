#include "coordinator/plan/plan_builder.h"

#include <algorithm>
#include <unordered_map>

#include "coordinator/plan/coverage.h"
#include "coordinator/plan/gaps.h"
#include "coordinator/plan/linked.h"
#include "coordinator/plan/selection.h"

namespace promptcache {
namespace {

class PlanBuilder {
 public:
  PlanBuilder(const Layout& layout, const TextEncoder& encoder, const PlanOptions& options,
              Diagnostics& diagnostics)
      : layout_(layout), encoder_(encoder), options_(options), diagnostics_(diagnostics) {}

  std::optional<Plan> Build(const PromptDocument& prompt) {
    if (prompt.schema != layout_.schema) {
      diagnostics_.Report(prompt.schema_offset, PmlId::kOtherSchema, prompt.schema, layout_.schema);
      return std::nullopt;
    }
    selection_ = SelectModules(layout_, encoder_, prompt, diagnostics_);
    if (!diagnostics_.ok()) return std::nullopt;
    AddModules();
    for (const SelectedArgument& argument : selection_.arguments) {
      AddPiece({.start = argument.param->start, .ids = argument.ids});
    }
    PlaceTexts(prompt);
    if (!diagnostics_.ok()) return std::nullopt;
    Order();
    Finish(prompt);
    if (!diagnostics_.ok()) return std::nullopt;
    return std::move(plan_);
  }

 private:
  // What becomes of the wish: a prompt that is only to be encoded computes nothing again.
  Repair repair() const {
    if (options_.reuse != ReuseMode::kReuse) return Repair::kFull;
    return options_.max_new_tokens > 0 ? options_.repair.repair : Repair::kNone;
  }
  bool reuses() const { return repair() != Repair::kFull; }
  bool packed() const { return layout_.positions == Positions::kPacked; }

  void AddPiece(const PlanPiece& piece) {
    if (!piece.ids.empty()) pieces_.push_back(piece);
  }

  void AddModules() {
    const auto covered = CoverRuns(layout_, selection_.containers);
    pieces_.reserve(covered.size() + selection_.arguments.size() + 8);
    for (const CoveredRun& one : covered) {
      if (one.unit != kNone) in_units_ += static_cast<uint32_t>(one.run->ids.size());
      AddPiece({.start = one.run->start,
                .unit = reuses() ? one.unit : kNone,
                .first_row = one.first_row,
                .local = one.local,
                .ids = one.run->ids});
    }
  }

  void PlaceTexts(const PromptDocument& prompt) {
    texts_.reserve(prompt.texts.size());
    std::optional<Gaps> gaps;
    std::vector<Position> taken;
    for (const PromptText& text : prompt.texts) {
      auto ids = encoder_.EncodePromptText(text.text, layout_.whitespace);
      if (!ids.ok()) {
        diagnostics_.Report(*text.text.content_offset, PmlId::kUntokenizable, "the prompt",
                            ids.status().message());
        continue;
      }
      texts_.push_back(*std::move(ids));
      const bool is_last = !text.after || *text.after + 1 == prompt.references.size();
      if (is_last) {
        AddPiece({.start = layout_.length, .ids = texts_.back()});
        continue;
      }
      if (!gaps) gaps.emplace(layout_, selection_);
      PlaceBetween(text, gaps->Behind(*text.after), taken);
    }
  }

  // The text is the last of texts_.
  void PlaceBetween(const PromptText& text, const Gap& gap, std::vector<Position>& taken) {
    const std::string& path = layout_.containers[selection_.top_level[*text.after]].path;
    const auto needed = static_cast<Position>(texts_.back().size());
    const size_t offset = *text.text.content_offset;
    if (std::find(taken.begin(), taken.end(), gap.begin) != taken.end()) {
      diagnostics_.Report(offset, PmlId::kGapTaken, path);
    } else if (!packed() && needed > gap.size()) {
      diagnostics_.Report(offset, PmlId::kGapTooSmall, path, needed, gap.size());
    }
    taken.push_back(gap.begin);
    AddPiece({.start = gap.begin, .rank = PlanPiece::Rank::kTextBetween, .ids = texts_.back()});
  }

  // By position; packed positions have no gaps.
  void Order() {
    std::sort(pieces_.begin(), pieces_.end(), [](const PlanPiece& a, const PlanPiece& b) {
      return std::pair(a.start, a.rank) < std::pair(b.start, b.rank);
    });
    if (packed() || options_.reuse == ReuseMode::kFullContiguous) Renumber();
  }

  void Renumber() {
    Position at = 0;
    for (PlanPiece& piece : pieces_) {
      piece.start = at;
      at = piece.end();
    }
  }

  // The logits of the first answer token are those of the token with the highest position: when it
  // lies in a unit it is computed again instead.
  void RecomputeLast() {
    PlanPiece& last = pieces_.back();
    if (!last.cached()) return;
    const PlanPiece again{.start = last.end() - 1, .ids = last.ids.last(1)};
    last.ids = last.ids.first(last.ids.size() - 1);
    if (last.ids.empty()) pieces_.pop_back();
    pieces_.push_back(again);
  }

  void Finish(const PromptDocument& prompt) {
    const Position last_end = pieces_.empty() ? 0 : pieces_.back().end();
    if (options_.max_new_tokens > 0) {
      if (pieces_.empty()) {
        return diagnostics_.Report(prompt.offset, PmlId::kNothingToGenerateFrom);
      }
      if (repair() == Repair::kLinked) {
        plan_.linked_tokens = options_.repair.linked_tokens;
        pieces_ = LinkRuns(layout_, pieces_, plan_.linked_tokens);
      }
      RecomputeLast();
    }
    const bool renumbered = packed() || options_.reuse == ReuseMode::kFullContiguous;
    plan_.next_position = renumbered ? last_end : std::max(last_end, layout_.length);
    plan_.repair = repair();
    const int64_t end = int64_t{plan_.next_position} + options_.max_new_tokens;
    if (options_.context_length > 0 && end > int64_t{options_.context_length}) {
      return diagnostics_.Report(prompt.offset, PmlId::kPlanOverContext, plan_.next_position,
                                 options_.max_new_tokens, end, options_.context_length);
    }
    const PlanPiece* before = nullptr;
    for (const PlanPiece& piece : pieces_) {
      Emit(piece, before);
      before = &piece;
    }
    plan_.repaired_tokens = in_units_ - static_cast<uint32_t>(plan_.cached_tokens());
  }

  void Emit(const PlanPiece& piece, const PlanPiece* before) {
    if (!piece.cached()) {
      Position position = piece.start;
      for (const TokenId id : piece.ids) plan_.new_tokens.Append(id, position++);
      return;
    }
    if (before != nullptr && piece.Continues(*before)) {
      plan_.segments.back().rows += piece.size();
      return;
    }
    plan_.segments.push_back({.unit = PlanUnitOf(piece.unit),
                              .first_row = piece.first_row,
                              .rows = piece.size(),
                              .first_position = piece.start,
                              .shift = piece.shift()});
  }

  uint32_t PlanUnitOf(int32_t unit) {
    const auto [known, is_new] =
        plan_units_.try_emplace(unit, static_cast<uint32_t>(plan_.units.size()));
    if (is_new) {
      const LayoutUnit& of = layout_.units[unit];
      plan_.units.push_back({of.digest, of.path, of.tokens, of.lifetime});
    }
    return known->second;
  }

  const Layout& layout_;
  const TextEncoder& encoder_;
  const PlanOptions& options_;
  Diagnostics& diagnostics_;
  Selection selection_;
  std::vector<std::vector<TokenId>> texts_;  // of the prompt; pieces refer to them
  std::vector<PlanPiece> pieces_;
  uint32_t in_units_ = 0;                             // tokens of imported units
  std::unordered_map<int32_t, uint32_t> plan_units_;  // Layout::units to plan_.units
  Plan plan_;
};

}  // namespace

std::optional<Plan> BuildPlan(const Layout& layout, const TextEncoder& encoder,
                              const PromptDocument& prompt, const PlanOptions& options,
                              Diagnostics& diagnostics) {
  return PlanBuilder(layout, encoder, options, diagnostics).Build(prompt);
}

Result<Plan> BuildPlan(const Layout& layout, const TextEncoder& encoder, const PmlSource& source,
                       const PromptDocument& prompt, const PlanOptions& options) {
  Diagnostics diagnostics(source);
  auto plan = BuildPlan(layout, encoder, prompt, options, diagnostics);
  if (!plan) return diagnostics.ToStatus();
  PC_RETURN_IF_ERROR(plan->Validate());
  return *std::move(plan);
}

}  // namespace promptcache
