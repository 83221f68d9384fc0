#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "state/store.h"

namespace wal_exporter::state {
namespace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::size_t history_limit) : history_limit_(history_limit) {}

  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override {
    const MutexLock lock(mutex_);
    const auto found = values_.find({target, key});
    if (found == values_.end()) return std::nullopt;
    return found->second;
  }

  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override {
    const MutexLock lock(mutex_);
    values_[{target, key}] = value;
    return {};
  }

  Result<std::map<std::string, std::string>> get_all(const std::string& key) override {
    const MutexLock lock(mutex_);
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : values_) {
      if (name.second == key) out[name.first] = value;
    }
    return out;
  }

  Result<void> hand_over(const std::vector<Handover>& handovers) override {
    const MutexLock lock(mutex_);
    decltype(values_) moved;
    for (const Handover& one : handovers) {
      std::erase_if(values_, [&](const auto& row) {
        const auto& [target, key] = row.first;
        if (target != one.from) return false;
        if (!one.keys.empty() && std::find(one.keys.begin(), one.keys.end(), key) == one.keys.end()) return false;
        moved[{one.to, key}] = row.second;
        return true;
      });
    }
    for (const Handover& one : handovers) {
      std::erase_if(values_, [&](const auto& row) { return row.first.first == one.to; });
    }
    values_.merge(moved);
    return {};
  }

  Result<std::int64_t> append(const AuditEntry& entry) override {
    const MutexLock lock(mutex_);
    std::deque<AuditEntry>& entries = audit_[entry.target];
    entries.push_back(entry);
    entries.back().id = ++last_id_;
    while (entries.size() > history_limit_) entries.pop_front();
    return last_id_;
  }

  Result<std::vector<AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                          std::size_t limit) override {
    const MutexLock lock(mutex_);
    std::vector<AuditEntry> page;
    const auto found = audit_.find(target);
    if (found == audit_.end()) return page;
    for (auto entry = found->second.rbegin(); entry != found->second.rend() && page.size() < limit; ++entry) {
      if (!before || entry->id < *before) page.push_back(*entry);
    }
    return page;
  }

  Result<std::vector<AuditEntry>> events(const EventQuery& query) override {
    const MutexLock lock(mutex_);
    std::vector<AuditEntry> found;
    for (const auto& [target, entries] : audit_) {
      if (query.target && *query.target != target) continue;
      std::copy_if(entries.begin(), entries.end(), std::back_inserter(found), [&](const AuditEntry& entry) {
        return entry.kind.starts_with(kEventPrefix) && (!query.kind || *query.kind == entry.kind) &&
               (!query.before || entry.id < *query.before) && (!query.after || entry.id > *query.after);
      });
    }
    std::sort(found.begin(), found.end(), [&](const AuditEntry& left, const AuditEntry& right) {
      return query.oldest_first ? left.id < right.id : left.id > right.id;
    });
    if (found.size() > query.limit) found.resize(query.limit);
    return found;
  }

  Result<std::int64_t> newest_id() override {
    const MutexLock lock(mutex_);
    return last_id_;
  }

 private:
  const std::size_t history_limit_;
  Mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string> values_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::map<std::string, std::deque<AuditEntry>> audit_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::int64_t last_id_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<Store> memory_store(std::size_t history_limit) {
  return std::make_unique<MemoryStore>(history_limit);
}

}  // namespace wal_exporter::state
