#include "coordinator/pml/names.h"

#include <algorithm>

#include "common/edit_distance.h"
#include "coordinator/pml/diagnostics.h"

namespace promptcache {
namespace {

bool IsNameStart(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; }

}  // namespace

std::string WhyNotAName(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (!IsNameStart(name[0]) || !std::all_of(name.begin(), name.end(), IsNamePart)) {
    return "the name " + Quoted(name) +
           " is not a letter or '_' followed by letters, digits, '_', '.' or '-'";
  }
  if (name == "prompt" || IsRoleName(name) || name.starts_with("xml")) {
    return "the name " + Quoted(name) + " is reserved";
  }
  return "";
}

std::string ElementPlace(std::string_view element, std::string_view name, std::string_view path) {
  std::string place = "<" + std::string(element);
  if (!name.empty()) place += " name=" + Quoted(name);
  place += ">";
  if (!path.empty()) place += " in " + Quoted(path);
  return place;
}

bool IsRoleName(std::string_view name) {
  return name == "system" || name == "user" || name == "assistant";
}

std::string DidYouMean(std::string_view word, std::span<const std::string> known) {
  constexpr size_t kMostCompared = 1000;
  if (known.size() > kMostCompared) return "";
  const std::string nearest = NearestWord(word, known);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

}  // namespace promptcache
