#include "tools/bench/fidelity_text.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/rng.h"

namespace promptcache {
namespace {

constexpr char kIntroduction[] =
    "You are a careful assistant. Read these news reports closely, remember who did what, and go "
    "on "
    "in their words.\n\n";

// As the text of a PML document, without what XML cannot hold.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') {
      out += c;
    }
  }
  return out;
}

// The data set spells its line breaks.
std::string WithLineBreaks(const std::string& text) {
  constexpr std::string_view kWord = " NEWLINE_CHAR ";
  std::string out;
  size_t from = 0;
  for (size_t at = text.find(kWord); at != std::string::npos; at = text.find(kWord, from)) {
    out.append(text, from, at - from);
    out += '\n';
    from = at + kWord.size();
  }
  return out.append(text, from);
}

}  // namespace

std::string FidelityText::schema(std::string_view encoding) const {
  std::string out =
      fmt::format("<schema name=\"fidelity\" whitespace=\"preserve\" encoding=\"{}\">{}", encoding,
                  kIntroduction);
  for (size_t m = 0; m < modules.size(); ++m) {
    out += fmt::format("<module name=\"m{}\">{}</module>", m, Escaped(modules[m]));
  }
  return out + "</schema>";
}

std::string FidelityText::prompt() const {
  std::string out = "<prompt schema=\"fidelity\">";
  for (size_t m = 0; m < modules.size(); ++m) out += fmt::format("<m{}/>", m);
  return out + Escaped(new_text) + "</prompt>";
}

Result<std::string> ReadNews(const std::string& path) {
  std::ifstream file(path);
  // A directory opens, too, and reads as nothing.
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    return NotFound(path +
                    " cannot be read or is empty; --data names a file of LongBench (*.jsonl)");
  }
  std::string text, line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto context = json.is_object() ? json.find("context") : json.end();
    if (context == json.end() || !context->is_string()) {
      return InvalidArgument(
          fmt::format("{}:{}: no JSON object with a text 'context'", path, number));
    }
    text += WithLineBreaks(context->get<std::string>()) + "\n\n";
  }
  return text;
}

Result<TokenStream> TokenStream::Of(const Tokenizer& tokenizer, const std::string& text) {
  TokenStream stream;
  PC_ASSIGN_OR_RETURN(stream.ids_, tokenizer.Encode(text));
  for (const TokenId id : stream.ids_) {
    PC_ASSIGN_OR_RETURN(std::string bytes, tokenizer.TokenBytes(id));
    stream.bytes_.push_back(std::move(bytes));
  }
  return stream;
}

std::string TokenStream::Bytes(size_t begin, size_t end) const {
  std::string out;
  for (size_t i = begin; i < end; ++i) out += bytes_[i];
  return out;
}

size_t TokenStream::WholeFrom(size_t at) const {
  const auto continues = [](const std::string& bytes) {
    return !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0xC0) == 0x80;
  };
  while (at < bytes_.size() && continues(bytes_[at])) ++at;
  return at;
}

Result<FidelityText> TokenStream::Cut(const FidelityShape& shape, uint64_t seed) const {
  constexpr size_t kTorn = 8;  // tokens that a cut may move
  const size_t needed = size_t{shape.modules} * shape.tokens + shape.new_tokens +
                        shape.continuation + kTorn * (shape.modules + 2);
  if (size() < needed) {
    return InvalidArgument(
        fmt::format("{} tokens of text are needed, the data have {}", needed, size()));
  }
  const double place = UniformAt(seed, 0, 0) * static_cast<double>(size() - needed);
  size_t at = WholeFrom(static_cast<size_t>(place));
  FidelityText text;
  const auto take = [&](uint32_t tokens) {
    const size_t begin = at;
    at = WholeFrom(at + tokens);
    return Bytes(begin, at);
  };
  for (uint32_t m = 0; m < shape.modules; ++m) text.modules.push_back(take(shape.tokens));
  text.new_text = take(shape.new_tokens);
  const auto from = ids_.begin() + static_cast<ptrdiff_t>(at);
  text.continuation.assign(from, from + shape.continuation);
  return text;
}

}  // namespace promptcache
