#include "influxdb/backup_v1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/bytes.h"
#include "unit/influxdb/fake_v1.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::ClosedPort;
using tests::FakeBackupPort;
using tests::FakeWal;
using tests::Peer;
using Ids = std::vector<std::uint64_t>;

// An entry of a tar archive, its content included.
std::string tar_entry(const std::string& content) {
  std::string block(512, '\0');
  block.replace(0, 8, "file.tsm");
  block.replace(257, 8, "ustar\00000", 8);
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512);
  return block + padded;
}

class BackupV1 : public ::testing::Test {
 protected:
  // Limits that the clock of a test does not reach unless it means to.
  BackupV1Options options(const std::string& address) const {
    BackupV1Options options;
    options.address = address;
    options.connect_timeout = hours(10);
    options.read_timeout = hours(10);
    options.total_timeout = hours(20);
    return options;
  }

  // Runs, and moves the clock by `step` whenever a millisecond brought no end.
  Outcome run(const BackupV1Options& with, CheckpointRequest request = {}, Duration step = milliseconds(250)) {
    const auto method = make_backup_v1(with, wal_, clock_, null_log());
    auto outcome = std::async(std::launch::async, [&] { return method->run(request, stop_.get_token()); });
    while (outcome.wait_for(milliseconds(1)) != std::future_status::ready) clock_->advance(step);
    return outcome.get();
  }
  static std::vector<ShardEnd> ends(const Outcome& outcome) {
    std::vector<ShardEnd> out;
    for (const ShardOutcome& shard : outcome.shards) out.push_back(shard.end);
    return out;
  }
  Outcome run(CheckpointRequest request = {}) { return run(options(port_.address()), request); }

  // The outcome where the server snapshots shard 1 and sends `parts`, one after the other.
  Outcome run_answered(const std::vector<std::string>& parts) {
    wal_->add("a", 1, {10});
    port_.next([this, parts](Peer& peer, std::uint64_t id) {
      wal_->snapshot(id);
      for (const auto& part : parts) peer.send(part);
    });
    return run();
  }

  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(Time(seconds(1'800'000'000)));
  std::shared_ptr<FakeWal> wal_ = std::make_shared<FakeWal>();
  std::stop_source stop_;
  FakeBackupPort port_{wal_};
};

TEST_F(BackupV1, PersistsEveryShardTheLargestFirst) {
  wal_->add("a", 1, {10, 5});
  wal_->add("b", 2, {100, 90, 3});
  wal_->add("c", 3, {0});
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{5, 208}));
  EXPECT_EQ(outcome.steps, 2U);
  EXPECT_EQ(port_.asked(), (Ids{2, 1}));
  EXPECT_GE(outcome.started, Time(seconds(1'800'000'000)));
  EXPECT_EQ(outcome.message, "2 shards persisted: 5 files, 208 B gone from the WAL");
}

TEST_F(BackupV1, IsNamedAsInTheSettings) {
  EXPECT_EQ(make_backup_v1(options("127.0.0.1:1"), wal_, clock_, null_log())->name(), "backup");
}

TEST_F(BackupV1, NothingPendingIsNoOpAndAsksNobody) {
  wal_->add("a", 1, {0});
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op);
  EXPECT_EQ(outcome.message, "nothing is pending");
  EXPECT_THAT(port_.asked(), IsEmpty());
}

TEST_F(BackupV1, LeavesShardsBelowTheLimitAloneAndTakesOneExactlyAtIt) {
  wal_->add("a", 1, {kMiB - 1});
  wal_->add("b", 2, {kMiB});
  const auto outcome = run({.skip_below_bytes = kMiB});
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{1, kMiB}));
  EXPECT_EQ(port_.asked(), (Ids{2}));
}

TEST_F(BackupV1, OnlyShardsBelowTheLimitIsNoOp) {
  wal_->add("a", 1, {kMiB - 1});
  const auto outcome = run({.skip_below_bytes = kMiB});
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op);
  EXPECT_EQ(outcome.message, "all pending shards are smaller than 1.0 MiB (1 shard)");
}

