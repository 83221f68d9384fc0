// Errors as values.
//
// A function that the environment can make fail returns Result<T>. The message
// of an Error names the thing (path, address, setting), the operation and the
// cause, and where there is one the remedy; it is shown to people as it is.
// Value types: safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace wal_exporter {

enum class ErrorKind {
  invalid,      // the caller or a setting asked for something that makes no sense
  not_found,    // the thing named does not exist
  permission,   // it exists, but this process may not
  untrusted,    // one side of a TLS connection does not accept the other's certificate
  unavailable,  // refused, gone, hung up: trying later can help
  reset,        // a connection that the other side took back
  timeout,      // no answer within the limit
  corrupt,      // an answer or a file that does not follow its format
  conflict,     // somebody else holds it
  cancelled,    // we were asked to stop
  internal,     // a library failed in a way that should not happen
};

[[nodiscard]] std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> failure(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

// "opening /x/y: Permission denied", with the kind that belongs to `errno_value`.
[[nodiscard]] Error system_error(int errno_value, std::string_view operation, std::string_view thing);

}  // namespace wal_exporter
