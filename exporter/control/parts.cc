#include "control/parts.h"

#include <algorithm>
#include <utility>

namespace wal_exporter::control {
Parts::Parts(settings::Target target, bool acts, bool judges_at_once, Ledger kept_by, Now now)
    : settings(std::move(target)),
      acts_unasked(acts),
      ledger(std::move(kept_by)),
      wal(settings.rules.sample_interval, std::max(settings.forecast.short_window, settings.forecast.long_window)),
      server(settings, ledger, judges_at_once, now),
      chart(ledger, settings.rules.sample_interval, now),
      vanish(ledger),
      health(ledger, settings.rules.sample_interval, vanish.text()),
      restarter(settings, acts, ledger, now),
      requests(ledger) {
  if (const auto stored = ledger.kept(kMemoryKey)) {
    const auto read = policy::from_text(*stored);
    if (read) memory = *read;
    if (!read) ledger.log()->error("{} [{}]", read.error().message, settings.name);
  }
  kept_memory = memory;
  // Of another server nothing that is known of the shards holds.
  shards.server = settings.influxdb.backup_address + " " + settings.influxdb.url;
  kept_shards = shards;
  if (const auto stored = ledger.kept(kShardsKey)) {
    auto read = policy::shard_book_from(*stored);
    if (!read) ledger.log()->error("{} [{}]", read.error().message, settings.name);
    if (read && read->server == shards.server) shards = kept_shards = *std::move(read);
  }
  if (judges_at_once) {
    memory.levels.reset();
    memory.files_over_since.reset();
  }
  if (!memory.last_scheduled) memory.last_scheduled = now.wall;
}

std::uint64_t Parts::ask_for_sample() {
  const WalState::Asked asked = wal.ask();
  if (asked.begins_now) effects.emplace_back(TakeSample{asked.number, server.last_version(), vanish.before()});
  return asked.number;
}

std::shared_ptr<const wal::Sample> Parts::with_shards(std::shared_ptr<const wal::Sample> sample, Now now) {
  if (sample->layout != wal::Layout::segments) return sample;
  shards = policy::after_sample(std::move(shards), *sample, now.wall);
  if (!policy::concerns(shards, *sample)) return sample;
  return std::make_shared<const wal::Sample>(policy::apply(shards, *sample));
}

bool Parts::keep_memory() {
  if (shards != kept_shards && ledger.keep(kShardsKey, policy::to_text(shards))) kept_shards = shards;
  if (memory == kept_memory) return true;
  if (!ledger.keep(kMemoryKey, policy::to_text(memory))) return false;
  kept_memory = memory;
  return true;
}

}  // namespace wal_exporter::control