TEST_F(BackupV1, FindsAServerByName) {
  wal_->add("a", 1, {10});
  EXPECT_EQ(run(options("localhost:" + port_.port())).kind, OutcomeKind::succeeded);
}

TEST_F(BackupV1, RefusedConnectionFailsAndNamesShardAddressAndRemedy) {
  wal_->add("plant", 7, {10});
  const ClosedPort closed;
  const auto outcome = run(options(closed.address()));
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("backup of shard plant/autogen/7 from " + closed.address()));
  EXPECT_THAT(outcome.message, HasSubstr("Connection refused"));
  EXPECT_THAT(outcome.message, HasSubstr("check that influxd runs"));
  EXPECT_THAT(outcome.message, HasSubstr("bind-address"));
  EXPECT_EQ(outcome.reclaimed, wal::Extent{});
  EXPECT_EQ(outcome.steps, 0U);
}

TEST_F(BackupV1, AnAddressThatIsNoneFailsWithoutAsking) {
  wal_->add("a", 1, {10});
  const auto outcome = run(options("8088"));
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message,
              HasSubstr("influxdb.backup_address: address \"8088\": the port is missing; right would be "
                        "127.0.0.1:8088"));
}

TEST_F(BackupV1, ANameThatDoesNotExistFails) {
  wal_->add("a", 1, {10});
  const auto outcome = run(options("no-such-host.invalid:8088"), {}, Duration::zero());
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("looking up the name"));
}

TEST_F(BackupV1, AServerThatHangsAfterAcceptFailsAtTheReadLimit) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) { peer.hang(); });
  auto with = options(port_.address());
  with.read_timeout = seconds(30);
  const auto outcome = run(with, {}, seconds(1));
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("connected, but no answer within 30s"));
  EXPECT_GE(outcome.elapsed, seconds(30));
}

TEST_F(BackupV1, AServerThatTricklesFailsAtTheTotalLimit) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) {
    peer.send(std::string(1, '\0'));
    peer.hang();
  });
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with, {}, seconds(10));
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("out of time at shard a/autogen/1: the limit for all is 2m"));
  EXPECT_GE(outcome.elapsed, minutes(2));
}

TEST_F(BackupV1, RubbishFailsAndShowsItsFirstBytesOnOneLine) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) {
    peer.send("HTTP/1.1 400 Bad Request\r\n" + std::string(2000, 'x'));
    peer.hang();
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("its answer is not a backup: it begins with \"HTTP/1.1 400 Bad "
                                         "Request\\r\\nxxx"));
  EXPECT_THAT(outcome.message, HasSubstr("that is an HTTP port"));
  EXPECT_THAT(outcome.message, HasSubstr("influxdb.backup_address"));
}

TEST_F(BackupV1, AShortTextIsRubbishToo) {
  wal_->add("a", 1, {10});
  wal_->add("b", 2, {5});
  port_.next([](Peer& peer, std::uint64_t) { peer.send("220 mail.example\r\n"); }, 2);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("its answer is not a backup: it begins with \"220 mail.example\\r\\n\""));
  EXPECT_THAT(outcome.message, ::testing::EndsWith("(0 of 2 shards done)"));
}

TEST_F(BackupV1, ShowsTheFirst64BytesOfRubbish) {
  const auto outcome = run_answered({"HTTP/1.1 400 Bad Request\r\n" + std::string(600, 'x')});
  EXPECT_THAT(outcome.message, HasSubstr("begins with \"HTTP/1.1 400 Bad Request\\r\\n" + std::string(38, 'x') + "\""));
}

TEST_F(BackupV1, OneZeroByteIsRubbish) {
  EXPECT_THAT(run_answered({std::string(1, '\0')}).message, HasSubstr("its answer is not a backup"));
}

