#include "state/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "state/directory.h"

namespace wal_exporter::state {
namespace {

namespace fs = std::filesystem;

constexpr int kBusyTimeoutMs = 5000;
// Of larger files only the values are checked at start. Damage in the history then
// shows when it is read.
constexpr std::uintmax_t kFullCheckLimit = std::uintmax_t{8} << 20;

constexpr const char* kSchema = R"sql(
CREATE TABLE remembered (
  target TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (target, key)
) WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,  -- nanoseconds since 1970
  target TEXT NOT NULL,
  kind TEXT NOT NULL,
  summary TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX audit_of_target ON audit (target, id);
CREATE TABLE audit_size (
  target TEXT PRIMARY KEY,
  entries INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// Written into the query as a literal, because SQLite uses the partial index only if the
// query's text shows that it asks for nothing else.
std::string is_event() {
  return "kind GLOB '" + std::string(kEventPrefix) + "*'";
}

std::string file_text(const fs::path& path) {
  return "state file " + shown(path);
}

std::string start_anew(const fs::path& path) {
  return remedy("stop the exporter and move the file and its -wal aside (mv " + shown(path) + " " + shown(path) +
                ".bad): cooldowns and the history then begin anew");
}

tl::unexpected<Error> refuse(ErrorKind kind, const fs::path& path, const std::string& what, const std::string& cure) {
  return failure(kind, file_text(path) + " " + what + "; it was left as it is" + cure);
}

// Processes that open at once create the schema one after the other. Where the
// filesystem has no such lock, SQLite's own have to do.
class OpeningLock {
 public:
  explicit OpeningLock(const fs::path& directory) : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_.valid() && ::flock(fd_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
  }

 private:
  Fd fd_;
};

// Creates the file with mode 0600 before SQLite opens it; SQLite would apply the umask.
Result<void> create_missing(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) return {};
    return refuse(ErrorKind::invalid, path, "is not a regular file", remedy("move it away"));
  }
  if (errno == ENOENT) {
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.valid()) {
      give_to_owner(path.parent_path(), fd.get());
      return {};
    }
  }
  Error error = system_error(errno, "creating", file_text(path));
  error.message += remedy("let " + own_user() + " write there and see that there is space");
  return tl::unexpected(error);
}

Result<void> check_access(const fs::path& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string name = path.string() + suffix;
    if (::faccessat(AT_FDCWD, name.c_str(), R_OK | W_OK, AT_EACCESS) == 0) continue;
    if (errno == ENOENT && *suffix != '\0') continue;
    Error error = system_error(errno, "opening", file_text(name));
    error.message += remedy("give it to " + own_user() + " (chown; a run as another user may have made it)");
    return tl::unexpected(error);
  }
  return {};
}

int integer(SQLite::Database& database, const char* query) {
  return database.execAndGet(query).getInt();
}

// No error means: a sound database of ours and of this version, or an empty file.
Result<void> inspect(SQLite::Database& database, const fs::path& path) {
  const int application = integer(database, "PRAGMA application_id");
  const int version = integer(database, "PRAGMA user_version");
  const int tables = integer(database, "SELECT count(*) FROM sqlite_schema");
  if (application == 0 && version == 0 && tables == 0) return {};
  if (application != kApplicationId) {
    return refuse(ErrorKind::invalid, path, "is a database of another program", remedy("move it away"));
  }
  if (version > kSchemaVersion) {
    return refuse(ErrorKind::invalid, path,
                  "has schema version " + std::to_string(version) + ", and this program knows version " +
                      std::to_string(kSchemaVersion),
                  remedy("run the newer influxdb_wal_exporter that wrote it"));
  }
  if (version < 1) {
    return refuse(ErrorKind::corrupt, path, "has no schema version", start_anew(path));
  }
  std::error_code ignored;
  const bool small = fs::file_size(path, ignored) <= kFullCheckLimit;
  SQLite::Statement check(database, small ? "PRAGMA quick_check(1)" : "PRAGMA quick_check(remembered)");
  if (check.executeStep()) {
    const std::string verdict = check.getColumn(0).getString();
    if (verdict != "ok") {
      return refuse(ErrorKind::corrupt, path, "is damaged (" + escape_control(verdict) + ")", start_anew(path));
    }
  }
  return {};
}

// Small, because the whole process has 6 MiB: a page cache of 256 KiB, no
// lookaside slots, a short journal. Returns whether that is a write-ahead journal.
bool configure(SQLite::Database& database) {
  sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_LOOKASIDE, nullptr, 0, 0);
  database.exec("PRAGMA cache_size = -256");
  database.exec("PRAGMA mmap_size = 0");
  database.exec("PRAGMA journal_size_limit = 1048576");
  database.exec("PRAGMA wal_autocheckpoint = 128");
  // Readers don't wait for a writer in another process. A filesystem without
  // shared memory keeps the rollback journal, which is as safe.
  SQLite::Statement journal(database, "PRAGMA journal_mode = WAL");
  const bool write_ahead = journal.executeStep() && journal.getColumn(0).getString() == "wal";
  database.exec("PRAGMA synchronous = FULL");
  return write_ahead;
}

