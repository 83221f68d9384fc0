#include "influxdb/stored_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wal_exporter::influxdb {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

StoredPoint point(std::string measurement = "pump") {
  return {std::move(measurement), {{"machine", "m1"}, {"site", ""}}, "temperature", "float", "60.5",
          1500000000000000000};
}

TEST(LineOf, APointIsItsLineWithoutTheTagsItLacks) {
  EXPECT_EQ(line_of(point()), "pump,machine=m1 temperature=60.5 1500000000000000000");
}

TEST(LineOf, NamesAreEscaped) {
  StoredPoint odd = point("my m,x\"q\"=1");
  odd.tags = {{"ta g", "v,a=l"}, {"u", "\u00fc"}};
  odd.field = "f 1";
  EXPECT_EQ(line_of(odd), "my\\ m\\,x\"q\"=1,ta\\ g=v\\,a\\=l,u=\u00fc f\\ 1=60.5 1500000000000000000");
}

TEST(LineOf, WhatCantBeWrittenExactlyHasNoLine) {
  EXPECT_FALSE(line_of(point("#comment")).has_value());
  EXPECT_FALSE(line_of(point("a\\b")).has_value());
  EXPECT_FALSE(line_of(point("a\nb")).has_value());
  EXPECT_FALSE(line_of(point("")).has_value());
  StoredPoint tagged = point();
  tagged.tags[0].second = "C:\\";
  EXPECT_FALSE(line_of(tagged).has_value());
}

TEST(LineValue, KeepsTheTypeAndEachDigit) {
  EXPECT_EQ(line_value(Json::parse("9007199254740993"), "integer"), "9007199254740993i");
  EXPECT_EQ(line_value(Json::parse("-3"), "integer"), "-3i");
  EXPECT_EQ(line_value(Json::parse("0"), "integer"), "0i");
  EXPECT_EQ(line_value(Json::parse("3"), "float"), "3");
  EXPECT_EQ(line_value(Json::parse("0.1"), "float"), "0.1");
  EXPECT_EQ(line_value(Json::parse("1.7976931348623157e+308"), "float"), "1.7976931348623157e+308");
  EXPECT_EQ(line_value(Json::parse("0.30000000000000004"), "float"), "0.30000000000000004");
  EXPECT_EQ(line_value(Json(true), "boolean"), "true");
  EXPECT_EQ(line_value(Json("a \"q\" \\ \nb"), "string"), "\"a \\\"q\\\" \\\\ \nb\"");
}

TEST(LineValue, OfAnotherTypeIsNone) {
  EXPECT_FALSE(line_value(Json::parse("3.5"), "integer").has_value());
  EXPECT_FALSE(line_value(Json::parse("3"), "string").has_value());
  EXPECT_FALSE(line_value(Json("3"), "float").has_value());
  EXPECT_FALSE(line_value(Json::parse("-0"), "float").has_value()) << "its sign is lost in JSON";
  EXPECT_FALSE(line_value(Json::parse("3"), "unsigned").has_value());
  EXPECT_FALSE(line_value(Json(nullptr), "float").has_value());
  EXPECT_FALSE(line_value(Json(std::string(65537, 'x')), "string").has_value());
}

// 1.6.7 keeps a string of any bytes, and answers U+FFFD for each that is no UTF-8: written again, it would
// be another string.
TEST(LineValue, ThatJsonCannotShowIsNone) {
  EXPECT_FALSE(line_value(Json::parse(R"("temp 21\ufffdC")"), "string").has_value());
  EXPECT_EQ(line_value(Json::parse(R"("21 \u00b0C")"), "string"), "\"21 \u00b0C\"");
  StoredPoint tagged = point();
  tagged.tags[0].second = "m\xef\xbf\xbd";
  EXPECT_FALSE(line_of(tagged).has_value());
}

TEST(PointQuery, AsksForThePointAndForTheLengthOfItsSeries) {
  EXPECT_EQ(point_query("auto\"gen", point(), {1, 9, {}}),
            "SELECT \"temperature\"::float FROM \"auto\\\"gen\".\"pump\" WHERE time = 1500000000000000000 AND "
            "\"machine\" = 'm1' AND \"site\" = ''; SELECT count(\"temperature\"::float) FROM "
            "\"auto\\\"gen\".\"pump\" WHERE time >= 1 AND time < 9 AND \"machine\" = 'm1' AND \"site\" = ''");
  EXPECT_EQ(quoted_text("it's\n\\"), "'it\\'s\\n\\\\'");
}

// As 1.6.7 answers.
const char* const kShards = R"([{"name":"plant","values":[
  [1,"plant","autogen",1,"2017-07-10T00:00:00Z","2017-07-17T00:00:00Z","2017-07-17T00:00:00Z",""],
  [2,"plant","autogen",2,"2017-07-17T00:00:00Z","2017-07-24T00:00:00Z","2017-07-24T00:00:00Z",""],
  [3,"plant","week",3,"2017-07-10T00:00:00Z","2017-07-11T00:00:00Z","2017-07-18T00:00:00Z",""],
  [4,"plant","bad",4,"2017-07-10T00:00:00Z","2017-07-17T00:00:00Z","2017-07-17T00:00:00Z",""],
  [5,"plant","bad",5,"2017-07-16T00:00:00Z","2017-07-17T00:00:00Z","2017-07-17T00:00:00Z",""]]}])";

TEST(TimesOf, AreTheShardsOwn) {
  const auto endless = times_of(Json::parse(kShards), {"plant", "autogen", 1});
  ASSERT_TRUE(endless.has_value());
  EXPECT_EQ(endless->from, 1499644800000000000);
  EXPECT_EQ(endless->to, 1500249600000000000);
  EXPECT_FALSE(endless->expires.has_value());
  const auto week = times_of(Json::parse(kShards), {"plant", "week", 3});
  ASSERT_TRUE(week.has_value() && week->expires.has_value());
  EXPECT_EQ(format_time(*week->expires), "2017-07-18T00:00:00.000Z");
}

TEST(TimesOf, WhereNobodyKnowsWhichShardThereAreNone) {
  EXPECT_THAT(times_of(Json::parse(kShards), {"plant", "bad", 4}).error().message, HasSubstr("same times"));
  EXPECT_THAT(times_of(Json::parse(kShards), {"office", "autogen", 1}).error().message, HasSubstr("SHOW SHARDS"));
  EXPECT_FALSE(times_of(Json::parse("[3,{},{\"values\":[3]}]"), {"plant", "autogen", 1}).has_value());
}

}  // namespace
}  // namespace wal_exporter::influxdb
