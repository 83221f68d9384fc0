#include "settings/forms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string url_error(const std::string& url) {
  const auto result = check_url(url);
  return result ? "accepted" : result.error().message;
}

TEST(Url, TakesHttpHttpsAndUnixSockets) {
  for (const std::string url : {"http://h", "https://h.example:8086", "http://127.0.0.1:8181", "http://[::1]:8181",
                                "http://h:1/prefix", "unix:///run/influxdb.sock", "http://host_name:80"}) {
    EXPECT_EQ(check_url(url), url);
  }
}

TEST(Url, LosesSlashesAtItsEndAndCapitalsInItsScheme) {
  EXPECT_EQ(check_url("HTTP://h:1/"), "http://h:1");
  EXPECT_EQ(check_url("https://h//"), "https://h");
}

TEST(Url, WithoutASchemeIsRefused) {
  for (const std::string url : {"127.0.0.1:8086", "localhost", "/run/x.sock", "http:/h", ""}) {
    EXPECT_THAT(url_error(url), HasSubstr("does not begin with http://, https:// or unix://")) << url;
  }
}

TEST(Url, OfAnotherSchemeIsRefused) {
  EXPECT_THAT(url_error("ftp://h"), HasSubstr("its scheme is not http"));
}

TEST(Url, WithoutAHostIsRefused) {
  EXPECT_THAT(url_error("http://"), HasSubstr("its host is missing"));
  EXPECT_THAT(url_error("http://:80"), HasSubstr("its host is missing"));
  EXPECT_THAT(url_error("http:///path"), HasSubstr("its host is missing"));
}

TEST(Url, WithAUserIsRefusedAndNotRepeated) {
  for (const std::string url : {"http://me:s3cret@h:80", "http://s3cret@h", "http://me:s3cret@h/?x=1"}) {
    EXPECT_THAT(url_error(url), HasSubstr("put the secret into token_file")) << url;
    EXPECT_THAT(url_error(url), Not(HasSubstr("s3cret"))) << url;
  }
}

TEST(Url, WithAQueryIsRefusedAndNotRepeated) {
  EXPECT_THAT(url_error("http://h/?token=s3cret"), HasSubstr("it has a query or fragment; leave it out"));
  EXPECT_THAT(url_error("http://h/?token=s3cret"), Not(HasSubstr("s3cret")));
  EXPECT_THAT(url_error("http://h#x"), HasSubstr("it has a query or fragment"));
}

TEST(Url, WithABadPortIsRefused) {
  for (const std::string url : {"http://h:", "http://h:0", "http://h:65536", "http://h:8o86", "http://[::1]8086"}) {
    EXPECT_THAT(url_error(url), HasSubstr("its port is not a number from 1 to 65535")) << url;
  }
}

TEST(Url, WithABadHostIsRefused) {
  EXPECT_THAT(url_error("http://a b/"), HasSubstr("it holds white space"));
  EXPECT_THAT(url_error("http://a\nb/"), HasSubstr("it holds white space"));
  EXPECT_THAT(url_error("http://<x>/"), HasSubstr("its host has characters that no host has"));
  EXPECT_THAT(url_error("http://[::1/"), HasSubstr("the ']' of its IPv6 address is missing"));
  EXPECT_THAT(url_error("http://[h]:80/"), HasSubstr("not a valid IPv6 address"));
  EXPECT_THAT(url_error("http://::1/"), HasSubstr("an IPv6 address needs brackets"));
}

TEST(Url, OfASocketNeedsAnAbsolutePathThatFits) {
  EXPECT_THAT(url_error("unix://run/x"), HasSubstr("its socket is not an absolute path"));
  EXPECT_THAT(url_error("unix:///"), HasSubstr("2 to 107 bytes"));
  EXPECT_THAT(url_error("unix:///" + std::string(107, 'x')), HasSubstr("2 to 107 bytes"));
}

TEST(Address, TakesHostsAndIpv6InBrackets) {
  for (const std::string address : {"127.0.0.1:8088", "influxdb.example:1", "[::1]:65535", "[fe80::1%eth0]:8088"}) {
    EXPECT_TRUE(check_address(address).has_value()) << address;
  }
}

TEST(Address, IsRefusedWithWhatWouldBeRight) {
  const auto error = [](const std::string& address) {
    const auto result = check_address(address);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(error("127.0.0.1"),
            "'127.0.0.1' is not an address: its port is missing; write host:port, such as 127.0.0.1:8088 or "
            "[::1]:8088");
  EXPECT_THAT(error(":8088"), HasSubstr("its host is missing"));
  EXPECT_THAT(error("h:0"), HasSubstr("its port is not a number"));
  EXPECT_THAT(error("h:1:2"), HasSubstr("its port is not a number"));
  EXPECT_THAT(error("::1"), HasSubstr("needs brackets"));
  EXPECT_THAT(error("::1:8088"), HasSubstr("needs brackets"));
  EXPECT_THAT(error("http://h:1"), HasSubstr("an address has no scheme"));
}

TEST(TargetName, IsCountedInBytes) {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "\xC3\xA9";
  EXPECT_TRUE(check_target_name(name).has_value());
  EXPECT_FALSE(check_target_name(name + "x").has_value());
}

TEST(TargetName, MustBeUtf8WithoutZeroBytes) {
  EXPECT_FALSE(check_target_name("\xFF").has_value());
  EXPECT_FALSE(check_target_name(std::string("a\0b", 3)).has_value());
}

}  // namespace
}  // namespace wal_exporter::settings
