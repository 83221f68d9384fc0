// Where the server listens: the addresses of the command line, and the sockets of a service manager.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace wal_exporter::web {

struct ListenAddress {
  std::string host;        // numeric, or a name; empty: all addresses of both families
  std::uint16_t port = 0;  // 0: any free one
  std::string path;        // of a Unix socket; then the others are not used

  bool operator==(const ListenAddress&) const = default;
};

// ":3002" and "[::]:3002" (all addresses of both families), "127.0.0.1:3002", "[::1]:3002", "localhost:3002",
// "unix:/run/influxdb_wal_exporter.sock". The error says what would be right. Pure.
[[nodiscard]] Result<ListenAddress> parse_listen_address(const std::string& text);

struct Listener {
  Fd socket;              // listens, non-blocking, closed on exec
  std::string name;       // "[::]:3002", "127.0.0.1:3002", "unix:/run/x.sock"
  int port = 0;           // 0: a Unix socket
  std::string path = {};  // a Unix socket of our own, to be removed at the end; else empty
  dev_t device = 0;       // which file that is
  ino_t inode = 0;

  [[nodiscard]] bool is_unix() const { return port == 0; }
};

// One for each address, or more for a name that has several. Without IPv6 on this machine ":3002" is IPv4 alone.
// `unix_mode`: permissions of Unix sockets. A Unix socket that nobody listens on any more is replaced.
// Errors name the address and the remedy; conflict: it is in use.
[[nodiscard]] Result<std::vector<Listener>> open_listeners(const std::vector<ListenAddress>& addresses,
                                                           mode_t unix_mode);

// Those that a service manager handed over (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), once per process: the
// variables are taken out of the environment, so that no child believes them its own. None: an error.
[[nodiscard]] Result<std::vector<Listener>> service_manager_listeners();

// Removes the Unix sockets that are our own.
void remove_paths(const std::vector<Listener>& listeners);

}  // namespace wal_exporter::web
