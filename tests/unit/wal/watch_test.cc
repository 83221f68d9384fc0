#include "wal/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "temporary_tree.h"
#include "unit/wal/without_rights.h"

namespace wal_exporter::wal {
namespace {

using ::testing::HasSubstr;

// Counts changes, and waits for one with a deadline.
class Changes {
 public:
  void add() {
    const MutexLock lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait_beyond(int seen) {
    const MutexLock lock(mutex_);
    const SteadyTime deadline = clock_.steady() + std::chrono::seconds(10);
    while (count_ <= seen && clock_.steady() < deadline) clock_.wait_until(changed_, mutex_, deadline);
    return count_ > seen;
  }
  int count() {
    const MutexLock lock(mutex_);
    return count_;
  }

 private:
  SystemClock clock_;
  Mutex mutex_;
  CondVar changed_;
  int count_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
};

TEST(Watch, AFileInANewShardOfANewDatabaseIsSeen) {
  const TemporaryTree tree;
  Changes changes;
  const auto watch = watch_directory(tree.root(), Layout::segments, [&] { changes.add(); });
  EXPECT_EQ(watch->degraded(), "");
  tree.write("plant/autogen/1/_00001.wal", "x");
  ASSERT_TRUE(changes.wait_beyond(0));
  const int seen = changes.count();
  tree.write("plant/autogen/1/_00002.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(seen));
}

TEST(Watch, AMissingDirectoryIsDegradedUntilItIsThere) {
  const TemporaryTree tree;
  Changes changes;
  const auto watch = watch_directory(tree.root() / "later", Layout::node, [&] { changes.add(); });
  EXPECT_THAT(watch->degraded(), HasSubstr("later"));
  std::filesystem::create_directories(tree.root() / "later/wal");
  watch->rearm();
  EXPECT_EQ(watch->degraded(), "");
  tree.write("later/wal/00000000001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(0));
}

TEST(Watch, AFilesystemsLostAndFoundIsNotMissed) {
  TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  std::filesystem::create_directory(tree.root() / "lost+found");
  tree.forbid("lost+found");
  EXPECT_EQ(without_rights([&] { return watch_directory(tree.root(), Layout::segments, [] {})->degraded(); }), "");
}

TEST(Watch, AFolderThatMayNotBeReadIsNamed) {
  TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  tree.forbid("plant/autogen");
  EXPECT_THAT(without_rights([&] { return watch_directory(tree.root(), Layout::segments, [] {})->degraded(); }),
              HasSubstr("plant/autogen: Permission denied"));
}

TEST(Watch, AReplacedDirectoryIsDegradedAndArmedAnew) {
  const TemporaryTree tree;
  std::filesystem::create_directories(tree.root() / "node/wal");
  Changes changes;
  const auto watch = watch_directory(tree.root() / "node", Layout::node, [&] { changes.add(); });
  std::filesystem::rename(tree.root() / "node", tree.root() / "old");
  ASSERT_TRUE(changes.wait_beyond(0));
  EXPECT_THAT(watch->degraded(), HasSubstr("removed or replaced"));
  std::filesystem::create_directories(tree.root() / "node/wal");
  watch->rearm();
  EXPECT_EQ(watch->degraded(), "");
  const int seen = changes.count();
  tree.write("node/wal/00000000001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(seen));
}

}  // namespace
}  // namespace wal_exporter::wal
