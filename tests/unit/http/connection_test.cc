#include "http/connection.h"

#include <gtest/gtest.h>

#include <array>
#include <future>

#include "unit/http/fake_server.h"

namespace wal_exporter::http {
namespace {

using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;

class ConnectionTest : public ::testing::Test {
 protected:
  Patience patience(Duration limit) { return {clock_, clock_.steady() + limit, stop_.get_token()}; }

  SystemClock clock_;
  std::stop_source stop_;
};

TEST_F(ConnectionTest, CarriesBytesBothWaysUntilTheOtherSideCloses) {
  FakeServer server([](Peer& peer) { peer.send("> " + peer.read_until("\n")); });
  auto connection =
      Connection::open("127.0.0.1", static_cast<std::uint16_t>(server.port()), patience(std::chrono::hours(1)));
  ASSERT_TRUE(connection) << connection.error().message;
  ASSERT_TRUE(connection->send(std::string("\x03\0 a\n", 5), patience(std::chrono::hours(1))));
  std::array<char, 100> buffer{};
  std::string received;
  while (true) {
    const auto count = connection->receive(buffer.data(), buffer.size(), patience(std::chrono::hours(1)));
    ASSERT_TRUE(count) << count.error().message;
    if (*count == 0) break;
    received.append(buffer.data(), *count);
  }
  EXPECT_EQ(received, std::string("> \x03\0 a\n", 7));
}

// As the proxy of a container does where nobody listens in there. Whether the question comes
// before its end or after it must make no difference.
TEST_F(ConnectionTest, AnEndBeforeTheQuestionIsNoAnswer) {
  std::promise<void> closed;
  FakeServer server([&](Peer& peer) {
    peer.close();
    closed.set_value();
  });
  auto connection =
      Connection::open("127.0.0.1", static_cast<std::uint16_t>(server.port()), patience(std::chrono::hours(1)));
  ASSERT_TRUE(connection) << connection.error().message;
  ASSERT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  ASSERT_TRUE(connection->send("question\n", patience(std::chrono::hours(1))));
  std::array<char, 100> buffer{};
  const auto answer = connection->receive(buffer.data(), buffer.size(), patience(std::chrono::hours(1)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::reset);
}

TEST_F(ConnectionTest, RefusedIsUnavailableAndSaysSo) {
  const ClosedPort closed;
  const std::string address = closed.address();
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  const auto connection = Connection::open("127.0.0.1", port, patience(std::chrono::hours(1)));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(connection.error().message, "connecting: Connection refused");
}

TEST_F(ConnectionTest, ANameThatDoesNotExistIsUnavailable) {
  const auto connection = Connection::open("no-such-host.invalid", 1, patience(std::chrono::hours(1)));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(connection.error().message, "looking up the name: Couldn't resolve host name");
}

TEST_F(ConnectionTest, SilenceEndsAtTheDeadlineOrAtARequestToStop) {
  FakeServer server([](Peer& peer) { peer.hang(); });
  auto connection =
      Connection::open("127.0.0.1", static_cast<std::uint16_t>(server.port()), patience(std::chrono::hours(1)));
  ASSERT_TRUE(connection);
  std::array<char, 100> buffer{};
  const auto late = connection->receive(buffer.data(), buffer.size(), patience(std::chrono::milliseconds(1)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_EQ(late.error().message, "no answer in time");
  stop_.request_stop();
  const auto stopped = connection->receive(buffer.data(), buffer.size(), patience(std::chrono::hours(1)));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace wal_exporter::http
