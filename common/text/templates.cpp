#include "common/text/templates.h"

#include <algorithm>
#include <vector>

#include "common/formats/mapped_file.h"
#include "common/text/embedded_templates.h"

namespace promptcache {
namespace {

using Template = std::shared_ptr<const ChatTemplate>;

constexpr std::array<std::string_view, kRoleMarkers> kMarkers = {
    "<system>", "</system>", "<system/>", "<user>", "</user>", "<assistant>", "</assistant>"};

Result<std::vector<Template>> ParseBuiltIn() {
  std::vector<Template> all;
  for (std::string_view file : EmbeddedTemplates()) {
    auto chat = ParseChatTemplate(file, "built-in chat template");
    if (!chat.ok()) return Internal(chat.status().message());
    all.push_back(std::make_shared<ChatTemplate>(*std::move(chat)));
  }
  return all;
}

std::string Detect(std::string_view source, const std::vector<Template>& all) {
  const ChatTemplate* best = nullptr;
  for (const Template& one : all) {
    if (one->detect.empty() || source.find(one->detect) == std::string_view::npos) continue;
    if (best == nullptr || one->detect.size() > best->detect.size()) best = one.get();
  }
  return best == nullptr ? "none" : best->name;
}

Result<Template> LoadChatTemplate(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::string_view toml(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  PC_ASSIGN_OR_RETURN(ChatTemplate chat, ParseChatTemplate(toml, path));
  return Template(std::make_shared<ChatTemplate>(std::move(chat)));
}

}  // namespace

std::string_view RoleMarkerText(RoleMarker marker) { return kMarkers[static_cast<size_t>(marker)]; }

Result<Template> FindChatTemplate(std::string_view name, std::string_view model_template) {
  if (name.ends_with(".toml")) return LoadChatTemplate(std::string(name));
  static const Result<std::vector<Template>> built_in = ParseBuiltIn();
  if (!built_in.ok()) return built_in.status();
  const std::string wanted = name == "auto" ? Detect(model_template, *built_in) : std::string(name);
  std::string known = "auto";
  for (const Template& one : *built_in) {
    if (one->name == wanted) return one;
    known += ", " + one->name;
  }
  return InvalidArgument("chat template '" + wanted + "' is not one of " + known +
                         ", nor a file ending in .toml");
}

}  // namespace promptcache
