#include "store.h"

namespace wal_exporter::simulation {
namespace {

tl::unexpected<Error> full() {
  return failure(ErrorKind::unavailable, "the state database can't be written: no space left on device");
}

}  // namespace

Result<std::optional<std::string>> SimulatedStore::get(const std::string& /*target*/, const std::string& key) {
  const auto found = values_.find(key);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> SimulatedStore::put(const std::string& /*target*/, const std::string& key, const std::string& value) {
  const OutsideControl outside;
  if (fails_) {
    ++failed_writes_;
    return full();
  }
  values_[key] = value;
  return written();
}

Result<std::int64_t> SimulatedStore::append(const state::AuditEntry& entry) {
  const OutsideControl outside;
  if (fails_) {
    ++failed_writes_;
    return full();
  }
  state::AuditEntry& newest = newest_[entry.kind];
  newest = entry;
  newest.id = ++last_id_;
  return written().map([this] { return last_id_; });
}

Result<void> SimulatedStore::written() {
  if (kill_after_ && (*kill_after_)-- == 0) {
    kill_after_.reset();
    throw Killed();
  }
  return {};
}

Result<std::vector<state::AuditEntry>> SimulatedStore::history(const std::string& /*target*/,
                                                               std::optional<std::int64_t> /*before*/,
                                                               std::size_t /*limit*/) {
  return std::vector<state::AuditEntry>();
}

Result<std::vector<state::AuditEntry>> SimulatedStore::events(const state::EventQuery& query) {
  std::vector<state::AuditEntry> found;
  if (const auto newest = newest_.find(query.kind.value_or("")); newest != newest_.end()) {
    found.push_back(newest->second);
  }
  return found;
}

}  // namespace wal_exporter::simulation
