// The 2.x checkpoint against the 2.x test server, and against answers it never gives.
#include "influxdb/backup_v2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/bytes.h"
#include "base/mutex.h"
#include "servers/server_process.h"
#include "unit/http/fake_server.h"
#include "wal/segments.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::ClosedPort;
using tests::FakeServer;
using tests::FastClock;
using tests::Peer;
using tests::recorded_answer;
using tests::ServerProcess;
using tests::TempDir;

constexpr const char* kPlant = "00000000000000a1";
constexpr const char* kOther = "00000000000000b2";

class BackupV2 : public ::testing::Test {
 protected:
  void start() {
    server_.emplace("influxdb2.py",
                    std::vector<std::string>{"--engine-path", directory_.path() / "engine", "--token", "operator",
                                             "--limited-token", "writer", "--bucket", std::string("plant=") + kPlant,
                                             "--bucket", std::string("other=") + kOther});
    options_.url = server_->url();
    prepare();
  }
  void prepare() {
    wal::Options segments;
    segments.directory = directory_.path() / "engine" / "wal";
    std::filesystem::create_directories(segments.directory);
    source_ = wal::make_segment_source(segments, clock_);
    options_.token_file = directory_.path() / "token";
    token("operator\n");
  }
  void token(const std::string& content) { EXPECT_TRUE(write_file_atomically(options_.token_file, content, 0600)); }
  void write(const std::string& bucket, std::size_t bytes) {
    const auto answer = server_->send("POST", server_->url() + "/api/v2/write?org=o&bucket=" + bucket,
                                      "pump text=\"" + std::string(bytes, 'x') + "\" 1000", "operator");
    EXPECT_EQ(answer.status, 204) << answer.body;
  }
  // A segment of the shard 1 that no server knows how to persist.
  void leave(const std::string& name = "_00001.wal", std::uint64_t shard = 1) {
    const auto folder = directory_.path() / "engine" / "wal" / kPlant / "autogen" / std::to_string(shard);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name) << "some bytes";
  }
  Outcome run(CheckpointRequest request = {}) {
    return make_backup_v2(options_, source_, clock_, null_log())->run(request, stop_.get_token());
  }
  wal::Extent pending() { return (*source_->take_sample({}))->pending; }

  TempDir directory_;
  // Its waits are over in a fraction; those for sockets keep real time.
  std::shared_ptr<Clock> clock_ = std::make_shared<FastClock>(Time(seconds(1'800'000'000)), 50);
  std::optional<ServerProcess> server_;
  std::shared_ptr<wal::WalSource> source_;
  BackupV2Options options_{.url = {}, .token_file = {}, .timeout = minutes(50)};
  std::stop_source stop_;
};

TEST_F(BackupV2, PersistsEveryShardOfEveryBucketAndNeverLeavesOutSince) {
  start();
  write("plant", 1000);
  write("other", 5000);
  const auto before = pending();
  EXPECT_EQ(before.files, 2U);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 2U);
  EXPECT_EQ(outcome.reclaimed, before);
  EXPECT_EQ(pending(), wal::Extent{});
  EXPECT_THAT(outcome.message, HasSubstr("2 shards persisted: 2 files, "));
  EXPECT_EQ(server_->counters()["backups_without_since"], 0);
  EXPECT_EQ(run().kind, OutcomeKind::no_op);
  EXPECT_EQ(server_->counters()["backups"], 2);
}

TEST_F(BackupV2, LeavesShardsBelowTheLimitAlone) {
  start();
  write("plant", 1000);
  write("other", 5000);
  const auto outcome = run({.skip_below_bytes = 3000});
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_EQ(pending().files, 1U);
  EXPECT_EQ(run({.skip_below_bytes = 3000}).kind, OutcomeKind::no_op);
}

TEST_F(BackupV2, A200WhileAnotherSnapshotRunsIsBusyAndSucceedsOnceItEnds) {
  options_.timeout = minutes(1);
  start();
  write("plant", 1000);
  server_->tell("hold-snapshots?value=true");
  write("plant", 1000);
  auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::busy) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr(std::string("shard ") + kPlant + "/autogen/1"));
  EXPECT_THAT(outcome.message, HasSubstr("said that it is done, but its older segments are still there: another "
                                         "snapshot of it is running"));
  EXPECT_EQ(outcome.reclaimed, wal::Extent{});
  EXPECT_EQ(outcome.steps, 1U) << "each question leaves one more file";
  server_->tell("hold-snapshots?value=false");
  outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(pending(), wal::Extent{});
}

TEST_F(BackupV2, A200WhileAnotherSnapshotRunsIsBusyAlsoWhereTheTimeIsTooShortToAskAgain) {
  clock_ = std::make_shared<FastClock>(Time(seconds(1'800'000'000)), 5);
  options_.timeout = seconds(8);
  start();
  write("plant", 1000);
  server_->tell("hold-snapshots?value=true");
  write("plant", 1000);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::busy) << outcome.message;
  EXPECT_LT(outcome.steps, 3U);
}

TEST_F(BackupV2, AnotherServersDirectoryIsUnverifiedAndNamesTheSettings) {
  FakeServer server([](Peer& peer) {
    while (!peer.read_request().empty()) {
      peer.forget();
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + std::string(1024, '\0'));
    }
  });
  options_.url = server.url();
  options_.timeout = minutes(1);
  prepare();
  leave();
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::unverified) << outcome.message;
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_THAT(outcome.message, HasSubstr("check that influxdb.url and wal.directory belong to the same server"));
}

