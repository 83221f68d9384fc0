#include "events/template.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace wal_exporter::events {
namespace {

using ::testing::HasSubstr;

std::string rendered(const std::string& text, const Event& event, BodyFormat format = BodyFormat::json) {
  const auto made = Template::parse(text, format);
  return made ? made->render(event) : "refused: " + made.error().message;
}

Event template_example() {
  Event event = health_event(7, "critical", Severity::critical);
  event.detail = R"({"reason":"critical","files":75,"sample":{"pending":{"files":3}},"list":[1,"a"]})";
  return event;
}

TEST(Template, InsideQuotesAndOutsideOfThemValuesAreJson) {
  EXPECT_EQ(rendered(R"({"a":"{{summary}}","b":{{ summary }},"c":{{id}},"d":"{{id}}","e":{{detail.list}}})",
                     template_example()),
            R"({"a":"health -> critical","b":"health -> critical","c":7,"d":"7","e":[1,"a"]})");
}

TEST(Template, KnowsEachPartOfTheEvent) {
  EXPECT_EQ(rendered(R"(["{{target}}","{{severity}}","{{type}}","{{time}}","{{detail.reason}}",{{detail.files}},)"
                     R"({{detail.sample.pending.files}}])",
                     template_example()),
            R"(["plant","critical","wal.health","2026-01-30T10:30:00.000Z","critical",75,3])");
  EXPECT_EQ(rendered("{{event}}", template_example()), to_json(template_example()).dump());
}

TEST(Template, WhatTheEventDoesNotHaveIsNullOrEmpty) {
  EXPECT_EQ(rendered(R"({"a":"{{detail.none.at.all}}","b":{{detail.none}}})", template_example()),
            R"({"a":"","b":null})");
}

TEST(Template, HostileTextStaysInItsPlace) {
  Event event = template_example();
  event.summary = hostile_text();
  event.target = "\",\"admin\":true,\"x\":\"";
  event.detail = R"({"reason":"\"}\n"})";
  const auto json = nlohmann::json::parse(
      rendered(R"({"text":"{{target}}: {{summary}}","all":"{{detail}}","raw":{{detail}}})", event));
  EXPECT_EQ(json.size(), 3U);
  EXPECT_THAT(json["text"].get<std::string>(), HasSubstr("\",\"admin\":true,\"x\":\": \"quoted\" \\ back\n<!channel>"));
  EXPECT_THAT(json["text"].get<std::string>(), HasSubstr("{{summary}}"));  // not looked at again
  EXPECT_EQ(json["all"], R"({"reason":"\"}\n"})");
  EXPECT_EQ(json["raw"]["reason"], "\"}\n");
}

TEST(Template, ANameItDoesNotKnowIsRefused) {
  EXPECT_THAT(rendered(R"({"a":"{{sumary}}"})", template_example()),
              HasSubstr("'{{sumary}}' is not a name it knows; write one of id, time, target"));
  for (const auto* text : {"{{}}", "{{ detail. }}", "{{detail..a}}", "{{{id}}}", "{{id name}}", "{{token_file}}"}) {
    EXPECT_THAT(rendered(text, template_example()), HasSubstr("is not a name it knows")) << text;
  }
  EXPECT_THAT(rendered(R"({"a":"{{summary"})", template_example()), HasSubstr("has no }}"));
}

TEST(Template, WhatIsNotJsonIsRefused) {
  for (const auto* text : {R"({"a":"{{summary}})", "text={{summary}}", R"({"a":1,})", "\"{{summary}}\" {{id}}"}) {
    EXPECT_THAT(rendered(text, template_example()), HasSubstr("is not JSON")) << text;
  }
}

TEST(Template, OtherFormatsEncodeInTheirWay) {
  Event event = template_example();
  event.summary = "a&b=\"c\" é\n";
  EXPECT_EQ(rendered("text={{summary}}&id={{id}}", event, BodyFormat::form), "text=a%26b%3D%22c%22%20%C3%A9%0A&id=7");
  EXPECT_EQ(rendered("{{severity}}: {{summary}}{{detail.none}}", event, BodyFormat::text), "critical: a&b=\"c\" é\n");
}

TEST(Template, TheContentTypeSaysTheFormat) {
  EXPECT_EQ(body_format("application/json; charset=utf-8"), BodyFormat::json);
  EXPECT_EQ(body_format("application/problem+JSON"), BodyFormat::json);
  EXPECT_EQ(body_format("Application/x-www-form-urlencoded"), BodyFormat::form);
  EXPECT_EQ(body_format("text/plain"), BodyFormat::text);
}

}  // namespace
}  // namespace wal_exporter::events
