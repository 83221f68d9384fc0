#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "state/database.h"
#include "state/store.h"

namespace wal_exporter::state {
namespace {

std::int64_t clamped(std::size_t value) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(value, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

struct Connection {
  explicit Connection(SQLite::Database opened) : database(std::move(opened)) {}

  Mutex mutex;
  SQLite::Database database WAL_EXPORTER_GUARDED_BY(mutex);
};

// The audit is read through a separate connection if possible, so that a control loop
// that writes never waits for somebody who reads a long page.
class SqliteStore final : public Store {
 public:
  SqliteStore(Connections connections, std::filesystem::path path, std::size_t history_limit)
      : path_(std::move(path)), history_limit_(clamped(history_limit)), writer_(std::move(connections.writer)) {
    if (connections.reader) reader_.emplace(*std::move(connections.reader));
    identity_ = identity();
  }

  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override {
    const MutexLock lock(writer_.mutex);
    try {
      SQLite::Statement query(writer_.database, "SELECT value FROM remembered WHERE target = ? AND key = ?");
      query.bind(1, target);
      query.bind(2, key);
      if (!query.executeStep()) return std::nullopt;
      return query.getColumn(0).getString();
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "reading");
    }
  }

  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override {
    const MutexLock lock(writer_.mutex);
    if (auto there = still_there(); !there) return there;
    try {
      // The same value again costs no write.
      SQLite::Statement change(writer_.database,
                               "INSERT INTO remembered (target, key, value) VALUES (?, ?, ?) "
                               "ON CONFLICT DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value");
      change.bind(1, target);
      change.bind(2, key);
      change.bind(3, value);
      change.exec();
      return {};
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "writing to");
    }
  }

  Result<std::map<std::string, std::string>> get_all(const std::string& key) override {
    const MutexLock lock(writer_.mutex);
    try {
      SQLite::Statement query(writer_.database, "SELECT target, value FROM remembered WHERE key = ?");
      query.bind(1, key);
      std::map<std::string, std::string> out;
      while (query.executeStep()) out[query.getColumn(0).getString()] = query.getColumn(1).getString();
      return out;
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "reading");
    }
  }

