#include "web/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "web/listen.h"

namespace wal_exporter::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(PercentDecode, DecodesBothCases) {
  EXPECT_EQ(percent_decode("a%2Fb%c3%BC").value(), "a/b\xC3\xBC");
}

TEST(PercentDecode, PlusIsASpaceInAQueryOnly) {
  EXPECT_EQ(percent_decode("a+b").value(), "a+b");
  EXPECT_EQ(percent_decode("a+b", true).value(), "a b");
}

TEST(PercentDecode, RefusesWhatIsNotAnEscape) {
  for (const auto* text : {"%", "%4", "a%", "%zz", "%4g", "%-1", "%00", "a%00b"}) {
    EXPECT_FALSE(percent_decode(text)) << text;
  }
}

TEST(SplitPath, AnEscapedSlashDoesNotSplit) {
  EXPECT_THAT(split_path("/api/a%2Fb/c").value(), ElementsAre("api", "a/b", "c"));
}

TEST(SplitPath, KeepsEmptySegmentsAndDots) {
  EXPECT_TRUE(split_path("/").value().empty());
  EXPECT_THAT(split_path("/metrics/").value(), ElementsAre("metrics", ""));
  EXPECT_THAT(split_path("//metrics").value(), ElementsAre("", "metrics"));
  EXPECT_THAT(split_path("/a/../b").value(), ElementsAre("a", "..", "b"));
}

TEST(SplitPath, RefusesWhatDoesNotBeginWithASlash) {
  EXPECT_FALSE(split_path(""));
  EXPECT_FALSE(split_path("metrics"));
}

TEST(ParseQuery, SplitsAndDecodes) {
  EXPECT_THAT(parse_query("wait=30s&&target=a%26b&flag&x=1=2").value(),
              ElementsAre(Pair("wait", "30s"), Pair("target", "a&b"), Pair("flag", ""), Pair("x", "1=2")));
}

TEST(ParseQuery, RefusesABrokenEscape) {
  EXPECT_FALSE(parse_query("target=%"));
}

TEST(Parameter, GivenTwiceIsAnError) {
  const Parameters parameters = {{"wait", "1s"}, {"wait", "2s"}};
  EXPECT_THAT(parameter(parameters, "wait").error().message, HasSubstr("wait is given twice"));
}

TEST(ParseBasic, SplitsAtTheFirstColon) {
  const auto credentials = parse_basic("basic YWxpY2U6YTpi");
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->name, "alice");
  EXPECT_EQ(credentials->password, "a:b");
}

TEST(ParseBasic, TakesBase64WithAndWithoutItsPadding) {
  for (const auto* text : {"Basic YTpi", "Basic YTpiYw", "Basic YTpiYw==", "Basic YTpiY2Q", "Basic YTpiY2Q="}) {
    EXPECT_EQ(parse_basic(text).value_or(Credentials{}).name, "a") << text;
  }
  EXPECT_EQ(parse_basic("Basic YTpiYw==")->password, "bc");
  EXPECT_EQ(parse_basic("Basic YTr/AA==")->password, std::string("\xFF\0", 2));
}

TEST(ParseBasic, RefusesBase64WithAnythingElseInIt) {
  for (const auto* text :
       {"Basic YTp i", "Basic YTpi\n", "Basic YT=pi", "Basic YTpi-_==", "Basic YTpiY", "Basic \tYTpi"}) {
    EXPECT_FALSE(parse_basic(text)) << text;
  }
}

TEST(ParseBasic, RefusesWhatIsNotOne) {
  for (const auto* text : {"", "Basic", "Basic ", "Basic !", "Basic YWxpY2U=", "Bearer YWxpY2U6YTpi", "Basic YWxpY"}) {
    EXPECT_FALSE(parse_basic(text)) << text;
  }
}

TEST(ParseListenAddress, NoHostIsAllAddressesOfBothFamilies) {
  EXPECT_EQ(parse_listen_address(":3002").value(), (ListenAddress{"", 3002, ""}));
  EXPECT_EQ(parse_listen_address("[::]:3002").value(), (ListenAddress{"", 3002, ""}));
}

TEST(ParseListenAddress, AHostIsTakenAsItIs) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:0").value(), (ListenAddress{"127.0.0.1", 0, ""}));
  EXPECT_EQ(parse_listen_address("0.0.0.0:1").value(), (ListenAddress{"0.0.0.0", 1, ""}));
  EXPECT_EQ(parse_listen_address("[::1]:3002").value(), (ListenAddress{"::1", 3002, ""}));
  EXPECT_EQ(parse_listen_address("localhost:3002").value(), (ListenAddress{"localhost", 3002, ""}));
}

TEST(ParseListenAddress, APathIsAUnixSocket) {
  EXPECT_EQ(parse_listen_address("unix:/run/a b.sock").value(), (ListenAddress{"", 0, "/run/a b.sock"}));
}

TEST(ParseListenAddress, AnythingElseIsRefusedWithWhatWouldBeRight) {
  for (const auto& text :
       std::vector<std::string>{"", "3002", ":", ":70000", ":3002s", "3002s", ":80,443s", "a,b:80", "::1:3002",
                                "[::1:3002", "[::1]", "[fe80::1%eth0]:1", "x y:1", ":-1", "+3002", ":123456",
                                "unix:", "unix:relative", "unix:/" + std::string(107, 'x')}) {
    const auto address = parse_listen_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_THAT(address.error().message, HasSubstr("--web.listen-address"));
  }
}

}  // namespace
}  // namespace wal_exporter::web
