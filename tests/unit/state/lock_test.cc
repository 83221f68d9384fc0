#include "state/lock.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "child.h"
#include "state/store.h"
#include "temporary_directory.h"

namespace wal_exporter::state {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string message(const Result<TargetLock>& lock) {
  return lock ? "was taken" : lock.error().message;
}

std::set<std::string> names(const fs::path& directory) {
  std::set<std::string> out;
  for (const auto& file : fs::directory_iterator(directory)) out.insert(file.path().filename().string());
  return out;
}

TEST(TargetLock, IsHeldByOneAtATime) {
  const TemporaryDirectory directory;
  {
    const auto first = TargetLock::acquire(directory.path(), "plant");
    ASSERT_TRUE(first) << message(first);
    const auto second = TargetLock::acquire(directory.path(), "plant");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::conflict);
    EXPECT_EQ(second.error().message, "target 'plant' is being acted on by this process (pid " +
                                          std::to_string(::getpid()) + "), which holds the lock " +
                                          (directory.path() / "target-plant.lock").string() + "; wait for it to end");
  }
  EXPECT_TRUE(TargetLock::acquire(directory.path(), "plant"));
}

TEST(TargetLock, WhatRootMakesInAnothersDirectoryIsTheirs) {
  if (::geteuid() != 0) GTEST_SKIP() << "takes root";
  constexpr uid_t kOther = 65534;
  const TemporaryDirectory directory;
  ASSERT_EQ(::chown(directory.path().c_str(), kOther, kOther), 0);
  ASSERT_TRUE(TargetLock::acquire(directory.path(), "plant"));
  struct stat made {};
  ASSERT_EQ(::stat((directory.path() / "target-plant.lock").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, kOther);
  ASSERT_TRUE(open_store(directory.path(), 10));
  for (const char* name : {"state.sqlite3", "state.sqlite3-wal"}) {
    if (::stat((directory.path() / name).c_str(), &made) != 0) continue;
    EXPECT_EQ(made.st_uid, kOther) << name;
  }
}

TEST(TargetLock, OneServingProcessOwnsTheDirectoryAndNoTargetHindersIt) {
  const TemporaryDirectory directory;
  const auto daemon = TargetLock::acquire_daemon(directory.path());
  ASSERT_TRUE(daemon) << message(daemon);
  const auto second = TargetLock::acquire_daemon(directory.path());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr("is in use by"), HasSubstr(std::to_string(::getpid())), HasSubstr("--state.directory")));
  EXPECT_TRUE(TargetLock::acquire(directory.path(), "daemon"));
}

TEST(TargetLock, StaysHeldWhenMoved) {
  const TemporaryDirectory directory;
  auto first = TargetLock::acquire(directory.path(), "plant");
  ASSERT_TRUE(first);
  const TargetLock moved = std::move(*first);
  EXPECT_FALSE(TargetLock::acquire(directory.path(), "plant"));
}

TEST(TargetLock, TargetsDoNotHinderEachOther) {
  const TemporaryDirectory directory;
  const auto one = TargetLock::acquire(directory.path(), "one");
  const auto two = TargetLock::acquire(directory.path(), "two");
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
}

TEST(TargetLock, NamesTheProcessThatHoldsItAndIsFreeOnceThatIsKilled) {
  const TemporaryDirectory directory;
  Child child([&] {
    static auto lock = TargetLock::acquire(directory.path(), "plant");
    return message(lock);
  });
  ASSERT_EQ(child.result(), "was taken");
  EXPECT_THAT(message(TargetLock::acquire(directory.path(), "plant")),
              HasSubstr("another process (pid " + std::to_string(child.pid()) + ")"));
  child.kill();
  EXPECT_TRUE(TargetLock::acquire(directory.path(), "plant"));
}

TEST(TargetLock, CreatesTheDirectoryAndAFileForItsUserAlone) {
  const TemporaryDirectory directory;
  const fs::path below = directory.path() / "state";
  const auto lock = TargetLock::acquire(below, "plant");
  ASSERT_TRUE(lock) << message(lock);
  EXPECT_EQ(mode(below), 0700U);
  EXPECT_EQ(mode(below / "target-plant.lock"), 0600U);
  EXPECT_EQ(content(below / "target-plant.lock"), std::to_string(::getpid()) + "\n");
}

TEST(TargetLock, AnyBytesOfANameBecomeAFileInTheDirectory) {
  const TemporaryDirectory directory;
  const std::string with_nul("n\0n", 3);
  for (const std::string& name : {std::string("../../etc/x"), std::string("a\nb"), std::string("Käse"), std::string(""),
                                  std::string("."), with_nul, std::string("a%b+c")}) {
    const auto lock = TargetLock::acquire(directory.path(), name);
    EXPECT_TRUE(lock) << message(lock);
  }
  EXPECT_EQ(names(directory.path()),
            (std::set<std::string>{"target-..%2F..%2Fetc%2Fx.lock", "target-a%0Ab.lock", "target-K%C3%A4se.lock",
                                   "target-.lock", "target-..lock", "target-n%00n.lock", "target-a%25b%2Bc.lock"}));
}

TEST(TargetLock, LongNamesThatDifferAtTheEndAreDifferentLocks) {
  const TemporaryDirectory directory;
  const std::string front(300, '/');
  const auto one = TargetLock::acquire(directory.path(), front + "1");
  const auto two = TargetLock::acquire(directory.path(), front + "2");
  EXPECT_TRUE(one) << message(one);
  EXPECT_TRUE(two) << message(two);
  EXPECT_FALSE(TargetLock::acquire(directory.path(), front + "1"));
  const auto plain = TargetLock::acquire(directory.path(), std::string(200, 'x'));
  EXPECT_TRUE(plain) << message(plain);
  EXPECT_TRUE(fs::exists(directory.path() / ("target-" + std::string(200, 'x') + ".lock")));
}

TEST(TargetLock, ALinkOrAPipeInItsPlaceIsRefused) {
  const TemporaryDirectory directory;
  fs::create_symlink(directory.path() / "elsewhere", directory.path() / "target-plant.lock");
  EXPECT_THAT(message(TargetLock::acquire(directory.path(), "plant")),
              AllOf(HasSubstr("target-plant.lock"), HasSubstr("--state.directory")));
  EXPECT_FALSE(fs::exists(directory.path() / "elsewhere"));
  ASSERT_EQ(::mkfifo((directory.path() / "target-pipe.lock").c_str(), 0600), 0);
  EXPECT_THAT(message(TargetLock::acquire(directory.path(), "pipe")), HasSubstr("is not a regular file"));
}

TEST(TargetLock, AnOldFileWithoutAHolderIsNoHindrance) {
  const TemporaryDirectory directory;
  write(directory.path() / "target-plant.lock", "1\nmore than a number");
  const auto lock = TargetLock::acquire(directory.path(), "plant");
  ASSERT_TRUE(lock) << message(lock);
  EXPECT_EQ(content(directory.path() / "target-plant.lock"), std::to_string(::getpid()) + "\n");
}

TEST(TargetLock, ADirectoryThatMayNotBeWrittenIsNamed) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0555), 0);
  const Child child([&] {
    drop_root();
    return message(TargetLock::acquire(directory.path(), "plant"));
  });
  EXPECT_THAT(child.result(), AllOf(HasSubstr("state directory " + directory.path().string()),
                                    HasSubstr("Permission denied"), HasSubstr("--state.directory")));
}

}  // namespace
}  // namespace wal_exporter::state
