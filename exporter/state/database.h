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
  // Closed first, so that the writer leaves no journal behind. nullopt: without the
  // write-ahead journal readers hold up writers, so everything goes by one connection.
  std::optional<SQLite::Database> reader;
};

// Creates the file (mode 0600) and the schema where missing. Everything is looked
// at through a read-only connection first: a file that is refused has not been
// written to, its journal included.
[[nodiscard]] Result<Connections> open_database(const std::filesystem::path& directory);

// The query for events, with the parameters :after, :before, :limit, and :kind and
// :target where they are asked for. It goes by an index that holds events alone, or
// by that of the target.
[[nodiscard]] std::string events_text(const EventQuery& query);

// What `operation` on the database at `path` failed with, and the remedy.
[[nodiscard]] Error database_error(const SQLite::Exception& exception, std::string_view operation,
                                   const std::filesystem::path& path);

}  // namespace wal_exporter::state