  Result<void> hand_over(const std::vector<Handover>& handovers) override {
    const MutexLock lock(writer_.mutex);
    try {
      SQLite::Transaction transaction(writer_.database, SQLite::TransactionBehavior::IMMEDIATE);
      std::vector<std::array<std::string, 3>> rows;
      for (const Handover& one : handovers) {
        for (auto& [key, value] : take(one)) rows.push_back({one.to, std::move(key), std::move(value)});
      }
      for (const Handover& one : handovers) {
        SQLite::Statement clear(writer_.database, "DELETE FROM remembered WHERE target = ?");
        clear.bind(1, one.to);
        clear.exec();
      }
      for (const auto& [target, key, value] : rows) {
        SQLite::Statement insert(writer_.database, "INSERT INTO remembered (target, key, value) VALUES (?, ?, ?)");
        insert.bind(1, target);
        insert.bind(2, key);
        insert.bind(3, value);
        insert.exec();
      }
      transaction.commit();
      return {};
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "writing to");
    }
  }

  Result<std::int64_t> append(const AuditEntry& entry) override {
    const MutexLock lock(writer_.mutex);
    if (auto there = still_there(); !there) return tl::unexpected(there.error());
    try {
      SQLite::Transaction transaction(writer_.database, SQLite::TransactionBehavior::IMMEDIATE);
      SQLite::Statement insert(writer_.database,
                               "INSERT INTO audit (time, target, kind, summary, detail) VALUES (?, ?, ?, ?, ?)");
      insert.bind(1, std::int64_t{entry.time.time_since_epoch().count()});
      insert.bind(2, entry.target);
      insert.bind(3, entry.kind);
      insert.bind(4, entry.summary);
      insert.bind(5, entry.detail);
      insert.exec();
      const std::int64_t id = writer_.database.getLastInsertRowid();
      trim(entry.target);
      transaction.commit();
      return id;
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "writing to");
    }
  }

  Result<std::vector<AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                          std::size_t limit) override {
    Connection& by = audit_reader();
    const MutexLock lock(by.mutex);
    try {
      SQLite::Statement query(by.database,
                              "SELECT id, time, target, kind, summary, detail FROM audit "
                              "WHERE target = ? AND id < ? ORDER BY id DESC LIMIT ?");
      query.bind(1, target);
      query.bind(2, before.value_or(std::numeric_limits<std::int64_t>::max()));
      query.bind(3, clamped(limit));
      return entries_of(query);
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "reading");
    }
  }

  Result<std::vector<AuditEntry>> events(const EventQuery& wanted) override {
    Connection& by = audit_reader();
    const MutexLock lock(by.mutex);
    try {
      SQLite::Statement query(by.database, events_text(wanted));
      query.bind(":after", wanted.after.value_or(0));
      query.bind(":before", wanted.before.value_or(std::numeric_limits<std::int64_t>::max()));
      if (wanted.kind) query.bind(":kind", *wanted.kind);
      if (wanted.target) query.bind(":target", *wanted.target);
      query.bind(":limit", clamped(wanted.limit));
      return entries_of(query);
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "reading");
    }
  }

  Result<std::int64_t> newest_id() override {
    Connection& by = audit_reader();
    const MutexLock lock(by.mutex);
    try {
      SQLite::Statement query(by.database, "SELECT coalesce(max(id), 0) FROM audit");
      query.executeStep();
      return std::int64_t{query.getColumn(0).getInt64()};
    } catch (const SQLite::Exception& exception) {
      return failed(exception, "reading");
    }
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;

  [[nodiscard]] std::optional<Identity> identity() const {
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) return std::nullopt;
    return Identity{status.st_dev, status.st_ino};
  }
  // SQLite goes on writing into a file that was removed, and nobody would read that again.
  [[nodiscard]] Result<void> still_there() const {
    if (identity() == identity_) return {};
    return failure(ErrorKind::not_found, "state file " + escape_control(path_.string()) +
                                             " was removed or replaced while this exporter runs; restart the exporter");
  }
  [[nodiscard]] Connection& audit_reader() { return reader_ ? *reader_ : writer_; }

  // Columns id, time, target, kind, summary, detail.
  static std::vector<AuditEntry> entries_of(SQLite::Statement& query) {
    std::vector<AuditEntry> entries;
    while (query.executeStep()) {
      AuditEntry& entry = entries.emplace_back();
      entry.id = query.getColumn(0).getInt64();
      entry.time = Time(Duration(query.getColumn(1).getInt64()));
      entry.target = query.getColumn(2).getString();
      entry.kind = query.getColumn(3).getString();
      entry.summary = query.getColumn(4).getString();
      entry.detail = query.getColumn(5).getString();
    }
    return entries;
  }

  [[nodiscard]] tl::unexpected<Error> failed(const SQLite::Exception& exception, std::string_view operation) const {
    return tl::unexpected(database_error(exception, operation, path_));
  }

  // The rows that `handover` moves, which are removed.
  std::map<std::string, std::string> take(const Handover& handover) WAL_EXPORTER_REQUIRES(writer_.mutex) {
    std::map<std::string, std::string> rows;
    SQLite::Statement query(writer_.database, "SELECT key, value FROM remembered WHERE target = ?");
    query.bind(1, handover.from);
    while (query.executeStep()) rows[query.getColumn(0).getString()] = query.getColumn(1).getString();
    const auto& keys = handover.keys;
    std::erase_if(rows, [&](const auto& row) {
      return !keys.empty() && std::find(keys.begin(), keys.end(), row.first) == keys.end();
    });
    for (const auto& [key, value] : rows) {
      SQLite::Statement remove(writer_.database, "DELETE FROM remembered WHERE target = ? AND key = ?");
      remove.bind(1, handover.from);
      remove.bind(2, key);
      remove.exec();
    }
    return rows;
  }

  // Counts a new entry of `target` and removes its oldest entries beyond the limit. The count
  // is stored, so that no table has to be scanned.
  void trim(const std::string& target) WAL_EXPORTER_REQUIRES(writer_.mutex) {
    SQLite::Statement count(writer_.database,
                            "INSERT INTO audit_size (target, entries) VALUES (?, 1) "
                            "ON CONFLICT DO UPDATE SET entries = entries + 1");
    count.bind(1, target);
    count.exec();
    SQLite::Statement query(writer_.database, "SELECT entries FROM audit_size WHERE target = ?");
    query.bind(1, target);
    if (!query.executeStep()) return;
    const std::int64_t surplus = query.getColumn(0).getInt64() - history_limit_;
    if (surplus <= 0) return;
    SQLite::Statement remove(
        writer_.database, "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE target = ? ORDER BY id LIMIT ?)");
    remove.bind(1, target);
    remove.bind(2, surplus);
    const int removed = remove.exec();
    SQLite::Statement lower(writer_.database, "UPDATE audit_size SET entries = entries - ? WHERE target = ?");
    lower.bind(1, removed);
    lower.bind(2, target);
    lower.exec();
  }

  const std::filesystem::path path_;
  std::optional<Identity> identity_;
  const std::int64_t history_limit_;
  Connection writer_;
  std::optional<Connection> reader_;  // after the writer: closed before it
};

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& directory, std::size_t history_limit) {
  auto connections = open_database(directory);
  if (!connections) return tl::unexpected(connections.error());
  return std::make_unique<SqliteStore>(*std::move(connections), directory / kDatabaseName, history_limit);
}

}  // namespace wal_exporter::state
