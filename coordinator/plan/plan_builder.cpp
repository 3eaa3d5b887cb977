#include "coordinator/plan/plan_builder.h"

#include <algorithm>
#include <set>

#include "coordinator/plan/selection.h"

namespace promptcache {
namespace {

// Tokens that are computed for this request, at contiguous positions.
struct NewPiece {
  Position start = 0;
  std::vector<TokenId> ids;

  Position end() const { return start + static_cast<Position>(ids.size()); }
};

struct Interval {
  Position begin = 0;
  Position end = 0;
};

class PlanBuilder {
 public:
  PlanBuilder(const Layout& layout, const TextEncoder& encoder, const PlanOptions& options,
              Diagnostics& diagnostics)
      : layout_(layout), encoder_(encoder), options_(options), diagnostics_(diagnostics) {}

  std::optional<Plan> Build(const PromptDocument& prompt) {
    auto plan = BuildChecked(prompt);
    if (plan.ok()) return *std::move(plan);
    if (diagnostics_.ok()) diagnostics_.Error(0, "plan", plan.status().message());
    return std::nullopt;
  }

 private:
  Result<Plan> BuildChecked(const PromptDocument& prompt) {
    if (options_.repair != Repair::kNone && options_.repair != Repair::kFull) {
      return InvalidArgument("repair '" + std::string(RepairName(options_.repair)) +
                             "' is not supported yet");
    }
    if (prompt.schema != layout_.schema) {
      return InvalidArgument("the prompt is for the schema '" + prompt.schema + "', not '" +
                             layout_.schema + "'");
    }
    selection_ = SelectModules(layout_, encoder_, prompt, diagnostics_);
    if (!diagnostics_.ok()) return diagnostics_.ToStatus();
    AddModules();
    for (SelectedArgument& argument : selection_.arguments) {
      AddNew(argument.param->start, std::move(argument.ids));
    }
    PC_RETURN_IF_ERROR(PlaceTexts(prompt));
    if (!diagnostics_.ok()) return diagnostics_.ToStatus();
    if (options_.reuse != ReuseMode::kReuse || options_.repair == Repair::kFull) UseNoUnits();
    SortAndFill();
    return Finish();
  }

  bool HasUnit(const LayoutContainer& container) const { return container.unit != kNone; }

  void AddNew(Position start, std::vector<TokenId> ids) {
    if (!ids.empty()) pieces_.push_back({start, std::move(ids)});
  }

