#include "web/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace wal_exporter::web {
namespace {

bool is_name_character(char c) {
  return is_letter_or_digit(c) || c == '-' || c == '.';
}

std::optional<int> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  int port = 0;
  for (const char c : text) port = port * 10 + (c - '0');
  if (port > 65535) return std::nullopt;
  return port;
}

bool is_host(const std::string& host) {
  if (host.front() == '[') {
    in6_addr parsed{};
    return host.back() == ']' && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &parsed) == 1;
  }
  return host.size() <= 253 && std::all_of(host.begin(), host.end(), is_name_character);
}

}  // namespace

Result<std::vector<std::string>> listening_ports(const std::string& address) {
  const auto colon = address.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_port(std::string_view(address).substr(colon + 1));
  const auto host = address.substr(0, colon == std::string::npos ? 0 : colon);
  if (!port || (!host.empty() && !is_host(host))) {
    return failure(ErrorKind::invalid, "listen address \"" + escape_control(address) +
                                           "\" is not host:port; give --web.listen-address as :3002 (all addresses), "
                                           "127.0.0.1:3002 or [::1]:3002");
  }
  const auto digits = std::to_string(*port);
  if (host.empty()) return std::vector<std::string>{"+" + digits, digits};
  return std::vector<std::string>{host + ":" + digits};
}

}  // namespace wal_exporter::web
