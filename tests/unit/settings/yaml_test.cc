// Files that are no settings at all, and files made to exhaust a reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Yaml, WithNothingInItIsRefused) {
  for (const std::string text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"}) {
    EXPECT_THAT(refusal(text), StartsWith("a.yml:1: no settings in it; a minimal file is:")) << text;
  }
}

TEST(Yaml, WhoseRootIsNoGroupIsRefused) {
  EXPECT_THAT(refusal("- wal: {directory: /w}\n"), StartsWith("a.yml:1: the file is a list; write a group"));
  EXPECT_THAT(refusal("\nhello\n"), StartsWith("a.yml:2: the file is a single value; write a group"));
}

TEST(Yaml, OfSeveralDocumentsIsRefused) {
  EXPECT_EQ(refusal(target_with("") + "---\n" + target_with("")),
            "a.yml:4: a second document begins here; settings are one document, remove it");
}

TEST(Yaml, MayBeginWithADocumentMarkAndEndWithOne) {
  EXPECT_EQ(refusal("# c\n---\n" + target_with("") + "...\n"), "accepted");
}

TEST(Yaml, ThatDoesNotParseIsToldWithItsLine) {
  EXPECT_THAT(refusal("targets:\n- wal: {directory: /w\n"), StartsWith("a.yml:"));
  EXPECT_THAT(refusal("targets:\n- wal: {directory: /w\n"), HasSubstr("not valid YAML: "));
  EXPECT_THAT(refusal("targets:\n  - name: a\n wal: x\n"), StartsWith("a.yml:3: not valid YAML: "));
  EXPECT_THAT(refusal("a: b: c\n"), StartsWith("a.yml:1: not valid YAML: "));
}

TEST(Yaml, IndentedWithTabsIsToldSo) {
  EXPECT_THAT(refusal("targets:\n- wal:\n\t\tdirectory: /w\n"), HasSubstr("indent with spaces, not with tabs"));
}

TEST(Yaml, AVariableInBracesWithoutQuotesIsToldSo) {
  EXPECT_THAT(refusal("targets: [{wal: {directory: ${DIR}}}]\n"), HasSubstr("put quotes around a value with ${...}"));
}

TEST(Yaml, WithControlCharactersIsRefused) {
  EXPECT_EQ(refusal("targets:\n- name: a\x04\n"),
            "a.yml:2: a control character; write it as an escape in double quotes, such as \"\\n\"");
  EXPECT_THAT(refusal(std::string("targets: \0", 10)), StartsWith("a.yml:1: a control character"));
}

TEST(Yaml, ThatIsNotUtf8IsRefused) {
  EXPECT_EQ(refusal("targets:\n- name: M\xFCnchen\n"), "a.yml:2: bytes that are not UTF-8; save the file as UTF-8");
}

TEST(Yaml, WithTagsIsRefused) {
  EXPECT_EQ(refusal("targets:\n- name: !!binary aGVsbG8=\n"),
            "a.yml:2: the tag 'tag:yaml.org,2002:binary'; settings need no tags, remove it");
}

TEST(Yaml, WithOddKeysIsRefused) {
  EXPECT_THAT(refusal("? [a]\n: b\n"), StartsWith("a.yml:1: a list or a group of settings as a key"));
  EXPECT_THAT(refusal("~: b\n"), StartsWith("a.yml:1: a key is missing before ':'"));
  EXPECT_THAT(refusal("&x a: 1\n*x : 2\n"), StartsWith("a.yml:2: an alias as a key"));
}

TEST(Yaml, AnAliasToItselfIsRefused) {
  EXPECT_EQ(refusal("targets: &a\n- *a\n"), "a.yml:2: an alias to what it stands in; write the value out");
}

TEST(Yaml, AnUnknownAliasIsRefused) {
  EXPECT_THAT(refusal("targets: *nothing\n"), StartsWith("a.yml:1: not valid YAML: "));
}

TEST(Yaml, TooDeepIsRefused) {
  EXPECT_EQ(refusal(repeat("[", 100) + repeat("]", 100)),
            "a.yml:1: nested deeper than 32 levels; settings are never that deep");
  EXPECT_THAT(refusal(repeat("{a: ", 100) + "b" + repeat("}", 100)), HasSubstr("nested deeper than 32 levels"));
  EXPECT_THAT(refusal("a:\n" + repeat("- ", 100'000)), HasSubstr("nested deeper than 32 levels"));
}

TEST(Yaml, EndlessBracketsAreRefused) {
  for (const std::string bracket : {"[", "{", "{a: ", "[[\n"}) {
    EXPECT_THAT(refusal(repeat(bracket, 20'000)), StartsWith("a.yml:1: ")) << bracket;
  }
}

TEST(Yaml, AQuoteThatIsNeverClosedIsToldSo) {
  EXPECT_EQ(refusal("targets:\n- wal: {directory: /w}\n  name: 'plant\n"),
            "a.yml:4: not valid YAML: a quote further up is never closed; close it");
  EXPECT_EQ(refusal("targets:\n- wal: {directory: \"/w}\n  name: plant"),
            "a.yml:4: not valid YAML: a quote further up is never closed; close it");
}

TEST(Yaml, ABlockOfTextKeepsItsLines) {
  const auto settings =
      parse(target_with("  checkpoint:\n    http:\n      path: /p\n      body: |\n        a\n        b\n"), "a.yml",
            no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].checkpoint.http->body, "a\nb\n");
}

TEST(Yaml, TooManyValuesAreRefused) {
  EXPECT_EQ(refusal("a: [" + repeat("b,", 50'001) + "]\n"),
            "a.yml:1: more than 50000 values; settings are never that many");
}

TEST(Yaml, OfMoreThanAMebibyteIsRefused) {
  EXPECT_EQ(refusal(repeat("# comment\n", 110'000)), "a.yml:1: larger than 1 MiB; settings are never that large");
}

TEST(Yaml, WithTooManyTargetsIsRefused) {
  EXPECT_THAT(refusal("targets: [&a {wal: {directory: /w}}" + repeat(",*a", 1000) + "]"),
              HasSubstr("there are more than 1000"));
}

TEST(Yaml, AliasesThatMultiplyAreNeverWrittenOut) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + repeat("," + last, 9) + "]\n";
  }
  EXPECT_THAT(refusal(bomb + "targets: *a29\n"), StartsWith("a.yml:1: unknown key 'a0'"));
}

TEST(Yaml, AliasesInALongRowEnd) {
  std::string row = "a0: &a0 [x]\n";
  for (int i = 1; i < 10'000; ++i) {
    row += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_THAT(refusal(row), StartsWith("a.yml:1: unknown key 'a0'"));
}

}  // namespace
}  // namespace wal_exporter::settings
