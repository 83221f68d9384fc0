// From a YAML file, the command line and the environment to Settings.
//
// Strict: an unknown or doubled key, a wrong type, a number out of range, a bad
// size or duration is an error `file:line: what is wrong, and what would be right`.
// Reads files; safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "settings/keys.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// Looks up an environment variable; nullopt where it is not set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

[[nodiscard]] Environment process_environment();

struct Sources {
  std::string config_file;  // --config.file; empty: none
  std::string
      wal_directory;  // --wal.directory; one target without a file, or the directory of the only target of a file
  std::string influxdb_url;  // --influxdb.url, likewise
  // --web.local-users, --web.own-names: with commas, in place of the file's; empty: the file's.
  std::string local_users{};
  std::string own_names{};
};

// `${VAR}` (an error where VAR is not set) and `${VAR:-default}` are filled in
// inside scalars, after parsing, so that a value can never become structure;
// `$$` is a dollar sign. WAL_MAX_FILES, WAL_MAX_SIZE_GB (GiB, fractions allowed)
// and WAL_CHECKPOINT_COOLDOWN_MS are the defaults of targets whose file has no
// such key, also without a file; so are INFLUXDB_CA_FILE, INFLUXDB_CLIENT_CERT_FILE,
// INFLUXDB_CLIENT_KEY_FILE and INFLUXDB_INSECURE_SKIP_VERIFY; set but empty is not set. A relative token_file
// begins at the folder of the settings file, a relative wal_directory at the
// working directory. An error holds every mistake, one a line.
[[nodiscard]] Result<Settings> load(const Sources& sources, const Environment& environment);

// The same from a text; `name` stands for the file in messages.
[[nodiscard]] Result<Settings> parse(const std::string& yaml, const std::string& name, const Environment& environment);

// Every key that a settings file may have, as its reading asks for them.
[[nodiscard]] Keys known_keys();

}  // namespace wal_exporter::settings
