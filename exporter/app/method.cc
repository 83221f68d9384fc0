#include "app/method.h"

#include "influxdb/backup_v1.h"

namespace walx::app {
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

}  // namespace

MethodChoice choose_method(const settings::Target& target, const Version& version) {
  MethodChoice choice{name_of(target.checkpoint.method, version), {}};
  if (choice.name.empty()) {
    choice.disabled = "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";
  } else if (choice.name == "none") {
    choice.disabled = "checkpoint.method is none: this target is only watched";
  } else if (choice.name == "backup" && version == "1") {
    if (target.influxdb.backup_address.empty()) {
      choice.disabled = "set influxdb.backup_address to InfluxDB's bind-address, such as 127.0.0.1:8088";
    }
  } else {
    choice.disabled = "the method " + choice.name + " does not serve InfluxDB " +
                      (version.empty() ? "of unknown version" : version + ".x") + " in this version of the exporter";
  }
  return choice;
}

std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target, const Version& version,
                                                        std::shared_ptr<wal::WalSource> source,
                                                        std::shared_ptr<Clock> clock, const Log& log) {
  const MethodChoice choice = choose_method(target, version);
  if (!choice.disabled.empty() || source == nullptr) return nullptr;
  influxdb::BackupV1Options options;
  options.address = target.influxdb.backup_address;
  options.total_timeout = target.checkpoint.timeout;
  options.read_timeout = std::min(options.read_timeout, target.checkpoint.timeout);
  options.connect_timeout = std::min(options.connect_timeout, target.checkpoint.timeout);
  return influxdb::make_backup_v1(std::move(options), std::move(source), std::move(clock), log);
}

}  // namespace walx::app
