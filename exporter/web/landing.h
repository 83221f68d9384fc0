// The page at "/": the status page, with what is known now written into it, so
// that it says something without scripts too. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "view/view.h"

namespace wal_exporter::web {

// A whole HTML document; everything that comes from outside is escaped. Its
// scripts and styles are files of their own (assets.h).
[[nodiscard]] std::string landing_page(const view::View& view, Time now, std::string_view metrics_path);

// &, <, >, " and ' as entities; control characters and bytes that are not UTF-8 made visible.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace wal_exporter::web