TEST_F(BackupV1, TakesAnArchiveWithEntriesInAnyPieces) {
  const std::string archive = tar_entry(std::string(700, 'x')) + tar_entry("") + FakeBackupPort::empty_archive();
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < archive.size(); at += 97) parts.push_back(archive.substr(at, 97));
  EXPECT_EQ(run_answered(parts).kind, OutcomeKind::succeeded);
}

TEST_F(BackupV1, AnArchiveIsNotEndedBeforeTheSecondZeroBlock) {
  const std::string entry = tar_entry(std::string(512, 'x'));
  EXPECT_THAT(run_answered({entry + std::string(1023, '\0')}).message,
              HasSubstr("ends in the middle of an archive, after 2.0 KiB: it begins with \"file.tsm"));
}

TEST_F(BackupV1, WhatFollowsTheEndOfAnArchiveFails) {
  EXPECT_THAT(run_answered({FakeBackupPort::empty_archive(), tar_entry("x")}).message,
              HasSubstr("ends in the middle of an archive, after 2.0 KiB"));
}

TEST_F(BackupV1, AnArchiveCutShortFails) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) { peer.send(std::string(700, '\0')); });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("ends in the middle of an archive, after 700 B"));
}

TEST_F(BackupV1, AnArchiveWithoutEndFailsAt64MiB) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) {
    const std::string zeros(kMiB, '\0');
    for (int i = 0; i < 70; ++i) peer.send(zeros);
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("sends more than 64.0 MiB"));
}

TEST_F(BackupV1, AConnectionThatIsResetMayBeThatOfAContainersProxyAndIsSaidOnce) {
  wal_->add("a", 1, {10});
  wal_->add("b", 2, {5});
  port_.next([](Peer& peer, std::uint64_t) { peer.reset(); }, 2);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("Connection reset by peer; the connection was closed without an answer. Where "
                                         "InfluxDB runs in a container, that is the container's proxy"));
  EXPECT_THAT(outcome.message, HasSubstr("set bind-address to 0.0.0.0:8088 (INFLUXDB_BIND_ADDRESS) and publish the "
                                         "port on localhost alone"));
  EXPECT_EQ(outcome.message.find("INFLUXDB_BIND_ADDRESS"), outcome.message.rfind("INFLUXDB_BIND_ADDRESS"));
}

// Each question closes the open segment.
TEST_F(BackupV1, AsksAgainOnlyOnceTheOtherSnapshotHasEnded) {
  wal_->add("a", 1, {10, 5});
  port_.next_refused();
  wal_->on_look([&](int number) {
    if (number == 5) wal_->end_other_snapshot(1, 1);
    return std::nullopt;
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
  EXPECT_EQ(port_.asked(), (Ids{1, 1}));
  EXPECT_TRUE(outcome.server_proven);
}

TEST_F(BackupV1, DoesNotAskAgainWhenTheOtherSnapshotPersistedAll) {
  wal_->add("a", 1, {10, 5});
  port_.next_refused();
  wal_->on_look([&](int number) {
    if (number == 3) wal_->snapshot(1);  // the sample after the first pause
    return std::nullopt;
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
  EXPECT_EQ(outcome.steps, 0U);
  EXPECT_EQ(port_.asked(), (Ids{1}));
}

TEST_F(BackupV1, IsBusyWhenAnotherSnapshotDoesNotEnd) {
  wal_->add("a", 1, {10, 5});
  port_.next_refused(100);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::busy) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("another snapshot of it is running"));
  EXPECT_THAT(port_.asked(), SizeIs(1)) << "each question leaves one more file";
  EXPECT_GE(outcome.elapsed, milliseconds(15'750));
  EXPECT_EQ(outcome.reclaimed, wal::Extent{});
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::busy));
}

TEST_F(BackupV1, IsBusyAlsoWhereTheOpenSegmentWasEmptyFromTheStart) {
  wal_->add("a", 1, {10, 0});
  port_.next_refused(100);
  EXPECT_EQ(run().kind, OutcomeKind::busy);
}

TEST_F(BackupV1, RefusedWithNoSpaceLeftFailsAndSaysSo) {
  wal_->add("a", 1, {10, 5});
  wal_->set_free(kMiB);
  port_.next_refused(100);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("only 1.0 MiB are free"));
}

TEST_F(BackupV1, AShardThatTheServerDoesNotKnowIsSetApartAndNoFailure) {
  wal_->add("old", 66, {100, 50});
  wal_->add("b", 2, {10});
  port_.next([](Peer&, std::uint64_t) {});  // an empty answer, and nothing moves
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_EQ(port_.asked(), (Ids{66, 2}));
  EXPECT_EQ(
      outcome.message,
      "1 shard persisted: 1 file, 10 B gone from the WAL; 1 shard set apart: old/autogen/66: InfluxDB does not "
      "know this shard: its folder was left behind when the shard was dropped, or, up to 1.7, its snapshot fails; "
      "SHOW SHARDS tells, and so does influxdb.url where it is set");
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::orphaned, ShardEnd::persisted));
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{1, 10}));
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_TRUE(outcome.server_proven);
}

