#include "settings/substitute.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace wal_exporter::settings {
namespace {

bool is_variable_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter_or_digit(c) || c == '_'; });
}

// The value of what stands between `${` and `}`.
Result<std::string> expand(std::string_view inside, const Environment& environment) {
  const std::size_t separator = inside.find(":-");
  const std::string name(inside.substr(0, separator));
  if (!is_variable_name(name)) {
    return failure(ErrorKind::invalid, "'${" + escape_control(inside) +
                                           "}' does not name a variable; write ${NAME} or ${NAME:-default}, or $$ "
                                           "for a dollar sign");
  }
  std::optional<std::string> value = environment(name);
  if (separator != std::string_view::npos) {
    return value && !value->empty() ? *value : std::string(inside.substr(separator + 2));
  }
  if (value) return *std::move(value);
  return failure(ErrorKind::invalid, "the environment variable " + name + " is not set; set it, or give a default: ${" +
                                         name + ":-default}");
}

}  // namespace

Result<std::string> substitute(std::string_view text, const Environment& environment) {
  std::string out;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
    } else if (text.starts_with('{')) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) {
        return failure(ErrorKind::invalid, "'${' without '}'; write ${NAME}, or $$ for a dollar sign");
      }
      auto value = expand(text.substr(1, end - 1), environment);
      if (!value) return value;
      out += *value;
      text.remove_prefix(end + 1);
    } else {
      out += '$';
    }
  }
  return out;
}

}  // namespace wal_exporter::settings
