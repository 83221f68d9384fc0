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

}  // namespace wal_exporter::influxdb
