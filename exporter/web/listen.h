// The listen address of the command line. Pure; safe from any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace wal_exporter::web {

// What CivetWeb is to be asked for, one after the other until one opens:
// ":3002" gives both address families at once, then IPv4 alone for machines
// without IPv6. Hosts are numeric IPv4 addresses, [IPv6] or names; ports 0 to 65535.
// Nothing but host and port gets through: CivetWeb reads more into its ports
// (an "s" would mean TLS, a comma another port).
[[nodiscard]] Result<std::vector<std::string>> listening_ports(const std::string& address);

}  // namespace wal_exporter::web
