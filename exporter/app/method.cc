#include "app/method.h"

#include <utility>

#include "influxdb/backup_v1.h"
#include "influxdb/backup_v2.h"
#include "influxdb/nudge.h"
#include "influxdb/request_method.h"

namespace wal_exporter::app {
namespace {

std::string name_of(settings::Method method, const Version& version) {
  switch (method) {
    case settings::Method::backup:
      return "backup";
    case settings::Method::nudge:
      return "nudge";
    case settings::Method::http:
      return "http";
    case settings::Method::none:
      return "none";
    case settings::Method::automatic:
      break;
  }
  if (version.empty()) return {};
  return version == "3" ? "nudge" : "backup";
}

std::string backup_disabled(const settings::Target& target, const Version& version) {
  const settings::Influxdb& influxdb = target.influxdb;
  if (version == "1") {
    if (!influxdb.backup_address.empty()) return {};
    return "set influxdb.backup_address to InfluxDB's bind-address, such as 127.0.0.1:8088";
  }
  if (version == "2") {
    if (influxdb.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8086";
    if (influxdb.token_file.empty()) return "set influxdb.token_file to a file with an operator token";
    return {};
  }
  if (version.empty()) return "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";
  return "InfluxDB " + version + ".x has no shard backup; use checkpoint.method nudge or http";
}

std::string nudge_disabled(const settings::Target& target, const Version& version) {
  if (!version.empty() && version != "3") return "a nudge serves InfluxDB 3.x only; use checkpoint.method backup";
  if (!target.checkpoint.nudge.enabled) {
    return "a nudge writes points into InfluxDB, so it is off until checkpoint.nudge.enabled is true";
  }
  if (target.influxdb.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8181";
  if (target.wal.integrity == settings::Integrity::off) {
    return "a nudge needs the data times in the WAL's headers; set wal.integrity to header";
  }
  return {};
}

}  // namespace

MethodChoice choose_method(const settings::Target& target, const Version& version) {
  MethodChoice choice{name_of(target.checkpoint.method, version), {}};
  if (choice.name.empty()) {
    choice.disabled = "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";
  } else if (choice.name == "none") {
    choice.disabled = "checkpoint.method is none: this target is only watched";
  } else if (choice.name == "backup") {
    choice.disabled = backup_disabled(target, version);
  } else if (choice.name == "nudge") {
    choice.disabled = nudge_disabled(target, version);
  } else if (target.influxdb.url.empty() || !target.checkpoint.http) {
    choice.disabled = "the method http needs influxdb.url and checkpoint.http";
  }
  return choice;
}

std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target, const Version& version,
                                                        NudgeRun nudge, std::shared_ptr<wal::WalSource> source,
                                                        std::shared_ptr<Clock> clock, const Log& log) {
  const MethodChoice choice = choose_method(target, version);
  if (!choice.disabled.empty() || source == nullptr) return nullptr;
  const settings::Checkpoint& checkpoint = target.checkpoint;
  if (choice.name == "nudge") {
    influxdb::NudgeOptions options;
    options.url = target.influxdb.url;
    options.token_file = target.influxdb.token_file;
    options.database = checkpoint.nudge.database;
    options.table = checkpoint.nudge.table;
    options.max_points = checkpoint.nudge.max_points;
    options.max_duration = checkpoint.nudge.max_duration;
    options.mode = nudge.mode;
    options.boundary_passed = nudge.boundary_passed;
    options.rules = nudge.rules;
    options.on_future_trigger = std::move(nudge.on_future_trigger);
    return influxdb::make_nudge(std::move(options), std::move(source), std::move(clock), log);
  }
  if (choice.name == "http") {
    influxdb::RequestOptions options;
    options.url = target.influxdb.url;
    options.path = checkpoint.http->path;
    options.method = checkpoint.http->method;
    options.headers = checkpoint.http->headers;
    options.body = checkpoint.http->body;
    options.expected_status = checkpoint.http->expected_status;
    options.token_file = target.influxdb.token_file;
    options.timeout = checkpoint.timeout;
    return influxdb::make_request_method(std::move(options), std::move(source), std::move(clock), log);
  }
  if (version == "2") {
    influxdb::BackupV2Options options;
    options.url = target.influxdb.url;
    options.token_file = target.influxdb.token_file;
    options.timeout = checkpoint.timeout;
    return influxdb::make_backup_v2(std::move(options), std::move(source), std::move(clock), log);
  }
  influxdb::BackupV1Options options;
  options.address = target.influxdb.backup_address;
  options.total_timeout = checkpoint.timeout;
  options.read_timeout = checkpoint.timeout;  // the server is silent while it writes the snapshot
  options.connect_timeout = std::min(options.connect_timeout, checkpoint.timeout);
  return influxdb::make_backup_v1(std::move(options), std::move(source), std::move(clock), log);
}

}  // namespace wal_exporter::app
