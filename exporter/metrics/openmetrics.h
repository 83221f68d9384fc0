// OpenMetrics 1.0.0, made of the text format 0.0.4 as render.h writes it: the lines of
// values are the same in both, so that a series has one name however it is scraped.
//
// Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace wal_exporter::metrics {

enum class Format { text, openmetrics };

// The value of Content-Type.
[[nodiscard]] std::string_view content_type(Format format);

// What ends a page of this format.
[[nodiscard]] constexpr std::string_view end_of(Format format) {
  return format == Format::openmetrics ? "# EOF\n" : "";
}

// Whole families in, whole families out, without the end of the page. Counters lose `_total`
// in their header, `_info` makes an Info, names that end with a base unit get it. What has one
// series per state stays a gauge: a StateSet would name its label like the family.
[[nodiscard]] std::string to_openmetrics(std::string_view text);

}  // namespace wal_exporter::metrics
