#include "view/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace wal_exporter::view {
namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;

Time at(const char* text) {
  return *parse_time(text);
}

const Time kNow = at("2026-11-23T10:00:00.000Z");

wal::Sample full_sample() {
  wal::Sample sample;
  sample.taken_at = kNow - std::chrono::seconds(10);
  sample.pending = {12, 34567};
  sample.retained = {300, 1000};
  sample.oldest_pending = at("2026-11-23T09:00:00.500Z");
  sample.max_data_time = at("2026-11-23T09:59:00.000Z");
  sample.snapshot = wal::Snapshot{5, std::numeric_limits<std::uint64_t>::max(), at("2026-11-23T08:00:00.000Z")};
  sample.invalid = {{"00000000012.wal", wal::InvalidReason::too_short, true, "3 bytes"}};
  sample.sequence_gaps = 2;
  sample.filesystem_avail_bytes = 1000000;
  return sample;
}

TargetView full_target() {
  TargetView target;
  target.name = "plant";
  target.version = wal::Generation::v3;
  target.method = "nudge";
  target.health = policy::Health::warning;
  target.sample = std::make_shared<const wal::Sample>(full_sample());
  target.stale_at = kNow + std::chrono::minutes(4);
  target.recommendations = {"Schedule checkpoint soon"};
  target.decision = {
      policy::Action::none, policy::Reason::warning, "31 files", {{policy::Blocker::cooldown, "too soon"}}};
  target.cooldown = std::chrono::minutes(5);
  target.cooldown_until = kNow + std::chrono::microseconds(1500);
  return target;
}

std::vector<std::string> keys(const ordered_json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

TEST(TargetJson, HasTheDocumentedFieldsFirstAndInOrder) {
  auto names = keys(to_json(full_target(), kNow));
  ASSERT_GE(names.size(), 16);
  names.resize(16);
  EXPECT_THAT(names, ElementsAre("name", "version", "health", "pending", "retained", "snapshot", "max_data_time",
                                 "invalid", "sequence_gaps", "not_shrinking", "thresholds", "recommendations",
                                 "decision", "checkpoint", "sampled_at", "error"));
}

TEST(TargetJson, TellsOfRestarts) {
  TargetView target = full_target();
  EXPECT_EQ(to_json(target, kNow)["restart"].dump(),
            R"({"enabled":false,"method":null,"state":"idle","last":null,"remaining_today":0})");
  target.restart = {true, "docker", RestartState::starting,
                    RestartView::Result{kNow, false, "no such\xff \"container\"\n"}, 2};
  EXPECT_EQ(to_json(target, kNow)["restart"].dump(),
            R"({"enabled":true,"method":"docker","state":"starting","last":{"time":"2026-11-23T10:00:00.000Z",)"
            "\"success\":false,\"message\":\"no such\xEF\xBF\xBD \\\"container\\\"\\n\"},\"remaining_today\":2}");
}

TEST(TargetJson, SizesAreBytesAndTimesRfc3339) {
  const auto json = to_json(full_target(), kNow);
  EXPECT_EQ(json["health"], "warning");
  EXPECT_EQ(json["pending"].dump(), R"({"files":12,"bytes":34567,"oldest_time":"2026-11-23T09:00:00.500Z"})");
  EXPECT_EQ(json["retained"].dump(), R"({"files":300,"bytes":1000})");
  EXPECT_EQ(json["snapshot"].dump(),
            R"({"sequence":5,"wal_file_sequence":18446744073709551615,"time":"2026-11-23T08:00:00.000Z"})");
  EXPECT_EQ(json["max_data_time"], "2026-11-23T09:59:00.000Z");
  EXPECT_EQ(json["invalid"].dump(),
            R"([{"file":"00000000012.wal","reason":"short","newest":true,"detail":"3 bytes"}])");
  EXPECT_EQ(json["sequence_gaps"], 2);
  EXPECT_EQ(json["thresholds"].dump(),
            R"({"warning_files":30,"critical_files":60,"warning_bytes":1073741824,"critical_bytes":3221225472})");
  EXPECT_EQ(json["decision"].dump(), R"({"action":"none","reason":"warning","blockers":["cooldown"],)"
                                     R"("explanation":"31 files; blocked by cooldown: too soon","why":"31 files",)"
                                     R"("blocked_by":[{"blocker":"cooldown","why":"too soon"}]})");
  EXPECT_EQ(json["sampled_at"], "2026-11-23T09:59:50.000Z");
  EXPECT_TRUE(json["not_shrinking"].is_null());
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_EQ(json["filesystem_avail_bytes"], 1000000);
}

TEST(TargetJson, ASnapshotThatComesByItselfIsNoComplaint) {
  TargetView target = full_target();
  target.not_shrinking =
      policy::NotShrinking{policy::Cause::too_few_files, {}, {}, "next snapshot due in about 9s", true};
  EXPECT_TRUE(to_json(target, kNow)["not_shrinking"].is_null());
  target.not_shrinking->expected = false;
  EXPECT_EQ(to_json(target, kNow)["not_shrinking"]["cause"], "too_few_files");
}

TEST(TargetJson, WhatIsNotKnownIsNull) {
  TargetView target;
  target.name = "plant";
  const auto json = to_json(target, kNow);
  for (const auto* field :
       {"version", "pending", "retained", "snapshot", "max_data_time", "invalid", "sequence_gaps", "sampled_at",
        "server", "filesystem_avail_bytes", "data_filesystem_avail_bytes", "uncounted_folders", "stale_at"}) {
    EXPECT_TRUE(json.at(field).is_null()) << field;
  }
  EXPECT_EQ(json["health"], "unknown");
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("no sample"));
  EXPECT_TRUE(json["checkpoint"]["last_run"].is_null());
  EXPECT_TRUE(json["checkpoint"]["method"].is_null());
}

