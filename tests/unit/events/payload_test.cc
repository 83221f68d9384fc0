// What webhooks and Slack are sent, letter by letter.
#include "events/payload.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support.h"

namespace wal_exporter::events {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

Event critical() {
  Event event = health_event(7, "critical", Severity::critical);
  event.summary = "health: warning -> critical (75 files, 3.5 GiB pending)";
  event.detail =
      R"({"from":"warning","to":"critical","not_shrinking":{"cause":"idle","detail":"nothing came for 12 min"},)"
      R"("recommendations":["Immediate checkpoint required","Review write patterns and batch size"]})";
  return event;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

TEST(Webhook, SendsTheEventWhereThereIsNoTemplate) {
  const Payload payload = webhook_payload(critical(), HookConfig{}, std::nullopt);
  EXPECT_EQ(payload.method, "POST");
  EXPECT_THAT(payload.headers, ElementsAre(Pair("Content-Type", "application/json")));
  EXPECT_EQ(payload.body,
            R"({"id":7,"time":"2026-01-30T10:30:00.000Z","target":"plant","type":"wal.health","severity":"critical",)"
            R"~("summary":"health: warning -> critical (75 files, 3.5 GiB pending)","detail":{"from":"warning",)~"
            R"("to":"critical","not_shrinking":{"cause":"idle","detail":"nothing came for 12 min"},)"
            R"("recommendations":["Immediate checkpoint required","Review write patterns and batch size"]}})");
}

TEST(Webhook, SendsWhatIsSet) {
  HookConfig config;
  config.method = "PUT";
  config.path = "/in";
  config.headers = {{"Content-type", "text/plain"}, {"X-Team", "ops"}};
  const auto body = Template::parse("{{severity}} {{target}}", BodyFormat::text);
  ASSERT_TRUE(body.has_value());
  const Payload payload = webhook_payload(critical(), config, *body);
  EXPECT_EQ(payload.method + payload.path, "PUT/in");
  EXPECT_THAT(payload.headers, ElementsAre(Pair("Content-type", "text/plain"), Pair("X-Team", "ops")));
  EXPECT_EQ(payload.body, "critical plant");
}

TEST(Webhook, HostileTextIsJsonThatMeansTheSame) {
  Event event = critical();
  event.target = "\"plant\"\n\xff";
  event.summary = hostile_text();
  const auto json = nlohmann::json::parse(webhook_payload(event, HookConfig{}, std::nullopt).body);
  EXPECT_EQ(json["target"], "\"plant\"\n\uFFFD");
  EXPECT_EQ(json["summary"], to_valid_utf8(event.summary));
}

TEST(Slack, SaysWhatHappenedTheCauseAndTheRemedy) {
  const Payload payload = slack_payload(critical());
  EXPECT_EQ(nlohmann::ordered_json::parse(payload.body).dump(1, ' '), nlohmann::ordered_json::parse(R"~({
 "text": "critical: plant: health: warning -&gt; critical (75 files, 3.5 GiB pending)",
 "attachments": [{
  "color": "#cf222e",
  "blocks": [
   {"type": "section", "text": {"type": "mrkdwn", "text": "*critical* · plant · wal.health\nhealth: warning -&gt; critical (75 files, 3.5 GiB pending)", "verbatim": true}},
   {"type": "section", "text": {"type": "mrkdwn", "text": "• nothing came for 12 min\n• Immediate checkpoint required\n• Review write patterns and batch size", "verbatim": true}},
   {"type": "context", "elements": [{"type": "mrkdwn", "text": "2026-01-30T10:30:00.000Z · event 7"}]}
  ]
 }]
})~")
                                                                          .dump(1, ' '));
}

TEST(Slack, SaysWhatARestartWouldReplayAndWhatComesNext) {
  Event event = critical();
  event.detail = R"({"replay":{"text":"75 files, 3.5 GiB, about 2m 30s"},"next":"It waits for a < b."})";
  const auto body = nlohmann::json::parse(slack_payload(event).body);
  EXPECT_EQ(body["attachments"][0]["blocks"][1]["text"]["text"],
            "A restart would replay 75 files, 3.5 GiB, about 2m 30s.\nIt waits for a &lt; b.");
}

TEST(Slack, TheColourIsThatOfTheSeverity) {
  const auto colour = [](Severity severity) {
    const auto body = nlohmann::json::parse(slack_payload(health_event(1, "x", severity)).body);
    return body["attachments"][0]["color"].get<std::string>();
  };
  EXPECT_EQ(colour(Severity::info), "#1a7f37");
  EXPECT_EQ(colour(Severity::warning), "#9a6700");
  EXPECT_EQ(colour(Severity::critical), "#cf222e");
}

TEST(Slack, HostileTextBecomesNoMarkAndStaysWithinTheLimits) {
  Event event = critical();
  event.target = std::string(190, '<') + "<!channel>\xff";
  event.summary = hostile_text();
  event.detail = nlohmann::json{{"recommendations", {hostile_text(), "second"}}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto body = nlohmann::json::parse(slack_payload(event).body);
  EXPECT_LE(characters(body["text"].get<std::string>()), 3000U);
  for (const auto& block : body["attachments"][0]["blocks"]) {
    if (block["type"] != "section") continue;
    const auto text = block["text"]["text"].get<std::string>();
    EXPECT_LE(characters(text), 3000U);
    EXPECT_THAT(text, Not(HasSubstr("<")));
    EXPECT_THAT(text, Not(HasSubstr(">")));
    EXPECT_EQ(to_valid_utf8(text), text);
    EXPECT_THAT(text, EndsWith("…"));
    // No half of an entity in front of the cut.
    const std::size_t last = text.rfind('&');
    EXPECT_NE(text.find(';', last), std::string::npos) << text.substr(last);
  }
}

TEST(Shortened, CutsBetweenCharactersAndOnlyWhereItMust) {
  EXPECT_EQ(shortened("ééé", 3), "ééé");
  EXPECT_EQ(shortened("éééé", 3), "éé…");
  EXPECT_EQ(shortened("a\xff", 3), "a\uFFFD");
}

}  // namespace
}  // namespace wal_exporter::events
