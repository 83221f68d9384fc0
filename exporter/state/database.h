// Opening the state database: what is checked before the first write, the schema,
// and how SQLite's failures read as errors of ours.
//
// Free functions; a Database is used by one thread at a time.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "state/store.h"

namespace wal_exporter::state {

// The version of the schema that this program reads and writes (user_version).
inline constexpr int kSchemaVersion = 1;
// The bytes "walx", a short name of this project when its databases began: says that one is ours (application_id).
inline constexpr int kApplicationId = 0x77616c78;

inline constexpr std::string_view kDatabaseName = "state.sqlite3";

struct Connections {
  SQLite::Database writer;
  // Must be closed before the writer, so that the writer removes the journal. nullopt if there
  // is no write-ahead journal: readers would then block writers, so the writer's connection
  // serves both.
  std::optional<SQLite::Database> reader;
};

// Creates the file (mode 0600) and the schema if they are missing. Everything is checked
// through a read-only connection first, so a file that is refused has not been written to,
// nor has its journal.
[[nodiscard]] Result<Connections> open_database(const std::filesystem::path& directory);

// The query for events. Its parameters are :after, :before and :limit, and :kind and :target
// if `query` has them. SQLite answers it from the index of events or the index by target.
[[nodiscard]] std::string events_text(const EventQuery& query);

// The error of a failed `operation` on the database at `path`, with the remedy.
[[nodiscard]] Error database_error(const SQLite::Exception& exception, std::string_view operation,
                                   const std::filesystem::path& path);

}  // namespace wal_exporter::state