TEST(TargetJson, TheErrorOfTheLastLookIsShownAsItIs) {
  auto target = full_target();
  target.error = "opening /wal: Permission denied";
  EXPECT_EQ(to_json(target, kNow)["error"], "opening /wal: Permission denied");
}

TEST(TargetJson, HealthTurnsUnknownOnceTheSampleIsStale) {
  const auto target = full_target();
  EXPECT_EQ(to_json(target, *target.stale_at)["health"], "warning");
  const auto json = to_json(target, *target.stale_at + std::chrono::nanoseconds(1));
  EXPECT_EQ(json["health"], "unknown");
  EXPECT_EQ(json["pending"]["files"], 12);
  EXPECT_EQ(json["error"], "the last sample of the WAL is 4m 10s old");
}

TEST(TargetJson, NamesThatAreNotUtf8NeverThrow) {
  auto target = full_target();
  const std::string bad = "a\xFF\xC0\"\n\x01";
  auto sample = full_sample();
  sample.invalid.front().file = bad;
  sample.notes = {bad};
  target.sample = std::make_shared<const wal::Sample>(sample);
  target.name = target.wal_directory = target.method = target.error = target.watch_detail = bad;
  target.recommendations = {bad};
  target.decision.why = bad;
  target.server = influxdb::ServerFacts{true, bad, bad, bad, std::nullopt, std::nullopt, bad, false, kNow};
  influxdb::Outcome outcome;
  outcome.message = bad;
  target.running = target.last_run = CheckpointRun{1, policy::Reason::manual, kNow, kNow, outcome};
  View view;
  view.targets.push_back(std::make_shared<const TargetView>(target));
  std::string text;
  EXPECT_NO_THROW(text = to_json(view, kNow).dump());
  EXPECT_EQ(ordered_json::parse(text)["targets"][0]["name"], "a\uFFFD\uFFFD\"\n\x01");
  state::AuditEntry entry;
  entry.target = entry.kind = entry.summary = entry.detail = bad;
  EXPECT_NO_THROW(static_cast<void>(to_json(entry).dump()));
}

TEST(TargetJson, AnEtaOutOfSightIsNullBesideAKnownGrowth) {
  auto target = full_target();
  target.forecast.short_window = policy::Growth{0.5, 1024};
  target.forecast.warning_eta_seconds = std::numeric_limits<double>::infinity();
  target.forecast.critical_eta_seconds = 90;
  const auto forecast = to_json(target, kNow)["forecast"];
  EXPECT_TRUE(forecast["warning_eta_seconds"].is_null());
  EXPECT_EQ(forecast["critical_eta_seconds"], 90.0);
  EXPECT_EQ(forecast["growth_short"]["bytes_per_second"], 1024.0);
  EXPECT_TRUE(forecast["growth_long"].is_null());
}

