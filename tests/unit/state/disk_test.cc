// What is particular to the store on disk: files, modes, crashes, two at once.

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "child.h"
#include "state/database.h"
#include "state/store.h"
#include "temporary_directory.h"

namespace wal_exporter::state {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<Store> opened(const fs::path& directory, std::size_t history_limit = 100) {
  auto store = open_store(directory, history_limit);
  if (!store) {
    ADD_FAILURE() << store.error().message;
    return memory_store(history_limit);
  }
  return std::move(*store);
}

Error refused(const fs::path& directory) {
  auto store = open_store(directory, 100);
  if (!store) return store.error();
  ADD_FAILURE() << "was opened";
  return {};
}

AuditEntry entry(const std::string& summary) {
  AuditEntry out;
  out.target = "plant";
  out.summary = summary;
  return out;
}

fs::path file_in(const TemporaryDirectory& directory) {
  return directory.path() / "state.sqlite3";
}

TEST(DiskStore, CreatesMissingDirectoriesAndFilesForItsUserAlone) {
  const TemporaryDirectory directory;
  const fs::path deep = directory.path() / "a" / "b" / "";
  const auto store = opened(deep);
  ASSERT_TRUE(store->put("plant", "memory", "x"));
  EXPECT_EQ(mode(directory.path() / "a"), 0700U);
  EXPECT_EQ(mode(directory.path() / "a" / "b"), 0700U);
  for (const auto& file : fs::directory_iterator(deep)) EXPECT_EQ(mode(file.path()), 0600U) << file.path();
}

TEST(DiskStore, AnExistingDirectoryKeepsItsMode) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0750), 0);
  opened(directory.path());
  EXPECT_EQ(mode(directory.path()), 0750U);
}

TEST(DiskStore, FindsEverythingAgainAfterOpeningAnew) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path());
    ASSERT_TRUE(store->put("plant", "memory", "kept"));
    ASSERT_TRUE(store->append(entry("first")));
  }
  const auto store = opened(directory.path());
  EXPECT_EQ(store->get("plant", "memory").value(), "kept");
  ASSERT_TRUE(store->append(entry("second")));
  const auto page = store->history("plant", std::nullopt, 10).value();
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].summary, "second");
  EXPECT_EQ(page[1].summary, "first");
}

TEST(DiskStore, WhatWasPutSurvivesSigkill) {
  const TemporaryDirectory directory;
  Child child([&] {
    auto store = open_store(directory.path(), 100);
    if (!store) return store.error().message;
    for (int i = 0; i < 20; ++i) {
      if (!(*store)->put("plant", "memory", std::to_string(i))) return std::string("put failed");
      if (!(*store)->append(entry(std::to_string(i)))) return std::string("append failed");
    }
    store->release();  // left open, as a kill finds it
    return std::string("written");
  });
  // The child closed its end of the pipe with the store still open.
  ASSERT_EQ(child.result(), "written");
  child.kill();
  const auto store = opened(directory.path());
  EXPECT_EQ(store->get("plant", "memory").value(), "19");
  EXPECT_THAT(store->history("plant", std::nullopt, 100).value(), SizeIs(20));
}

TEST(DiskStore, ALowerLimitTrimsAtTheNextEntry) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path(), 50);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(store->append(entry(std::to_string(i))));
  }
  const auto store = opened(directory.path(), 4);
  ASSERT_TRUE(store->append(entry("last")));
  const auto page = store->history("plant", std::nullopt, 100).value();
  ASSERT_THAT(page, SizeIs(4));
  EXPECT_EQ(page[0].summary, "last");
  EXPECT_EQ(page[3].summary, "27");
}

