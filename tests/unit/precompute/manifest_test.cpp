#include "tools/precompute/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string ErrorOf(const std::string& toml) {
  const auto manifest = ParseManifest(toml, "dir/m.toml");
  EXPECT_EQ(manifest.status().code(), Code::kInvalidArgument);
  return manifest.status().message();
}

TEST(Manifest, PathsAreBelowItsFolder) {
  const auto manifest = ParseManifest(R"(
[[model]]
name = "smol"
path = "models/smol.gguf"
dtype = "bf16"
template = "own.toml"
compression = "int8-zstd"

[[model]]
path = "/models/other.gguf"

[[schema]]
file = "desk.xml"
src_root = "texts"
max_tokens = 64
models = ["smol"]
encodings = ["anchored", "schema"]
positions = ["packed"]
scaffolds = { "greeting/name" = "Ada" }
)",
                                      "dir/m.toml");
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  ASSERT_EQ(manifest->models.size(), 2U);
  EXPECT_EQ(manifest->models[0].path, "dir/models/smol.gguf");
  EXPECT_EQ(manifest->models[0].dtype, "bf16");
  EXPECT_EQ(manifest->models[0].chat_template, "dir/own.toml");
  EXPECT_EQ(manifest->models[0].compression,
            (Compression{.kv_layout = kInt8Layout, .encoding = BlobEncoding::kBytePlaneZstd}));
  EXPECT_EQ(manifest->models[1].compression, Compression());
  EXPECT_EQ(manifest->models[1].name, "other.gguf");
  EXPECT_EQ(manifest->models[1].path, "/models/other.gguf");
  ASSERT_EQ(manifest->schemas.size(), 1U);
  const ManifestSchema& schema = manifest->schemas[0];
  EXPECT_EQ(schema.file, "dir/desk.xml");
  EXPECT_EQ(schema.src_root, "dir/texts");
  EXPECT_EQ(schema.max_tokens, 64U);
  EXPECT_THAT(schema.models, ElementsAre("smol"));
  EXPECT_THAT(schema.encodings, ElementsAre(EncodingMode::kAnchored, EncodingMode::kSchema));
  EXPECT_THAT(schema.positions, ElementsAre(Positions::kPacked));
  EXPECT_THAT(schema.scaffolds, ElementsAre(Pair("greeting/name", "Ada")));
}

TEST(Manifest, WhatIsNotSaidIsLeftToTheDocument) {
  const auto manifest = ParseManifest("[[schema]]\nfile = \"desk.xml\"\n", "m.toml");
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  EXPECT_THAT(manifest->models, IsEmpty());
  EXPECT_EQ(manifest->schemas[0].file, "desk.xml");
  EXPECT_EQ(manifest->schemas[0].max_tokens, 0U);
  EXPECT_THAT(manifest->schemas[0].encodings, IsEmpty());
  EXPECT_THAT(manifest->schemas[0].positions, IsEmpty());
}

TEST(Manifest, AnUnknownKeyIsRefusedWithLineAndTheNearestKnown) {
  EXPECT_EQ(ErrorOf("[[schema]]\nfile = \"a.xml\"\nencoding = [\"schema\"]\n"),
            "dir/m.toml:3: a schema has no key 'encoding'; did you mean encodings?");
  EXPECT_EQ(ErrorOf("[[model]]\npath = \"m\"\ndtyp = \"fp32\"\n"),
            "dir/m.toml:3: a model has no key 'dtyp'; did you mean dtype?");
  EXPECT_THAT(ErrorOf("[[schemas]]\nfile = \"a.xml\"\n"), HasSubstr("did you mean schema?"));
}

TEST(Manifest, AModelHasToBeDeclaredOnce) {
  EXPECT_EQ(ErrorOf("[[model]]\nname = \"smol\"\npath = \"m\"\n"
                    "[[schema]]\nfile = \"a.xml\"\nmodels = [\"small\"]\n"),
            "dir/m.toml:6: no [[model]] is named 'small'; did you mean smol?");
  EXPECT_EQ(ErrorOf("[[model]]\npath = \"a/m\"\n[[model]]\npath = \"b/m\"\n"),
            "dir/m.toml:3: two models are named m");
}

TEST(Manifest, ValuesOfAnotherKindAreRefusedWithTheirLine) {
  const std::string schema = "[[schema]]\nfile = \"a.xml\"\n";
  EXPECT_EQ(ErrorOf("[[schema]]\nfile = 1\n"), "dir/m.toml:2: file is not a string");
  EXPECT_EQ(ErrorOf("[[schema]]\n"), "dir/m.toml:1: file is missing or empty");
  EXPECT_EQ(ErrorOf("[schema]\nfile = \"a\"\n"),
            "dir/m.toml:1: write [[schema]], with two brackets");
  EXPECT_EQ(ErrorOf("[[model]]\npath = \"m\"\ncompression = \"int4\"\n"),
            "dir/m.toml:3: compression 'int4' is not none, zstd, int8 or int8-zstd");
  EXPECT_EQ(ErrorOf(schema + "max_tokens = 1\n"),
            "dir/m.toml:3: max_tokens is not an integer in 2..16777216");
  EXPECT_EQ(ErrorOf(schema + "positions = \"packed\"\n"),
            "dir/m.toml:3: positions is not a list of 1 to 4096 strings");
  EXPECT_EQ(ErrorOf(schema + "encodings = [\"all\"]\n"),
            "dir/m.toml:3: encodings: 'all' is not one of anchored, independent, schema");
  EXPECT_EQ(ErrorOf(schema + "scaffolds = { \"a/b\" = 1 }\n"), "dir/m.toml:3: a/b is not a string");
}

TEST(Manifest, WithoutASchemaThereIsNothingToDo) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("names no schema"));
}

TEST(Manifest, BrokenTomlNamesItsLine) {
  EXPECT_THAT(ErrorOf("[[schema]]\nfile = \n"), HasSubstr("dir/m.toml:2: not valid TOML"));
}

TEST(Manifest, IsAtMostOneMebibyte) {
  EXPECT_EQ(ErrorOf(std::string((1 << 20) + 1, '#')), "dir/m.toml: a manifest has at most 1 MiB");
}

}  // namespace
}  // namespace promptcache
