// Which user's process is at the other end of a connection, as the kernel knows it.
//
// Over TCP that can be told of loopback alone, in this network namespace: the other end is a socket of this
// machine, and the kernel tells who made it, by sock_diag(7) or, where that can't be asked, by
// /proc/net/tcp. nullopt: not to be told, and then the peer counts as foreign. That is so for a peer in
// another network namespace or on another machine, for one that has closed its end (the kernel then says
// uid 0, which is nobody's), and for a user that this user namespace has no number for. A program that
// makes its sockets as root and then becomes another user is told as root.
//
// Asks the kernel, never waits; safe from any thread. Uids are those of this user namespace.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wal_exporter::web {

// By the descriptor of an accepted connection, TCP or Unix.
[[nodiscard]] std::optional<std::uint32_t> peer_user(int connection);

// By the two ends of a TCP connection: the peer's, and ours.
[[nodiscard]] std::optional<std::uint32_t> peer_user(const sockaddr_storage& remote, const sockaddr_storage& local);
// The two ways of the above.
[[nodiscard]] std::optional<std::uint32_t> peer_user_by_diag(const sockaddr_storage& remote,
                                                             const sockaddr_storage& local);
[[nodiscard]] std::optional<std::uint32_t> peer_user_by_proc(const sockaddr_storage& remote,
                                                             const sockaddr_storage& local);

// A numeric address and a port in the host's byte order; nullopt: it is no address.
[[nodiscard]] std::optional<sockaddr_storage> socket_address(const std::string& address, std::uint16_t port);

// For people: "user www-data (uid 33)", or "uid 4711" where it has no name.
[[nodiscard]] std::string user_text(std::uint32_t uid);

}  // namespace wal_exporter::web
