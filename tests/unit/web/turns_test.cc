#include "web/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::web {
namespace {

TEST(Turns, AreTakenByPeerAndNotByRequest) {
  Turns<int> turns(8);
  for (int i = 1; i <= 3; ++i) turns.add("many", i);
  turns.add("one", 10);
  EXPECT_EQ(turns.next(), 1);
  EXPECT_EQ(turns.next(), 10);
  EXPECT_EQ(turns.next(), 2);
  EXPECT_EQ(turns.next(), 3);
  EXPECT_EQ(turns.next(), 0);
}

TEST(Turns, APeerMayHaveHalfOfWhatOthersLeave) {
  Turns<int> turns(8);
  for (int i = 1; i <= 100; ++i) turns.add("a", i);
  for (int i = 1; i <= 100; ++i) turns.add("b", i);
  while (turns.next() != 0) continue;
  EXPECT_LT(turns.answered(), 8U);
  turns.add("c", 1);
  EXPECT_EQ(turns.next(), 1) << "whoever comes anew finds a worker";
}

TEST(Turns, NoMoreGoThanThereAreWorkers) {
  Turns<int> turns(2);
  for (const char* peer : {"a", "b", "c"}) turns.add(peer, 1);
  EXPECT_EQ(turns.next(), 1);
  EXPECT_EQ(turns.next(), 1);
  EXPECT_EQ(turns.next(), 0);
  turns.done("a");
  EXPECT_EQ(turns.next(), 1);
}

TEST(Turns, OneWorkerServesEverybody) {
  Turns<int> turns(1);
  for (int i = 1; i <= 2; ++i) turns.add("a", i);
  turns.add("b", 3);
  for (const int expected : {1, 3, 2}) {
    ASSERT_EQ(turns.next(), expected);
    EXPECT_EQ(turns.next(), 0);
    turns.done(expected == 3 ? "b" : "a");
  }
}

}  // namespace
}  // namespace wal_exporter::web
