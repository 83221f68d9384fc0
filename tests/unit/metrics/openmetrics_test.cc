#include "metrics/openmetrics.h"

#include <gmock/gmock.h>

#include "metrics/page.h"
#include "sample_views.h"

namespace wal_exporter::metrics {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(OpenMetrics, ACounterHasItsEndingInItsSeriesAlone) {
  EXPECT_EQ(to_openmetrics("# HELP a_samples_total Samples.\n# TYPE a_samples_total counter\na_samples_total 2\n"),
            "# HELP a_samples Samples.\n# TYPE a_samples counter\na_samples_total 2\n");
}

TEST(OpenMetrics, ABaseUnitAtTheEndOfTheNameIsSaid) {
  EXPECT_EQ(
      to_openmetrics("# HELP a_cpu_seconds_total Used.\n# TYPE a_cpu_seconds_total counter\na_cpu_seconds_total 2\n"
                     "# HELP a_bytes Size.\n# TYPE a_bytes gauge\na_bytes 5\n"
                     "# HELP a_bytes_per_second Rate.\n# TYPE a_bytes_per_second gauge\na_bytes_per_second 5\n"
                     "# HELP bytes Size.\n# TYPE bytes gauge\nbytes 5\n"),
      "# HELP a_cpu_seconds Used.\n# TYPE a_cpu_seconds counter\n# UNIT a_cpu_seconds seconds\n"
      "a_cpu_seconds_total 2\n"
      "# HELP a_bytes Size.\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes 5\n"
      "# HELP a_bytes_per_second Rate.\n# TYPE a_bytes_per_second gauge\na_bytes_per_second 5\n"
      "# HELP bytes Size.\n# TYPE bytes gauge\nbytes 5\n");
}

TEST(OpenMetrics, BuildInfoIsAnInfo) {
  EXPECT_EQ(to_openmetrics("# HELP a_build_info Always 1.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n"),
            "# HELP a_build Always 1.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n");
}

TEST(OpenMetrics, QuotesInAHelpTextAreEscaped) {
  EXPECT_EQ(to_openmetrics("# HELP a Compare with b{c=\"d\"}.\n# TYPE a gauge\na 1\n"),
            "# HELP a Compare with b{c=\\\"d\\\"}.\n# TYPE a gauge\na 1\n");
}

TEST(OpenMetrics, ALabelThatLooksLikeAHeaderIsLeftAlone) {
  const std::string value = "a{target=\"x\\n# HELP a\"} 1\n";
  EXPECT_EQ(to_openmetrics("# HELP a A.\n# TYPE a gauge\n" + value), "# HELP a A.\n# TYPE a gauge\n" + value);
}

TEST(OpenMetrics, NothingIsNothing) {
  EXPECT_EQ(to_openmetrics(""), "");
}

TEST(OpenMetrics, APageEndsWithEofOnceAndHasBoundsAsFractions) {
  const ManualClock clock(at(1769769000));
  MetricsPage page(clock);
  page.update(view_of(unknown_target("le=\"1\"")));
  const std::string text = page.text(Format::openmetrics);
  EXPECT_THAT(text, EndsWith("\n# EOF\n"));
  EXPECT_EQ(text.find("# EOF"), text.size() - 6);
  EXPECT_THAT(text, HasSubstr("_bucket{target=\"le=\\\"1\\\"\",le=\"1.0\"} "));
  EXPECT_THAT(text, Not(HasSubstr("_created")));
  EXPECT_THAT(page.text(), HasSubstr("_bucket{target=\"le=\\\"1\\\"\",le=\"1.0\"} "));
  EXPECT_THAT(page.text(), Not(HasSubstr("# EOF")));
}

TEST(MetricsPage, WithoutItsOwnMetricsItKeepsWhatAlertsNeed) {
  const ManualClock clock(at(1769769000));
  MetricsPage page(clock, Own::needed);
  page.update(view_of(unknown_target("plant")));
  page.requests().count("/metrics", 200);
  const std::string text = page.text();
  for (const char* kept : {"\nprocess_start_time_seconds ", "\ninfluxdb_wal_exporter_build_info{",
                           "\ninfluxdb_wal_exporter_config_last_reload_successful ", "\ninfluxdb_wal_exporter_targets ",
                           "\ninfluxdb_wal_exporter_state_kept "}) {
    EXPECT_THAT(text, HasSubstr(kept));
  }
  EXPECT_THAT(text, Not(HasSubstr("http_requests_total")));
  EXPECT_EQ(text.find("process_", text.find("\nprocess_start_time_seconds ") + 2), std::string::npos);
  EXPECT_THAT(text, Not(HasSubstr("process_threads")));
}

TEST(MetricsPage, TellsTheEndOfTheCertificateThatIsShownNow) {
  const ManualClock clock(at(1769769000));
  MetricsPage page(clock, Own::needed);
  EXPECT_THAT(page.text(), Not(HasSubstr("tls_certificate")));
  page.set_certificate_end(at(1800000000));
  EXPECT_THAT(page.text(), HasSubstr("\ninfluxdb_wal_exporter_tls_certificate_expiry_timestamp_seconds 1800000000\n"));
  page.set_certificate_end(std::nullopt);
  EXPECT_THAT(page.text(), Not(HasSubstr("tls_certificate")));
}

}  // namespace
}  // namespace wal_exporter::metrics
