// Which InfluxDB writes a WAL: they differ in layout, in what makes them empty it,
// and in what a restart does. Pure; safe from any thread.
#pragma once

#include <string_view>

namespace wal_exporter::wal {

enum class Generation { unknown, v1, v2, v3 };

// "1", "2", "3"; empty: unknown.
[[nodiscard]] std::string_view to_string(Generation generation);

// From what a server says of its version: "1.6.7", "v2.7.4", "3.10.0"; unknown from
// anything else.
[[nodiscard]] Generation generation_of(std::string_view server_version);

// Of the two whose directories look alike: what the server's version says, otherwise
// v2 where every database folder is 16 hex digits, else v1.
[[nodiscard]] Generation generation_of_segments(std::string_view server_version, bool bucket_ids);

}  // namespace wal_exporter::wal