// The list of its shards tells the two apart, also where there is no HTTP to ask.
TEST_F(BackupV1, ARefusedShardThatTheServerListsIsAFailure) {
  wal_->add("cellar", 31, {100});
  wal_->add("roof", 32, {10});
  port_.lists({"cellar/autogen/31", "roof/autogen/32"});
  port_.next([](Peer&, std::uint64_t) {});
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::failed, ShardEnd::persisted));
  EXPECT_THAT(outcome.message,
              HasSubstr("1 shard not emptied: cellar/autogen/31: refused without an answer, though InfluxDB knows the "
                        "shard: it can't write a snapshot; check InfluxDB's log, and owner, free space"));
  EXPECT_EQ(port_.asked(), (Ids{31, 32}));
}

TEST_F(BackupV1, ARefusedShardThatTheServerDoesNotListIsAnOrphanForSure) {
  wal_->add("cellar", 31, {100, 0});  // nothing would move: its open segment is empty
  wal_->add("roof", 32, {10});
  port_.lists({"roof/autogen/32"});
  port_.next([](Peer&, std::uint64_t) {});
  const auto outcome = run();
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::orphaned, ShardEnd::persisted));
  EXPECT_THAT(outcome.message, ::testing::EndsWith("1 shard set apart: cellar/autogen/31: InfluxDB does not know this "
                                                   "shard: its folder was left behind when the shard was dropped"));
}

TEST_F(BackupV1, AListWithoutAShardIsNull) {
  wal_->add("cellar", 31, {100});
  wal_->add("roof", 32, {10});
  port_.lists({});
  port_.next([](Peer&, std::uint64_t) {});
  EXPECT_EQ(run().message.find("SHOW SHARDS"), std::string::npos);
}

// Also where nothing else was asked for, if the address is known to be right and the list names others of this WAL.
TEST_F(BackupV1, AnOrphanAloneIsOneWhereTheServerListsOtherShardsOfThisWal) {
  wal_->add("cellar", 31, {100});
  wal_->add("roof", 32, {0});
  port_.next([](Peer&, std::uint64_t) {}, 3);
  port_.lists({"attic/autogen/5"});
  EXPECT_THAT(ends(run({.server_proven = true})), ElementsAre(ShardEnd::unknown));
  port_.lists({"roof/autogen/32"});
  EXPECT_THAT(ends(run()), ElementsAre(ShardEnd::unknown));
  const auto outcome = run({.server_proven = true});
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op);
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::orphaned));
}

// Its segment was closed, so the server knows it.
TEST_F(BackupV1, AListDoesNotMakeAnOrphanOfAShardThatMoved) {
  wal_->add("cellar", 31, {100, 5});
  port_.lists({"roof/autogen/32"});
  port_.next_refused(100);
  EXPECT_THAT(ends(run()), ElementsAre(ShardEnd::busy));
}

