// What lies in wal/ beside the node's own files. At its start the server reads whatever
// sorts after the last snapshotted file, under any name, and panics where the numbers
// in the headers do not grow from one to the next.
//
// Source: exporter/influxdb/FACTS.md, "3.x: files". Not thread-safe: the source that owns
// it serialises its looks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "wal/listing.h"
#include "wal/node_index.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

struct ForeignEntry {
  std::string name;
  EntryType type = EntryType::file;
};

// Whether the server's listing has the name: what it is still putting there, NAME#N, it
// leaves out.
[[nodiscard]] bool is_listed_by_server(std::string_view name);

class NodeForeign {
 public:
  // Reads those of `entries` that are new or changed. `last_name`: of the last snapshotted
  // file; what sorts before it is never read again. Empty: everything is.
  [[nodiscard]] Result<void> update(const FolderView& folder, std::vector<ForeignEntry> entries,
                                    const std::string& last_name);

  // Adds to `sample` what a start makes of them, and of the node's own files whose header
  // holds another number than their name. `last`: the number of the last snapshotted file.
  void judge(const NodeIndex& index, std::uint64_t last, Sample& sample) const;

 private:
  std::map<std::string, FileReading> files_;
  std::vector<std::string> folders_;
  std::vector<std::string> links_;   // whole paths
  std::vector<std::string> others_;  // pipes and sockets
  std::uint64_t left_out_ = 0;
};

}  // namespace wal_exporter::wal