  void AddModules() {
    for (const int32_t index : selection_.containers) {
      const LayoutContainer& container = layout_.containers[index];
      for (const LayoutParam& param : container.params) {
        occupied_.push_back({param.start, param.end()});
      }
      for (const LayoutRun& run : container.runs) occupied_.push_back({run.start, run.end()});
      // A module without own tokens occupies nothing, but text before it has to end there.
      if (container.runs.empty() && container.params.empty())
        occupied_.push_back({container.start, container.start});
      if (HasUnit(container)) {
        AddUnit(container);
      } else {
        for (const LayoutRun& run : container.runs) AddNew(run.start, run.ids);
      }
    }
    std::sort(occupied_.begin(), occupied_.end(), [](const Interval& a, const Interval& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
  }

  void AddUnit(const LayoutContainer& container) {
    const LayoutUnit& unit = layout_.units[container.unit];
    const auto index = static_cast<uint32_t>(plan_.units.size());
    plan_.units.push_back({unit.digest, container.path, unit.tokens});
    uint32_t row = 0;
    for (const LayoutRun& run : container.runs) {
      const auto rows = static_cast<uint32_t>(run.ids.size());
      PlanSegment* last = plan_.segments.empty() ? nullptr : &plan_.segments.back();
      if (last != nullptr && last->unit == index &&
          last->first_position + static_cast<Position>(last->rows) == run.start) {
        last->rows += rows;
      } else {
        plan_.segments.push_back({.unit = index,
                                  .first_row = row,
                                  .rows = rows,
                                  .first_position = run.start,
                                  .shift = unit.start});
      }
      row += rows;
    }
    unit_containers_.push_back(&container);
  }

  Status PlaceTexts(const PromptDocument& prompt) {
    for (const PromptText& text : prompt.texts) {
      PC_ASSIGN_OR_RETURN(auto ids, encoder_.EncodePromptText(text.text, layout_.whitespace));
      const bool is_last = !text.after || *text.after + 1 == prompt.references.size();
      if (is_last) {
        AddNew(layout_.length, std::move(ids));
      } else {
        PlaceBetween(text, std::move(ids));
      }
    }
    return {};
  }

  // Text between two references stands in the gap behind the one before it.
  void PlaceBetween(const PromptText& text, std::vector<TokenId> ids) {
    const Position start = GapStart(*text.after);
    const Position end = GapEnd(start);
    const auto needed = static_cast<Position>(ids.size());
    const std::string name = layout_.containers[selection_.top_level[*text.after]].path;
    const size_t offset = *text.text.content_offset;
    if (!gaps_.insert(start).second) {
      diagnostics_.Error(
          offset, "gap-taken",
          "the text behind '" + name + "' falls into the same gap as another text of the prompt");
    } else if (needed > end - start) {
      diagnostics_.Error(offset, "gap-too-small",
                         "the text behind '" + name + "' has " + std::to_string(needed) +
                             " tokens; " + std::to_string(end - start) +
                             " positions are free there (positions=\"packed\" would make "
                             "room)");
    }
    AddNew(start, std::move(ids));
  }

  // The first free position behind the last imported token or slot of the reference's subtree,
  // skipping own text of its ancestors (of a top-level reference: the root).
  Position GapStart(size_t reference) const {
    const size_t begin = reference == 0 ? 1 : selection_.subtree_end[reference - 1];
    Position at = layout_.containers[selection_.top_level[reference]].start;
    for (size_t i = begin; i < selection_.subtree_end[reference]; ++i) {
      const LayoutContainer& container = layout_.containers[selection_.containers[i]];
      for (const LayoutRun& run : container.runs) at = std::max(at, run.end());
      for (const LayoutParam& param : container.params) at = std::max(at, param.end());
    }
    const auto& runs = layout_.containers[0].runs;
    auto run = std::lower_bound(runs.begin(), runs.end(), at,
                                [](const LayoutRun& r, Position p) { return r.start < p; });
    for (; run != runs.end() && run->start == at; ++run) at = run->end();
    return at;
  }

  // The intervals do not overlap, so that their ends ascend too.
  Position GapEnd(Position start) const {
    const auto next = std::upper_bound(occupied_.begin(), occupied_.end(), start,
                                       [](Position p, const Interval& i) { return p < i.end; });
    return std::max(next == occupied_.end() ? layout_.length : next->begin, start);
  }

  // Every cached row becomes a new token at its position.
  void UseNoUnits() {
    for (const LayoutContainer* container : unit_containers_) {
      for (const LayoutRun& run : container->runs) AddNew(run.start, run.ids);
    }
    plan_.units.clear();
    plan_.segments.clear();
    plan_.repair = Repair::kFull;
  }

  void SortAndFill() {
    std::sort(plan_.segments.begin(), plan_.segments.end(),
              [](const PlanSegment& a, const PlanSegment& b) {
                return a.first_position < b.first_position;
              });
    std::sort(pieces_.begin(), pieces_.end(),
              [](const NewPiece& a, const NewPiece& b) { return a.start < b.start; });
    for (const NewPiece& piece : pieces_) {
      for (size_t i = 0; i < piece.ids.size(); ++i) {
        plan_.new_tokens.Append(piece.ids[i], piece.start + static_cast<Position>(i));
      }
    }
  }

  Position LastPosition() const {
    Position last = -1;
    if (!plan_.segments.empty()) {
      const PlanSegment& segment = plan_.segments.back();
      last = segment.first_position + static_cast<Position>(segment.rows) - 1;
    }
    return plan_.new_tokens.empty() ? last : std::max(last, plan_.new_tokens.positions.back());
  }

  TokenId TokenOfRow(const PlanSegment& segment, uint32_t row) const {
    for (const LayoutRun& run : unit_containers_[segment.unit]->runs) {
      if (row < run.ids.size()) return run.ids[row];
      row -= static_cast<uint32_t>(run.ids.size());
    }
    return 0;
  }

  // The logits of the first answer token are those of the token with the highest position: when it
  // lies in a unit its row is left out and it is computed again.
  void RecomputeLastToken() {
    if (plan_.segments.empty()) return;
    PlanSegment& segment = plan_.segments.back();
    const Position last = segment.first_position + static_cast<Position>(segment.rows) - 1;
    if (!plan_.new_tokens.empty() && plan_.new_tokens.positions.back() > last) return;
    const TokenId id = TokenOfRow(segment, segment.first_row + segment.rows - 1);
    const uint32_t unit = segment.unit;
    if (--segment.rows == 0) plan_.segments.pop_back();
    DropUnitWithoutRows(unit);
    plan_.new_tokens.Append(id, last);
  }

  // Nobody should fetch or encode a unit of which no row is read.
  void DropUnitWithoutRows(uint32_t unit) {
    const bool used = std::any_of(plan_.segments.begin(), plan_.segments.end(),
                                  [&](const PlanSegment& segment) { return segment.unit == unit; });
    if (used) return;
    plan_.units.erase(plan_.units.begin() + unit);
    unit_containers_.erase(unit_containers_.begin() + unit);
    for (PlanSegment& segment : plan_.segments) {
      if (segment.unit > unit) --segment.unit;
    }
  }

  Result<Plan> Finish() {
    const Position last = LastPosition();
    if (options_.max_new_tokens > 0) {
      if (last < 0) return InvalidArgument("the prompt has no token to generate from");
      RecomputeLastToken();
    }
    plan_.next_position = std::max(last + 1, layout_.length);
    if (options_.reuse == ReuseMode::kFullContiguous) {
      auto& positions = plan_.new_tokens.positions;
      for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<Position>(i);
      plan_.next_position = static_cast<Position>(positions.size());
    }
    const int64_t end = int64_t{plan_.next_position} + options_.max_new_tokens;
    if (options_.context_length > 0 && end > int64_t{options_.context_length}) {
      return InvalidArgument("the prompt ends at position " + std::to_string(plan_.next_position) +
                             " and asks for up to " + std::to_string(options_.max_new_tokens) +
                             " new tokens, " + std::to_string(end) +
                             " together; the model's context has " +
                             std::to_string(options_.context_length));
    }
    PC_RETURN_IF_ERROR(plan_.Validate());
    return std::move(plan_);
  }

  const Layout& layout_;
  const TextEncoder& encoder_;
  const PlanOptions& options_;
  Diagnostics& diagnostics_;
  Selection selection_;
  std::vector<Interval> occupied_;  // by imported text and slots, ascending
  std::set<Position> gaps_;         // where texts between references start
  std::vector<NewPiece> pieces_;
  std::vector<const LayoutContainer*> unit_containers_;  // of each of plan_.units
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
  return *std::move(plan);
}

}  // namespace promptcache
