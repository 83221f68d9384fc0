#include "http/address.h"

#include <gtest/gtest.h>

namespace wal_exporter::http {
namespace {

TEST(PrintableUrl, LeavesOutUserQueryAndFragment) {
  EXPECT_EQ(printable_url("http://u:p@h:1/a?q=1#f"), "http://h:1/a");
  EXPECT_EQ(printable_url("http://h:1/a"), "http://h:1/a");
  EXPECT_EQ(printable_url("u:p@h"), "h");
}

TEST(PrintableUrl, ShowsNoPartOfAPasswordWithOddCharacters) {
  EXPECT_EQ(printable_url("http://u:p/w@h/a"), "http://h/a");
  EXPECT_EQ(printable_url("http://u:p@w@h/a"), "http://h/a");
  EXPECT_EQ(printable_url("http://u:p?w@h/a"), "http://...");
  EXPECT_EQ(printable_url("http://u:p#w@h/a"), "http://...");
}

TEST(PrintableUrl, StaysOneLine) {
  EXPECT_EQ(printable_url("http://h/\na"), "http://h/\\na");
}

TEST(ParseTarget, TakesHttpAndHttpsWithoutTheSlashAtTheEnd) {
  EXPECT_EQ(parse_url("http://h:8086/")->url, "http://h:8086");
  EXPECT_EQ(parse_url("https://h/prefix//")->url, "https://h/prefix");
  EXPECT_EQ(parse_url("http://h")->unix_socket, "");
}

TEST(ParseTarget, TurnsAUnixUrlIntoASocketAndLocalhost) {
  const auto target = parse_url("unix:///run/influx db.sock");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->url, "http://localhost");
  EXPECT_EQ(target->unix_socket, "/run/influx db.sock");
}

TEST(ParseTarget, RefusesTheRestAndSaysWhatWouldBeRight) {
  for (const char* url :
       {"", "127.0.0.1:8086", "ftp://h", "unix://relative.sock", "unix://", "http://h/?db=a", "http://", "https:///"}) {
    const auto target = parse_url(url);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().kind, ErrorKind::invalid);
    EXPECT_NE(target.error().message.find("http://127.0.0.1:8086"), std::string::npos);
  }
}

TEST(ParseAuthority, TakesNamesIPv4AndBracketedIPv6) {
  const auto name = parse_authority("influxdb.example:8088");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "influxdb.example");
  EXPECT_EQ(name->port, 8088);
  EXPECT_EQ(parse_authority("127.0.0.1:1")->host, "127.0.0.1");
  EXPECT_EQ(parse_authority("host")->port, std::nullopt);
  const auto six = parse_authority("[::1]:65535");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 65535);
  EXPECT_EQ(parse_authority("[fe80::1%eth0]:1")->host, "fe80::1%eth0");
  EXPECT_EQ(parse_authority("host:0", 0)->port, 0);
}

TEST(ParseAuthority, RefusesTheRestWithoutRepeatingIt) {
  for (const char* text :
       {"",         ":8088",   "host:",   "host:0",    "host:65536",    "host:80x", "::1:8088",
        "::1",      "[::1",    "[]:1",    "[::1]8088", "[::1]x",        "ho st:1",  "http://host:8088",
        "host:-1",  "host:+1", "host: 1", "a\nb:1",    "s3cret@host:1", "host:1/",  "%6cocalhost:1",
        "host:1:2", "a/b",     "a?b",     "a#b",       "a\\b"}) {
    const auto address = parse_authority(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().kind, ErrorKind::invalid) << text;
    EXPECT_EQ(address.error().message.find("s3cret"), std::string::npos);
  }
}

// curl_url would make 127.0.0.1 of each.
TEST(ParseAuthority, ReadsNothingIntoANumber) {
  for (const std::string text : {"127.1", "0x7f000001", "2130706433"}) EXPECT_EQ(parse_authority(text)->host, text);
}

}  // namespace
}  // namespace wal_exporter::http