void create_schema(SQLite::Database& database) {
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  if (integer(database, "PRAGMA user_version") == 0) {
    database.exec(kSchema);
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version = " + std::to_string(kSchemaVersion));
  }
  transaction.commit();
}

// Events in their order, without the decisions between them. No part of the schema's
// version: a program that does not know of it keeps it up to date all the same. Where
// it can't be made (no space, damage in the history) events are found without it.
void create_event_index(SQLite::Database& database) {
  try {
    database.exec("CREATE INDEX IF NOT EXISTS audit_events ON audit (id, kind) WHERE " + is_event());
  } catch (const SQLite::Exception&) {
    // The next start tries again.
  }
}

std::optional<SQLite::Database> open_reader(const fs::path& path) {
  try {
    SQLite::Database reader(path.string(), SQLite::OPEN_READONLY, kBusyTimeoutMs);
    sqlite3_db_config(reader.getHandle(), SQLITE_DBCONFIG_LOOKASIDE, nullptr, 0, 0);
    reader.exec("PRAGMA cache_size = -64");
    reader.exec("PRAGMA mmap_size = 0");
    return reader;
  } catch (const SQLite::Exception&) {
    return std::nullopt;
  }
}

// Whether the file has a journal that must be rolled back before it can be read. That happens
// after a crash while the database was created, before write-ahead mode was set.
bool needs_writing_to_read(const SQLite::Exception& exception) {
  return (exception.getExtendedErrorCode() & 0xFF) == SQLITE_READONLY;
}

Result<void> inspect_read_only(const fs::path& path) {
  try {
    SQLite::Database probe(path.string(), SQLite::OPEN_READONLY, kBusyTimeoutMs);
    return inspect(probe, path);
  } catch (const SQLite::Exception& exception) {
    if (needs_writing_to_read(exception)) return {};
    return tl::unexpected(database_error(exception, "reading", path));
  }
}

}  // namespace

std::string events_text(const EventQuery& query) {
  std::string text =
      "SELECT id, time, target, kind, summary, detail FROM audit WHERE id > :after AND id < :before AND ";
  text += is_event();
  if (query.kind) text += " AND kind = :kind";
  if (query.target) text += " AND target = :target";
  text += query.oldest_first ? " ORDER BY id" : " ORDER BY id DESC";
  return text + " LIMIT :limit";
}

Error database_error(const SQLite::Exception& exception, std::string_view operation, const fs::path& path) {
  const auto error = [&](ErrorKind kind, const std::string& cause, const std::string& cure) {
    return Error{kind, std::string(operation) + " " + file_text(path) + ": " + cause + cure};
  };
  const std::string what = escape_control(exception.what());
  switch (exception.getErrorCode() & 0xFF) {
    case SQLITE_NOTADB:
      return error(ErrorKind::corrupt, "it is not an SQLite database; it was left as it is", start_anew(path));
    case SQLITE_CORRUPT:
      return error(ErrorKind::corrupt, "it is damaged (" + what + ")", start_anew(path));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error(ErrorKind::conflict,
                   "it has been locked by another process for " + std::to_string(kBusyTimeoutMs / 1000) + " s",
                   "; end that process (fuser " + shown(path) + " names it), or try again");
    case SQLITE_FULL:
      return error(ErrorKind::unavailable, "no space left on its filesystem",
                   "; free some: what was stored before is still there");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return error(ErrorKind::permission, what, remedy("make it writable for " + own_user()));
    case SQLITE_IOERR:
      return error(ErrorKind::unavailable, what,
                   "; check the disk and its free space: what was stored before is still there");
    case SQLITE_TOOBIG:
      return error(ErrorKind::invalid, what, "");
    default:
      return error(ErrorKind::internal, what, "");
  }
}

Result<Connections> open_database(const fs::path& directory) {
  if (auto ensured = ensure_directory(directory); !ensured) return tl::unexpected(ensured.error());
  // An absolute path is never taken for a URI or ":memory:".
  std::error_code code;
  fs::path path = fs::absolute(directory, code) / kDatabaseName;
  if (code) return tl::unexpected(system_error(code.value(), "finding state directory", shown(directory)));

  const OpeningLock one_at_a_time(directory);
  if (auto created = create_missing(path); !created) return tl::unexpected(created.error());
  if (auto allowed = check_access(path); !allowed) return tl::unexpected(allowed.error());
  if (auto ours = inspect_read_only(path); !ours) return tl::unexpected(ours.error());
  try {
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs);
    if (auto ours = inspect(database, path); !ours) return tl::unexpected(ours.error());
    const bool write_ahead = configure(database);
    create_schema(database);
    create_event_index(database);
    std::optional<SQLite::Database> reader;
    if (write_ahead) reader = open_reader(path);
    return Connections{std::move(database), std::move(reader)};
  } catch (const SQLite::Exception& exception) {
    return tl::unexpected(database_error(exception, "opening", path));
  }
}

}  // namespace wal_exporter::state