TEST(DiskStore, TwoAtOnceSeeEachOthersWrites) {
  const TemporaryDirectory directory;
  const auto one = opened(directory.path());
  const auto two = opened(directory.path());
  ASSERT_TRUE(one->put("plant", "memory", "by one"));
  EXPECT_EQ(two->get("plant", "memory").value(), "by one");
  ASSERT_TRUE(two->append(entry("by two")));
  EXPECT_THAT(one->history("plant", std::nullopt, 10).value(), SizeIs(1));
}

TEST(DiskStore, AnotherProcessMayHaveItOpenAndWrite) {
  const TemporaryDirectory directory;
  const auto store = opened(directory.path());
  ASSERT_TRUE(store->put("plant", "memory", "by the daemon"));
  const Child child([&] {
    auto second = open_store(directory.path(), 100);
    if (!second) return second.error().message;
    const std::string seen = (*second)->get("plant", "memory").value().value_or("nothing");
    if (!(*second)->append(entry("by the command line"))) return std::string("append failed");
    return seen;
  });
  EXPECT_EQ(child.result(), "by the daemon");
  ASSERT_TRUE(store->put("plant", "memory", "after"));
  EXPECT_EQ(store->history("plant", std::nullopt, 10).value().at(0).summary, "by the command line");
}

// Where an entry waits for the disk (here: for another process), nobody who reads
// waits with it, nor the other way round.
TEST(DiskStore, ReadingWaitsForNoWriter) {
  const TemporaryDirectory directory;
  const auto store = opened(directory.path());
  ASSERT_TRUE(store->append(entry("first")));
  SQLite::Database other(file_in(directory).string(), SQLite::OPEN_READWRITE);
  other.exec("BEGIN IMMEDIATE");
  std::atomic<bool> begun{false};
  std::optional<Error> error;
  std::thread writer([&] {
    begun = true;
    const auto appended = store->append(entry("second"));
    if (!appended) error = appended.error();
  });
  while (!begun) std::this_thread::yield();
  // Often enough that the writer has come to where it waits.
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(store->history("plant", std::nullopt, 10).value(), SizeIs(1));
    EXPECT_THAT(store->events({}).value(), SizeIs(0));
    EXPECT_EQ(store->newest_id().value(), 1);
  }
  other.exec("COMMIT");
  writer.join();
  EXPECT_FALSE(error) << error->message;  // would have waited too long
  EXPECT_THAT(store->history("plant", std::nullopt, 10).value(), SizeIs(2));
}

// Decisions are the most of an audit, events few.
TEST(DiskStore, EventsOfAKindAreFoundWithoutPassingOverDecisions) {
  const TemporaryDirectory directory;
  { opened(directory.path()); }
  SQLite::Database database(file_in(directory).string(), SQLite::OPEN_READWRITE);
  const auto plan = [&](const EventQuery& query) {
    SQLite::Statement statement(database, "EXPLAIN QUERY PLAN " + events_text(query));
    std::string text;
    while (statement.executeStep()) text += statement.getColumn(3).getString() + "; ";
    return text;
  };
  EventQuery query;
  const std::string by_events = "SEARCH audit USING INDEX audit_events (id>? AND id<?); ";
  EXPECT_EQ(plan(query), by_events);
  query.kind = "wal.restart";
  EXPECT_EQ(plan(query), by_events);
  query.oldest_first = true;
  EXPECT_EQ(plan(query), by_events);
  query.target = "plant";
  EXPECT_EQ(plan(query), "SEARCH audit USING INDEX audit_of_target (target=? AND id>? AND id<?); ");
}

// One that was written before there was that index.
TEST(DiskStore, AnOlderDatabaseGetsTheIndexOfEventsAndStaysOfItsVersion) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path());
    for (const char* kind : {"wal.health", "decision", "wal.restart"}) {
      AuditEntry one = entry(kind);
      one.kind = kind;
      ASSERT_TRUE(store->append(one));
    }
  }
  const auto indices = [&](SQLite::Database& database) {
    return database.execAndGet("SELECT count(*) FROM sqlite_schema WHERE name = 'audit_events'").getInt();
  };
  {
    SQLite::Database database(file_in(directory).string(), SQLite::OPEN_READWRITE);
    database.exec("DROP INDEX IF EXISTS audit_events");
  }
  EXPECT_THAT(opened(directory.path())->events({}).value(), SizeIs(2));
  SQLite::Database database(file_in(directory).string(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(indices(database), 1);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 1);
}

