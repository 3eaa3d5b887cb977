// The table of messages: every id has its row, and every row's example shows what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/lint/example.h"
#include "coordinator/pml/messages/messages.h"

namespace promptcache {
namespace {

// Whether an enumerator has this value: the compiler names it, and otherwise prints a cast.
template <PmlId id>
constexpr bool IsId() {
  constexpr std::string_view kName = __PRETTY_FUNCTION__;
  return kName.find("::k", kName.find("id = ")) != std::string_view::npos;
}

constexpr uint16_t kFirst = 100;
constexpr uint16_t kLast = 800;

template <size_t... offsets>
std::vector<uint16_t> IdsAmong(std::index_sequence<offsets...>) {
  std::vector<uint16_t> ids;
  ((IsId<static_cast<PmlId>(kFirst + offsets)>() ? ids.push_back(kFirst + offsets) : void()), ...);
  return ids;
}

std::vector<uint16_t> AllIds() { return IdsAmong(std::make_index_sequence<kLast - kFirst>()); }

// The hundreds whose rows all exist.
constexpr uint16_t kFamilies[] = {1, 2, 3, 4, 5, 6, 7};

TEST(Messages, EveryIdHasARow) {
  const std::vector<uint16_t> ids = AllIds();
  EXPECT_THAT(ids, ::testing::IsSupersetOf({101, 205, 606, 710}));
  for (const uint16_t id : ids) {
    if (std::find(std::begin(kFamilies), std::end(kFamilies), id / 100) == std::end(kFamilies)) {
      continue;
    }
    EXPECT_NE(FindMessage(std::to_string(id)), nullptr) << id;
  }
}

TEST(Messages, AreInTheOrderOfTheirIds) {
  const auto all = PmlMessages();
  const auto wrong = std::adjacent_find(all.begin(), all.end(),
                                        [](const auto& a, const auto& b) { return a.id >= b.id; });
  EXPECT_EQ(wrong, all.end());
}

TEST(Messages, EveryRowExplainsItself) {
  for (const PmlMessage& message : PmlMessages()) {
    SCOPED_TRACE(PmlIdName(message.id));
    EXPECT_FALSE(message.text.empty());
    EXPECT_GE(std::count(message.explanation.begin(), message.explanation.end(), '.'), 2);
    EXPECT_TRUE(message.explanation.ends_with('.'));
    EXPECT_EQ(message.severity == Severity::kWarning, PmlIdName(message.id)[4] == '7');
  }
}

TEST(Messages, EveryExampleShowsItsMessage) {
  for (const PmlMessage& message : PmlMessages()) {
    SCOPED_TRACE(PmlIdName(message.id));
    const std::vector<Diagnostic> said = CompileExample(message);
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said[0].id, PmlIdName(message.id)) << said[0].message;
    EXPECT_EQ(said[0].severity, message.severity);
    EXPECT_EQ(said[0].location.line, message.example.line) << said[0].message;
    EXPECT_EQ(said[0].location.column, message.example.column) << said[0].message;
    for (const Diagnostic& one : said) {
      EXPECT_TRUE(one.id == said[0].id || one.severity == Severity::kWarning) << one.message;
    }
  }
}

TEST(Messages, AreFoundByIdInAnyCaseAndByNumber) {
  const PmlMessage& message = MessageOf(PmlId::kUnknownAttribute);
  EXPECT_EQ(FindMessage("PML0205"), &message);
  EXPECT_EQ(FindMessage("pml0205"), &message);
  EXPECT_EQ(FindMessage("205"), &message);
  for (const char* name : {"", "PML", "PML0205x", "PML0999", "-205", "XML0205", "99999999999999"}) {
    EXPECT_EQ(FindMessage(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace promptcache
