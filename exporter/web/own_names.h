// The names by which this exporter is asked for: what stands in the Host header of a request that was meant
// for it.
//
// A page in a browser can make its own name lead to this machine (DNS rebinding) and then read what is
// answered. It can't do so with an address, nor with a name that nobody on the internet can own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::web {

// The host name, alone and with the domains that the resolver adds, and what the hosts file calls it. Asks
// no name server. In small letters; call it from one thread at a time.
[[nodiscard]] std::vector<std::string> machine_names();

// `host`: the value of a Host header, with or without a port. True for numeric addresses, names without a
// dot, those under localhost, local, internal and home.arpa (RFC 6761, 6762, 8375; ICANN keeps `internal`
// for private use), and for what `names` lists. Pure.
[[nodiscard]] bool is_own_name(std::string_view host, const std::vector<std::string>& names);

}  // namespace wal_exporter::web