TEST_F(BackupV1, ANumberThatIsListedUnderAnotherNameProvesNothing) {
  wal_->add("cellar", 31, {100});
  wal_->add("roof", 32, {10});
  port_.lists({"attic/autogen/31", "roof/autogen/32"});
  port_.next([](Peer&, std::uint64_t) {});
  EXPECT_THAT(run().message, HasSubstr("or, up to 1.7, its snapshot fails; SHOW SHARDS tells"));
}

TEST_F(BackupV1, WhereTheServerKnowsNoneTheAddressIsWrong) {
  wal_->add("a", 1, {100, 50});
  wal_->add("b", 2, {10});
  port_.next([](Peer&, std::uint64_t) {}, 4);
  for (const bool proven : {false, true}) {  // it may be another by now
    const auto outcome = run({.server_proven = proven});
    EXPECT_EQ(outcome.kind, OutcomeKind::failed);
    EXPECT_THAT(outcome.message,
                HasSubstr("knows none of the shards in this WAL that it was asked for, first "
                          "a/autogen/1: check that influxdb.backup_address and wal.directory belong to "
                          "the same server"));
    EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::unknown, ShardEnd::unknown));
    EXPECT_FALSE(outcome.server_proven);
  }
}

TEST_F(BackupV1, EachShardIsAskedWhateverCameOfTheOthers) {
  wal_->add("a", 1, {100, 50});
  wal_->add("b", 2, {10});
  wal_->add("c", 3, {5});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->snapshot(id);
    peer.send(FakeBackupPort::empty_archive());
  });
  port_.next([](Peer& peer, std::uint64_t) { peer.send("nonsense"); });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_THAT(outcome.message, HasSubstr("2 shards persisted: 3 files, 155 B gone from the WAL; 1 shard not emptied: "
                                         "b/autogen/2: its answer is not a backup"));
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::persisted, ShardEnd::failed, ShardEnd::persisted));
  EXPECT_EQ(port_.asked(), (Ids{1, 2, 3}));
}

// Its folder under data/ is gone, or not InfluxDB's.
TEST_F(BackupV1, AShardWhoseSnapshotFailsKeepsNoOtherBack) {
  wal_->add("a", 1, {100, 50});
  wal_->add("b", 2, {10});
  port_.next_refused();
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_THAT(outcome.message,
              HasSubstr("1 shard not emptied: a/autogen/1: refused without an answer: another snapshot "
                        "of it is running; if this goes on"));
  EXPECT_THAT(outcome.message, HasSubstr("owner, free space and file-size limit of its data directory"));
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::busy, ShardEnd::persisted));
  EXPECT_EQ(port_.asked(), (Ids{1, 2}));
}

TEST_F(BackupV1, AServerThatDiesMeanwhileFails) {
  wal_->add("a", 1, {100});
  wal_->add("b", 2, {10});
  wal_->add("c", 3, {5});
  wal_->add("d", 4, {1});
  port_.next([](Peer& peer, std::uint64_t) { peer.reset(); }, 4);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_EQ(port_.asked(), (Ids{1, 2, 3})) << "the others would get the same";
  EXPECT_THAT(outcome.message, ::testing::EndsWith("(0 of 4 shards done)"));
  EXPECT_EQ(outcome.shards.back().end, ShardEnd::not_asked);
}

TEST_F(BackupV1, LeavesAloneWhatItIsTold) {
  wal_->add("a", 1, {100});
  wal_->add("b", 2, {10});
  auto outcome = run({.leave_alone = {{"a", "autogen", 1}}});
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_EQ(port_.asked(), (Ids{2}));
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::left_alone, ShardEnd::persisted));
  outcome = run({.leave_alone = {{"a", "autogen", 1}}});
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op);
  EXPECT_EQ(outcome.message, "nothing is pending; 1 shard that can't be emptied now left alone");
}

