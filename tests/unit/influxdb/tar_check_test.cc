#include "influxdb/tar_check.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace wal_exporter::influxdb {
namespace {

std::string entry(const std::string& size_field, const std::string& content) {
  std::string block(512, '\0');
  block.replace(0, 8, "file.tsm");
  block.replace(124, size_field.size(), size_field);
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  block.replace(148, 7, text, 7);
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512);
  return block + padded;
}

std::string octal(std::size_t size) {
  char text[13];
  std::snprintf(text, sizeof text, "%011zo", size);
  return text;
}

const std::string kEnd(1024, '\0');

TEST(TarCheck, TakesTheEmptyArchive) {
  TarCheck check;
  EXPECT_TRUE(check.feed(kEnd));
  EXPECT_TRUE(check.ended());
  EXPECT_EQ(check.bytes(), 1024U);
}

TEST(TarCheck, TakesEntriesByteByByte) {
  TarCheck check;
  for (const char c : entry(octal(700), std::string(700, 'x')) + entry(octal(0), "") + kEnd) {
    ASSERT_TRUE(check.feed(std::string_view(&c, 1)));
  }
  EXPECT_TRUE(check.ended());
}

TEST(TarCheck, TakesABinarySize) {
  TarCheck check;
  const std::string size = std::string("\x80\0\0\0\0\0\0\0\0\0\x02\xbc", 12);  // 700
  EXPECT_TRUE(check.feed(entry(size, std::string(700, 'x')) + kEnd));
  EXPECT_TRUE(check.ended());
}

TEST(TarCheck, IsNotEndedBeforeTheSecondZeroBlock) {
  TarCheck check;
  EXPECT_TRUE(check.feed(kEnd.substr(0, 1023)));
  EXPECT_FALSE(check.ended());
  EXPECT_TRUE(check.feed(kEnd.substr(0, 1)));
  EXPECT_TRUE(check.ended());
}

TEST(TarCheck, IsNotEndedInsideTheContentOfAnEntry) {
  TarCheck check;
  EXPECT_TRUE(check.feed(entry(octal(5000), "") + kEnd));
  EXPECT_FALSE(check.ended());
}

TEST(TarCheck, RefusesAWrongChecksum) {
  std::string wrong = entry(octal(0), "");
  wrong[0] = 'F';
  TarCheck check;
  EXPECT_FALSE(check.feed(wrong + kEnd));
  EXPECT_FALSE(check.ended());
}

TEST(TarCheck, RefusesASizeThatIsNoNumber) {
  TarCheck check;
  EXPECT_FALSE(check.feed(entry("12x", "")));
}

TEST(TarCheck, RefusesASizeBeyondAnyFile) {
  TarCheck check;
  EXPECT_FALSE(check.feed(entry("\x80" + std::string(11, '\xff'), "")));
}

TEST(TarCheck, RefusesWhatFollowsTheEnd) {
  TarCheck check;
  EXPECT_FALSE(check.feed(kEnd + entry(octal(0), "")));
  EXPECT_FALSE(check.ended());
}

TEST(TarCheck, ShowsTheFirst64BytesOnOneLine) {
  TarCheck check;
  EXPECT_FALSE(check.feed("HTTP/1.1 400 Bad Request\r\n" + std::string(600, 'x')));
  EXPECT_EQ(check.beginning(), "HTTP/1.1 400 Bad Request\\r\\n" + std::string(38, 'x'));
}

}  // namespace
}  // namespace wal_exporter::influxdb
