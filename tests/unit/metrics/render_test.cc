#include "metrics/render.h"

#include <gmock/gmock.h>

#include <clocale>
#include <limits>
#include <locale>

#include "sample_views.h"
#include "text_format.h"

namespace wal_exporter::metrics {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> rendered(const view::TargetView& target, std::string_view name) {
  return values_of(render(view_of(target)), name);
}

TEST(Render, BeforeTheFirstLookNothingIsClaimed) {
  const view::TargetView target = unknown_target();
  EXPECT_THAT(rendered(target, "influxdb_wal_last_sample_success"),
              ElementsAre("influxdb_wal_last_sample_success{target=\"plant\"} 0"));
  EXPECT_THAT(rendered(target, "influxdb_wal_health"),
              ElementsAre("influxdb_wal_health{target=\"plant\",status=\"healthy\"} 0",
                          "influxdb_wal_health{target=\"plant\",status=\"warning\"} 0",
                          "influxdb_wal_health{target=\"plant\",status=\"critical\"} 0"));
  EXPECT_THAT(rendered(target, "influxdb_wal_files"), IsEmpty());
  EXPECT_THAT(rendered(target, "influxdb_wal_invalid_files"), IsEmpty());
  EXPECT_THAT(rendered(target, "influxdb_wal_server_up"), IsEmpty());
}

TEST(Render, HealthIsOneForTheStatusItHas) {
  EXPECT_THAT(rendered(full_target(), "influxdb_wal_health"),
              ElementsAre("influxdb_wal_health{target=\"plant\",status=\"healthy\"} 0",
                          "influxdb_wal_health{target=\"plant\",status=\"warning\"} 1",
                          "influxdb_wal_health{target=\"plant\",status=\"critical\"} 0"));
}

TEST(Render, EachHookHasItsFourSeriesFromTheFirstScrapeOn) {
  view::View view = full_view(unknown_target());
  view.hooks.emplace_back().name = "am";
  const std::string text = render(view);
  EXPECT_THAT(values_of(text, "influxdb_wal_exporter_hook_deliveries_total"),
              ElementsAre("influxdb_wal_exporter_hook_deliveries_total{hook=\"ops\"} 5",
                          "influxdb_wal_exporter_hook_deliveries_total{hook=\"am\"} 0"));
  EXPECT_THAT(values_of(text, "influxdb_wal_exporter_hook_failures_total"),
              ElementsAre("influxdb_wal_exporter_hook_failures_total{hook=\"ops\"} 4",
                          "influxdb_wal_exporter_hook_failures_total{hook=\"am\"} 0"));
  EXPECT_THAT(values_of(text, "influxdb_wal_exporter_hook_dropped_total"),
              ElementsAre("influxdb_wal_exporter_hook_dropped_total{hook=\"ops\"} 3",
                          "influxdb_wal_exporter_hook_dropped_total{hook=\"am\"} 0"));
  EXPECT_THAT(values_of(text, "influxdb_wal_exporter_hook_queue_length"),
              ElementsAre("influxdb_wal_exporter_hook_queue_length{hook=\"ops\"} 2",
                          "influxdb_wal_exporter_hook_queue_length{hook=\"am\"} 0"));
}

TEST(Render, UnknownHealthIsAllZeroThoughThereIsASample) {
  view::TargetView target = full_target();
  target.health.reset();
  for (const std::string& line : rendered(target, "influxdb_wal_health")) EXPECT_TRUE(line.ends_with(" 0")) << line;
  EXPECT_THAT(rendered(target, "influxdb_wal_files"), SizeIs(2));
}

TEST(Render, RetainedIsThereForANodeAloneAndOrphanedForShards) {
  EXPECT_THAT(rendered(full_target(), "influxdb_wal_bytes"),
              ElementsAre("influxdb_wal_bytes{target=\"plant\",state=\"pending\"} 3400",
                          "influxdb_wal_bytes{target=\"plant\",state=\"retained\"} 900000"));
  view::TargetView target = full_target();
  wal::Sample sample = *target.sample;
  sample.layout = wal::Layout::segments;
  target.sample = std::make_shared<const wal::Sample>(sample);
  EXPECT_THAT(rendered(target, "influxdb_wal_bytes"),
              ElementsAre("influxdb_wal_bytes{target=\"plant\",state=\"pending\"} 3400",
                          "influxdb_wal_bytes{target=\"plant\",state=\"orphaned\"} 0",
                          "influxdb_wal_bytes{target=\"plant\",state=\"kept_open\"} 0"));
  EXPECT_THAT(rendered(target, "influxdb_wal_files"),
              ElementsAre("influxdb_wal_files{target=\"plant\",state=\"pending\"} 12",
                          "influxdb_wal_files{target=\"plant\",state=\"orphaned\"} 0",
                          "influxdb_wal_files{target=\"plant\",state=\"kept_open\"} 0"));
  EXPECT_THAT(rendered(target, "influxdb_wal_snapshot_files"), IsEmpty());
  EXPECT_THAT(rendered(target, "influxdb_wal_sequence_gaps"), IsEmpty());
}

TEST(Render, InvalidFilesAreCountedByReasonAndZeroIsSaid) {
  EXPECT_THAT(rendered(full_target(), "influxdb_wal_invalid_files"),
              ElementsAre("influxdb_wal_invalid_files{target=\"plant\",reason=\"empty\"} 2",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"short\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"magic\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"checksum\"} 1",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"unreadable\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"times\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"foreign\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"older\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"other_edition\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"unopened\"} 0",
                          "influxdb_wal_invalid_files{target=\"plant\",reason=\"snapshot\"} 0"));
}

TEST(Render, TheCauseThatHoldsIsOneAndNoneIsWithoutAProblem) {
  view::TargetView target = full_target();
  EXPECT_THAT(rendered(target, "influxdb_wal_pending_cause"),
              ElementsAre("influxdb_wal_pending_cause{target=\"plant\",cause=\"too_few_files\"} 0",
                          "influxdb_wal_pending_cause{target=\"plant\",cause=\"idle\"} 0",
                          "influxdb_wal_pending_cause{target=\"plant\",cause=\"future_data\"} 1",
                          "influxdb_wal_pending_cause{target=\"plant\",cause=\"stalled\"} 0"));
  target.not_shrinking.reset();
  for (const std::string& line : rendered(target, "influxdb_wal_pending_cause")) {
    EXPECT_TRUE(line.ends_with(" 0")) << line;
  }
  EXPECT_THAT(rendered(unknown_target(), "influxdb_wal_pending_cause"), IsEmpty());
}

TEST(Render, TheBudgetOfSnapshotsIsAbsentWhereItIsNotKnown) {
  view::TargetView target = full_target();
  EXPECT_THAT(rendered(target, "influxdb_wal_snapshot_budget_remaining"),
              ElementsAre("influxdb_wal_snapshot_budget_remaining{target=\"plant\"} 83"));
  EXPECT_THAT(rendered(target, "influxdb_wal_snapshot_budget_limit"),
              ElementsAre("influxdb_wal_snapshot_budget_limit{target=\"plant\"} 100"));
  target.node->budget.reset();
  EXPECT_THAT(rendered(target, "influxdb_wal_snapshot_budget_limit"), IsEmpty());
  EXPECT_THAT(rendered(target, "influxdb_wal_snapshot_budget_remaining"), IsEmpty());
}

TEST(Render, TimesKeepTheirMilliseconds) {
  const view::TargetView target = full_target();
  EXPECT_THAT(rendered(target, "influxdb_wal_sample_timestamp_seconds"),
              ElementsAre("influxdb_wal_sample_timestamp_seconds{target=\"plant\"} 1769769000.125"));
  EXPECT_THAT(rendered(target, "influxdb_wal_last_checkpoint_timestamp_seconds"),
              ElementsAre("influxdb_wal_last_checkpoint_timestamp_seconds{target=\"plant\"} 1769766000.001"));
  EXPECT_THAT(rendered(target, "influxdb_wal_oldest_pending_timestamp_seconds"),
              ElementsAre("influxdb_wal_oldest_pending_timestamp_seconds{target=\"plant\"} 1769768000"));
}

TEST(Render, LargeCountsAreWrittenInFull) {
  view::TargetView target = unknown_target();
  target.counters.written.bytes = 9'007'199'254'740'992;
  EXPECT_THAT(rendered(target, "influxdb_wal_written_bytes_total"),
              ElementsAre("influxdb_wal_written_bytes_total{target=\"plant\"} 9007199254740992"));
}

TEST(Render, ALimitOutOfSightIsInfinity) {
  view::TargetView target = full_target();
  target.forecast.critical_eta_seconds = std::numeric_limits<double>::infinity();
  EXPECT_THAT(rendered(target, "influxdb_wal_threshold_eta_seconds"),
              ElementsAre("influxdb_wal_threshold_eta_seconds{target=\"plant\",level=\"warning\"} 0",
                          "influxdb_wal_threshold_eta_seconds{target=\"plant\",level=\"critical\"} +Inf"));
}

TEST(Render, GrowthSaysItsWindow) {
  view::TargetView target = full_target();
  target.short_window = std::chrono::seconds(90);
  EXPECT_THAT(rendered(target, "influxdb_wal_growth_bytes_per_second"),
              ElementsAre("influxdb_wal_growth_bytes_per_second{target=\"plant\",window=\"1m30s\"} 1024.25",
                          "influxdb_wal_growth_bytes_per_second{target=\"plant\",window=\"1h\"} -512"));
  target.forecast.long_window.reset();
  EXPECT_THAT(rendered(target, "influxdb_wal_growth_files_per_second"),
              ElementsAre("influxdb_wal_growth_files_per_second{target=\"plant\",window=\"1m30s\"} 0.5"));
}

TEST(Render, TwoWindowsOfOneLengthAreOneSeries) {
  view::TargetView target = full_target();
  target.long_window = target.short_window;
  EXPECT_THAT(rendered(target, "influxdb_wal_growth_files_per_second"),
              ElementsAre("influxdb_wal_growth_files_per_second{target=\"plant\",window=\"10m\"} 0.5"));
}

TEST(Render, ServerUpIsZeroFromTheMomentAUrlIsSet) {
  view::TargetView target = unknown_target();
  target.server_asked = true;
  EXPECT_THAT(rendered(target, "influxdb_wal_server_up"), ElementsAre("influxdb_wal_server_up{target=\"plant\"} 0"));
  target.server.emplace();
  EXPECT_THAT(rendered(target, "influxdb_wal_server_up"), ElementsAre("influxdb_wal_server_up{target=\"plant\"} 0"));
  target.server->up = true;
  EXPECT_THAT(rendered(target, "influxdb_wal_server_up"), ElementsAre("influxdb_wal_server_up{target=\"plant\"} 1"));
}

TEST(Render, ClockOffsetIsSignedSeconds) {
  EXPECT_THAT(rendered(full_target(), "influxdb_wal_server_clock_offset_seconds"),
              ElementsAre("influxdb_wal_server_clock_offset_seconds{target=\"plant\"} -3"));
}

TEST(Render, EveryBlockerIsThereAndThoseThatHoldAreOne) {
  const std::vector<std::string> blocked = rendered(full_target(), "influxdb_wal_checkpoint_blocked");
  ASSERT_THAT(blocked, SizeIs(17));
  EXPECT_EQ(blocked[0], "influxdb_wal_checkpoint_blocked{target=\"plant\",blocker=\"in_flight\"} 1");
  EXPECT_EQ(blocked[1], "influxdb_wal_checkpoint_blocked{target=\"plant\",blocker=\"cooldown\"} 1");
  EXPECT_EQ(blocked[16], "influxdb_wal_checkpoint_blocked{target=\"plant\",blocker=\"dry_run\"} 0");
}

TEST(Render, CheckpointsAreThereForEachReasonAndOutcome) {
  const std::vector<std::string> checkpoints = rendered(full_target(), "influxdb_wal_checkpoints_total");
  ASSERT_THAT(checkpoints, SizeIs(30));
  EXPECT_EQ(checkpoints.front(),
            "influxdb_wal_checkpoints_total{target=\"plant\",reason=\"warning\",outcome=\"succeeded\"} 0");
  EXPECT_THAT(checkpoints,
              Contains("influxdb_wal_checkpoints_total{target=\"plant\",reason=\"manual\",outcome=\"succeeded\"} 4"));
  EXPECT_EQ(checkpoints.back(),
            "influxdb_wal_checkpoints_total{target=\"plant\",reason=\"pre_restart\",outcome=\"unverified\"} 0");
}

TEST(Render, EventsAreThereForEachType) {
  EXPECT_THAT(rendered(full_target(), "influxdb_wal_events_total"),
              ElementsAre("influxdb_wal_events_total{target=\"plant\",type=\"wal.health\"} 0",
                          "influxdb_wal_events_total{target=\"plant\",type=\"wal.checkpoint\"} 9",
                          "influxdb_wal_events_total{target=\"plant\",type=\"wal.restart_consideration\"} 0",
                          "influxdb_wal_events_total{target=\"plant\",type=\"wal.restart\"} 0"));
}

TEST(Render, HistogramBucketsAddUp) {
  view::TargetView target = unknown_target();
  target.counters.sample_duration = view::Histogram({0.1, 1});
  for (const double seconds : {0.05, 0.05, 0.5, 4.0}) target.counters.sample_duration.observe(seconds);
  const std::string text = render(view_of(target));
  EXPECT_THAT(text, HasSubstr("influxdb_wal_sample_duration_seconds_count{target=\"plant\"} 4\n"
                              "influxdb_wal_sample_duration_seconds_sum{target=\"plant\"} 4.6\n"
                              "influxdb_wal_sample_duration_seconds_bucket{target=\"plant\",le=\"0.1\"} 2\n"
                              "influxdb_wal_sample_duration_seconds_bucket{target=\"plant\",le=\"1.0\"} 3\n"
                              "influxdb_wal_sample_duration_seconds_bucket{target=\"plant\",le=\"+Inf\"} 4\n"));
}

TEST(Render, AHistogramWithoutBoundsIsComplete) {
  view::TargetView target = unknown_target();
  target.counters.sample_duration = view::Histogram();
  EXPECT_THAT(render(view_of(target)),
              HasSubstr("influxdb_wal_sample_duration_seconds_bucket{target=\"plant\",le=\"+Inf\"} 0\n"));
}

TEST(Render, NamesWithQuotesBackslashesAndNewlinesStayOneLine) {
  EXPECT_THAT(rendered(unknown_target("a\"b\\c\nd"), "influxdb_wal_samples_total"),
              ElementsAre("influxdb_wal_samples_total{target=\"a\\\"b\\\\c\\nd\"} 0"));
}

TEST(Render, NamesMayBeUtf8AndWhatIsNotIsReplaced) {
  EXPECT_THAT(rendered(unknown_target("Käse\xFF"), "influxdb_wal_samples_total"),
              ElementsAre("influxdb_wal_samples_total{target=\"Käse\xEF\xBF\xBD\"} 0"));
}

TEST(Render, TargetsComeInTheOrderOfTheViewAndAVanishedOneVanishes) {
  view::View view = view_of(unknown_target("b"));
  view.targets.push_back(std::make_shared<const view::TargetView>(unknown_target("a")));
  EXPECT_THAT(values_of(render(view), "influxdb_wal_samples_total"),
              ElementsAre("influxdb_wal_samples_total{target=\"b\"} 0", "influxdb_wal_samples_total{target=\"a\"} 0"));
  view.targets.erase(view.targets.begin());
  EXPECT_THAT(render(view), ::testing::Not(HasSubstr("target=\"b\"")));
}

TEST(Render, CountsTheTargetsOfTheSettings) {
  view::View view;
  for (const char* name : {"b", "a"})
    view.targets.push_back(std::make_shared<const view::TargetView>(unknown_target(name)));
  EXPECT_THAT(values_of(render(view), "influxdb_wal_exporter_targets"), ElementsAre("influxdb_wal_exporter_targets 2"));
}

TEST(Render, SaysWhetherStateIsKept) {
  view::View view;
  view.state_problem = "writing to state file /s: no space left on its filesystem";
  EXPECT_THAT(values_of(render(view), "influxdb_wal_exporter_state_kept"),
              ElementsAre("influxdb_wal_exporter_state_kept 0"));
}

TEST(Render, WithoutTargetsOnlyTheSettingsAreSaid) {
  view::View view;
  view.last_reload_successful = false;
  EXPECT_EQ(
      render(view),
      "# HELP influxdb_wal_exporter_targets Targets in the settings in use, sampled or not.\n"
      "# TYPE influxdb_wal_exporter_targets gauge\n"
      "influxdb_wal_exporter_targets 0\n"
      "# HELP influxdb_wal_exporter_state_kept 1 if what must outlive a restart of the exporter is written to its "
      "state directory, else 0.\n"
      "# TYPE influxdb_wal_exporter_state_kept gauge\n"
      "influxdb_wal_exporter_state_kept 1\n"
      "# HELP influxdb_wal_exporter_config_last_reload_successful 1 if the settings in use are those of the file "
      "as last read, 0 if the last reload was refused.\n"
      "# TYPE influxdb_wal_exporter_config_last_reload_successful gauge\n"
      "influxdb_wal_exporter_config_last_reload_successful 0\n");
}

TEST(Render, AFailedReloadKeepsTheTimeOfTheLastGoodOne) {
  view::View view = view_of(unknown_target());
  view.last_reload_successful = false;
  EXPECT_THAT(values_of(render(view), "influxdb_wal_exporter_config_last_reload_success_timestamp_seconds"),
              ElementsAre("influxdb_wal_exporter_config_last_reload_success_timestamp_seconds 1769760000"));
}

TEST(Renderer, SaysTheSameAsAFreshOneAfterChangesOfAnyKind) {
  Renderer renderer;
  view::View view = view_of(full_target("one"));
  view.targets.push_back(std::make_shared<const view::TargetView>(unknown_target("two")));
  EXPECT_EQ(renderer.render(view), render(view));
  EXPECT_EQ(renderer.render(view), render(view));

  view::TargetView changed = unknown_target("two");
  changed.counters.samples = 77;
  view.targets[1] = std::make_shared<const view::TargetView>(changed);
  EXPECT_EQ(renderer.render(view), render(view));
  EXPECT_THAT(renderer.render(view), HasSubstr("influxdb_wal_samples_total{target=\"two\"} 77\n"));

  std::swap(view.targets[0], view.targets[1]);
  view.targets.push_back(std::make_shared<const view::TargetView>(full_target("three")));
  EXPECT_EQ(renderer.render(view), render(view));
  view.targets.erase(view.targets.begin(), view.targets.begin() + 2);
  EXPECT_EQ(renderer.render(view), render(view));
  view.targets.clear();
  EXPECT_EQ(renderer.render(view), render(view));
}

// A locale that groups digits and has a decimal comma, without needing one installed.
class Commas final : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Render, DoesNotFollowTheLocale) {
  const std::string expected = render(view_of(full_target()));
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Commas));
  const std::string text = render(view_of(full_target()));
  std::locale::global(before);
  EXPECT_EQ(text, expected);
}

}  // namespace
}  // namespace wal_exporter::metrics