// What was done counts, and the rest is next.
TEST_F(BackupV1, RunningOutOfTimeAfterSomeShardsIsNoFailure) {
  for (std::uint64_t id = 1; id <= 10; ++id) wal_->add("a", id, {100 - id});
  port_.next(
      [this](Peer& peer, std::uint64_t id) {
        wal_->snapshot(id);
        peer.send(FakeBackupPort::empty_archive());
        clock_->advance(seconds(20));
      },
      10);
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with, {}, Duration::zero());
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("6 shards persisted: 6 files, 579 B gone from the WAL; 4 shards left for the "
                                         "next checkpoint (out of time: checkpoint.timeout is 2m), first a/autogen/7"));
}

// Left for the next one, and not called a shard whose snapshot fails.
TEST_F(BackupV1, AShardWhoseAnswerIsCutOffShortByTheEndOfTheRunHasNotFailed) {
  for (std::uint64_t id = 1; id <= 3; ++id) wal_->add("a", id, {100 - id});
  int asked = 0;
  port_.next(
      [&](Peer& peer, std::uint64_t id) {
        clock_->advance(seconds(50));
        if (++asked == 3) return peer.hang();
        wal_->snapshot(id);
        peer.send(FakeBackupPort::empty_archive());
      },
      3);
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with, {}, Duration::zero());
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::persisted, ShardEnd::persisted, ShardEnd::not_asked));
  EXPECT_THAT(outcome.message, HasSubstr("1 shard left for the next checkpoint"));
  EXPECT_THAT(outcome.message, ::testing::Not(HasSubstr("hangs")));
}

TEST_F(BackupV1, OfTwoFoldersWithOneNumberTheOneThatIsNotEmptiedIsACopy) {
  wal_->add("plant", 7, {50, 5});
  wal_->add("plant.bak", 7, {50, 60});
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 55}));
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::orphaned, ShardEnd::persisted));
  EXPECT_THAT(outcome.message, HasSubstr("1 shard set apart: plant.bak/autogen/7: its number is that of shard "
                                         "plant/autogen/7, which InfluxDB emptied in its place: it is a copy"));
}

// Also where the copy alone was asked for.
TEST_F(BackupV1, AnEmptiedTwinShowsTheCopy) {
  wal_->add("plant", 7, {50, 5});
  wal_->add("plant.bak", 7, {50, 60});
  const auto outcome = run({.leave_alone = {{"plant", "autogen", 7}}});
  EXPECT_EQ(outcome.shards.back().end, ShardEnd::orphaned);
  EXPECT_EQ(outcome.shards.back().shard.database, "plant.bak");
  // What the server emptied in its place is gone from the WAL all the same.
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.shards.front().end, ShardEnd::persisted);
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 55}));
}

// The folder that counts was asked for and emptied, so the other one, which was left alone, is the copy.
TEST_F(BackupV1, ACheckpointThatEmptiesAFolderShowsThatTheOneLeftAloneIsACopy) {
  wal_->add("grid", 17, {50, 5});
  wal_->add("grid.old", 17, {50, 60});
  wal_->add("wind", 18, {5});
  const auto outcome = run({.leave_alone = {{"grid.old", "autogen", 17}, {"wind", "autogen", 18}}});
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::orphaned, ShardEnd::left_alone, ShardEnd::persisted));
  EXPECT_THAT(outcome.shards[0].message,
              HasSubstr("its number is that of shard grid/autogen/17, which InfluxDB emptied "
                        "in its place: it is a copy"));
  EXPECT_EQ(outcome.message.find("set apart"), std::string::npos) << "the note about it says so";
}

// Somebody moves a folder away while its number is asked for.
TEST_F(BackupV1, AFolderThatIsGoneWasNotEmptied) {
  wal_->add("grid", 17, {50, 5});
  wal_->add("grid.old", 17, {50, 60});
  port_.next([this](Peer& peer, std::uint64_t) {
    wal_->drop_first(17);
    peer.send(FakeBackupPort::empty_archive());
  });
  const auto outcome = run({.leave_alone = {{"grid.old", "autogen", 17}}});
  EXPECT_THAT(ends(outcome), ElementsAre(ShardEnd::left_alone, ShardEnd::persisted));
}

