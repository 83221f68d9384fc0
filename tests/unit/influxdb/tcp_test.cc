#include "influxdb/tcp.h"

#include <gtest/gtest.h>

namespace wal_exporter::influxdb {
namespace {

TEST(ParseAddress, TakesNamesIPv4AndBracketedIPv6) {
  const auto name = parse_address("influxdb.example:8088");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "influxdb.example");
  EXPECT_EQ(name->port, 8088);
  EXPECT_EQ(parse_address("127.0.0.1:1")->host, "127.0.0.1");
  const auto six = parse_address("[::1]:65535");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 65535);
}

TEST(ParseAddress, RefusesTheRestAndSaysWhatWouldBeRight) {
  for (const char* text : {"", "host", ":8088", "host:", "host:0", "host:65536", "host:80x", "::1:8088", "[::1]",
                           "[::1", "[]:1", "ho st:1", "http://host:8088", "host:-1", "host: 1", "a\nb:1"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().kind, ErrorKind::invalid) << text;
    EXPECT_NE(address.error().message.find("right would be 127.0.0.1:8088"), std::string::npos);
    EXPECT_EQ(address.error().message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace wal_exporter::influxdb
