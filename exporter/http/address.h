// Text forms of what a request goes to. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter::http {

// For messages: the URL without its user part, query and fragment, on one line.
[[nodiscard]] std::string printable_url(const std::string& url);

struct Authority {
  std::string host;  // a name, or a numeric address without brackets
  std::optional<std::uint16_t> port;
};

// "host", "host:port", "[v6]" or "[v6]:port", and nothing else: no user, no path, no name that
// would have to be decoded first. The error says what is wrong, without repeating the text.
[[nodiscard]] Result<Authority> parse_authority(std::string_view text, std::uint16_t least_port = 1);

struct UrlParts {
  std::string url;          // http:// or https://, without a slash at its end
  std::string unix_socket;  // empty: over TCP
};

// A base URL from the settings: http://host:port/prefix, https://..., or
// unix:///path/to.sock, which becomes a Unix socket with the host "localhost".
// Anything else, or one with a query, is an error of kind invalid that says what
// would be right.
[[nodiscard]] Result<UrlParts> parse_url(const std::string& url);

}  // namespace wal_exporter::http
