#include "metrics/page.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/file.h"
#include "sample_views.h"
#include "text_format.h"

namespace wal_exporter::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

double only_value(const std::string& text, std::string_view name) {
  const std::vector<std::string> found = values_of(text, name);
  if (found.size() != 1) {
    ADD_FAILURE() << name << " is there " << found.size() << " times";
    return -1;
  }
  return std::stod(found.front().substr(found.front().rfind(' ') + 1));
}

TEST(RequestCounters, CountEachRouteAndCode) {
  RequestCounters requests;
  EXPECT_EQ(requests.render(), "");
  requests.count("/metrics", 200);
  requests.count("/metrics", 200);
  requests.count("/metrics", 503);
  requests.count("/", 200);
  EXPECT_THAT(values_of(requests.render(), "influxdb_wal_exporter_http_requests_total"),
              ElementsAre("influxdb_wal_exporter_http_requests_total{route=\"/\",code=\"200\"} 1",
                          "influxdb_wal_exporter_http_requests_total{route=\"/metrics\",code=\"200\"} 2",
                          "influxdb_wal_exporter_http_requests_total{route=\"/metrics\",code=\"503\"} 1"));
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  const ManualClock clock(at(1769769000));
  ProcessMetrics process(clock);
  const std::string text = process.render();
  EXPECT_GE(only_value(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(only_value(text, "process_virtual_memory_bytes"), only_value(text, "process_resident_memory_bytes"));
  EXPECT_GE(only_value(text, "process_threads"), 1);
  EXPECT_GE(only_value(text, "process_open_fds"), 3);
  EXPECT_EQ(only_value(text, "process_max_fds"), static_cast<double>(::sysconf(_SC_OPEN_MAX)));
  EXPECT_GE(only_value(text, "process_cpu_seconds_total"), 0);
  // Started before now and after the tick before this test began, by the wall clock.
  const double now = to_unix_seconds(SystemClock().now());
  EXPECT_LE(only_value(text, "process_start_time_seconds"), now + 2);
  EXPECT_GE(only_value(text, "process_start_time_seconds"), now - 3600);
}

TEST(ProcessMetrics, SayVersionAndCompiler) {
  const ManualClock clock(at(1769769000));
  ProcessMetrics process(clock);
  const std::vector<std::string> info = values_of(process.render(), "influxdb_wal_exporter_build_info");
  ASSERT_THAT(info, SizeIs(1));
  EXPECT_THAT(info.front(), HasSubstr("{version=\"" WAL_EXPORTER_VERSION "\",compiler=\""));
  EXPECT_TRUE(info.front().ends_with("\"} 1"));
}

TEST(ProcessMetrics, AreReadAtMostOnceASecond) {
  ManualClock clock(at(1769769000));
  ProcessMetrics process(clock);
  const double before = only_value(process.render(), "process_open_fds");
  const Fd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(one.valid());
  clock.advance(std::chrono::milliseconds(999));
  EXPECT_EQ(only_value(process.render(), "process_open_fds"), before);
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(only_value(process.render(), "process_open_fds"), before + 1);
}

TEST(MetricsPage, ServesTheViewAsLastUpdated) {
  const ManualClock clock(at(1769769000));
  MetricsPage page(clock);
  EXPECT_THAT(page.text(), HasSubstr("process_threads "));
  page.update(view_of(unknown_target("old")));
  EXPECT_THAT(page.text(), HasSubstr("target=\"old\""));
  page.update(view_of(unknown_target("new")));
  EXPECT_THAT(page.text(), HasSubstr("target=\"new\""));
  EXPECT_THAT(page.text(), Not(HasSubstr("target=\"old\"")));
}

TEST(MetricsPage, AScrapeSeesOneWholeViewWhileOthersAreMade) {
  const SystemClock clock;
  MetricsPage page(clock);
  const auto view_number = [](std::uint64_t number) {
    view::TargetView target = unknown_target();
    target.counters.samples = number;
    target.counters.sample_failures = number;
    return view_of(target);
  };
  page.update(view_number(0));
  std::atomic<bool> done = false;
  std::thread publisher([&] {
    for (std::uint64_t number = 1; number <= 200; ++number) page.update(view_number(number));
    done = true;
  });
  std::vector<std::thread> scrapers;
  for (int i = 0; i < 3; ++i) {
    scrapers.emplace_back([&] {
      do {
        const std::string text = page.text();
        page.requests().count("/metrics", 200);
        EXPECT_EQ(only_value(text, "influxdb_wal_samples_total"),
                  only_value(text, "influxdb_wal_sample_failures_total"));
      } while (!done);
    });
  }
  publisher.join();
  for (std::thread& scraper : scrapers) scraper.join();
  EXPECT_EQ(only_value(page.text(), "influxdb_wal_samples_total"), 200);
}

}  // namespace
}  // namespace wal_exporter::metrics
