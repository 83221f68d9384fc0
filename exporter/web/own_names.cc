#include "web/own_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::web {
namespace {

constexpr std::array<std::string_view, 4> kPrivate = {".localhost", ".local", ".internal", ".home.arpa"};

void add(std::vector<std::string>& names, std::string_view name) {
  auto lower = lower_case(name);
  if (!lower.empty() && std::find(names.begin(), names.end(), lower) == names.end()) names.push_back(std::move(lower));
}

}  // namespace

std::vector<std::string> machine_names() {
  std::vector<std::string> names;
  std::array<char, 256> own{};
  if (::gethostname(own.data(), own.size() - 1) != 0 || own[0] == '\0') return names;
  const std::string host = lower_case(own.data());
  add(names, host);
  struct __res_state resolver {};
  if (res_ninit(&resolver) == 0) {
    for (std::size_t i = 0; i < MAXDNSRCH && resolver.dnsrch[i] != nullptr; ++i) {
      add(names, host + "." + resolver.dnsrch[i]);
    }
    res_nclose(&resolver);
  }
  // Of the hosts file, the lines that have the host name in them.
  ::sethostent(0);
  while (const hostent* entry = ::gethostent()) {
    std::vector<std::string> line = {entry->h_name};
    for (char** alias = entry->h_aliases; *alias != nullptr; ++alias) line.emplace_back(*alias);
    const auto is_host = [&](const std::string& name) { return lower_case(name) == host; };
    if (std::none_of(line.begin(), line.end(), is_host)) continue;
    for (const auto& name : line) add(names, name);
  }
  ::endhostent();
  return names;
}

bool is_own_name(std::string_view host, const std::vector<std::string>& names) {
  const auto parts = http::parse_authority(host, 0);
  if (!parts) return false;
  if (host.starts_with('[')) return true;
  in_addr address{};
  if (::inet_pton(AF_INET, parts->host.c_str(), &address) == 1) return true;
  std::string name = lower_case(parts->host);
  if (name.ends_with('.')) name.pop_back();
  if (name.find('.') == std::string::npos) return true;
  const auto ends_it = [&](std::string_view end) { return name.ends_with(end); };
  return std::any_of(kPrivate.begin(), kPrivate.end(), ends_it) ||
         std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace wal_exporter::web
