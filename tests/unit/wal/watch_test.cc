#include "wal/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

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

// What the watch of a hub of its own says, in a process of its own.
std::string degraded_at_once(const std::filesystem::path& directory) {
  WatchHub hub(std::make_shared<Pool>(1, std::make_shared<SystemClock>()));
  return hub.watch(directory, Layout::segments, [] {})->degraded();
}

class Watch : public testing::Test {
 protected:
  // Asks of the kernel how many watches the hub's instance has.
  static int watches() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream file(entry.path());
      int count = 0;
      for (std::string line; std::getline(file, line);) count += line.rfind("inotify ", 0) == 0 ? 1 : 0;
      if (count > 0) return count;
    }
    return 0;
  }

  static bool wait_until_degraded(const DirectoryWatch& watch, Changes& changes) {
    while (true) {
      const int seen = changes.count();
      if (!watch.degraded().empty()) return true;
      if (!changes.wait_beyond(seen)) return false;
    }
  }
  // Waits until the hub has read what has happened, and the pool has done what followed.
  void settle() {
    const TemporaryTree tree;
    Changes changes;
    const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
    for (const char* name : {"read", "handed to the pool"}) {
      const int seen = changes.count();
      tree.write(name, "x");
      ASSERT_TRUE(changes.wait_beyond(seen)) << name;
    }
    Changes done;
    pool_->submit([&](const std::stop_token&) { done.add(); });
    ASSERT_TRUE(done.wait_beyond(0));
  }

  // Made when it is asked for: a process that forks, as without_rights does, has no threads before.
  WatchHub& hub() {
    if (hub_ == nullptr) hub_ = std::make_unique<WatchHub>(pool_);
    return *hub_;
  }

  const std::shared_ptr<Pool> pool_ = std::make_shared<Pool>(1, std::make_shared<SystemClock>(), std::chrono::hours(1));
  std::unique_ptr<WatchHub> hub_;
};

