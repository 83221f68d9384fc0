#include "policy/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::HasSubstr;

Memory full() {
  Memory memory;
  memory.levels = Levels{Health::warning, Health::critical};
  memory.files_over_since = kStart + nanoseconds(1);
  memory.last_start = kStart + nanoseconds(2);
  memory.last_end = kStart + nanoseconds(3);
  memory.last_success = kStart + nanoseconds(4);
  memory.last_scheduled = kStart + nanoseconds(5);
  memory.failures = 7;
  memory.failed = 3;
  memory.unverified = 2;
  memory.partial = 1;
  memory.backoff_until = kStart + nanoseconds(6);
  memory.breaker_until = kStart + nanoseconds(7);
  memory.critical_failures = 2;
  memory.last_critical_failure = kStart + nanoseconds(8);
  memory.blocked_since = kStart + nanoseconds(9);
  memory.restart_considered = true;
  memory.restart_waits = true;
  memory.restarts = {kStart + nanoseconds(10), kStart + nanoseconds(11)};
  return memory;
}

TEST(MemoryText, NothingRememberedComesBack) {
  EXPECT_EQ(from_text(to_text(Memory{})).value(), Memory{});
}

TEST(MemoryText, EverythingRememberedComesBackToTheNanosecond) {
  EXPECT_EQ(from_text(to_text(full())).value(), full());
}

TEST(MemoryText, EveryPairOfLevelsComesBack) {
  for (const Health files : kHealths) {
    for (const Health bytes : kHealths) {
      Memory memory;
      memory.levels = Levels{files, bytes};
      EXPECT_EQ(from_text(to_text(memory)).value(), memory);
    }
  }
}

TEST(MemoryText, UnknownFieldsAreIgnored) {
  std::string text = to_text(full());
  text.insert(1, R"("windows_missed":[1,{"a":null}],)");
  EXPECT_EQ(from_text(text).value(), full());
}

TEST(MemoryText, MissingFieldsAreNothing) {
  EXPECT_EQ(from_text("{}").value(), Memory{});
}

TEST(MemoryText, ALevelThatIsNotKnownIsJudgedAnew) {
  EXPECT_EQ(from_text(R"({"files_level":"catastrophic","bytes_level":"healthy"})").value().levels, std::nullopt);
  EXPECT_EQ(from_text(R"({"files_level":"critical"})").value().levels, std::nullopt);
}

class Rubbish : public testing::TestWithParam<const char*> {};

TEST_P(Rubbish, IsAnErrorThatSaysWhatCanNotBeRead) {
  const auto memory = from_text(GetParam());
  ASSERT_FALSE(memory.has_value());
  EXPECT_EQ(memory.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(memory.error().message, HasSubstr("what is remembered of the target can't be read"));
}

INSTANTIATE_TEST_SUITE_P(Texts, Rubbish,
                         testing::Values("", " ", "{", "null", "[]", "7", "\"text\"", "SQLite format 3", "{}{}",
                                         "\xff\xfe{}", R"({"failures":"many"})", R"({"failures":-1})",
                                         R"({"failures":4294967296})", R"({"failures":1.5})", R"({"last_end":"now"})",
                                         R"({"last_end":null})", R"({"last_end":1e300})", R"({"last_end":-1})",
                                         R"({"last_end":9223372036854775808})", R"({"files_level":3})",
                                         R"({"critical_failures":-2})", R"({"restart_considered":"yes"})",
                                         R"({"restart_waits":1})", R"({"restarts":7})", R"({"restarts":["now"]})",
                                         R"({"restarts":[-1]})", R"({"restarts":[9223372036854775808]})"));

TEST(MemoryText, TheLastInstantThatCanBeWrittenDoesNoHarm) {
  HandDriven target;
  target.memory = from_text(R"({"last_start":9223372036854775807,"last_end":9223372036854775807,)"
                            R"("last_scheduled":0,"backoff_until":9223372036854775807,"failures":4294967295,)"
                            R"("breaker_until":0,"blocked_since":0})")
                      .value();
  target.take_sample(kCritical, seconds(0));
  EXPECT_EQ(target.decide(seconds(0)).action, Action::none);
  target.fail(1, seconds(1));
  EXPECT_LE(target.memory.backoff_until.value(), kStart + seconds(1) + minutes(15));
}

}  // namespace
}  // namespace wal_exporter::policy
