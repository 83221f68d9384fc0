// decode_snapshot against any bytes: never a crash, and believed only where a
// parser that keeps the whole document finds the same numbers in it. What the head
// alone says is what the whole says, wherever it is cut.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "wal/node_snapshot.h"

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto document = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  std::uint64_t sequence = 1;
  if (document.is_object() && document.contains("snapshot_sequence_number") &&
      document["snapshot_sequence_number"].is_number_unsigned()) {
    sequence = document["snapshot_sequence_number"].get<std::uint64_t>();
  }
  const auto snapshot = wal_exporter::wal::decode_snapshot(text, sequence);
  if (!snapshot) {
    must(snapshot.error().kind == wal_exporter::ErrorKind::corrupt ||
         snapshot.error().kind == wal_exporter::ErrorKind::invalid);
    must(!snapshot.error().message.empty());
  } else {
    must(document.is_object());
    must(snapshot->sequence == sequence);
    must(document.at("wal_file_sequence_number").get<std::uint64_t>() == snapshot->wal_file_sequence);
    must(!wal_exporter::wal::decode_snapshot(text, sequence + 1).has_value());
    must(!wal_exporter::wal::decode_snapshot(text.substr(0, text.rfind('}')), sequence).has_value());
  }
  const auto half = wal_exporter::wal::decode_snapshot_head(text.substr(0, size / 2), sequence);
  if (snapshot && half) must(*half == *snapshot);
  if (snapshot) {
    const auto head = wal_exporter::wal::decode_snapshot_head(text, sequence);
    must(head && *head == *snapshot);
  }
  const auto number = wal_exporter::wal::parse_snapshot_name(text);
  if (number) must(wal_exporter::wal::snapshot_name(*number) == text);
  return 0;
}
