#include "influxdb/request_method.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "servers/server_process.h"
#include "unit/http/fake_server.h"
#include "unit/influxdb/fake_v1.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::ClosedPort;
using tests::FakeServer;
using tests::FakeWal;
using tests::FastClock;
using tests::Peer;
using tests::TempDir;

// A 3.x WAL in memory.
class FakeNode final : public wal::WalSource {
 public:
  void set(std::uint64_t first, std::uint64_t last) {
    const MutexLock lock(mutex_);
    first_ = first;
    last_ = last;
  }
  Result<std::shared_ptr<const wal::Sample>> take_sample(std::stop_token) override {
    const MutexLock lock(mutex_);
    auto sample = std::make_shared<wal::Sample>();
    sample->layout = wal::Layout::node;
    for (std::uint64_t number = first_; number <= last_; ++number) {
      wal::Period period;
      period.number = number;
      period.bytes = 10;
      sample->periods.push_back(period);
    }
    if (first_ > 1) {
      sample->snapshot = wal::Snapshot{};
      sample->snapshot->wal_file_sequence = first_ - 1;
    }
    return sample;
  }

 private:
  Mutex mutex_;
  std::uint64_t first_ WAL_EXPORTER_GUARDED_BY(mutex_) = 1;
  std::uint64_t last_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
};

class RequestMethod : public ::testing::Test {
 protected:
  RequestMethod() {
    options_.url = server_.url();
    options_.path = "/admin/checkpoint?now=1";
    options_.timeout = seconds(30);
  }
  template <class Wal>
  Outcome run(std::shared_ptr<Wal> wal) {
    return make_request_method(options_, wal, clock_, null_log())->run({}, stop_.get_token());
  }
  std::string request() {
    const MutexLock lock(mutex_);
    return request_;
  }
  // What the server does before it answers.
  void then(std::function<void()> work, std::string answer = "HTTP/1.1 204 No Content\r\n\r\n") {
    const MutexLock lock(mutex_);
    work_ = std::move(work);
    answer_ = std::move(answer);
  }

  RequestOptions options_;
  std::shared_ptr<Clock> clock_ = std::make_shared<FastClock>(Time(seconds(1'800'000'000)), 200);
  std::stop_source stop_;
  Mutex mutex_;
  std::function<void()> work_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string answer_ WAL_EXPORTER_GUARDED_BY(mutex_) = "HTTP/1.1 204 No Content\r\n\r\n";
  std::string request_ WAL_EXPORTER_GUARDED_BY(mutex_);
  FakeServer server_{[this](Peer& peer) {
    const std::string text = peer.read_request();
    const MutexLock lock(mutex_);
    request_ = text;
    if (work_) work_();
    peer.send(answer_);
  }};
};

TEST_F(RequestMethod, SendsWhatTheUserDescribedAndProvesItOnSegments) {
  const TempDir directory;
  ASSERT_TRUE(write_file_atomically(directory.path() / "token", "secret\n", 0600));
  auto wal = std::make_shared<FakeWal>();
  wal->add("a", 1, {10, 5});
  wal->add("b", 2, {7});
  then([&] {
    wal->snapshot(1);
    wal->snapshot(2);
  });
  options_.method = "PUT";
  options_.headers = {{"X-Reason", "wal"}};
  options_.body = "{}";
  options_.token_file = directory.path() / "token";
  const auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.message, "3 files, 22 B persisted");
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{3, 22}));
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_THAT(request(), ::testing::StartsWith("PUT /admin/checkpoint?now=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request(), HasSubstr("X-Reason: wal\r\n"));
  EXPECT_THAT(request(), HasSubstr("Authorization: Bearer secret\r\n"));
  EXPECT_THAT(request(), ::testing::EndsWith("\r\n\r\n{}"));
}

TEST_F(RequestMethod, AnOwnAuthorizationHeaderComesBeforeTheToken) {
  const TempDir directory;
  ASSERT_TRUE(write_file_atomically(directory.path() / "token", "secret\n", 0600));
  auto wal = std::make_shared<FakeWal>();
  wal->add("a", 1, {10});
  then([&] { wal->snapshot(1); });
  options_.headers = {{"authorization", "Basic abc"}};
  options_.token_file = directory.path() / "token";
  EXPECT_EQ(run(wal).kind, OutcomeKind::succeeded);
  EXPECT_THAT(request(), HasSubstr("authorization: Basic abc\r\n"));
  EXPECT_THAT(request(), Not(HasSubstr("secret")));
}

TEST_F(RequestMethod, ASnapshotThatCoversTheLastFileOfTheStartProvesItOn3) {
  auto wal = std::make_shared<FakeNode>();
  wal->set(1, 12);
  then([&] { wal->set(13, 14); });
  const auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{12, 120}));
}

TEST_F(RequestMethod, ASnapshotThatCoversLessIsUnverified) {
  auto wal = std::make_shared<FakeNode>();
  wal->set(1, 12);
  then([&] { wal->set(12, 14); });
  const auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::unverified);
  EXPECT_EQ(outcome.reclaimed, (wal::Extent{11, 110}));
  EXPECT_THAT(outcome.message,
              HasSubstr("answered 204, but the WAL does not show it within 30s (11 files, 110 B of 12"));
}

TEST_F(RequestMethod, NothingPendingIsNoOpAndSendsNothing) {
  EXPECT_EQ(run(std::make_shared<FakeNode>()).kind, OutcomeKind::no_op);
  EXPECT_EQ(run(std::make_shared<FakeWal>()).message, "nothing is pending");
  EXPECT_EQ(server_.connections(), 0);
}

TEST_F(RequestMethod, AnUnexpectedStatusFailsWithWhatTheServerSaid) {
  auto wal = std::make_shared<FakeWal>();
  wal->add("a", 1, {10});
  then({}, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot found");
  auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("/admin/checkpoint answered 404 (Not found), expected 200, 204; check the "
                                         "method, path and expected status under checkpoint.http"));
  then({}, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(run(wal).message, HasSubstr("answered 401, expected 200, 204; the server wants a token"));
  options_.expected_status = {401};
  EXPECT_EQ(run(wal).kind, OutcomeKind::unverified);
}

TEST_F(RequestMethod, WhatTheWalShowsCountsWhateverTheServerSaid) {
  auto wal = std::make_shared<FakeWal>();
  wal->add("a", 1, {10});
  then([&] { wal->snapshot(1); }, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
  const auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded);
  EXPECT_THAT(outcome.message, HasSubstr("1 file, 10 B persisted, although: "));
}

TEST_F(RequestMethod, NobodyThereFails) {
  auto wal = std::make_shared<FakeWal>();
  wal->add("a", 1, {10});
  const ClosedPort closed;
  options_.url = "http://" + closed.address();
  const auto outcome = run(wal);
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_EQ(outcome.steps, 0U);
  EXPECT_THAT(outcome.message, HasSubstr("check that the server runs"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
