#include "app/method.h"

#include <utility>

#include "influxdb/backup_v1.h"
#include "influxdb/backup_v2.h"
#include "influxdb/nudge.h"
#include "influxdb/request_method.h"

namespace wal_exporter::app {
std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target, wal::Generation generation,
                                                        NudgeRun nudge, std::shared_ptr<wal::WalSource> source,
                                                        std::shared_ptr<Clock> clock, const Log& log) {
  const control::MethodChoice choice = control::choose_method(target, generation);
  if (!choice.disabled.empty() || source == nullptr) return nullptr;
  const settings::Checkpoint& checkpoint = target.checkpoint;
  if (choice.name == "nudge") {
    influxdb::NudgeOptions options{target.influxdb, checkpoint.nudge};
    options.mode = nudge.mode;
    options.boundary_passed = nudge.boundary_passed;
    options.rules = nudge.rules;
    options.on_future_trigger = std::move(nudge.on_future_trigger);
    return influxdb::make_nudge(std::move(options), std::move(source), std::move(clock), log);
  }
  if (choice.name == "http") {
    influxdb::RequestOptions options{target.influxdb, *checkpoint.http};
    options.timeout = checkpoint.timeout;
    return influxdb::make_request_method(std::move(options), std::move(source), std::move(clock), log);
  }
  if (generation == wal::Generation::v2) {
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
