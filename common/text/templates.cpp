#include "common/text/templates.h"

#include <string>

namespace promptcache {
namespace {

constexpr std::array<std::string_view, kRoleMarkers> kMarkers = {
    "<system>", "</system>", "<system/>", "<user>", "</user>", "<assistant>", "</assistant>"};

constexpr ChatTemplate kTemplates[] = {
    {"none", {"", "", "", "", "", "", ""}},
    {"llama2",
     {"<s> [INST] <<SYS>>\n", "<</SYS>>\n\n", "<s> [INST] ", "", "[/INST]", "", "</s><s> [INST] "}},
    {"falcon", {"", "\n\n", "", "User: ", "\n\nAssistant:", " ", "\n\n"}},
    {"mpt",
     {"<|im_start|>system\n", "<|im_end|>\n", "", "<|im_start|>user\n",
      "<|im_end|>\n<|im_start|>assistant\n", "", "<|im_end|>\n"}},
    {"chatml",
     {"<|im_start|>system\n", "<|im_end|>\n", "", "<|im_start|>user\n",
      "<|im_end|>\n<|im_start|>assistant\n", "", "<|im_end|>\n"}},
    {"llama3",
     {"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>",
      "<|begin_of_text|>", "<|start_header_id|>user<|end_header_id|>\n\n",
      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "", "<|eot_id|>"}},
};

const ChatTemplate* ByName(std::string_view name) {
  for (const ChatTemplate& one : kTemplates) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

// By the control tokens that the file's own template writes.
std::string_view Detect(const GgufFile& file) {
  const auto source = file.GetString("tokenizer.chat_template");
  if (!source.ok()) return "none";
  if (source->find("<|im_start|>") != std::string::npos) return "chatml";
  if (source->find("<|start_header_id|>") != std::string::npos) return "llama3";
  if (source->find("[INST]") != std::string::npos) return "llama2";
  return "none";
}

}  // namespace

std::string_view RoleMarkerText(RoleMarker marker) { return kMarkers[static_cast<size_t>(marker)]; }

std::span<const ChatTemplate> ChatTemplates() { return kTemplates; }

Result<const ChatTemplate*> FindChatTemplate(std::string_view name, const GgufFile* file) {
  if (name == "auto") name = file == nullptr ? "none" : Detect(*file);
  if (const ChatTemplate* found = ByName(name)) return found;
  std::string known = "auto";
  for (const ChatTemplate& one : kTemplates) known += ", " + std::string(one.name);
  return InvalidArgument("chat template '" + std::string(name) + "' is not one of " + known);
}

}  // namespace promptcache
