#include "worker/engine/request.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

Status CheckId(TokenId id, int64_t vocabulary) {
  if (id >= 0 && id < vocabulary) return {};
  return InvalidArgument("token id " + std::to_string(id) + " is not in the vocabulary of " +
                         std::to_string(vocabulary));
}

// The segment's rows must stand where the recipe puts them.
Status CheckSegment(const PlanSegment& segment, const KnownRecipe& known) {
  const std::vector<Position>& positions = known.recipe.own.positions;
  for (uint32_t row = 0; row < segment.rows; ++row) {
    const size_t own = known.OwnIndex(segment.first_row + row);
    const int64_t position = int64_t{positions[own]} + segment.shift;
    if (position != int64_t{segment.first_position} + row) {
      return InvalidArgument("plan: a segment's positions are not those of its unit");
    }
  }
  return {};
}

// Others could cut a character of the answer in two.
Status CheckStops(const GenerationOptions& options) {
  for (const std::string& stop : options.stop_strings) {
    if (!IsUtf8(stop)) return InvalidArgument("a stop string is not UTF-8");
  }
  return {};
}

Status CheckDelivered(const EngineRequest& request, int64_t vocabulary) {
  const GenerationOptions& options = request.options;
  if (request.delivered.size() > options.samples) {
    return InvalidArgument("tokens of " + std::to_string(request.delivered.size()) +
                           " samples were delivered; the request is for " +
                           std::to_string(options.samples));
  }
  for (const std::vector<TokenId>& tokens : request.delivered) {
    if (tokens.size() > options.max_new_tokens) {
      return InvalidArgument(std::to_string(tokens.size()) +
                             " tokens of a sample were delivered; the request is for " +
                             std::to_string(options.max_new_tokens));
    }
    for (const TokenId token : tokens) PC_RETURN_IF_ERROR(CheckId(token, vocabulary));
  }
  return {};
}

Status CheckRecipe(const KnownRecipe& known, const PlanUnit& unit, int64_t context_length) {
  const Recipe& recipe = known.recipe;
  const std::string where = "plan: unit '" + unit.path + "' ";
  if (recipe.rows() != unit.tokens) {
    return InvalidArgument(where + "has " + std::to_string(recipe.rows()) + " tokens, not " +
                           std::to_string(unit.tokens));
  }
  if (known.digest != unit.digest) {
    return InvalidArgument(where + "has another digest than its recipe");
  }
  const int64_t first = recipe.context.empty() ? 0 : recipe.context.positions.front();
  const int64_t span = recipe.own.positions.back() - first + 1;
  if (span > context_length) {
    return InvalidArgument(where + "spans " + std::to_string(span) +
                           " positions with its context; the model's context has " +
                           std::to_string(context_length));
  }
  return {};
}

}  // namespace

Status EngineRequest::Validate(int64_t context_length, int64_t vocabulary) const {
  PC_RETURN_IF_ERROR(options.Validate());
  PC_RETURN_IF_ERROR(CheckStops(options));
  PC_RETURN_IF_ERROR(plan.Validate());
  if (plan.units.size() > static_cast<size_t>(context_length)) {
    return InvalidArgument("plan: more units than the model's context has positions");
  }
  if (recipes.size() != plan.units.size()) {
    return InvalidArgument("plan: recipes for " + std::to_string(recipes.size()) + " of " +
                           std::to_string(plan.units.size()) + " units");
  }
  for (size_t i = 0; i < recipes.size(); ++i) {
    PC_RETURN_IF_ERROR(CheckRecipe(*recipes[i], plan.units[i], context_length));
    PC_RETURN_IF_ERROR(CheckId(recipes[i]->largest_id, vocabulary));
  }
  for (const PlanSegment& segment : plan.segments) {
    PC_RETURN_IF_ERROR(CheckSegment(segment, *recipes[segment.unit]));
  }
  for (const TokenId token : plan.new_tokens.ids) {
    PC_RETURN_IF_ERROR(CheckId(token, vocabulary));
  }
  const int64_t end = int64_t{plan.next_position} + options.max_new_tokens;
  if (end > context_length) {
    return InvalidArgument("the plan and its answer end at position " + std::to_string(end) +
                           "; the model's context has " + std::to_string(context_length));
  }
  if (options.max_new_tokens > 0 && plan.new_tokens.empty()) {
    return InvalidArgument("plan: nothing to generate from");
  }
  return CheckDelivered(*this, vocabulary);
}

size_t EngineRequest::TokensToCompute() const {
  size_t tokens = plan.new_tokens.size();
  for (const std::vector<TokenId>& of_sample : delivered) tokens += of_sample.size();
  return tokens;
}

Import EngineRequest::ImportOf(size_t index) const {
  const PlanUnit& unit = plan.units[index];
  return {
      .reference = {.tenant = tenant, .schema = schema, .version = version, .module = unit.path},
      .lifetime = unit.lifetime};
}

UnitOrder EngineRequest::OrderOf(size_t index) const {
  return {.owner = id,
          .recipe = recipes[index],
          .domain = domain,
          .import = ImportOf(index),
          .purpose = purpose};
}

}  // namespace promptcache
