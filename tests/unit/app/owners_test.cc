// That what is remembered goes with a server's directory or address, and never with a name.
#include "app/owners.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "unit/http/fake_server.h"

namespace wal_exporter::app {
namespace {

namespace fs = std::filesystem;
using wal_exporter::tests::TempDir;

class StateOwners : public ::testing::Test {
 protected:
  // A target whose directory lies below the folder, and is there unless `name` says otherwise.
  settings::Target target(const std::string& name, const fs::path& directory, const std::string& url = {}) {
    settings::Target out;
    out.name = name;
    out.wal.directory = folder_.path() / directory;
    out.influxdb.url = url;
    return out;
  }
  void make(const fs::path& directory) { fs::create_directories(folder_.path() / directory); }
  // As a start or a reload with these settings.
  void settle(const std::vector<settings::Target>& targets) {
    settle_owners(*store_, owners_of(targets, pool_, clock_), null_log());
  }
  void remember(const std::string& name, const std::string& value) {
    ASSERT_TRUE(store_->put(name, "policy", value));
    ASSERT_TRUE(store_->put(name, "shards", value));
  }
  std::string known(const std::string& name, const std::string& key = "policy") {
    return store_->get(name, key).value().value_or("");
  }

  TempDir folder_;
  std::shared_ptr<Clock> clock_ = std::make_shared<SystemClock>();
  Pool pool_{8, clock_};
  std::unique_ptr<state::Store> store_ = state::memory_store(10);
};

TEST_F(StateOwners, ARenamedTargetGoesOnWithWhatItsDirectoryHad) {
  make("a/wal");
  settle({target("mill", "a/wal")});
  remember("mill", "open breaker");
  settle({target("mill-2", "a//x/../wal/")});
  EXPECT_EQ(known("mill-2"), "open breaker");
  EXPECT_EQ(known("mill-2", "shards"), "open breaker");
  EXPECT_EQ(known("mill"), "") << "two never share";
  // And back: what the old name had once is no more.
  remember("mill-2", "closed breaker");
  settle({target("mill", "a/wal")});
  EXPECT_EQ(known("mill"), "closed breaker");
}

TEST_F(StateOwners, ThoughTheDirectoryIsGoneOrNamedByALink) {
  make("a/wal");
  settle({target("mill", "a/wal")});
  remember("mill", "1");
  fs::create_directory_symlink("a", folder_.path() / "b");
  settle({target("mill-2", "b/wal")});
  EXPECT_EQ(known("mill-2"), "1");
  fs::remove_all(folder_.path() / "a");
  settle({target("mill-3", "b/wal")});
  EXPECT_EQ(known("mill-3"), "1");
  settle({target("mill-4", "a/wal")});
  EXPECT_EQ(known("mill-4"), "1");
}

TEST_F(StateOwners, OneThatWasMovedIsTheSame) {
  make("a/wal");
  settle({target("mill", "a/wal")});
  remember("mill", "1");
  fs::rename(folder_.path() / "a", folder_.path() / "b");
  settle({target("mill", "b/wal")});
  EXPECT_EQ(known("mill"), "1");
}

TEST_F(StateOwners, AnotherDirectoryUnderTheSameNameInheritsNothing) {
  make("a/wal");
  make("b/wal");
  settle({target("mill", "a/wal", "http://127.0.0.1:8086")});
  remember("mill", "of a");
  settle({target("mill", "b/wal", "http://127.0.0.1:8086")});
  EXPECT_EQ(known("mill"), "");
  EXPECT_EQ(known("mill", "shards"), "");
  remember("mill", "of b");
  // What the first one had waits for it, whatever it is called by then.
  settle({target("mill", "b/wal"), target("quarry", "a/wal")});
  EXPECT_EQ(known("mill"), "of b");
  EXPECT_EQ(known("quarry"), "of a");
}

TEST_F(StateOwners, TwoThatChangePlacesDoSoHere) {
  make("a/wal");
  make("b/wal");
  settle({target("mill", "a/wal"), target("quarry", "b/wal")});
  remember("mill", "of a");
  remember("quarry", "of b");
  settle({target("mill", "b/wal"), target("quarry", "a/wal")});
  EXPECT_EQ(known("mill"), "of b");
  EXPECT_EQ(known("quarry"), "of a");
}

TEST_F(StateOwners, ByTheAddressGoesWhatProtectsTheServer) {
  make("a/wal");
  settle({target("mill", "a/wal", "http://10.0.0.7:8086/")});
  remember("mill", "cooldown");
  settle({target("mill-2", "elsewhere/wal", "http://10.0.0.7:8086")});
  EXPECT_EQ(known("mill-2"), "cooldown");
  EXPECT_EQ(known("mill-2", "shards"), "") << "another WAL has other shards";
}

TEST_F(StateOwners, TwoOfOneServerNeverShare) {
  make("a/wal");
  make("b/wal");
  settle({target("mill", "a/wal", "http://10.0.0.7:8086")});
  remember("mill", "cooldown");
  settle({target("mill", "a/wal", "http://10.0.0.7:8086"), target("quarry", "b/wal", "http://10.0.0.7:8086"),
          target("twin", "a/wal", "http://10.0.0.7:8086")});
  EXPECT_EQ(known("mill"), "cooldown");
  EXPECT_EQ(known("quarry"), "");
  EXPECT_EQ(known("twin"), "");
}

// What an older version left says nothing of a directory.
TEST_F(StateOwners, WhatHasNoOwnerStaysUnderItsName) {
  make("a/wal");
  remember("mill", "1");
  settle({target("mill", "a/wal")});
  EXPECT_EQ(known("mill"), "1");
}

}  // namespace
}  // namespace wal_exporter::app