// 1.8 and later leave out a snapshot of their own while another one runs (FACTS.md).
TEST_F(BackupV1, AYesBeforeTheSnapshotIsLookedAfter) {
  wal_->add("a", 1, {10, 5});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->close_open_segment(id);
    peer.send(FakeBackupPort::empty_archive());
  });
  const SteadyTime begin = clock_->steady();
  wal_->on_look([&](int) {
    if (clock_->steady() - begin >= seconds(45)) wal_->snapshot(1);
    return std::nullopt;
  });
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with);
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
  EXPECT_EQ(port_.asked(), (Ids{1}));
  EXPECT_LT(outcome.elapsed, seconds(50));
}

TEST_F(BackupV1, AYesBeforeTheSnapshotIsFollowedByAnotherQuestionWhereThatTookAPartOnly) {
  wal_->add("a", 1, {10, 5});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->close_open_segment(id);
    peer.send(FakeBackupPort::empty_archive());
  });
  const SteadyTime begin = clock_->steady();
  wal_->on_look([&, ended = false](int) mutable {
    if (!ended && clock_->steady() - begin >= seconds(45)) {
      wal_->end_other_snapshot(1, 1);
      ended = true;
    }
    return std::nullopt;
  });
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with);
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(port_.asked(), (Ids{1, 1}));
}

TEST_F(BackupV1, AYesThatTheWalDoesNotShowIsUnverified) {
  wal_->add("a", 1, {10, 5});
  port_.next([](Peer& peer, std::uint64_t) { peer.send(FakeBackupPort::empty_archive()); });
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with);
  EXPECT_EQ(outcome.kind, OutcomeKind::unverified);
  EXPECT_THAT(outcome.message, HasSubstr("backup of shard a/autogen/1"));
  EXPECT_THAT(outcome.message, HasSubstr("said that it is done, but none of its files moved"));
  EXPECT_THAT(outcome.message, HasSubstr("wal.directory belong to the same server"));
  EXPECT_THAT(outcome.message, HasSubstr("Or nobody has written to these shards since InfluxDB was started"));
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_EQ(outcome.reclaimed, wal::Extent{});
  EXPECT_GE(outcome.elapsed, seconds(2));
}

TEST_F(BackupV1, AWalOfDeletionsAloneIsBusyAndSaysWhy) {
  wal_->add("a", 1, {63});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->close_open_segment(id);
    peer.send(FakeBackupPort::empty_archive());
  });
  auto with = options(port_.address());
  with.total_timeout = minutes(2);
  const auto outcome = run(with);
  EXPECT_EQ(outcome.kind, OutcomeKind::busy);
  EXPECT_THAT(outcome.message, HasSubstr("a WAL that holds only deletions stays"));
}

TEST_F(BackupV1, WaitsALittleForFilesToGo) {
  wal_->add("a", 1, {10, 5});
  port_.next([](Peer& peer, std::uint64_t) { peer.send(FakeBackupPort::empty_archive()); });
  wal_->on_look([&](int number) {
    if (number == 4) wal_->snapshot(1);
    return std::nullopt;
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
  EXPECT_EQ(wal_->looks(), 4);
}

TEST_F(BackupV1, AShardDroppedMeanwhileCountsAsGone) {
  wal_->add("a", 1, {10, 5});
  wal_->add("b", 2, {3});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->snapshot(id);
    wal_->drop(2);
    clock_->advance(seconds(2));  // so there is another look
    peer.send(FakeBackupPort::empty_archive());
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{3, 18}));
  EXPECT_EQ(port_.asked(), (Ids{1}));
}

