#include "wal/sample.h"

#include "base/bytes.h"
#include "base/text.h"

namespace wal_exporter::wal {

std::string extent_text(const Extent& extent) {
  return count_of(extent.files, "file") + ", " + format_bytes(extent.bytes);
}

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
    case InvalidReason::times:
      return "times";
    case InvalidReason::doubled:
    case InvalidReason::foreign:
      return "foreign";
    case InvalidReason::older:
      return "older";
    case InvalidReason::other_edition:
      return "other_edition";
    case InvalidReason::unopened:
      return "unopened";
    case InvalidReason::snapshot:
    case InvalidReason::torn:
    case InvalidReason::misnamed:
      return "snapshot";
    case InvalidReason::newer:
      return "newer";
    case InvalidReason::stray:
      return "stray";
    case InvalidReason::count:
      break;
  }
  return "unreadable";
}

}  // namespace wal_exporter::wal
