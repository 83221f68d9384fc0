#include "wal/sample.h"

namespace wal_exporter::wal {

std::string_view to_string(InvalidReason reason) {
  switch (reason) {
    case InvalidReason::empty:
      return "empty";
    case InvalidReason::too_short:
      return "short";
    case InvalidReason::magic:
      return "magic";
    case InvalidReason::checksum:
      return "checksum";
    case InvalidReason::unreadable:
      return "unreadable";
  }
  return "unreadable";
}

}  // namespace wal_exporter::wal
