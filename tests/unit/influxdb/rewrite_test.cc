#include "influxdb/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::influxdb {
namespace {

using ::testing::HasSubstr;

const wal::ShardKey kRewritten = {"plant", "autogen", 7};
const Time kToday = parse_time("2026-11-29T12:00:00Z").value();

// An InfluxDB 1.x with one shard, whose answers are those of 1.6.7.
class Rewriting : public ::testing::Test {
 protected:
  static std::string of(const std::string& series) { return "{\"series\":[" + series + "]}"; }
  static std::string http(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " X\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  std::string answer(const std::string& request) {
    if (request.starts_with("POST /write")) {
      written_.push_back(request.substr(request.find("\r\n\r\n") + 4));
      target_ = request.substr(5, request.find(" HTTP") - 5);
      ++reads_;
      return write_answer_;
    }
    if (refused_) return http(403, "{\"error\":\"no\"}");
    std::string results;
    if (request.find("SHOW%20SHARDS") != std::string::npos) {
      results = of(R"({"values":[[7,"plant","autogen",1,"2026-11-22T00:00:00Z","2026-11-29T00:00:00Z",")" + expiry_ +
                   R"(",""]]})");
    } else if (request.find("SHOW%20MEASUREMENTS") != std::string::npos) {
      results = of(R"({"values":[["pump"]]})");
    } else if (request.find("SHOW%20TAG") != std::string::npos) {
      results = of(R"({"values":[["machine"],["site"]]})") + "," +
                of(R"({"values":[["mixed","float"],["mixed","integer"],["temperature","integer"]]})");
    } else if (request.find("LIMIT%201") != std::string::npos) {
      results = of(R"({"values":[[1795300000000000001,60,"m 1",null]]})");
    } else {
      // The point, and how many there are: of the reading before the write, and of the one after.
      const std::size_t reading = std::min<std::size_t>(reads_, 1);
      results = of(R"({"values":[[1795300000000000001,)" + values_[reading] + "]]}") + "," +
                of(R"({"values":[[0,)" + counts_[reading] + "]]}");
    }
    return http(200, "{\"results\":[" + results + "]}");
  }

  Result<Rewrite> plan() { return rewriter().plan(kRewritten, {}); }
  Result<void> run(const Rewrite& planned) { return rewriter().run(planned, {}); }
  Rewriter rewriter() { return {Endpoint{server_.url(), ""}, std::chrono::seconds(5), clock_}; }

  ManualClock clock_{kToday};
  std::string expiry_ = "2026-12-29T00:00:00Z";
  std::string values_[2] = {"60", "60"};
  std::string counts_[2] = {"3", "3"};
  std::string write_answer_ = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
  bool refused_ = false;
  std::size_t reads_ = 0;
  std::deque<std::string> written_;
  std::string target_;
  std::string last_request_;
  tests::FakeServer server_{[this](tests::Peer& peer) {
    const std::string request = peer.read_request();
    last_request_ = request;
    if (!request.empty()) peer.send(answer(request));
  }};  // last: its thread ends before what it uses
};

TEST_F(Rewriting, APointIsWrittenAsItIs) {
  const auto planned = plan();
  ASSERT_TRUE(planned.has_value()) << planned.error().message;
  EXPECT_EQ(planned->point.field, "temperature") << "not the one with two types";
  const auto done = run(*planned);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_THAT(written_, ::testing::ElementsAre("pump,machine=m\\ 1 temperature=60i 1795300000000000001"));
  EXPECT_EQ(target_, "/write?db=plant&rp=autogen&precision=ns");
}

TEST_F(Rewriting, NothingIsWrittenWhereTheValueChanged) {
  const auto planned = plan();
  ASSERT_TRUE(planned.has_value());
  values_[0] = "61";
  EXPECT_THAT(run(*planned).error().message, HasSubstr("has changed"));
  EXPECT_TRUE(written_.empty());
}

TEST_F(Rewriting, NothingIsWrittenWithinAnHourOfTheRetentionsEnd) {
  const auto planned = plan();
  ASSERT_TRUE(planned.has_value());
  expiry_ = "2026-11-29T12:59:59Z";
  EXPECT_THAT(run(*planned).error().message, HasSubstr("retention ends at 2026-11-29T12:59:59.000Z"));
  EXPECT_FALSE(plan().has_value());
  expiry_ = "2026-11-29T13:00:01Z";
  EXPECT_TRUE(run(*planned).has_value());
  expiry_ = "2026-11-29T00:00:00Z";  // the end of the shard: there is no retention
  EXPECT_TRUE(run(*planned).has_value());
  EXPECT_EQ(written_.size(), 2U);
}

TEST_F(Rewriting, WhereTheLoginMayNotReadThereIsNoPlan) {
  refused_ = true;
  EXPECT_THAT(plan().error().message, HasSubstr("the login of influxdb.token_file may not read"));
}

TEST_F(Rewriting, LogsInAsVersionsUpTo17TakeIt) {
  const tests::TempDir folder;
  const auto file = folder.path() / "login";
  std::ofstream(file) << "root:r00t\n";
  ASSERT_TRUE(Rewriter({server_.url(), file.string()}, std::chrono::seconds(5), clock_).plan(kRewritten, {}));
  EXPECT_THAT(last_request_, HasSubstr("Authorization: Basic cm9vdDpyMDB0\r\n"));
}

TEST_F(Rewriting, AnotherCountAfterTheWriteIsTold) {
  const auto planned = plan();
  ASSERT_TRUE(planned.has_value());
  counts_[1] = "4";
  EXPECT_THAT(run(*planned).error().message, HasSubstr("3 points before the write and 4 after"));
}

TEST_F(Rewriting, AWriteThatIsRefusedIsTold) {
  const auto planned = plan();
  ASSERT_TRUE(planned.has_value());
  write_answer_ = http(400, "{\"error\":\"field type conflict\"}");
  EXPECT_THAT(run(*planned).error().message, HasSubstr("field type conflict"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
