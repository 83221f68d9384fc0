// What both stores must do, the one on disk and the one in memory.

#include "state/store.h"

#include <gmock/gmock.h>

#include <thread>

#include "temporary_directory.h"

namespace wal_exporter::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

AuditEntry entry(const std::string& target, const std::string& summary) {
  AuditEntry out;
  out.time = Time(Duration(1'769'769'000'123'456'789));
  out.target = target;
  out.kind = "decision";
  out.summary = summary;
  out.detail = R"({"files":31})";
  return out;
}

std::vector<std::string> summaries(const std::vector<AuditEntry>& entries) {
  std::vector<std::string> out;
  for (const AuditEntry& one : entries) out.push_back(one.summary);
  return out;
}

enum class Kind { disk, memory };

class AnyStore : public ::testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Store> open(std::size_t history_limit) {
    if (GetParam() == Kind::memory) return memory_store(history_limit);
    auto store = open_store(directory_.path(), history_limit);
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }

  TemporaryDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, AnyStore, ::testing::Values(Kind::disk, Kind::memory),
                         [](const auto& kind) { return kind.param == Kind::disk ? "disk" : "memory"; });

TEST_P(AnyStore, AValueNeverPutIsNotThere) {
  const auto store = open(10);
  EXPECT_EQ(store->get("plant", "memory").value(), std::nullopt);
}

TEST_P(AnyStore, GetsWhatWasPutLast) {
  const auto store = open(10);
  ASSERT_TRUE(store->put("plant", "memory", "one"));
  ASSERT_TRUE(store->put("plant", "memory", "two"));
  ASSERT_TRUE(store->put("plant", "memory", "two"));
  EXPECT_EQ(store->get("plant", "memory").value(), "two");
}

TEST_P(AnyStore, AnEmptyValueIsAValue) {
  const auto store = open(10);
  ASSERT_TRUE(store->put("plant", "memory", ""));
  EXPECT_EQ(store->get("plant", "memory").value(), "");
}

TEST_P(AnyStore, TwoTargetsMayChangePlaces) {
  const auto store = open(10);
  ASSERT_TRUE(store->put("a", "wal", "of a"));
  ASSERT_TRUE(store->put("a", "policy", "1"));
  ASSERT_TRUE(store->put("b", "wal", "of b"));
  ASSERT_TRUE(store->put("c", "wal", "of c"));
  ASSERT_TRUE(store->put("c", "policy", "3"));
  ASSERT_TRUE(store->put("d", "shards", "old"));
  ASSERT_TRUE(store->hand_over({{"a", "b", {}}, {"b", "a", {}}, {"c", "d", {"policy"}}}));
  EXPECT_THAT(store->get_all("wal").value(), ElementsAre(Pair("a", "of b"), Pair("b", "of a"), Pair("c", "of c")));
  EXPECT_THAT(store->get_all("policy").value(), ElementsAre(Pair("b", "1"), Pair("d", "3")));
  EXPECT_THAT(store->get_all("shards").value(), IsEmpty()) << "what was there before is not mixed with it";
}

// What waits for a target that is not there has a name that none can have.
TEST_P(AnyStore, ANameMayHoldAZeroByte) {
  const auto store = open(10);
  const std::string name("\0/wal", 5);
  ASSERT_TRUE(store->put("plant", "policy", "1"));
  ASSERT_TRUE(store->hand_over({{"plant", name, {}}}));
  EXPECT_THAT(store->get_all("policy").value(), ElementsAre(Pair(name, "1")));
  ASSERT_TRUE(store->hand_over({{name, "plant", {}}}));
  EXPECT_THAT(store->get_all("policy").value(), ElementsAre(Pair("plant", "1")));
}

TEST_P(AnyStore, TargetsAndKeysDoNotMix) {
  const auto store = open(10);
  ASSERT_TRUE(store->put("a", "bc", "first"));
  ASSERT_TRUE(store->put("ab", "c", "second"));
  ASSERT_TRUE(store->put("a", "c", "third"));
  EXPECT_EQ(store->get("a", "bc").value(), "first");
  EXPECT_EQ(store->get("ab", "c").value(), "second");
  EXPECT_EQ(store->get("a", "c").value(), "third");
  EXPECT_EQ(store->get("A", "c").value(), std::nullopt);
}

TEST_P(AnyStore, NamesAndValuesMayBeAnyBytes) {
  const auto store = open(10);
  const std::string name("a\"b'\n%\0\xFF\xC3\xA4;--", 13);
  const std::string value("\0\x01\xFE{}", 5);
  ASSERT_TRUE(store->put(name, name, value));
  ASSERT_TRUE(store->put(name.substr(0, 6), name, "shorter"));
  EXPECT_EQ(store->get(name, name).value(), value);
  ASSERT_TRUE(store->append(entry(name, value)));
  const auto page = store->history(name, std::nullopt, 10).value();
  ASSERT_THAT(page, SizeIs(1));
  EXPECT_EQ(page[0].target, name);
  EXPECT_EQ(page[0].summary, value);
  EXPECT_THAT(store->history(name.substr(0, 6), std::nullopt, 10).value(), IsEmpty());
}

TEST_P(AnyStore, HistoryReturnsEveryField) {
  const auto store = open(10);
  const auto id = store->append(entry("plant", "31 files"));
  ASSERT_TRUE(id);
  const auto page = store->history("plant", std::nullopt, 10).value();
  ASSERT_THAT(page, SizeIs(1));
  EXPECT_EQ(page[0].id, *id);
  EXPECT_EQ(page[0].time.time_since_epoch().count(), 1'769'769'000'123'456'789);
  EXPECT_EQ(page[0].target, "plant");
  EXPECT_EQ(page[0].kind, "decision");
  EXPECT_EQ(page[0].summary, "31 files");
  EXPECT_EQ(page[0].detail, R"({"files":31})");
}

