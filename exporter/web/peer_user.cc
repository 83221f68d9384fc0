#include "web/peer_user.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::web {
namespace {

// One end of a connection. IPv4 is in here as IPv6 has it mapped (::ffff:127.0.0.1), however the
// socket was made.
struct End {
  in6_addr address{};
  in_port_t port = 0;  // in the network's byte order

  [[nodiscard]] bool is_v4() const { return IN6_IS_ADDR_V4MAPPED(&address); }
  friend bool operator==(const End& a, const End& b) {
    return a.port == b.port && std::memcmp(&a.address, &b.address, sizeof a.address) == 0;
  }
};

in6_addr mapped(const void* v4) {
  in6_addr out{};
  out.s6_addr[10] = out.s6_addr[11] = 0xFF;
  std::memcpy(&out.s6_addr[12], v4, sizeof(in_addr));
  return out;
}

std::optional<End> end_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    return End{mapped(&v4.sin_addr), v4.sin_port};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    return End{v6.sin6_addr, v6.sin6_port};
  }
  return std::nullopt;
}

bool is_loopback(const End& end) {
  return end.is_v4() ? end.address.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&end.address);
}

// Sockets that nobody holds any more, and those in TIME_WAIT, have inode 0 and are said to be root's.
bool counts(unsigned state, unsigned long inode) {
  const bool open =
      state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT;
  return open && inode != 0;
}

template <class T>
T first_of(const char* file, T otherwise) {
  std::ifstream in(file);
  T value{};
  return in >> value ? value : otherwise;
}

// In a user namespace all users without a number there are shown as one.
std::optional<std::uint32_t> known(std::uint32_t uid) {
  std::ifstream in("/proc/self/uid_map");
  std::uint64_t inside = 1, outside = 1, count = 0;
  const bool every_user_has_one =
      in >> inside >> outside >> count && inside == 0 && outside == 0 && count >= 4294967295;
  if (every_user_has_one || uid != first_of<std::uint32_t>("/proc/sys/kernel/overflowuid", 65534)) return uid;
  return std::nullopt;
}

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 request{};
};

std::optional<std::uint32_t> by_diag(const End& remote, const End& local) {
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd.valid()) return std::nullopt;
  Question question;
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.request.sdiag_family = remote.is_v4() ? AF_INET : AF_INET6;
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = ~0U;
  auto& id = question.request.id;
  // The socket of the other end: what is remote to us is its own.
  id.idiag_sport = remote.port;
  id.idiag_dport = local.port;
  const std::size_t skipped = remote.is_v4() ? 12 : 0;
  std::memcpy(id.idiag_src, &remote.address.s6_addr[skipped], 16 - skipped);
  std::memcpy(id.idiag_dst, &local.address.s6_addr[skipped], 16 - skipped);
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd.get(), &question, sizeof question, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) <
      0) {
    return std::nullopt;
  }
  // The kernel has answered by the time that sendto returns.
  alignas(nlmsghdr) std::array<char, 4096> buffer{};
  sockaddr_nl sender{};
  socklen_t size = sizeof sender;
  const auto got =
      ::recvfrom(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&sender), &size);
  nlmsghdr header{};
  inet_diag_msg answer{};
  if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof answer)) || sender.nl_pid != 0) return std::nullopt;
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  std::memcpy(&answer, buffer.data() + NLMSG_HDRLEN, sizeof answer);
  const bool v4 = answer.idiag_family == AF_INET;
  End own{v4 ? mapped(answer.id.idiag_src) : in6_addr{}, answer.id.idiag_sport};
  End other{v4 ? mapped(answer.id.idiag_dst) : in6_addr{}, answer.id.idiag_dport};
  if (!v4) std::memcpy(&own.address, answer.id.idiag_src, sizeof own.address);
  if (!v4) std::memcpy(&other.address, answer.id.idiag_dst, sizeof other.address);
  // Where there is no such connection the kernel tells of a socket that listens at that address.
  if (!(own == remote && other == local) || !counts(answer.idiag_state, answer.idiag_inode)) return std::nullopt;
  return known(answer.idiag_uid);
}

