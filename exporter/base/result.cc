#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace wal_exporter {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::permission:
      return "permission";
    case ErrorKind::untrusted:
      return "untrusted";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::reset:
      return "reset";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

Error system_error(int errno_value, std::string_view operation, std::string_view thing) {
  ErrorKind kind = ErrorKind::unavailable;
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      kind = ErrorKind::not_found;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      kind = ErrorKind::permission;
      break;
    case ETIMEDOUT:
      kind = ErrorKind::timeout;
      break;
    case EEXIST:
    case EWOULDBLOCK:
    case EADDRINUSE:
      kind = ErrorKind::conflict;
      break;
    default:
      break;
  }
  std::string message(operation);
  message += ' ';
  message += thing;
  message += ": ";
  message += std::generic_category().message(errno_value);
  return Error{kind, std::move(message)};
}

}  // namespace wal_exporter
