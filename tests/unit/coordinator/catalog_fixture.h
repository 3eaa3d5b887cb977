// A schema catalog with a cachestore on a network in memory.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "cachestore/memory/memory_store.h"
#include "coordinator/schema_catalog.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/coordinator/fake_background.h"
#include "tests/unit/coordinator/fake_store.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {

inline std::string Document(const std::string& name, const std::string& text) {
  return "<schema name=\"" + name + "\">" + text + "</schema>";
}

// A coordinator's catalog on a network of its own; the records are the only thing two of them
// share.
class Site {
 public:
  explicit Site(MetaStore& records, CatalogOptions options = {})
      : transport_(network, "coordinator"),
        meta_(std::in_place, transport_, FakeStore::kEndpoint),
        background(transport_),
        records_(records) {
    options.limits.document_bytes = 1 << 20;
    catalog.emplace(
        CatalogDeps{transport_, background, network.clock(), compiler_.encoder(), &*meta_},
        options);
  }

  Site& StartStore() {
    store.emplace(network, records_);
    return *this;
  }
  Site& Start() {
    EXPECT_TRUE(meta_->Start().ok());
    catalog->WhenLoaded([this] { ++times_loaded; });
    return Settle();
  }
  // As a coordinator goes.
  void Stop() {
    catalog.reset();
    meta_.reset();
  }
  Site& Settle(std::chrono::milliseconds time = std::chrono::seconds(3)) {
    network.Advance(time);
    return *this;
  }

  Status Add(const std::string& document, const std::string& tenant = "") {
    Status status = Internal("no answer");
    catalog->Add({.document = document}, tenant, [&](const Result<SchemaPtr>& added) {
      EXPECT_EQ(status.code(), Code::kInternal) << "answered twice";
      status = added.status();
    });
    Settle(std::chrono::seconds(30));
    return status;
  }
  Status Remove(const std::string& name) {
    Status status = Internal("no answer");
    catalog->Remove({}, name, [&](const Status& removed) { status = removed; });
    Settle(std::chrono::seconds(30));
    return status;
  }
  // The document that the name selects, or the error's words.
  std::string Current(const std::string& name) const {
    const auto schema = catalog->Find({}, name, "");
    return schema.ok() ? (*schema)->document : std::string(CodeName(schema.status().code()));
  }

  FakeNetwork network;

 private:
  FakeTransport transport_;
  std::optional<MetaClient> meta_;

 public:
  FakeBackground background;
  std::optional<FakeStore> store;
  std::optional<SchemaCatalog> catalog;
  int times_loaded = 0;

 private:
  MetaStore& records_;
  ToyCompiler compiler_;
};

class CatalogTest : public ::testing::Test {
 protected:
  // What the next start would log.
  std::string LogOf(const std::function<void()>& act) {
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }
  std::string OnlyKey() {
    const auto entries = *records_.List("schema/", UINT64_MAX);
    EXPECT_EQ(entries.size(), 1u);
    return entries.empty() ? "" : entries[0].key;
  }
  void Overwrite(const std::string& key, const std::string& value) {
    const auto entry = *records_.Get(key);
    ASSERT_TRUE(records_.CompareAndSet(key, entry ? entry->revision : 0, value).ok());
  }

  MemoryMetaStore records_;
};

}  // namespace promptcache::testing
