// The written forms of addresses and names that settings hold: is this one, and
// if not, what would be? Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter::settings {

// "http://host[:port][/prefix]", https likewise, or "unix:///path". Comes back
// with the scheme in small letters and without slashes at its end, so that a path
// can be appended. Messages never repeat what may hold a password.
[[nodiscard]] Result<std::string> check_url(std::string_view url);

// "host:port", "1.2.3.4:port" or "[v6]:port".
[[nodiscard]] Result<void> check_address(std::string_view address);

// A target's name: anything of 1 to 200 bytes, line breaks and all.
[[nodiscard]] Result<void> check_target_name(std::string_view name);

// A 3.x database: it must begin with a letter or a digit (the server says 400 to
// others), at most 64 bytes, no control characters.
[[nodiscard]] Result<void> check_database(std::string_view name);

// A table: not empty, no control characters, no underscore in front (reserved).
[[nodiscard]] Result<void> check_table(std::string_view name);

// Of the http method. `remedy`: where a header that carries a secret belongs.
[[nodiscard]] Result<void> check_http_method(std::string_view method);
[[nodiscard]] Result<void> check_http_path(std::string_view path);
[[nodiscard]] Result<void> check_http_header(std::string_view name, std::string_view value, std::string_view remedy);

}  // namespace wal_exporter::settings
