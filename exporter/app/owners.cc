#include "app/owners.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/mutex.h"
#include "base/text.h"
#include "control/parts.h"
#include "wal/detect.h"

namespace wal_exporter::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kLookAtMost = std::chrono::seconds(2);

bool same(const std::string& one, const std::string& other) {
  return !one.empty() && one == other;
}

bool same_wal(const Owner& one, const Owner& other) {
  return same(one.directory, other.directory) || same(one.resolved, other.resolved) ||
         same(one.directory, other.resolved) || same(one.resolved, other.directory) || same(one.inode, other.inode);
}

bool same_server(const Owner& one, const Owner& other) {
  return one.url.empty() && other.url.empty() ? same(one.backup_address, other.backup_address)
                                              : same(one.url, other.url);
}

Owner by_settings(const settings::Target& target) {
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::absolute(target.wal.directory, failed);
  Owner owner;
  owner.directory = to_valid_utf8(wal::made_plain(failed ? target.wal.directory : absolute).string());
  owner.url = to_valid_utf8(target.influxdb.url);
  while (owner.url.ends_with('/')) owner.url.pop_back();
  owner.backup_address = to_valid_utf8(target.influxdb.backup_address);
  return owner;
}

void look_at(const std::filesystem::path& directory, Owner& owner) {
  std::error_code failed;
  const auto real = std::filesystem::canonical(directory, failed);
  if (!failed) owner.resolved = to_valid_utf8(real.string());
  struct statx status {};
  if (::statx(AT_FDCWD, directory.c_str(), 0, STATX_INO | STATX_BTIME, &status) != 0) return;
  if ((status.stx_mask & STATX_BTIME) == 0) return;
  owner.inode = std::to_string(status.stx_dev_major) + ":" + std::to_string(status.stx_dev_minor) + ":" +
                std::to_string(status.stx_ino) + ":" + std::to_string(status.stx_btime.tv_sec) + "." +
                std::to_string(status.stx_btime.tv_nsec);
}

// What the jobs share, of which one may hang on after nobody waits any more.
struct Looks {
  Mutex mutex;
  CondVar changed;
  Owners owners WAL_EXPORTER_GUARDED_BY(mutex);
  std::size_t open WAL_EXPORTER_GUARDED_BY(mutex) = 0;
};

Owner owner_from(const std::string& text) {
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return {text_of(json, "directory"), text_of(json, "resolved"), text_of(json, "inode"), text_of(json, "url"),
          text_of(json, "backup_address")};
}

std::string to_text(const Owner& owner) {
  return Json{{"directory", owner.directory},
              {"resolved", owner.resolved},
              {"inode", owner.inode},
              {"url", owner.url},
              {"backup_address", owner.backup_address}}
      .dump();
}

// Where that of a directory waits that no target has now; no target can be named so.
std::string waiting_name(const Owner& owner) {
  return '\0' + owner.directory;
}

Result<Owners> kept_owners(state::Store& store) {
  const auto texts = store.get_all(kOwnerKey);
  if (!texts) return tl::unexpected(texts.error());
  Owners out;
  for (const auto& [name, text] : *texts) out[name] = owner_from(text);
  return out;
}

}  // namespace

Owners owners_of(const std::vector<settings::Target>& targets, Pool& pool, const std::shared_ptr<Clock>& clock) {
  const auto looks = std::make_shared<Looks>();
  const SteadyTime deadline = clock->steady() + kLookAtMost;
  for (const settings::Target& target : targets) {
    Owner owner = by_settings(target);
    {
      const MutexLock lock(looks->mutex);
      looks->owners[target.name] = owner;
      ++looks->open;
    }
    pool.submit([looks, owner, name = target.name, directory = target.wal.directory](const std::stop_token&) mutable {
      look_at(directory, owner);
      const MutexLock lock(looks->mutex);
      looks->owners[name] = std::move(owner);
      --looks->open;
      looks->changed.notify_all();
    });
  }
  const MutexLock lock(looks->mutex);
  while (looks->open > 0 && clock->steady() < deadline) clock->wait_until(looks->changed, looks->mutex, deadline);
  return looks->owners;
}

Result<std::vector<state::Handover>> handovers_for(state::Store& store, const Owners& targets) {
  auto kept = kept_owners(store);
  if (!kept) return tl::unexpected(kept.error());
  Owners left = *kept;  // whose no target has yet
  Owners without;
  for (const auto& [name, owner] : targets) {
    const auto own = left.find(name);
    if (own != left.end() && same_wal(own->second, owner)) {
      left.erase(own);
    } else {
      without[name] = owner;
    }
  }
  std::vector<state::Handover> out;
  const auto hand_over = [&](const std::string& to, auto holds, std::vector<std::string> keys) {
    const auto found = std::find_if(left.begin(), left.end(), [&](const auto& one) { return holds(one.second); });
    if (found == left.end()) return false;
    out.push_back({found->first, to, std::move(keys)});
    left.erase(found);
    return true;
  };
  std::erase_if(without, [&](const auto& target) {
    return hand_over(target.first, [&](const Owner& one) { return same_wal(one, target.second); }, {});
  });
  std::erase_if(without, [&](const auto& target) {
    // Under a name that stays, a directory that is corrected leaves its failures behind.
    if (kept->contains(target.first)) return false;
    return hand_over(target.first, [&](const Owner& one) { return same_server(one, target.second); },
                     {control::kMemoryKey});
  });
  // What now stands under the name of a target that has another directory.
  for (const auto& [name, owner] : targets) {
    const auto found = left.find(name);
    if (found != left.end()) out.push_back({name, waiting_name(found->second), {}});
  }
  return out;
}

void settle_owners(state::Store& store, const Owners& targets, const Log& log) {
  const auto failed = [&](const Error& error) {
    log->error("{}; what is remembered of targets stays under the names that they had", error.message);
  };
  const auto handovers = handovers_for(store, targets);
  if (!handovers) return failed(handovers.error());
  if (!handovers->empty()) {
    if (const auto done = store.hand_over(*handovers); !done) return failed(done.error());
  }
  for (const state::Handover& one : *handovers) {
    if (one.to.front() == '\0') continue;
    log->info("target {} goes on with what is remembered of {} [{}]", escape_control(one.to),
              one.from.front() == '\0' ? "its directory" : "target " + escape_control(one.from),
              escape_control(one.to));
  }
  const auto kept = kept_owners(store);
  if (!kept) return failed(kept.error());
  for (auto [name, owner] : targets) {
    const auto before = kept->find(name);
    // A directory that is not there now was there.
    if (before != kept->end() && before->second.directory == owner.directory) {
      if (owner.resolved.empty()) owner.resolved = before->second.resolved;
      if (owner.inode.empty()) owner.inode = before->second.inode;
    }
    if (const auto done = store.put(name, kOwnerKey, to_text(owner)); !done) return failed(done.error());
  }
}

}  // namespace wal_exporter::app