// As /proc/net/tcp writes it: words of 32 bits in this machine's byte order, and the port.
std::string in_table(const End& end, bool v4) {
  std::string out;
  for (std::size_t i = v4 ? 12 : 0; i < 16; i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, &end.address.s6_addr[i], sizeof word);
    std::array<char, 9> text{};
    std::snprintf(text.data(), text.size(), "%08X", word);
    out += text.data();
  }
  std::array<char, 6> port{};
  std::snprintf(port.data(), port.size(), ":%04X", static_cast<unsigned>(ntohs(end.port)));
  return out + port.data();
}

std::optional<std::uint32_t> by_table(const char* file, const std::string& own, const std::string& other) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.find(own) == std::string::npos) continue;
    std::istringstream words(line);
    std::string number, source, destination, queues, timer, retransmits;
    unsigned state = 0;
    std::uint32_t uid = 0;
    unsigned long timeout = 0, inode = 0;
    words >> number >> source >> destination >> std::hex >> state >> queues >> timer >> retransmits >> std::dec >>
        uid >> timeout >> inode;
    if (words && source == own && destination == other && counts(state, inode)) return known(uid);
  }
  return std::nullopt;
}

std::optional<std::uint32_t> by_proc(const End& remote, const End& local) {
  if (remote.is_v4()) {
    const auto user = by_table("/proc/self/net/tcp", in_table(remote, true), in_table(local, true));
    if (user) return user;
  }
  return by_table("/proc/self/net/tcp6", in_table(remote, false), in_table(local, false));
}

using Way = std::optional<std::uint32_t> (*)(const End&, const End&);

std::optional<std::uint32_t> ask(Way way, const sockaddr_storage& remote, const sockaddr_storage& local) {
  const auto theirs = end_of(remote);
  const auto ours = end_of(local);
  // A peer beyond loopback may have the address and port of a socket in this namespace only by chance.
  if (!theirs || !ours || !is_loopback(*theirs) || !is_loopback(*ours)) return std::nullopt;
  return way(*theirs, *ours);
}

}  // namespace

std::optional<std::uint32_t> peer_user_by_diag(const sockaddr_storage& remote, const sockaddr_storage& local) {
  return ask(by_diag, remote, local);
}

std::optional<std::uint32_t> peer_user_by_proc(const sockaddr_storage& remote, const sockaddr_storage& local) {
  return ask(by_proc, remote, local);
}

std::optional<std::uint32_t> peer_user(const sockaddr_storage& remote, const sockaddr_storage& local) {
  const auto user = peer_user_by_diag(remote, local);
  return user ? user : peer_user_by_proc(remote, local);
}

std::optional<std::uint32_t> peer_user(int connection) {
  sockaddr_storage remote{};
  sockaddr_storage local{};
  socklen_t remote_size = sizeof remote;
  socklen_t local_size = sizeof local;
  if (::getsockname(connection, reinterpret_cast<sockaddr*>(&local), &local_size) != 0) return std::nullopt;
  if (local.ss_family == AF_UNIX) {
    ucred peer{};
    socklen_t size = sizeof peer;
    // Without a peer the kernel says uid -1.
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid == static_cast<uid_t>(-1)) {
      return std::nullopt;
    }
    return known(peer.uid);
  }
  if (::getpeername(connection, reinterpret_cast<sockaddr*>(&remote), &remote_size) != 0) return std::nullopt;
  return peer_user(remote, local);
}

std::optional<sockaddr_storage> socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_storage out{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&out, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&out, &v6, sizeof v6);
  } else {
    return std::nullopt;
  }
  return out;
}

std::string user_text(std::uint32_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  const std::string number = "uid " + std::to_string(uid);
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return number;
  return "user " + escape_control(found->pw_name) + " (" + number + ")";
}

}  // namespace wal_exporter::web