TEST(DiskStore, OneThatIsRefusedGetsNoIndex) {
  const TemporaryDirectory directory;
  { opened(directory.path()); }
  {
    SQLite::Database database(file_in(directory).string(), SQLite::OPEN_READWRITE);
    database.exec("DROP INDEX IF EXISTS audit_events");
    database.exec("PRAGMA user_version = 7");
  }
  const std::string before = content(file_in(directory));
  refused(directory.path());
  EXPECT_EQ(content(file_in(directory)), before);
}

TEST(DiskStore, ManyProcessesMayStartAtOnce) {
  const TemporaryDirectory directory;
  const Child first([&] {
    std::vector<pid_t> pids;
    for (int i = 0; i < 6; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        auto store = open_store(directory.path(), 100);
        ::_exit(store && (*store)->append(entry("x")) ? 0 : 1);
      }
      pids.push_back(pid);
    }
    int good = 0;
    for (const pid_t pid : pids) {
      int status = 0;
      if (::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0) ++good;
    }
    return std::to_string(good);
  });
  EXPECT_EQ(first.result(), "6");
  EXPECT_THAT(opened(directory.path())->history("plant", std::nullopt, 100).value(), SizeIs(6));
}

TEST(DiskStore, NoSpaceIsAnErrorAndLosesNothing) {
  const TemporaryDirectory directory;
  const Child child([&]() -> std::string {
    auto store = open_store(directory.path(), 100);
    if (!store) return store.error().message;
    if (!(*store)->put("plant", "memory", "before")) return "the first put failed";
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200'000, 200'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const auto put = (*store)->put("plant", "memory", std::string(300'000, 'x'));
    if (put) return "300 kB were put into 200 kB";
    const auto appended = (*store)->append(entry(std::string(300'000, 'x')));
    if (appended) return "300 kB were appended into 200 kB";
    const auto seen = (*store)->get("plant", "memory");
    if (!seen || *seen != "before") return "the value of before is gone";
    if (!(*store)->put("plant", "memory", "after")) return "a small put failed afterwards";
    return put.error().message;
  });
  EXPECT_THAT(child.result(), AllOf(HasSubstr("writing to state file " + file_in(directory).string()),
                                    HasSubstr("check the disk"), HasSubstr("what was stored before is still there")));
  const auto store = opened(directory.path());
  EXPECT_EQ(store->get("plant", "memory").value(), "after");
  EXPECT_THAT(store->history("plant", std::nullopt, 10).value(), SizeIs(0));
}

// It was kept in a file that nobody would open again, and told as kept.
TEST(DiskStore, AFileThatWasRemovedOrReplacedKeepsNothing) {
  const TemporaryDirectory directory;
  const auto store = opened(directory.path());
  ASSERT_TRUE(store->put("plant", "memory", "before"));
  fs::rename(file_in(directory), directory.path() / "aside");
  EXPECT_THAT(store->put("plant", "memory", "x").error().message, HasSubstr("was removed or replaced"));
  EXPECT_THAT(store->append(entry("x")).error().message, HasSubstr("restart the exporter"));
  fs::copy_file(directory.path() / "aside", file_in(directory));
  EXPECT_FALSE(store->put("plant", "memory", "x"));
  fs::remove(file_in(directory));
  fs::rename(directory.path() / "aside", file_in(directory));
  EXPECT_TRUE(store->put("plant", "memory", "after"));
}

TEST(DiskStore, ANewerSchemaIsRefusedAndLeftAsItIs) {
  const TemporaryDirectory directory;
  { opened(directory.path()); }
  { SQLite::Database(file_in(directory).string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 7"); }
  const std::string before = content(file_in(directory));
  const Error error = refused(directory.path());
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, "state file " + file_in(directory).string() +
                               " has schema version 7, and this program knows version 1; it was left as it is; run "
                               "the newer influxdb_wal_exporter that wrote it, or name another directory with "
                               "--state.directory");
  EXPECT_EQ(content(file_in(directory)), before);
}

TEST(DiskStore, ANewerSchemaThatLiesInTheJournalIsRefusedAndBothAreLeft) {
  const TemporaryDirectory directory;
  { opened(directory.path()); }
  Child child([&] {
    auto* database = new SQLite::Database(file_in(directory).string(), SQLite::OPEN_READWRITE);
    database->exec("PRAGMA user_version = 2");
    return std::string("written");
  });
  child.kill();
  const std::string before = content(file_in(directory));
  const std::string journal = content(file_in(directory).string() + "-wal");
  ASSERT_FALSE(journal.empty());
  EXPECT_THAT(refused(directory.path()).message, HasSubstr("has schema version 2"));
  EXPECT_EQ(content(file_in(directory)), before);
  EXPECT_EQ(content(file_in(directory).string() + "-wal"), journal);
}

TEST(DiskStore, WhatIsNotADatabaseIsRefusedAndLeftAsItIs) {
  const TemporaryDirectory directory;
  const std::string text = "cooldown: 5m\n" + std::string(5000, '#');
  write(file_in(directory), text);
  const Error error = refused(directory.path());
  EXPECT_EQ(error.kind, ErrorKind::corrupt);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr(file_in(directory).string() + ": it is not an SQLite database; it was left as it is"),
                    HasSubstr("mv "), HasSubstr("--state.directory")));
  EXPECT_EQ(content(file_in(directory)), text);
}

TEST(DiskStore, DamageIsFoundAtStartAndTheFileLeftAsItIs) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(store->append(entry(std::string(500, 'x'))));
  }
  std::string bytes = content(file_in(directory));
  ASSERT_GT(bytes.size(), 4 * 4096U);
  bytes.replace(4096, bytes.size() - 4096, bytes.size() - 4096, '\x5A');
  write(file_in(directory), bytes);
  const Error error = refused(directory.path());
  EXPECT_EQ(error.kind, ErrorKind::corrupt);
  EXPECT_THAT(error.message, AllOf(HasSubstr("damaged"), HasSubstr("--state.directory")));
  EXPECT_EQ(content(file_in(directory)), bytes);
}

TEST(DiskStore, DamageInALongHistoryDoesNotHideTheValues) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path());
    ASSERT_TRUE(store->put("plant", "memory", "kept"));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(store->append(entry(std::string(1'000'000, 'x'))));
  }
  std::string bytes = content(file_in(directory));
  ASSERT_GT(bytes.size(), 9'000'000U);
  // Somewhere in the middle of the entries, far from the values.
  bytes.replace(bytes.size() / 2, 8192, 8192, '\x5A');
  write(file_in(directory), bytes);
  const auto store = opened(directory.path());
  EXPECT_EQ(store->get("plant", "memory").value(), "kept");
  const auto page = store->history("plant", std::nullopt, 100);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(page.error().message, HasSubstr("mv "));
}