TEST(CooldownRemaining, IsRoundedUpAndNeverNegative) {
  const auto target = full_target();
  EXPECT_EQ(cooldown_remaining_ms(target, kNow), 2);
  EXPECT_EQ(cooldown_remaining_ms(target, *target.cooldown_until), 0);
  EXPECT_EQ(cooldown_remaining_ms(target, kNow + std::chrono::hours(1)), 0);
  EXPECT_EQ(cooldown_remaining_ms(TargetView{}, kNow), 0);
  EXPECT_EQ(cooldown_remaining_ms(target, kNow - std::chrono::hours(24)), 300'000) << "a clock that was put back";
}

TEST(TargetJson, SaysWhatVanished) {
  TargetView target;
  target.sample = std::make_shared<const wal::Sample>();
  EXPECT_TRUE(to_json(target, kNow)["vanished"].is_null());
  target.vanished =
      wal::Vanished{1, wal::Vanished::Cause::directory, {3, 4096}, kNow, kNow + std::chrono::seconds(1), false};
  target.vanished_detail = "its directory was replaced";
  const auto json = to_json(target, kNow)["vanished"];
  EXPECT_EQ(json["files"], 3);
  EXPECT_EQ(json["bytes"], 4096);
  EXPECT_EQ(json["last_seen"], format_time(kNow));
  EXPECT_EQ(json["detail"], "its directory was replaced");
}

TEST(RunJson, AnEndedRunHasItsOutcome) {
  CheckpointRun run{42, policy::Reason::critical, kNow, kNow + std::chrono::seconds(2), std::nullopt};
  run.outcome = influxdb::Outcome{influxdb::OutcomeKind::succeeded, "2 shards", {3, 4096}, 2, {}, kNow,
                                  std::chrono::milliseconds(1500)};
  EXPECT_EQ(to_json(run).dump(),
            R"({"id":42,"state":"ended","reason":"critical","outcome":"succeeded","message":"2 shards",)"
            R"("started":"2026-11-23T10:00:00.000Z","ended":"2026-11-23T10:00:02.000Z","duration_seconds":1.5,)"
            R"("reclaimed":{"files":3,"bytes":4096},"steps":2})");
}

TEST(RunJson, ARunningOneHasNone) {
  const auto json = to_json(CheckpointRun{42, policy::Reason::manual, kNow, std::nullopt, std::nullopt});
  EXPECT_EQ(json["state"], "running");
  for (const auto* field : {"outcome", "message", "ended", "duration_seconds", "reclaimed"}) {
    EXPECT_TRUE(json.at(field).is_null()) << field;
  }
}

TEST(CheckpointJson, ShowsWhatIsRunning) {
  auto target = full_target();
  EXPECT_EQ(to_json(target, kNow)["checkpoint"]["in_progress"], false);
  target.running = CheckpointRun{8, policy::Reason::manual, kNow, std::nullopt, std::nullopt};
  const auto json = to_json(target, kNow)["checkpoint"];
  EXPECT_EQ(json["in_progress"], true);
  EXPECT_EQ(json["running"]["id"], 8);
  EXPECT_EQ(json["cooldown_remaining_ms"], 2);
  EXPECT_EQ(json["method"], "nudge");
  const std::vector<std::string> documented = {
      "in_progress", "last_checkpoint", "last_success", "next_allowed", "cooldown_remaining_ms", "method", "last_run"};
  EXPECT_THAT(documented, IsSubsetOf(keys(json)));
}

TEST(HistoryJson, TheDetailIsAnObjectAgain) {
  const state::AuditEntry entry{3, kNow, "plant", "health", "healthy to warning", R"({"from":"healthy"})"};
  EXPECT_EQ(to_json(entry).dump(), R"({"id":3,"time":"2026-11-23T10:00:00.000Z","target":"plant","kind":"health",)"
                                   R"("summary":"healthy to warning","detail":{"from":"healthy"}})");
}

TEST(HookJson, SaysHowItGoes) {
  events::HookStatus hook;
  hook.name = "am";
  hook.type = events::HookType::alertmanager;
  hook.receivers = {"http://a:9093"};
  hook.deliveries = 5;
  hook.failures = 4;
  hook.dropped = 3;
  hook.queue_length = 2;
  hook.last_error = "answered 500\xff";
  hook.last_error_at = kNow;
  EXPECT_EQ(
      to_json(hook).dump(),
      R"({"name":"am","type":"alertmanager","receivers":["http://a:9093"],"deliveries":5,"failures":4,"dropped":3,)"
      R"("queue_length":2,"last_error":"answered 500�","last_error_at":"2026-11-23T10:00:00.000Z",)"
      R"("last_success":null})");
}

TEST(HistoryJson, ADetailThatIsNotJsonStaysText) {
  state::AuditEntry entry;
  entry.detail = "{broken";
  EXPECT_EQ(to_json(entry)["detail"], "{broken");
  entry.detail = "";
  EXPECT_TRUE(to_json(entry)["detail"].is_null());
}

}  // namespace
}  // namespace wal_exporter::view
