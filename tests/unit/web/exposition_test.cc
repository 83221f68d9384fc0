// How metrics are served: the format, gzip, how many at once, and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/secrets.h"
#include "routes.h"
#include "web/assets.h"
#include "web/negotiate.h"

namespace wal_exporter::web {
namespace {

using metrics::Format;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

Format format_for(const std::string& accept) {
  return wanted_format({{"Accept", accept}});
}

TEST(WantedFormat, IsOpenMetricsWhereItIsAskedForByName) {
  EXPECT_EQ(wanted_format({}), Format::text);
  // Prometheus 2.42, 3.x, and a browser.
  EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::openmetrics);
  EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                       "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
            Format::openmetrics);
  EXPECT_EQ(format_for("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Format::text);
  EXPECT_EQ(format_for("*/*"), Format::text);
  EXPECT_EQ(format_for("application/*"), Format::text);
  EXPECT_EQ(format_for("application/openmetrics-text"), Format::openmetrics);
  EXPECT_EQ(format_for("Application/OpenMetrics-Text; Version=\"1.0.0\""), Format::openmetrics);
  EXPECT_EQ(wanted_format({{"Accept", "text/plain;q=0.5"}, {"accept", "application/openmetrics-text"}}),
            Format::openmetrics);
}

TEST(WantedFormat, IsTheOneOfTheHigherWeight) {
  EXPECT_EQ(format_for("application/openmetrics-text;q=0.3,text/plain;q=0.7"), Format::text);
  EXPECT_EQ(format_for("application/openmetrics-text;q=0"), Format::text);
  EXPECT_EQ(format_for("application/openmetrics-text;q=0.2,*/*;q=0.5"), Format::text);
  EXPECT_EQ(format_for("application/openmetrics-text;version=0.0.1"), Format::text);
  for (const auto* wrong : {"2", "-1", "0.1234", "x", ""}) {
    EXPECT_EQ(format_for(std::string("application/openmetrics-text;q=") + wrong), Format::text) << wrong;
  }
}

TEST(TakesGzip, AsTheWeightsSay) {
  const auto takes = [](const std::string& value) { return takes_gzip({{"Accept-Encoding", value}}); };
  EXPECT_FALSE(takes_gzip({}));
  for (const auto* yes : {"gzip", "GZIP", "x-gzip", "deflate, gzip;q=0.001, br", "*", "identity;q=0.5, gzip;q=0.5",
                          "gzip;q=1.000", "*;q=0, gzip"}) {
    EXPECT_TRUE(takes(yes)) << yes;
  }
  for (const auto* no : {"", "gzip;q=0", "gzip; q=0.000, *", "deflate, br", "*;q=0", "identity, gzip;q=0.9", "gzip;q=2",
                         "identity", "gzipped", "\"gzip, gzip"}) {
    EXPECT_FALSE(takes(no)) << no;
  }
}

class Served : public Routes {
 protected:
  void SetUp() override { world_.metrics.update(*world_.views.current()); }
  static std::string gunzip(std::string_view bytes) {
    std::string out(1 << 20, '\0');
    z_stream stream{};
    inflateInit2(&stream, 15 + 16);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
  }
};

TEST_F(Served, MetricsInTheFormatAndCodingAskedFor) {
  const auto plain = get("/metrics");
  EXPECT_EQ(plain.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(header(plain, "Vary"), "Accept, Accept-Encoding");
  EXPECT_EQ(header(plain, "Content-Encoding"), "(absent)");
  const auto open = ask("GET", "/metrics", {{"Accept", "application/openmetrics-text;version=1.0.0"}});
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_THAT(open.body, EndsWith("# EOF\n"));
  const auto packed =
      ask("GET", "/metrics", {{"Accept", "application/openmetrics-text;version=1.0.0"}, {"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(header(packed, "Vary"), "Accept, Accept-Encoding");
  EXPECT_THAT(gunzip(packed.body), EndsWith("# EOF\n"));
  EXPECT_LT(packed.body.size(), open.body.size() / 3);
  const auto head = ask("HEAD", "/metrics", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(head, "Content-Encoding"), "gzip");
}

TEST_F(Served, WhatIsWorthItIsCompressedOnceAskedFor) {
  const std::vector<Header> gzip = {{"Accept-Encoding", "gzip"}};
  for (const auto* path : {"/", "/api/v1/targets"}) {
    const auto plain = get(path);
    const auto packed = ask("GET", path, gzip);
    EXPECT_EQ(header(plain, "Vary"), "Accept-Encoding") << path;
    EXPECT_EQ(header(packed, "Vary"), "Accept-Encoding") << path;
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip") << path;
    EXPECT_EQ(gunzip(packed.body), plain.body) << path;
  }
  EXPECT_EQ(header(ask("GET", "/-/healthy", gzip), "Content-Encoding"), "(absent)");
  const auto stream = ask("GET", "/api/v1/events/stream", gzip);
  EXPECT_TRUE(stream.stream);
  EXPECT_EQ(header(stream, "Content-Encoding"), "(absent)");
}

TEST_F(Served, AssetsLieCompressedInTheProgram) {
  for (const auto& asset : assets()) {
    const auto path = "/assets/" + std::string(asset.name);
    const auto packed = ask("GET", path, {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
    EXPECT_EQ(gunzip(packed.fixed_body), asset.bytes);
    EXPECT_NE(header(packed, "ETag"), header(get(path), "ETag"));
    EXPECT_EQ(header(get(path), "Vary"), "Accept-Encoding");
    const auto known = ask("GET", path, {{"Accept-Encoding", "gzip"}, {"If-None-Match", header(packed, "ETag")}});
    EXPECT_EQ(known.status, 304);
    EXPECT_EQ(header(known, "Vary"), "Accept-Encoding");
  }
}

TEST_F(Served, MoreScrapesThanMayBeAreRefusedUntilOneIsSent) {
  auto dependencies = world_.dependencies();
  dependencies.exposition.max_requests = 2;
  Handler handler(std::move(dependencies), 1, 1);
  Request request;
  request.method = "GET";
  request.path = "/metrics";
  request.version = "1.1";
  request.peer = "127.0.0.1";
  const auto first = handler.handle(request, users_);
  auto second = std::make_optional(handler.handle(request, users_));
  EXPECT_EQ(second->status, 200);
  const auto third = handler.handle(request, users_);
  EXPECT_EQ(third.status, 503);
  EXPECT_THAT(third.body, HasSubstr("already answering 2 scrapes"));
  EXPECT_THAT(third.body, HasSubstr("--web.max-requests"));
  second.reset();
  EXPECT_EQ(handler.handle(request, users_).status, 200);
}

TEST_F(Served, AProbeIsOfOneTargetAlone) {
  const auto response = get("/probe?target=plant&module=a&module=b");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("\ninfluxdb_wal_samples_total{target=\"plant\"} "));
  EXPECT_THAT(response.body, HasSubstr("\nprobe_success 1\n"));
  EXPECT_THAT(response.body, HasSubstr("\nprobe_duration_seconds "));
  for (const auto* other : {"process_", "influxdb_wal_exporter_", "a/b"}) {
    EXPECT_THAT(response.body, Not(HasSubstr(other)));
  }
  const auto open =
      ask("GET", "/probe?target=plant", {{"Accept", "application/openmetrics-text"}, {"Accept-Encoding", "gzip"}});
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(header(open, "Vary"), "Accept, Accept-Encoding");
  EXPECT_THAT(gunzip(open.body), EndsWith("# EOF\n"));
}

TEST_F(Served, AProbeTakesOneNameOfTheSettingsAndNothingElse) {
  for (const auto* wrong : {"/probe", "/probe?target=", "/probe?module=plant", "/probe?target=plant&target=plant"}) {
    EXPECT_EQ(get(wrong).status, 400) << wrong;
  }
  for (const auto* unknown : {"/probe?target=nobody", "/probe?target=%2Fetc", "/probe?target=PLANT"}) {
    const auto response = get(unknown);
    EXPECT_EQ(response.status, 404) << unknown;
    EXPECT_EQ(json(response)["targets"], Json({"plant", "a/b \"c\""}));
  }
}

TEST_F(Served, AProbeWaitsForLessThanItsScraperDoes) {
  const auto wait = [&](const std::string& timeout) {
    EXPECT_EQ(ask("GET", "/probe?target=plant", {{"X-Prometheus-Scrape-Timeout-Seconds", timeout}}).status, 200);
    return to_seconds(world_.commands.probe_wait);
  };
  static_cast<void>(get("/probe?target=plant"));
  EXPECT_EQ(world_.commands.probe_wait, std::chrono::seconds(5));
  EXPECT_DOUBLE_EQ(wait("10"), 9.5);
  EXPECT_DOUBLE_EQ(wait("0.6"), 0.3);
  EXPECT_DOUBLE_EQ(wait("86400"), 30);
  EXPECT_DOUBLE_EQ(wait("1e300"), 30);
  for (const auto* wrong : {"", "0", "-1", "nan", "5s", " 5", "inf2"}) {
    EXPECT_EQ(ask("GET", "/probe?target=plant", {{"X-Prometheus-Scrape-Timeout-Seconds", wrong}}).status, 400) << wrong;
  }
}

TEST_F(Served, AProbeThatIsLateOrFailsTellsWhatIsKnown) {
  world_.commands.probe_in_time = false;
  const auto late = get("/probe?target=plant");
  EXPECT_THAT(late.body, HasSubstr("\nprobe_success 0\n"));
  EXPECT_THAT(late.body, HasSubstr("\ninfluxdb_wal_files{target=\"plant\",state=\"pending\"} 15\n"));
  world_.commands.probe_in_time = true;
  world_.commands.probed.last_sample_success = false;
  EXPECT_THAT(get("/probe?target=plant").body, HasSubstr("\nprobe_success 0\n"));
}

TEST_F(Served, MetricsAreWhereTheyAreWanted) {
  auto dependencies = world_.dependencies();
  dependencies.exposition.telemetry_path = "/plant/wal";
  Handler handler(std::move(dependencies), 1, 1);
  Request request;
  request.method = "GET";
  request.version = "1.1";
  request.peer = "127.0.0.1";
  const auto at = [&](const std::string& path) {
    request.path = path;
    return handler.handle(request, users_);
  };
  EXPECT_EQ(at("/plant/wal").status, 200);
  EXPECT_EQ(at("/metrics").status, 404);
  EXPECT_THAT(at("/metrics").body, HasSubstr("GET /plant/wal"));
  EXPECT_THAT(at("/").body, HasSubstr("<a href=\"/plant/wal\">"));
  EXPECT_THAT(world_.metrics.requests().render(), HasSubstr("{route=\"/plant/wal\",code=\"200\"} 1"));
}

TEST(TelemetryPath, MustBeAPathOfItsOwn) {
  for (const auto* right : {"/metrics", "/m", "/a/b.c_d~e-f", "/assets", "/api/v1/metrics"}) {
    EXPECT_TRUE(check_telemetry_path(right).has_value()) << right;
  }
  for (const auto* wrong :
       {"", "metrics", "//", "/a/", "/a//b", "/../a", "/.", "/a?b", "/a#b", "/a b", "/a%20b", "/\xc3\xa4"}) {
    const auto checked = check_telemetry_path(wrong);
    ASSERT_FALSE(checked.has_value()) << wrong;
    EXPECT_THAT(checked.error().message, HasSubstr("is not an address")) << wrong;
  }
  for (const auto& [path, route] : {std::pair("/", "GET /;"),
                                    {"/-/ready", "GET /-/ready;"},
                                    {"/assets/x", "GET /assets/{file}"},
                                    {"/api/v1/targets/plant", "GET /api/v1/targets/{name}"},
                                    {"/wal-management/checkpoint", "POST /wal-management/checkpoint"}}) {
    const auto checked = check_telemetry_path(path);
    ASSERT_FALSE(checked.has_value()) << path;
    EXPECT_THAT(checked.error().message, HasSubstr(route));
  }
}

TEST_F(Routes, SettingsAreShownWithoutSecretsAndWithoutALoginWithoutPlaces) {
  auto view = std::make_shared<view::View>(*world_.views.current());
  auto settings = std::make_shared<RedactedText>();
  settings->append("targets:\n  - name: plant\n    wal:\n      directory: ", true);
  settings->append("/w", false);
  settings->append("\n", true);
  view->settings = settings;
  world_.views.publish(view);
  const auto open = get("/config");
  EXPECT_EQ(open.content_type, "text/plain; charset=utf-8");
  EXPECT_THAT(open.body, EndsWith("\n      directory: <hidden>\n"));
  EXPECT_THAT(open.body, HasSubstr("<hidden> in place of texts"));
  with_users();
  EXPECT_EQ(get("/config").status, 401);
  EXPECT_THAT(ask("GET", "/config", kLogin).body, EndsWith("\n      directory: /w\n"));
}

TEST_F(Routes, ASecretInUseIsStruckOutOfTheSettings) {
  process_secrets().remember("a-token-of-the-exposition-test");
  auto view = std::make_shared<view::View>(*world_.views.current());
  auto settings = std::make_shared<RedactedText>();
  settings->append("node_id: a-token-of-the-exposition-test\n", true);
  view->settings = settings;
  world_.views.publish(view);
  EXPECT_THAT(get("/config").body, EndsWith("\nnode_id: [secret]\n"));
}

// A body is left out by whoever sends the answer, so that both have the same length.
TEST_F(Routes, EveryAddressThatIsReadAnswersHead) {
  const auto routes = json(get("/nowhere"))["routes"].get<std::vector<std::string>>();
  int asked = 0;
  for (const std::string& route : routes) {
    if (!route.starts_with("GET ")) continue;
    std::string path = route.substr(4);
    for (const auto& [place, value] : {std::pair<std::string, std::string>("{name}", "plant"),
                                       {"{id}", "7"},
                                       {"/probe", "/probe?target=plant"},
                                       {"{file}", std::string(assets().front().name)}}) {
      if (const auto at = path.find(place); at != std::string::npos) path.replace(at, place.size(), value);
    }
    auto with_body = get(path);
    with_body.stream = nullptr;  // gives its seat back
    const auto without = ask("HEAD", path);
    EXPECT_EQ(without.status, with_body.status) << path;
    // Each request is counted in the metrics.
    if (path != "/metrics") {
      EXPECT_EQ(without.body, with_body.body) << path;
    }
    EXPECT_FALSE(without.body.empty() && without.fixed_body.empty() && path != "/api/v1/events/stream") << path;
    EXPECT_EQ(without.headers, with_body.headers) << path;
    ++asked;
  }
  EXPECT_GE(asked, 15);
}

}  // namespace
}  // namespace wal_exporter::web