TEST(DiskStore, ATruncatedFileIsRefusedAndLeftAsItIs) {
  const TemporaryDirectory directory;
  {
    const auto store = opened(directory.path());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(store->append(entry(std::string(500, 'x'))));
  }
  const std::string bytes = content(file_in(directory)).substr(0, 3 * 4096 + 100);
  write(file_in(directory), bytes);
  EXPECT_EQ(refused(directory.path()).kind, ErrorKind::corrupt);
  EXPECT_EQ(content(file_in(directory)), bytes);
}

TEST(DiskStore, AnEmptyFileIsANewDatabase) {
  const TemporaryDirectory directory;
  write(file_in(directory), "");
  EXPECT_TRUE(opened(directory.path())->put("plant", "memory", "x"));
}

TEST(DiskStore, TheDatabaseOfAnotherProgramIsRefusedAndLeftAsItIs) {
  const TemporaryDirectory directory;
  {
    SQLite::Database other(file_in(directory).string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("CREATE TABLE bookmarks (url TEXT)");
  }
  const std::string before = content(file_in(directory));
  const Error error = refused(directory.path());
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_THAT(error.message, HasSubstr("is a database of another program"));
  EXPECT_EQ(content(file_in(directory)), before);
}

TEST(DiskStore, AFileInPlaceOfTheDirectoryIsNamed) {
  const TemporaryDirectory directory;
  write(directory.path() / "file", "x");
  EXPECT_THAT(refused(directory.path() / "file").message,
              AllOf(HasSubstr((directory.path() / "file").string()), HasSubstr("is a file, not a directory"),
                    HasSubstr("--state.directory")));
  EXPECT_THAT(refused(directory.path() / "file" / "below").message, HasSubstr("a part of this path is a file"));
}

TEST(DiskStore, ADirectoryOrALinkInPlaceOfTheFileIsNamed) {
  const TemporaryDirectory directory;
  fs::create_directory(file_in(directory));
  EXPECT_THAT(refused(directory.path()).message, HasSubstr("is not a regular file"));
  fs::remove(file_in(directory));
  fs::create_symlink("elsewhere", file_in(directory));
  EXPECT_THAT(refused(directory.path()).message, HasSubstr("is not a regular file"));
  EXPECT_FALSE(fs::exists(directory.path() / "elsewhere"));
}

TEST(DiskStore, TheDirectoryItselfMayBeALink) {
  const TemporaryDirectory directory;
  fs::create_directory(directory.path() / "real");
  fs::create_symlink("real", directory.path() / "link");
  EXPECT_TRUE(opened(directory.path() / "link")->put("plant", "memory", "x"));
  EXPECT_TRUE(fs::exists(directory.path() / "real" / "state.sqlite3"));
}

TEST(DiskStore, WithoutANameTheSettingIsNamed) {
  EXPECT_THAT(refused("").message, HasSubstr("set --state.directory"));
}

TEST(DiskStore, ADirectoryThatMayNotBeWrittenIsNamedWithTheRemedy) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  fs::create_directory(directory.path() / "readonly");
  ASSERT_EQ(::chmod((directory.path() / "readonly").c_str(), 0555), 0);
  const auto message = [&](const fs::path& state) {
    return Child([&] {
             drop_root();
             const auto store = open_store(state, 100);
             return store ? std::string("was opened") : store.error().message;
           })
        .result();
  };
  EXPECT_THAT(
      message(directory.path() / "readonly"),
      AllOf(HasSubstr("writing to state directory " + (directory.path() / "readonly").string()),
            HasSubstr("Permission denied"), HasSubstr("make it writable for uid"), HasSubstr("--state.directory")));
  EXPECT_THAT(message(directory.path() / "readonly" / "below"),
              AllOf(HasSubstr("creating state directory"), HasSubstr("Permission denied")));
}

TEST(DiskStore, AFileOfAnotherUserIsNamedWithTheRemedy) {
  const TemporaryDirectory directory;
  { opened(directory.path()); }
  ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
  ASSERT_EQ(::chmod(file_in(directory).c_str(), 0400), 0);
  const Child child([&] {
    drop_root();
    const auto store = open_store(directory.path(), 100);
    return store ? std::string("was opened") : store.error().message;
  });
  EXPECT_THAT(child.result(), AllOf(HasSubstr("opening state file " + file_in(directory).string()),
                                    HasSubstr("Permission denied"), HasSubstr("chown")));
}

}  // namespace
}  // namespace wal_exporter::state
