#include "web/listen.h"

#include <algorithm>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::web {

Result<std::vector<std::string>> listening_ports(const std::string& address) {
  const bool all = address.starts_with(':');
  // CivetWeb reads more than that into its ports.
  const bool plain = std::all_of(address.begin(), address.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == ':' || c == '[' || c == ']';
  });
  const auto parts = http::parse_authority(all ? "localhost" + address : address, 0);
  if (!plain || !parts || !parts->port) {
    return failure(ErrorKind::invalid, "listen address \"" + escape_control(address) +
                                           "\" is not host:port; give --web.listen-address as :3002 (all addresses), "
                                           "127.0.0.1:3002 or [::1]:3002");
  }
  const auto digits = std::to_string(*parts->port);
  if (all) return std::vector<std::string>{"+" + digits, digits};
  return std::vector<std::string>{address.substr(0, address.rfind(':') + 1) + digits};
}

}  // namespace wal_exporter::web