TEST_F(BackupV1, AShardDroppedWhileAskedForCountsAsGone) {
  wal_->add("a", 1, {10, 5});
  port_.next([this](Peer&, std::uint64_t id) { wal_->drop(id); });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
  EXPECT_EQ(outcome.steps, 0U);
}

TEST_F(BackupV1, WhatIsWrittenMeanwhileIsNotAskedFor) {
  wal_->add("a", 1, {10, 5});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->snapshot(id);
    wal_->add("a", 9, {1000});
    peer.send(FakeBackupPort::empty_archive());
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{2, 15}));
}

TEST_F(BackupV1, AFailedFirstLookFailsWithoutAsking) {
  wal_->add("a", 1, {10});
  wal_->on_look([](int) { return Error{ErrorKind::permission, "opening /x: Permission denied"}; });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_EQ(outcome.message, "reading the WAL: opening /x: Permission denied");
  EXPECT_THAT(port_.asked(), IsEmpty());
}

TEST_F(BackupV1, AFailedLookAfterwardsFails) {
  wal_->add("a", 1, {10});
  wal_->on_look([](int number) {
    return number == 1 ? std::nullopt : std::optional(Error{ErrorKind::not_found, "opening /x: gone"});
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("reading the WAL: opening /x: gone"));
  EXPECT_EQ(outcome.steps, 1U);
}

TEST_F(BackupV1, StopsWithin200MillisecondsWhileTheServerIsSilent) {
  wal_->add("a", 1, {10});
  std::promise<void> asked;
  port_.next([&](Peer& peer, std::uint64_t) {
    asked.set_value();
    peer.hang();
  });
  const auto method = make_backup_v1(options(port_.address()), wal_, clock_, null_log());
  auto outcome = std::async(std::launch::async, [&] { return method->run({}, stop_.get_token()); });
  asked.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  stop_.request_stop();
  const auto result = outcome.get();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(200));
  EXPECT_EQ(result.kind, OutcomeKind::failed);
  EXPECT_THAT(result.message, HasSubstr("stopped before shard a/autogen/1 was done"));
}

TEST_F(BackupV1, StopsAtOnceWhileItWaitsToAskAgain) {
  wal_->add("a", 1, {10, 5});
  std::promise<void> waiting;
  port_.next_refused(100);
  wal_->on_look([&](int number) {
    if (number == 2) waiting.set_value();
    return std::nullopt;
  });
  const auto method = make_backup_v1(options(port_.address()), wal_, clock_, null_log());
  auto outcome = std::async(std::launch::async, [&] { return method->run({}, stop_.get_token()); });
  waiting.get_future().wait();
  stop_.request_stop();  // the clock stands still: nothing else ends the wait
  const auto result = outcome.get();
  EXPECT_EQ(result.kind, OutcomeKind::failed);
  EXPECT_THAT(result.message, HasSubstr("stopped"));
  EXPECT_EQ(port_.asked(), (Ids{1}));
}

TEST_F(BackupV1, StopsBetweenTwoShards) {
  wal_->add("a", 1, {10});
  wal_->add("b", 2, {5});
  port_.next([this](Peer& peer, std::uint64_t id) {
    wal_->snapshot(id);
    stop_.request_stop();
    peer.send(FakeBackupPort::empty_archive());
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("stopped"));
  EXPECT_EQ(port_.asked(), (Ids{1}));
}

TEST_F(BackupV1, CanRunAgainAfterAFailure) {
  wal_->add("a", 1, {10});
  port_.next([](Peer& peer, std::uint64_t) { peer.send("rubbish"); });
  const auto method = make_backup_v1(options(port_.address()), wal_, clock_, null_log());
  EXPECT_EQ(method->run({}, {}).kind, OutcomeKind::failed);
  EXPECT_EQ(method->run({}, {}).kind, OutcomeKind::succeeded);
  EXPECT_EQ(method->run({}, {}).kind, OutcomeKind::no_op);
}

}  // namespace
}  // namespace wal_exporter::influxdb
