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
  EXPECT_EQ(parse_target("http://h:8086/")->url, "http://h:8086");
  EXPECT_EQ(parse_target("https://h/prefix//")->url, "https://h/prefix");
  EXPECT_EQ(parse_target("http://h")->unix_socket, "");
}

TEST(ParseTarget, TurnsAUnixUrlIntoASocketAndLocalhost) {
  const auto target = parse_target("unix:///run/influx db.sock");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->url, "http://localhost");
  EXPECT_EQ(target->unix_socket, "/run/influx db.sock");
}

TEST(ParseTarget, RefusesTheRestAndSaysWhatWouldBeRight) {
  for (const char* url :
       {"", "127.0.0.1:8086", "ftp://h", "unix://relative.sock", "unix://", "http://h/?db=a", "http://", "https:///"}) {
    const auto target = parse_target(url);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().kind, ErrorKind::invalid);
    EXPECT_NE(target.error().message.find("http://127.0.0.1:8086"), std::string::npos);
  }
}

}  // namespace
}  // namespace wal_exporter::http
