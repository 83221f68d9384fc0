#include "influxdb/method_kind.h"

#include <algorithm>
#include <array>

#include "influxdb/backup_v1.h"
#include "influxdb/backup_v2.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/nudge.h"
#include "influxdb/request_method.h"

namespace wal_exporter::influxdb {
namespace {

using wal::Generation;

constexpr const char* kUnknownVersion =
    "the version of InfluxDB is not known yet; set influxdb.version or influxdb.url";

constexpr MethodKind kNone{
    Method::none,
    "none",
    Generation::unknown,
    false,
    false,
    [](const MethodSettings&) -> std::string { return "checkpoint.method is none: this target is only watched"; },
    [](const MethodSettings&, MethodRun) -> std::unique_ptr<CheckpointMethod> { return nullptr; }};

constexpr std::array kKinds = {&kBackupV1Kind, &kBackupV2Kind, &kNudgeKind, &kRequestKind, &kNone};

// Of a method that is set and serves other generations.
std::string not_for(const MethodKind& kind) {
  if (kind.writes_points) return "a nudge serves InfluxDB 3.x only; use checkpoint.method backup";
  return "InfluxDB 3.x has no shard backup; use checkpoint.method nudge or http";
}

}  // namespace

MethodChoice choose_method(const MethodSettings& target, Generation generation) {
  const Method set = target.checkpoint.method;
  const bool automatic = set == Method::automatic;
  MethodChoice choice;
  for (const MethodKind* kind : kKinds) {
    if (automatic ? !kind->is_automatic : kind->method != set) continue;
    if (!automatic) choice.name = kind->name;
    const bool serves = kind->serves == Generation::unknown || kind->serves == generation;
    // Which of two is known only with the generation; of one alone, what it misses is worth saying.
    const bool only_one = !automatic && std::count_if(kKinds.begin(), kKinds.end(), [&](const MethodKind* other) {
                                          return other->method == set;
                                        }) == 1;
    if (serves || (only_one && generation == Generation::unknown)) {
      return {kind, kind->name, kind->disabled(target)};
    }
    choice.disabled = generation == Generation::unknown ? kUnknownVersion : not_for(*kind);
  }
  return choice;
}

}  // namespace wal_exporter::influxdb
