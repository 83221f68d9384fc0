// What the status page is made of, as it was embedded at build time from
// exporter/web/page and Debian's libjs-dygraphs (exporter/cmake/Embed.cmake).
//
// Everything points into the program itself: read-only, never copied, safe from
// any thread.
#pragma once

#include <span>
#include <string_view>

namespace wal_exporter::web {

struct Asset {
  std::string_view name;  // "page-0123456789abcdef.css": below /assets/, with the beginning of its hash
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  std::string_view bytes;
  std::string_view gzip_etag;
  std::string_view gzip;  // the same compressed
};

[[nodiscard]] std::span<const Asset> assets();

// The document, with a place for what is known when it is asked for: see landing.cc.
[[nodiscard]] std::string_view page_template();

// Of the page and all its assets: another one after an update of the program.
[[nodiscard]] std::string_view page_version();

}  // namespace wal_exporter::web
