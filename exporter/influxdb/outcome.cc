#include "influxdb/outcome.h"

#include "base/bytes.h"

namespace wal_exporter::influxdb {

std::string_view to_string(OutcomeKind outcome) {
  switch (outcome) {
    case OutcomeKind::succeeded:
      return "succeeded";
    case OutcomeKind::no_op:
      return "no_op";
    case OutcomeKind::busy:
      return "busy";
    case OutcomeKind::failed:
      return "failed";
    case OutcomeKind::unverified:
      return "unverified";
  }
  return "failed";
}

std::string count_of(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string extent_text(const wal::Extent& extent) {
  return count_of(extent.files, "file") + ", " + format_bytes(extent.bytes);
}

}  // namespace wal_exporter::influxdb
