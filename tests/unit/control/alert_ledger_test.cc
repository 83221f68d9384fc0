#include "control/alert_ledger.h"

#include <gmock/gmock.h>

namespace wal_exporter::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Time kNow{std::chrono::seconds(1'769'769'000)};

TEST(AlertLedger, EachInstanceIsMissingUntilItIsAdded) {
  AlertLedger ledger;
  EXPECT_THAT(ledger.missing({"a", "b"}), ElementsAre("a", "b"));
  ledger.add({"a"}, kNow);
  EXPECT_THAT(ledger.missing({"a", "b"}), ElementsAre("b"));
}

TEST(AlertLedger, SurvivesAsText) {
  AlertLedger ledger;
  ledger.add({"a\n\"b\"", "\xff"}, kNow);
  const AlertLedger again = AlertLedger::from_text(ledger.to_text());
  EXPECT_THAT(again.missing({"a\n\"b\""}), IsEmpty());
}

TEST(AlertLedger, RubbishIsAnEmptyOne) {
  for (const char* text : {"", "[", "[1]", R"({"a":"b"})"}) {
    EXPECT_THAT(AlertLedger::from_text(text).missing({"a"}), ElementsAre("a")) << text;
  }
}

TEST(AlertLedger, WhatCameInOneMessageIsKeptWhole) {
  AlertLedger ledger;
  std::vector<std::string> many;
  for (int i = 0; i < 700; ++i) many.push_back(std::to_string(i));
  ledger.add(many, kNow);
  EXPECT_THAT(ledger.missing(many), IsEmpty());
}

TEST(AlertLedger, ForgetsTheOldestBeyond500AndWhatIsAMonthOld) {
  AlertLedger ledger;
  ledger.add({"first"}, kNow);
  for (int i = 0; i < 500; ++i) ledger.add({std::to_string(i)}, kNow + std::chrono::seconds(i + 1));
  EXPECT_THAT(ledger.missing({"first", "0"}), ElementsAre("first"));
  ledger.add({"later"}, kNow + std::chrono::hours(24 * 31));
  EXPECT_THAT(ledger.missing({"499", "later"}), ElementsAre("499"));
}

}  // namespace
}  // namespace wal_exporter::control
