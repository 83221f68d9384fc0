#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"

namespace wal_exporter {
namespace {

using namespace std::chrono_literals;

TEST(ToBase64, PadsToGroupsOfFour) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("\xff\xfe\xfd"), "//79");
}

TEST(ParseDuration, ReadsUnitsAndSums) {
  EXPECT_EQ(parse_duration("2m"), Duration(2min));
  EXPECT_EQ(parse_duration("1h30m"), Duration(90min));
  EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
  EXPECT_EQ(parse_duration("1.5h"), Duration(90min));
  EXPECT_EQ(parse_duration("1w"), Duration(168h));
  EXPECT_EQ(parse_duration("0"), Duration(0));
}

TEST(ParseDuration, RefusesWhatIsNotOneAndSaysWhatWouldBe) {
  for (const char* text : {"", "5", "m", "-1s", "1x", "1s ", " 1s", "1e3s", "nan", "inf", "300y", "99999w", "1ss"}) {
    const auto result = parse_duration(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_NE(result.error().message.find("such as 30s"), std::string::npos) << result.error().message;
  }
}

TEST(FormatDuration, IsExactAndReadsBack) {
  for (const Duration d : {Duration(2min), Duration(90min), Duration(1h + 1s + 5ms), Duration(1ns), Duration(0)}) {
    EXPECT_EQ(parse_duration(format_duration(d)), d) << format_duration(d);
  }
  EXPECT_EQ(format_duration(90min), "1h30m");
}

TEST(FormatDurationRough, HasAtMostTwoUnits) {
  EXPECT_EQ(format_duration_rough(850ms), "850ms");
  EXPECT_EQ(format_duration_rough(43s), "43s");
  EXPECT_EQ(format_duration_rough(125min + 20s), "2h 5m");
  EXPECT_EQ(format_duration_rough(48h), "2d");
}

TEST(FormatTime, IsIso8601WithMillisecondsInUtc) {
  const auto time = parse_time("2025-01-30T10:30:00Z");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(format_time(*time), "2025-01-30T10:30:00.000Z");
  EXPECT_EQ(format_time(*time + 1999us), "2025-01-30T10:30:00.001Z");
}

TEST(LowerCase, ChangesNothingButTheLettersOfAscii) {
  EXPECT_EQ(lower_case("Content-TYPE @[`{ \xC4Ä"), "content-type @[`{ \xC4Ä");
}

TEST(HttpDate, IsWrittenAsRfc9110Says) {
  EXPECT_EQ(format_http_date(Time{}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(parse_time("2026-11-23T01:46:34.999Z").value()), "Mon, 23 Nov 2026 01:46:34 GMT");
}

TEST(ParseTime, TakesFractionsAndOffsetsAndRefusesTheRest) {
  EXPECT_EQ(parse_time("2025-01-30T10:30:00.5Z").value(), parse_time("2025-01-30T11:30:00.5+01:00").value());
  EXPECT_FALSE(parse_time("2025-01-30").has_value());
  EXPECT_FALSE(parse_time("2025-01-30T10:30:00Zx").has_value());
  EXPECT_FALSE(parse_time("").has_value());
}

TEST(ParseBytes, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_bytes("1GiB"), 1073741824U);
  EXPECT_EQ(parse_bytes("1.5 GiB"), 1610612736U);
  EXPECT_EQ(parse_bytes("10MB"), 10'000'000U);
  EXPECT_EQ(parse_bytes("4096"), 4096U);
}

TEST(ParseBytes, RefusesWhatIsNotASize) {
  for (const char* text : {"", "-1", "GiB", "1XB", "1 gib", "nan", "99999999TiB", "1GiB "}) {
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  }
}

TEST(FormatBytes, HasOneDecimal) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1288490189), "1.2 GiB");
  EXPECT_EQ(format_seed_gigabytes(kGiB / 2), "0.50GB");
}

TEST(EscapeControl, KeepsOneLineAndValidText) {
  EXPECT_EQ(escape_control("a\nb\x01\xFF\xC3\xA9"), "a\\nb\\x01\\xff\xC3\xA9");
  EXPECT_EQ(escape_control("\xC2\x9B[31m"), "\\xc2\\x9b[31m");
}

TEST(ToValidUtf8, ReplacesWhatIsNot) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(NestedDeeper, CountsArraysAndObjectsOutsideOfTexts) {
  EXPECT_FALSE(is_nested_deeper("", 0));
  EXPECT_FALSE(is_nested_deeper(R"([{"a":1}])", 2));
  EXPECT_TRUE(is_nested_deeper(R"([{"a":1}])", 1));
  EXPECT_FALSE(is_nested_deeper("[][][]", 1));
  EXPECT_FALSE(is_nested_deeper(R"(["[[[[\"[[[["])", 1));
  EXPECT_TRUE(is_nested_deeper(R"(["\\",[["]])", 2));
}

TEST(PercentEncode, KeepsUnreservedCharactersAlone) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/ü\n&=+%"), "a%20b%2F%C3%BC%0A%26%3D%2B%25");
  EXPECT_EQ(percent_encode("/ \n\xFF"), "%2F%20%0A%FF");
}

}  // namespace
}  // namespace wal_exporter
