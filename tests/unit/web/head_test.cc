#include "web/head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

namespace wal_exporter::web {
namespace {

using ::testing::HasSubstr;

// Header lines below a request line and a Host that are right.
std::string post_with(const std::string& lines) {
  return "POST /-/reload HTTP/1.1\r\nHost: localhost:3002\r\n" + lines + "\r\n";
}

struct Refused {
  const char* name;
  std::string bytes;
  int status;
  const char* in_reason;
};

std::ostream& operator<<(std::ostream& out, const Refused& row) {
  return out << row.name;
}

class ReadHead : public testing::TestWithParam<Refused> {};

TEST_P(ReadHead, Refuses) {
  const auto& row = GetParam();
  const auto head = read_head(row.bytes);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().status, row.status) << head.error().reason;
  EXPECT_THAT(head.error().reason, HasSubstr(row.in_reason));
}

const std::string kMany = [] {
  std::string lines;
  for (std::size_t i = 0; i < kMaxHeaders; ++i) lines += "X-" + std::to_string(i) + ": a\r\n";
  return lines;
}();

const Refused kRefused[] = {
    {"UnknownMethod", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "FOO"},
    {"MethodInSmallLetters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "use GET"},
    {"AddressOfTheServerItself", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "*"},
    {"LengthWithASign", post_with("Content-Length: +3\r\n"), 400, "+3"},
    {"NegativeLength", post_with("Content-Length: -1\r\n"), 400, "-1"},
    {"LengthWithASpace", post_with("Content-Length: 1 2\r\n"), 400, "1 2"},
    {"LengthEmpty", post_with("Content-Length:\r\n"), 400, "Content-Length"},
    {"LengthInHex", post_with("Content-Length: 0x10\r\n"), 400, "0x10"},
    {"LengthAsAList", post_with("Content-Length: 3, 3\r\n"), 400, "3, 3"},
    {"LengthOf2To63", post_with("Content-Length: 9223372036854775808\r\n"), 400, "9223372036854775808"},
    {"LengthOf2To64", post_with("Content-Length: 18446744073709551616\r\n"), 400, "18446744073709551616"},
    {"TwoLengths", post_with("Content-Length: 3\r\nContent-Length: 4\r\n"), 400, "two values"},
    {"Chunked", post_with("Transfer-Encoding: chunked\r\n"), 411, "Content-Length"},
    {"ChunkedInUpperCase", post_with("TRANSFER-ENCODING: Chunked\r\n"), 411, "Content-Length"},
    {"UnknownCoding", post_with("Transfer-Encoding: gzip, chunked\r\n"), 501, "gzip"},
    {"CodingEmpty", post_with("Transfer-Encoding:\r\n"), 501, "transfer coding"},
    {"CodingTwice", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"), 501, "chunked"},
    {"CodingBesideLength", post_with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400, "both"},
    {"CodingInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0"},
    {"BareLineFeed", "GET / HTTP/1.1\nHost: a\n\n", 400, "LF alone"},
    {"BareLineFeedInAHeader", post_with("A: b\nContent-Length: 3\r\n"), 400, "LF alone"},
    {"BareReturn", post_with("A: b\rC: d\r\n"), 400, "LF alone"},
    {"Nul", post_with(std::string("A: b\0c\r\n", 8)), 400, "NUL"},
    {"FoldedHeader", post_with("A: b\r\n c\r\n"), 400, "several lines"},
    {"FoldedFirstHeader", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "several lines"},
    {"SpaceBeforeTheColon", post_with("Content-Length : 3\r\n"), 400, "Content-Length "},
    {"NoName", post_with(": a\r\n"), 400, "name of a header"},
    {"NoColon", post_with("abc\r\n"), 400, "no colon"},
    {"NameInOtherScript", post_with("\xC3\xA4: a\r\n"), 400, "name of a header"},
    {"ControlCharacter", post_with("A: \x1B[2J\r\n"), 400, "control characters"},
    {"TooManyHeaders", post_with(kMany), 431, "64 headers"},
    {"Http09", "GET /\r\n\r\n", 400, "request line"},
    {"Http09InWords", "GET / HTTP/0.9\r\n\r\n", 505, "0.9"},
    {"Http2", "PRI * HTTP/2.0\r\n\r\n", 505, "2.0"},
    {"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "1.2"},
    {"VersionInLowerCase", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, "http/1.1"},
    {"VersionWithMore", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "HTTP/1.10"},
    {"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "escaped"},
    {"SpaceInTheAddress", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "escaped"},
    {"TabInTheAddress", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "escaped"},
    {"BytesInTheAddress", "GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "escaped"},
    {"Fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "escaped"},
    {"NoPath", "GET metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a path"},
    {"StarWithGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a path"},
    {"Connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400, "not a path"},
    {"MethodIsNoToken", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "G(T"},
    {"OtherScheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a path"},
    {"AbsoluteWithAUser", "GET http://b@a/ HTTP/1.1\r\nHost: b@a\r\n\r\n", 400, "valid host"},
    {"AbsoluteWithAnotherHost", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400, "two hosts"},
    {"HostMissing", "GET / HTTP/1.1\r\n\r\n", 400, "Host is missing"},
    {"HostTwice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, "more than once"},
    {"HostTwiceInHttp10", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400, "more than once"},
    {"HostWithAUser", "GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", 400, "not a host"},
    {"OtherExpectation", post_with("Expect: 200-ok\r\n"), 417, "200-ok"},
    {"Nothing", "\r\n", 400, "request line"},
    {"NoEnd", "GET / HTTP/1.1\r\nHost: a\r\n", 400, "empty line"},
    {"MoreThanAHead", post_with("") + "GET / HTTP/1.1\r\n", 400, "goes on"},
};

INSTANTIATE_TEST_SUITE_P(Table, ReadHead, testing::ValuesIn(kRefused),
                         [](const testing::TestParamInfo<Refused>& row) { return row.param.name; });

TEST(ReadHeadAccepted, HasEveryPart) {
  const auto head = read_head(
      "POST /api/v1/targets/a%2Fb/checkpoint?wait=30s HTTP/1.1\r\nHost: wal.example.com:3002\r\nX-Empty:\r\n"
      "X-Text: \t a\tb\xC3\xA4 \r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n");
  ASSERT_TRUE(head) << head.error().reason;
  EXPECT_EQ(head->method, "POST");
  EXPECT_EQ(head->target, "/api/v1/targets/a%2Fb/checkpoint?wait=30s");
  EXPECT_EQ(head->version, "1.1");
  EXPECT_EQ(head->content_length, 12U);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_TRUE(head->expects_continue);
  ASSERT_EQ(head->headers.size(), 5U);
  EXPECT_EQ(head->headers[1].value, "");
  EXPECT_EQ(head->headers[2].value, "a\tb\xC3\xA4");
}

TEST(ReadHeadAccepted, WhatOrdinaryClientsSend) {
  for (const auto* bytes : {
           "GET / HTTP/1.0\r\n\r\n",
           "GET /metrics HTTP/1.1\r\nHost: \r\n\r\n",
           "GET /metrics HTTP/1.1\r\nHost: [::1]:3002\r\n\r\n",
           "GET /metrics HTTP/1.1\r\nHost: wal_exporter:3002\r\n\r\n",
           "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
           "GET /api/v1/targets/~a:b@c;d=(e)'!$&*+,x?[y]={z}|\\^` HTTP/1.1\r\nHost: a\r\n\r\n",
       }) {
    const auto head = read_head(bytes);
    EXPECT_TRUE(head) << bytes << head.error().reason;
  }
}

TEST(ReadHeadAccepted, ExactlySixtyFourHeaders) {
  const std::string lines = kMany.substr(kMany.find('\n') + 1);
  ASSERT_TRUE(read_head(post_with(lines)));
  EXPECT_EQ(read_head(post_with(lines))->headers.size(), kMaxHeaders);
}

TEST(ReadHeadAccepted, AnAbsoluteAddressBecomesItsPath) {
  EXPECT_EQ(read_head("GET http://A:3002/x?y HTTP/1.1\r\nHost: a:3002\r\n\r\n")->target, "/x?y");
  EXPECT_EQ(read_head("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n")->target, "/");
  EXPECT_EQ(read_head("GET http://a?y HTTP/1.0\r\n\r\n")->target, "/?y");
}

TEST(ReadHeadAccepted, KeepAliveFollowsVersionAndConnection) {
  const auto wish = [](const std::string& version, const std::string& line) {
    return read_head("GET / HTTP/" + version + "\r\nHost: a\r\n" + line + "\r\n")->keep_alive;
  };
  EXPECT_TRUE(wish("1.1", ""));
  EXPECT_FALSE(wish("1.1", "Connection: Upgrade, Close\r\n"));
  EXPECT_FALSE(wish("1.1", "Connection: keep-alive\r\nconnection: close\r\n"));
  EXPECT_FALSE(wish("1.0", ""));
  EXPECT_TRUE(wish("1.0", "Connection: Keep-Alive\r\n"));
}

TEST(ReadHeadAccepted, OneLengthSentTwiceIsWrittenOnce) {
  const auto head = read_head(post_with("Content-Length: 3\r\ncontent-length: 3\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(to_text(*head), post_with("Content-Length: 3\r\n"));
}

TEST(HeadSize, EndsAtTheFirstEmptyLine) {
  EXPECT_EQ(head_size("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n"), 27U);
  EXPECT_EQ(head_size("GET / HTTP/1.1\nHost: a\n\nbody"), 24U);
  EXPECT_EQ(head_size("\r\nGET / HTTP/1.0\r\n\r\n"), 20U);
  for (const auto* part : {"", "\r", "\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r"}) {
    EXPECT_EQ(head_size(part), 0U) << part;
  }
  EXPECT_EQ(head_size("\r\n\r\n"), 4U) << "not waited for: it is refused";
}

}  // namespace
}  // namespace wal_exporter::web