TEST_F(Watch, AFileInANewShardOfANewDatabaseIsSeen) {
  const TemporaryTree tree;
  Changes changes;
  const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
  EXPECT_EQ(watch->degraded(), "");
  tree.write("plant/autogen/1/_00001.wal", "x");
  ASSERT_TRUE(changes.wait_beyond(0));
  const int seen = changes.count();
  tree.write("plant/autogen/1/_00002.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(seen));
}

TEST_F(Watch, WhatLiesBehindALinkIsSeen) {
  const TemporaryTree tree;
  const TemporaryTree elsewhere;
  for (const char* folder : {"db/autogen/1", "shard"}) std::filesystem::create_directories(elsewhere.root() / folder);
  std::filesystem::create_directories(tree.root() / "plant/autogen");
  std::filesystem::create_directory_symlink(elsewhere.root() / "db", tree.root() / "linked");
  Changes changes;
  const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
  EXPECT_EQ(watch->degraded(), "");
  elsewhere.write("db/autogen/1/_00001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(0));
  settle();
  // A link that comes later.
  const int before = changes.count();
  std::filesystem::create_directory_symlink(elsewhere.root() / "shard", tree.root() / "plant/autogen/2");
  ASSERT_TRUE(changes.wait_beyond(before));
  settle();
  const int seen = changes.count();
  elsewhere.write("shard/_00001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(seen));
}

TEST_F(Watch, ALinkThatLeadsNowhereIsDegradedUntilItDoes) {
  const TemporaryTree tree;
  std::filesystem::create_directories(tree.root() / "wal");
  std::filesystem::create_directory_symlink("../later", tree.root() / "wal/plant");
  Changes changes;
  const auto watch = hub().watch(tree.root() / "wal", Layout::segments, [&] { changes.add(); });
  EXPECT_THAT(watch->degraded(), HasSubstr("wal/plant"));
  std::filesystem::create_directories(tree.root() / "later/autogen/1");
  watch->rearm();
  EXPECT_EQ(watch->degraded(), "");
  tree.write("later/autogen/1/_00001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(0));
}

TEST_F(Watch, AMissingDirectoryIsDegradedUntilItIsThere) {
  const TemporaryTree tree;
  Changes changes;
  const auto watch = hub().watch(tree.root() / "later", Layout::node, [&] { changes.add(); });
  EXPECT_THAT(watch->degraded(), HasSubstr("later"));
  std::filesystem::create_directories(tree.root() / "later/wal");
  watch->rearm();
  EXPECT_EQ(watch->degraded(), "");
  tree.write("later/wal/00000000001.wal", "x");
  EXPECT_TRUE(changes.wait_beyond(0));
}

TEST_F(Watch, AFilesystemsLostAndFoundIsNotMissed) {
  TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  std::filesystem::create_directory(tree.root() / "lost+found");
  tree.forbid("lost+found");
  EXPECT_EQ(without_rights([&] { return degraded_at_once(tree.root()); }), "");
}

TEST_F(Watch, AFolderThatMayNotBeReadIsNamed) {
  TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  tree.forbid("plant/autogen");
  EXPECT_THAT(without_rights([&] { return degraded_at_once(tree.root()); }),
              HasSubstr("plant/autogen: Permission denied"));
}

TEST_F(Watch, AReplacedDirectoryIsDegradedAndArmedAnew) {
  const TemporaryTree tree;
  std::filesystem::create_directories(tree.root() / "node/wal");
  Changes changes;
  const auto watch = hub().watch(tree.root() / "node", Layout::node, [&] { changes.add(); });
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

TEST_F(Watch, TwoHundredDirectoriesTakeOneInstance) {
  constexpr int kCount = 200;
  const TemporaryTree tree;
  std::vector<Changes> changes(kCount);
  std::vector<std::unique_ptr<DirectoryWatch>> watched;
  const auto name = [](int i) { return "node" + std::to_string(i) + "/wal"; };
  for (int i = 0; i < kCount; ++i) {
    std::filesystem::create_directories(tree.root() / name(i));
    Changes& mine = changes[static_cast<std::size_t>(i)];
    watched.push_back(hub().watch((tree.root() / name(i)).parent_path(), Layout::node, [&mine] { mine.add(); }));
    ASSERT_EQ(watched.back()->degraded(), "");
  }
  EXPECT_EQ(watches(), 2 * kCount);
  for (int i = 0; i < kCount; i += 2) tree.write(name(i) + "/00000000001.wal", "x");
  for (int i = 0; i < kCount; i += 2) EXPECT_TRUE(changes[static_cast<std::size_t>(i)].wait_beyond(0)) << i;
  for (int i = 1; i < kCount; i += 2) EXPECT_EQ(changes[static_cast<std::size_t>(i)].count(), 0) << i;
  watched.clear();
  EXPECT_EQ(watches(), 0);
}

TEST_F(Watch, TwoWatchesOfOneDirectoryAreBothTold) {
  const TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  Changes one;
  Changes two;
  Changes three;
  auto first = hub().watch(tree.root(), Layout::segments, [&] { one.add(); });
  const auto second = hub().watch(tree.root(), Layout::segments, [&] { two.add(); });
  // A part of the same, one level higher.
  const auto third = hub().watch(tree.root() / "plant", Layout::segments, [&] { three.add(); });
  EXPECT_EQ(watches(), 4);
  tree.write("plant/autogen/1/_00002.wal", "x");
  EXPECT_TRUE(one.wait_beyond(0));
  EXPECT_TRUE(two.wait_beyond(0));
  EXPECT_TRUE(three.wait_beyond(0));
  first.reset();
  EXPECT_EQ(watches(), 4);
  const int seen_by_one = one.count();
  const int seen = two.count();
  tree.write("plant/autogen/2/_00001.wal", "x");
  EXPECT_TRUE(two.wait_beyond(seen));
  EXPECT_EQ(one.count(), seen_by_one);
  std::filesystem::rename(tree.root() / "plant", tree.root() / "gone");
  EXPECT_TRUE(wait_until_degraded(*third, three));
  EXPECT_EQ(second->degraded(), "");
}

TEST_F(Watch, AFolderThatHangsHoldsUpNoOther) {
  const TemporaryTree hanging;
  const TemporaryTree tree;
  Changes changes_there;
  Changes changes;
  const auto watch_there = hub().watch(hanging.root(), Layout::segments, [&] { changes_there.add(); });
  const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
  std::promise<void> released;
  pool_->submit([&](const std::stop_token&) { released.get_future().wait(); });  // as opening a folder may
  std::filesystem::create_directories(hanging.root() / "plant");
  ASSERT_TRUE(changes_there.wait_beyond(0));
  tree.write("file", "x");
  EXPECT_TRUE(changes.wait_beyond(0));
  released.set_value();
  settle();
  EXPECT_EQ(watches(), 3);
}

TEST_F(Watch, AWatchMayGoWhileEventsCome) {
  const TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      std::filesystem::create_directories(tree.root() / "plant/autogen" / std::to_string(2 + i % 5));
      tree.write("plant/autogen/1/_00002.wal", "x");
      std::filesystem::remove(tree.root() / "plant/autogen/1/_00002.wal");
      std::filesystem::remove_all(tree.root() / "plant/autogen" / std::to_string(2 + (i + 3) % 5));
    }
  });
  Changes staying;
  const auto stays = hub().watch(tree.root(), Layout::segments, [&] { staying.add(); });
  for (int i = 0; i < 100; ++i) {
    Changes changes;  // goes with its watch
    const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
    EXPECT_TRUE(i % 2 == 1 || changes.wait_beyond(0));
  }
  done = true;
  writer.join();
  stays->rearm();
  const int seen = staying.count();
  tree.write("plant/autogen/1/_00003.wal", "x");
  EXPECT_TRUE(staying.wait_beyond(seen));
}

TEST_F(Watch, AnOverflowConcernsAllUntilTheyAreArmedAnew) {
  const TemporaryTree tree;
  std::filesystem::create_directories(tree.root() / "busy/wal");
  std::filesystem::create_directories(tree.root() / "calm/wal");
  Mutex holding;
  Changes busy;
  Changes calm;
  const auto first = hub().watch(tree.root() / "busy", Layout::node, [&] {
    busy.add();
    const MutexLock lock(holding);
  });
  const auto second = hub().watch(tree.root() / "calm", Layout::node, [&] { calm.add(); });
  int most = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  ASSERT_GT(most, 0);
  {
    const MutexLock lock(holding);  // the hub reads nothing meanwhile
    tree.write("busy/wal/a", "x");
    ASSERT_TRUE(busy.wait_beyond(0));
    for (int i = 0; i <= most / 2; ++i) {
      std::filesystem::rename(tree.root() / "busy/wal/a", tree.root() / "busy/wal/b");
      std::filesystem::rename(tree.root() / "busy/wal/b", tree.root() / "busy/wal/a");
    }
    std::filesystem::rename(tree.root() / "calm/wal", tree.root() / "calm/old");  // nobody hears of it
    std::filesystem::create_directories(tree.root() / "calm/wal");
  }
  ASSERT_TRUE(calm.wait_beyond(0));
  EXPECT_THAT(second->degraded(), HasSubstr("events came faster"));
  EXPECT_TRUE(wait_until_degraded(*first, busy));
  first->rearm();
  second->rearm();
  EXPECT_EQ(first->degraded(), "");
  EXPECT_EQ(second->degraded(), "");
  EXPECT_EQ(watches(), 4);
  const int seen = calm.count();
  tree.write("calm/wal/00000000001.wal", "x");
  EXPECT_TRUE(calm.wait_beyond(seen));
}

TEST_F(Watch, AFolderThatIsRenamedIsWatchedUnderItsNewName) {
  const TemporaryTree tree;
  tree.write("old/autogen/1/_00001.wal", "x");
  Changes changes;
  const auto watch = hub().watch(tree.root(), Layout::segments, [&] { changes.add(); });
  std::filesystem::rename(tree.root() / "old", tree.root() / "new");
  settle();
  EXPECT_GT(changes.count(), 0);
  watch->rearm();
  tree.write("new/autogen/2/_00001.wal", "x");
  settle();
  EXPECT_EQ(watches(), 5);
  for (const char* file : {"new/autogen/1/_00002.wal", "new/autogen/2/_00002.wal"}) {
    const int seen = changes.count();
    tree.write(file, "x");
    EXPECT_TRUE(changes.wait_beyond(seen)) << file;
  }
}

TEST_F(Watch, TheLimitOfWatchesIsToldWithTheRemedy) {
  const TemporaryTree tree;
  tree.write("plant/autogen/1/_00001.wal", "x");
  const std::string said = with_limit("max_inotify_watches", 2, [&] { return degraded_at_once(tree.root()); });
  if (said == "no namespace") GTEST_SKIP() << "no user namespace, in which a test may set limits of its own";
  EXPECT_THAT(said, HasSubstr("no watch on " + (tree.root() / "plant/autogen").string()));
  EXPECT_THAT(said, HasSubstr("raise fs.inotify.max_user_watches"));
}

TEST_F(Watch, TheLimitOfInstancesIsToldWithTheRemedy) {
  const TemporaryTree tree;
  const std::string said = with_limit("max_inotify_instances", 0, [&] { return degraded_at_once(tree.root()); });
  if (said == "no namespace") GTEST_SKIP() << "no user namespace, in which a test may set limits of its own";
  EXPECT_EQ(said, "the kernel gave no inotify instance (Too many open files); raise fs.inotify.max_user_instances");
}

TEST_F(Watch, MayOutliveItsHub) {
  const TemporaryTree tree;
  Changes changes;
  const auto watch = hub().watch(tree.root(), Layout::node, [&] { changes.add(); });
  hub_.reset();
  tree.write("wal/00000000001.wal", "x");
  watch->rearm();
  EXPECT_EQ(changes.count(), 0);
}

}  // namespace
}  // namespace wal_exporter::wal
