#include "tests/unit/engine/random_pml.h"

#include <random>
#include <vector>

namespace promptcache::testing {
namespace {

class Writer {
 public:
  Writer(uint64_t seed, OtherTexts texts) : random_(seed), texts_(texts) {}

  RandomPml Write(const std::string& attributes) {
    Both("<schema name=\"s\" " + attributes + ">");
    AddText(true);
    pml_.prompt = AddInside(0, true).references;
    for (int i = 0; i < 2; ++i) {  // what a set can be made of
      set_.push_back(Name());
      pml_.prompt += AddModule(1, set_.back(), OneIn(2));
    }
    AddText(true);
    Both("<scaffold modules=\"" + set_[0] + " " + set_[1] + "\"/></schema>");
    pml_.prompt += "question";
    return pml_;
  }

 private:
  struct Inside {
    std::string arguments, references;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool OneIn(uint64_t count) { return Below(count) == 0; }
  std::string Name() { return "m" + std::to_string(names_++); }
  std::string Letters(uint64_t count) {
    std::string text;
    while (text.size() < count) text += static_cast<char>('a' + Below(26));
    return text;
  }

  void Both(const std::string& text) {
    pml_.schema += text;
    pml_.other += text;
  }
  void AddText(bool imported) {
    const std::string text = Letters(1 + Below(12));
    pml_.schema += text;
    const uint64_t length = texts_ == OtherTexts::kAsLong ? text.size() : 1 + Below(20);
    pml_.other += imported ? text : Letters(length);
  }

  // Returns the reference to it, or nothing.
  std::string AddModule(int depth, const std::string& name, bool imported) {
    Both("<module name=\"" + name + "\">");
    AddText(imported);
    const Inside inside = AddInside(depth, imported);
    Both("</module>");
    if (!imported) return "";
    return "<" + name + inside.arguments + ">" + inside.references + "</" + name + ">";
  }

  Inside AddInside(int depth, bool imported) {
    Inside inside;
    for (uint64_t items = 1 + Below(4); items > 0; --items) {
      const uint64_t kind = Below(depth > 2 ? 2 : 4);
      if (kind == 0) AddText(imported);
      if (kind == 1 && depth > 0) inside.arguments += AddParam(imported);
      if (kind == 2) inside.references += AddModule(depth + 1, Name(), imported && OneIn(2));
      if (kind == 3) inside.references += AddUnion(depth, imported);
    }
    return inside;
  }

  std::string AddUnion(int depth, bool imported) {
    const uint64_t members = 2 + Below(2), chosen = Below(members + 1);
    std::string reference;
    Both("<union>");
    for (uint64_t i = 0; i < members; ++i) {
      reference += AddModule(depth + 1, Name(), imported && i == chosen);
    }
    Both("</union>");
    return reference;
  }

  // Returns its argument, or nothing.
  std::string AddParam(bool imported) {
    const std::string name = Name();
    const uint64_t length = 1 + Below(6);
    Both("<param name=\"" + name + "\" length=\"" + std::to_string(length) + "\"");
    if (OneIn(2)) {
      const std::string scaffold = Letters(1 + Below(length));
      pml_.schema += " scaffold=\"" + scaffold + "\"";
      pml_.other += " scaffold=\"" + (imported ? scaffold : Letters(scaffold.size())) + "\"";
    }
    Both("/>");
    return imported && OneIn(2) ? " " + name + "=\"" + Letters(1 + Below(length)) + "\"" : "";
  }

  std::mt19937_64 random_;
  const OtherTexts texts_;
  RandomPml pml_;
  int names_ = 0;
  std::vector<std::string> set_;
};

}  // namespace

RandomPml MakeRandomPml(uint64_t seed, const std::string& attributes, OtherTexts texts) {
  return Writer(seed, texts).Write(attributes);
}

}  // namespace promptcache::testing