TEST_P(AnyStore, HistoryIsNewestFirstAndPaged) {
  const auto store = open(10);
  for (const char* summary : {"1", "2", "3", "4", "5"}) {
    ASSERT_TRUE(store->append(entry("plant", summary)));
    ASSERT_TRUE(store->append(entry("other", "between")));
  }
  const auto first = store->history("plant", std::nullopt, 2).value();
  EXPECT_THAT(summaries(first), ElementsAre("5", "4"));
  const auto second = store->history("plant", first.back().id, 2).value();
  EXPECT_THAT(summaries(second), ElementsAre("3", "2"));
  const auto third = store->history("plant", second.back().id, 2).value();
  EXPECT_THAT(summaries(third), ElementsAre("1"));
  EXPECT_THAT(store->history("plant", third.back().id, 2).value(), IsEmpty());
  EXPECT_THAT(store->history("plant", std::nullopt, 0).value(), IsEmpty());
  EXPECT_THAT(store->history("nobody", std::nullopt, 2).value(), IsEmpty());
  EXPECT_THAT(store->history("plant", std::nullopt, static_cast<std::size_t>(-1)).value(), SizeIs(5));
}

TEST_P(AnyStore, KeepsTheNewestOfEachTarget) {
  const auto store = open(3);
  ASSERT_TRUE(store->append(entry("quiet", "kept")));
  for (int i = 1; i <= 20; ++i) ASSERT_TRUE(store->append(entry("loud", std::to_string(i))));
  EXPECT_THAT(summaries(store->history("loud", std::nullopt, 100).value()), ElementsAre("20", "19", "18"));
  EXPECT_THAT(summaries(store->history("quiet", std::nullopt, 100).value()), ElementsAre("kept"));
}

TEST_P(AnyStore, IdsGrowThoughOldEntriesGo) {
  const auto store = open(1);
  std::int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const auto id = store->append(entry("plant", "x"));
    ASSERT_TRUE(id);
    EXPECT_GT(*id, last);
    last = *id;
  }
}

TEST_P(AnyStore, ALimitOfNoneKeepsNoneAndIdsStillGrow) {
  const auto store = open(0);
  const auto first = store->append(entry("plant", "x"));
  const auto second = store->append(entry("plant", "y"));
  ASSERT_TRUE(first && second);
  EXPECT_GT(*second, *first);
  EXPECT_THAT(store->history("plant", std::nullopt, 10).value(), IsEmpty());
}

TEST_P(AnyStore, ServesSeveralThreads) {
  const auto store = open(1000);
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&store, number] {
      const std::string target = "t" + std::to_string(number % 2);
      for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(store->put(target, std::to_string(number), std::to_string(i)));
        EXPECT_EQ(store->get(target, std::to_string(number)).value(), std::to_string(i));
        EXPECT_TRUE(store->append(entry(target, "x")));
        EXPECT_THAT(store->history(target, std::nullopt, 1).value(), SizeIs(1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(store->history("t0", std::nullopt, 100).value(), SizeIs(20));
}

AuditEntry event(const std::string& target, const std::string& kind, const std::string& summary) {
  AuditEntry out = entry(target, summary);
  out.kind = kind;
  return out;
}

TEST_P(AnyStore, EventsAreOfAllTargetsAndLeaveOutDecisions) {
  const auto store = open(10);
  ASSERT_TRUE(store->append(event("plant", "wal.health", "one")));
  ASSERT_TRUE(store->append(event("plant", "decision", "two")));
  ASSERT_TRUE(store->append(event("office", "wal.checkpoint", "three")));
  const auto found = store->events({});
  ASSERT_TRUE(found);
  EXPECT_THAT(summaries(*found), ElementsAre("three", "one"));
  EXPECT_EQ(found->front().target, "office");
  EXPECT_EQ(found->front().kind, "wal.checkpoint");
}

TEST_P(AnyStore, EventsAreFilteredPagedAndOrderedEitherWay) {
  const auto store = open(10);
  for (const char* summary : {"1", "2", "3", "4"}) {
    ASSERT_TRUE(store->append(event("plant", "wal.health", summary)));
  }
  ASSERT_TRUE(store->append(event("office", "wal.checkpoint", "5")));
  const std::int64_t newest = store->newest_id().value();
  EventQuery query;
  query.target = "plant";
  query.before = newest - 1;
  query.limit = 2;
  EXPECT_THAT(summaries(store->events(query).value()), ElementsAre("3", "2"));
  query = {};
  query.after = newest - 3;
  query.oldest_first = true;
  EXPECT_THAT(summaries(store->events(query).value()), ElementsAre("3", "4", "5"));
  query.kind = "wal.checkpoint";
  EXPECT_THAT(summaries(store->events(query).value()), ElementsAre("5"));
  query.limit = 0;
  EXPECT_THAT(store->events(query).value(), IsEmpty());
}

TEST_P(AnyStore, TheNewestIdIsZeroBeforeTheFirstEntry) {
  const auto store = open(10);
  EXPECT_EQ(store->newest_id().value(), 0);
  const auto id = store->append(entry("plant", "one"));
  EXPECT_EQ(store->newest_id().value(), *id);
}

}  // namespace
}  // namespace wal_exporter::state
