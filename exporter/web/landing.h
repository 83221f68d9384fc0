// The page at "/": the health of every target, and where to look further. Pure;
// safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "view/view.h"

namespace walx::web {

// A whole HTML document without scripts and styles; everything that comes from
// outside is escaped.
[[nodiscard]] std::string landing_page(const view::View& view, Time now);

// &, <, >, " and ' as entities; control characters and bytes that are not UTF-8 made visible.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace walx::web
