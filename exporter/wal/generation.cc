#include "wal/generation.h"

namespace wal_exporter::wal {

std::string_view to_string(Generation generation) {
  switch (generation) {
    case Generation::v1:
      return "1";
    case Generation::v2:
      return "2";
    case Generation::v3:
      return "3";
    case Generation::unknown:
      break;
  }
  return "";
}

Generation generation_of(std::string_view server_version) {
  if (server_version.starts_with('v')) server_version.remove_prefix(1);
  for (const Generation generation : {Generation::v1, Generation::v2, Generation::v3}) {
    if (server_version.starts_with(to_string(generation)) && server_version.substr(1).starts_with('.')) {
      return generation;
    }
  }
  return Generation::unknown;
}

Generation generation_of_segments(std::string_view server_version, bool bucket_ids) {
  const Generation said = generation_of(server_version);
  if (said == Generation::v1 || said == Generation::v2) return said;
  return bucket_ids ? Generation::v2 : Generation::v1;
}

}  // namespace wal_exporter::wal
