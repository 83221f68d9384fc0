// What survives a restart: values per target, and the audit. SQLite in the state
// directory.
//
// Safe from any thread. A value is on disk when put() returns, and survives
// SIGKILL of this process. Opening never changes a file it can't use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/audit_entry.h"

namespace wal_exporter::state {

inline constexpr std::string_view kEventPrefix = "wal.";

// Of the audit, those entries that are events: their kind begins with "wal.".
struct EventQuery {
  std::optional<std::string> target;   // nullopt: of all targets
  std::optional<std::string> kind;     // nullopt: every kind of event
  std::optional<std::int64_t> before;  // ids below it
  std::optional<std::int64_t> after;   // ids above it
  std::size_t limit = 100;
  bool oldest_first = false;
};

// What is kept of one target goes to another name.
struct Handover {
  std::string from;
  std::string to;
  std::vector<std::string> keys;  // none: all
};

class Store {
 public:
  virtual ~Store() = default;

  [[nodiscard]] virtual Result<std::optional<std::string>> get(const std::string& target, const std::string& key) = 0;
  [[nodiscard]] virtual Result<void> put(const std::string& target, const std::string& key,
                                         const std::string& value) = 0;
  // Of each target that has one.
  [[nodiscard]] virtual Result<std::map<std::string, std::string>> get_all(const std::string& key) = 0;
  // All of them at once, or none: two targets may change places. What `to` had is gone.
  [[nodiscard]] virtual Result<void> hand_over(const std::vector<Handover>& handovers) = 0;

  // Returns the id. Keeps the newest `history_limit` entries of each target.
  [[nodiscard]] virtual Result<std::int64_t> append(const AuditEntry& entry) = 0;
  // Newest first, ids below `before`, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<AuditEntry>> history(const std::string& target,
                                                                std::optional<std::int64_t> before,
                                                                std::size_t limit) = 0;
  [[nodiscard]] virtual Result<std::vector<AuditEntry>> events(const EventQuery& query) = 0;
  // The newest id ever given, of an event or not; 0: none yet.
  [[nodiscard]] virtual Result<std::int64_t> newest_id() = 0;
};

// Creates the directory (mode 0700) and the file where missing. A file that is
// not a database, is damaged, or has a newer schema: an error that names it and
// the remedy; the file is left as it is.
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& directory,
                                                        std::size_t history_limit);

// For --once and tests: nothing is kept beyond the process.
[[nodiscard]] std::unique_ptr<Store> memory_store(std::size_t history_limit);

}  // namespace wal_exporter::state