TEST_F(BackupV2, AShardThatTheServerDoesNotKnowIsSetApartAndNoFailure) {
  start();
  write("plant", 1000);
  leave("_00001.wal", 99);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_EQ(outcome.reclaimed.files, 1U);
  EXPECT_THAT(outcome.message, HasSubstr("1 shard set apart: " + std::string(kPlant) +
                                         "/autogen/99: InfluxDB does not know this shard"));
}

TEST_F(BackupV2, WhereTheServerKnowsNoneTheUrlIsWrong) {
  start();
  leave("_00001.wal", 99);
  leave("_00001.wal", 98);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("knows none of the shards in this WAL that it was asked for"));
  EXPECT_THAT(outcome.message, HasSubstr("check that influxdb.url and wal.directory belong to the same server"));
}

// 2.7.11 answers 500 for a shard whose folder below data is gone.
TEST_F(BackupV2, AShardThatCanNotBePersistedKeepsNoOtherBack) {
  start();
  for (const char* bucket : {"plant", "other"}) write(bucket, 5000);
  std::filesystem::remove_all(directory_.path() / "engine" / "data" / kPlant / "autogen");
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed.files, 1U);
  EXPECT_THAT(outcome.message, HasSubstr("1 shard not emptied: " + std::string(kPlant) + "/autogen/1: answered 500 ("));
}

TEST_F(BackupV2, TokensAreReadAnewAndNeverShown) {
  start();
  write("plant", 1000);
  for (const char* wrong : {"wrong", "writer"}) {
    token(wrong);
    const auto outcome = run();
    EXPECT_EQ(outcome.kind, OutcomeKind::failed);
    EXPECT_THAT(outcome.message, HasSubstr("answered 401 ("));
    EXPECT_THAT(outcome.message, HasSubstr("a backup needs an operator token"));
    EXPECT_THAT(outcome.message, Not(HasSubstr(wrong)));
  }
  std::filesystem::remove(options_.token_file);
  EXPECT_THAT(run().message, HasSubstr(options_.token_file));
  token("operator");
  EXPECT_EQ(run().kind, OutcomeKind::succeeded);
  options_.token_file.clear();
  EXPECT_THAT(run().message, HasSubstr("set influxdb.token_file"));
}

TEST_F(BackupV2, AnAnswerLargerThanAnEmptyArchiveIsBrokenOff) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + std::string(100'000, 'x'));
    peer.hang();
  });
  options_.url = server.url();
  prepare();
  leave();
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("larger than 65536 bytes; the server, or a proxy before it, does not honour"));
}

TEST_F(BackupV2, RefusalsAndSilenceNameTheRemedy) {
  Mutex mutex;  // guards what the server answers next
  std::string next = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops";
  const auto answer_with = [&](std::string text) {
    const MutexLock lock(mutex);
    next = std::move(text);
  };
  FakeServer server([&](Peer& peer) {
    peer.read_request();
    std::string answer;
    {
      const MutexLock lock(mutex);
      answer = next;
    }
    if (answer.empty()) return peer.hang();
    peer.send(answer);
  });
  options_.url = server.url();
  prepare();
  leave();
  EXPECT_THAT(run().message, HasSubstr("answered 500 (oops); check InfluxDB's log"));
  answer_with(recorded_answer("v3-unknown-route.txt"));
  EXPECT_THAT(run().message, HasSubstr("answered 404 (Not found); check that influxdb.url"));
  answer_with("");
  clock_ = std::make_shared<SystemClock>();
  options_.timeout = milliseconds(150);
  EXPECT_THAT(run().message, HasSubstr("out of time at shard " + std::string(kPlant) + "/autogen/1"));
  const ClosedPort closed;
  options_.url = "http://" + closed.address();
  EXPECT_THAT(run().message, HasSubstr("check that InfluxDB runs and that influxdb.url is its address"));
  options_.url = "ftp://nowhere";
  EXPECT_THAT(run().message, ::testing::StartsWith("influxdb.url: "));
}

TEST_F(BackupV2, StopsWhileTheServerIsSilent) {
  std::promise<void> asked;
  FakeServer server([&](Peer& peer) {
    peer.read_request();
    asked.set_value();
    peer.hang();
  });
  options_.url = server.url();
  prepare();
  leave();
  auto outcome = std::async(std::launch::async, [&] { return run(); });
  asked.get_future().wait();
  stop_.request_stop();
  const auto ended = outcome.get();
  EXPECT_EQ(ended.kind, OutcomeKind::failed);
  EXPECT_THAT(ended.message, HasSubstr("stopped before shard"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
