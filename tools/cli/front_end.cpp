#include "tools/cli/front_end.h"

#include "common/text/load_tokenizer.h"
#include "common/text/toy_tokenizer.h"
#include "coordinator/served_model.h"

namespace promptcache {

void FrontEndFlags::AddTo(CLI::App& command) {
  command.add_option("--model", model,
                     "GGUF file or Hugging Face directory (default: coordinator.model)");
  command.add_option("--tokenizer", tokenizer,
                     "Instead of a model's: a tokenizer.json, tokenizer.model or GGUF file, or toy "
                     "(words are tokens)");
  command
      .add_option("--template", chat_template,
                  "Chat template: auto for the model's, a name, or a .toml file")
      ->capture_default_str();
  command.add_option("--context", context_length,
                     "The model's context in tokens (default: the model file's; 0: unlimited)");
}

Result<FrontEnd> LoadFrontEnd(const CommandContext& context, const FrontEndFlags& flags) {
  FrontEnd front{.context_length = flags.context_length};
  if (!flags.tokenizer.empty()) {
    if (flags.tokenizer == "toy") {
      front.tokenizer = MakeToyTokenizer();
    } else {
      PC_ASSIGN_OR_RETURN(front.tokenizer, LoadTokenizerFile(flags.tokenizer));
    }
    PC_ASSIGN_OR_RETURN(front.chat_template, FindChatTemplate(flags.chat_template, ""));
    return front;
  }
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(context));
  front.model = flags.model.empty() ? settings.coordinator.model : flags.model;
  if (front.model.empty()) {
    return InvalidArgument(
        "no model: give --model FILE.gguf or DIRECTORY or --tokenizer FILE, or set "
        "coordinator.model");
  }
  PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(front.model, flags.chat_template));
  front.tokenizer = model.tokenizer;
  front.chat_template = model.chat_template;
  if (front.context_length == 0) front.context_length = model.context_length;
  return front;
}

}  // namespace promptcache
