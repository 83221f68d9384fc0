#include "control/method_choice.h"

namespace wal_exporter::control {
namespace {

std::string name_of(influxdb::Method method, wal::Generation generation) {
  switch (method) {
    case influxdb::Method::backup:
      return "backup";
    case influxdb::Method::nudge:
      return "nudge";
    case influxdb::Method::http:
      return "http";
    case influxdb::Method::none:
      return "none";
    case influxdb::Method::automatic:
      break;
  }
  if (generation == wal::Generation::unknown) return {};
  return generation == wal::Generation::v3 ? "nudge" : "backup";
}

std::string backup_disabled(const settings::Target& target, wal::Generation generation) {
  const influxdb::ServerOptions& influxdb = target.influxdb;
  if (generation == wal::Generation::v1) {
    if (!influxdb.backup_address.empty()) return {};
    return "set influxdb.backup_address to InfluxDB's bind-address, such as 127.0.0.1:8088";
  }
  if (generation == wal::Generation::v2) {
    if (influxdb.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8086";
    if (influxdb.token_file.empty()) return "set influxdb.token_file to a file with an operator token";
    return {};
  }
  if (generation == wal::Generation::unknown)
    return "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";
  return "InfluxDB 3.x has no shard backup; use checkpoint.method nudge or http";
}

std::string nudge_disabled(const settings::Target& target, wal::Generation generation) {
  if (generation == wal::Generation::v1 || generation == wal::Generation::v2)
    return "a nudge serves InfluxDB 3.x only; use checkpoint.method backup";
  if (!target.checkpoint.nudge.enabled) {
    return "a nudge writes points into InfluxDB, so it is off until checkpoint.nudge.enabled is true";
  }
  if (target.influxdb.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8181";
  if (target.wal.integrity == wal::Integrity::off) {
    return "a nudge needs the data times in the WAL's headers; set wal.integrity to header";
  }
  return {};
}

}  // namespace

MethodChoice choose_method(const settings::Target& target, wal::Generation generation) {
  MethodChoice choice{name_of(target.checkpoint.method, generation), {}};
  if (choice.name.empty()) {
    choice.disabled = "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";
  } else if (choice.name == "none") {
    choice.disabled = "checkpoint.method is none: this target is only watched";
  } else if (choice.name == "backup") {
    choice.disabled = backup_disabled(target, generation);
  } else if (choice.name == "nudge") {
    choice.disabled = nudge_disabled(target, generation);
  } else if (target.influxdb.url.empty() || !target.checkpoint.http) {
    choice.disabled = "the method http needs influxdb.url and checkpoint.http";
  }
  return choice;
}

}  // namespace wal_exporter::control
