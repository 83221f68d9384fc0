// The set of names, held against the list in design.

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "metrics/page.h"
#include "paths.h"
#include "sample_views.h"
#include "text_format.h"

namespace wal_exporter::metrics {
namespace {

using ::testing::SizeIs;

using Names = std::map<std::string, std::string>;

// There from the first scrape on: counters, histograms and gauges that are 0 or 1.
Names always() {
  return {{"influxdb_wal_last_sample_success", "gauge"},
          {"influxdb_wal_newest_file_damaged", "gauge"},
          {"influxdb_wal_health", "gauge"},
          {"influxdb_wal_watch_degraded", "gauge"},
          {"influxdb_wal_checkpoint_in_progress", "gauge"},
          {"influxdb_wal_checkpoint_blocked", "gauge"},
          {"influxdb_wal_actions_paused", "gauge"},
          {"influxdb_wal_samples_total", "counter"},
          {"influxdb_wal_sample_failures_total", "counter"},
          {"influxdb_wal_written_files_total", "counter"},
          {"influxdb_wal_written_bytes_total", "counter"},
          {"influxdb_wal_checkpoints_total", "counter"},
          {"influxdb_wal_checkpoint_consecutive_failures", "gauge"},
          {"influxdb_wal_checkpoint_reclaimed_files_total", "counter"},
          {"influxdb_wal_checkpoint_reclaimed_bytes_total", "counter"},
          {"influxdb_wal_restart_considerations_total", "counter"},
          {"influxdb_wal_restarts_total", "counter"},
          {"influxdb_wal_restart_failures_total", "counter"},
          {"influxdb_wal_events_total", "counter"},
          {"influxdb_wal_sample_duration_seconds", "histogram"},
          {"influxdb_wal_checkpoint_duration_seconds", "histogram"},
          {"influxdb_wal_exporter_targets", "gauge"},
          {"influxdb_wal_exporter_state_kept", "gauge"},
          {"influxdb_wal_exporter_config_last_reload_successful", "gauge"}};
}

// There once something is known about any WAL.
Names with_sample() {
  Names names = always();
  names.insert({{"influxdb_wal_sample_timestamp_seconds", "gauge"},
                {"influxdb_wal_files", "gauge"},
                {"influxdb_wal_bytes", "gauge"},
                {"influxdb_wal_invalid_files", "gauge"},
                {"influxdb_wal_vanished_files", "gauge"},
                {"influxdb_wal_vanished_bytes", "gauge"},
                {"influxdb_wal_findings", "gauge"},
                {"influxdb_wal_unknown_files", "gauge"},
                {"influxdb_wal_uncounted_folders", "gauge"},
                {"influxdb_wal_threshold_files", "gauge"},
                {"influxdb_wal_threshold_bytes", "gauge"},
                {"influxdb_wal_replay_estimate_seconds", "gauge"}});
  return names;
}

// There when everything is known of an InfluxDB 3.
Names everything() {
  Names names = with_sample();
  names.insert({{"influxdb_wal_server_up", "gauge"},
                {"influxdb_wal_server_clock_offset_seconds", "gauge"},
                {"influxdb_wal_oldest_pending_timestamp_seconds", "gauge"},
                {"influxdb_wal_newest_file_timestamp_seconds", "gauge"},
                {"influxdb_wal_max_data_timestamp_seconds", "gauge"},
                {"influxdb_wal_sequence_gaps", "gauge"},
                {"influxdb_wal_snapshot_files", "gauge"},
                {"influxdb_wal_last_snapshot_timestamp_seconds", "gauge"},
                {"influxdb_wal_snapshot_budget_limit", "gauge"},
                {"influxdb_wal_snapshot_budget_remaining", "gauge"},
                {"influxdb_wal_pending_cause", "gauge"},
                {"influxdb_wal_growth_files_per_second", "gauge"},
                {"influxdb_wal_growth_bytes_per_second", "gauge"},
                {"influxdb_wal_threshold_eta_seconds", "gauge"},
                {"influxdb_wal_filesystem_avail_bytes", "gauge"},
                {"influxdb_wal_data_filesystem_avail_bytes", "gauge"},
                {"influxdb_wal_next_checkpoint_allowed_timestamp_seconds", "gauge"},
                {"influxdb_wal_last_checkpoint_timestamp_seconds", "gauge"},
                {"influxdb_wal_last_successful_checkpoint_timestamp_seconds", "gauge"},
                {"influxdb_wal_exporter_config_last_reload_success_timestamp_seconds", "gauge"},
                {"influxdb_wal_exporter_hook_deliveries_total", "counter"},
                {"influxdb_wal_exporter_hook_failures_total", "counter"},
                {"influxdb_wal_exporter_hook_dropped_total", "counter"},
                {"influxdb_wal_exporter_hook_queue_length", "gauge"}});
  return names;
}

TEST(MetricNames, OnlyCountersAndZeroOrOneGaugesBeforeTheFirstLook) {
  view::View view = view_of(unknown_target());
  view.last_reload_success = {};
  EXPECT_EQ(types(render(view)), always());
}

TEST(MetricNames, TheFirstLookAddsSizesAndLimits) {
  view::TargetView target = unknown_target();
  target.sample = std::make_shared<const wal::Sample>();
  view::View view = view_of(target);
  view.last_reload_success = {};
  Names names = with_sample();
  names["influxdb_wal_failing_shards"] = "gauge";  // of a WAL of shards, as this one is
  EXPECT_EQ(types(render(view)), names);
}

TEST(MetricNames, AllOfThemWhenEverythingIsKnown) {
  EXPECT_EQ(types(render(full_view(full_target()))), everything());
}

TEST(MetricNames, ThePageAddsRequestsAndTheProcess) {
  Names names = everything();
  names.insert({{"influxdb_wal_exporter_http_requests_total", "counter"},
                {"influxdb_wal_exporter_build_info", "gauge"},
                {"influxdb_wal_exporter_tls_certificate_expiry_timestamp_seconds", "gauge"},
                {"process_cpu_seconds_total", "counter"},
                {"process_resident_memory_bytes", "gauge"},
                {"process_virtual_memory_bytes", "gauge"},
                {"process_open_fds", "gauge"},
                {"process_max_fds", "gauge"},
                {"process_threads", "gauge"},
                {"process_start_time_seconds", "gauge"}});
  const ManualClock clock(at(1769769000));
  MetricsPage page(clock);
  page.update(full_view(full_target()));
  page.requests().count("/metrics", 200);
  page.set_certificate_end(at(1800000000));
  EXPECT_EQ(types(page.text()), names);
}

TEST(MetricNames, EachIsInTheTableOfTheReadme) {
  std::ifstream in(std::string(tests::kSource) + "/exporter/metrics/README.md");
  const std::string readme((std::istreambuf_iterator<char>(in)), {});
  for (const auto& [name, type] : everything()) {
    std::string shown = name;
    if (shown.starts_with("influxdb_wal_exporter_")) {
      shown.erase(0, sizeof "influxdb_wal_exporter_" - 1);
    } else {
      shown.erase(0, sizeof "influxdb_wal_" - 1);
    }
    EXPECT_THAT(readme, ::testing::HasSubstr("| `" + shown)) << name;
  }
}

TEST(MetricNames, EachHasOneHelpAndOneTypeLineHoweverManyTargets) {
  view::View view = full_view(full_target("one"));
  view.targets.push_back(std::make_shared<const view::TargetView>(full_target("two")));
  const std::string text = render(view);
  std::multiset<std::string> helped;
  std::multiset<std::string> typed;
  for (const std::string& line : lines(text)) {
    std::istringstream in(line);
    std::string hash, word, name;
    in >> hash >> word >> name;
    if (word == "HELP") helped.insert(name);
    if (word == "TYPE") typed.insert(name);
  }
  EXPECT_THAT(helped, SizeIs(everything().size()));
  EXPECT_EQ(helped, typed);
  for (const std::string& name : helped) EXPECT_EQ(helped.count(name), 1U) << name;
}

TEST(MetricNames, NoSeriesIsWrittenTwice) {
  view::View view = full_view(full_target("one"));
  view.targets.push_back(std::make_shared<const view::TargetView>(full_target("two")));
  std::set<std::string> seen;
  for (const std::string& line : lines(render(view))) {
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
}

TEST(MetricNames, LastCharacterIsANewline) {
  const std::string text = render(full_view(full_target()));
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace wal_exporter::metrics
