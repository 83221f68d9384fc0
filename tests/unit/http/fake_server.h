// A server on a free loopback port, or on a Unix socket, that does to each
// connection what the test says. One connection at a time, in a thread of its
// own; the destructor ends whatever it is waiting for.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

#include "base/file.h"
#include "paths.h"

namespace wal_exporter::tests {

class Peer {
 public:
  Peer(Fd socket, int end) : socket_(std::move(socket)), end_(end) {}

  // What came up to and including `mark`; shorter if the peer or the test ended.
  std::string read_until(std::string_view mark) {
    while (received_.find(mark) == std::string::npos) {
      if (!wait_readable()) return received_;
      char buffer[4096];
      const auto count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return received_;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    return received_;
  }
  // A whole HTTP request with the body that Content-Length announces.
  std::string read_request() {
    read_until("\r\n\r\n");
    const auto head = received_.find("\r\n\r\n");
    const auto field = received_.find("Content-Length: ");
    if (head == std::string::npos || field == std::string::npos) return received_;
    const auto wanted = head + 4 + std::stoul(received_.substr(field + 16));
    while (received_.size() < wanted && wait_readable()) {
      char buffer[4096];
      const auto count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) break;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    return received_;
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const auto count = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // Until the other side hangs up or the test ends; what it sends is dropped.
  void hang() {
    char buffer[4096];
    while (wait_readable() && ::recv(socket_.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }
  // Closes with a reset instead of an orderly end.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_ = Fd();
  }
  // An orderly end, whatever was sent to it.
  void close() { socket_ = Fd(); }
  void forget() { received_.clear(); }

 private:
  bool wait_readable() {
    pollfd fds[] = {{socket_.get(), POLLIN, 0}, {end_, POLLIN, 0}};
    return ::poll(fds, 2, 10'000) > 0 && fds[1].revents == 0;
  }

  Fd socket_;
  int end_;
  std::string received_;
};

class FakeServer {
 public:
  using Handler = std::function<void(Peer&)>;

  explicit FakeServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    start();
  }
  FakeServer(const std::string& unix_path, Handler handler) : handler_(std::move(handler)) {
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, unix_path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    start();
  }
  ~FakeServer() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(end_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return "http://" + address(); }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void start() {
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    end_ = Fd(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] {
      while (true) {
        pollfd fds[] = {{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
        if (::poll(fds, 2, -1) <= 0 || fds[1].revents != 0) return;
        Peer peer(Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), end_.get());
        ++connections_;
        handler_(peer);
      }
    });
  }

  Handler handler_;
  Fd listener_;
  Fd end_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

// A port of loopback on which nobody listens: held, so that nobody else gets it.
class ClosedPort {
 public:
  ClosedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  Fd socket_;
  int port_ = 0;
};

// A directory that goes away with its content.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wal_exporter-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A recorded answer from tests/fixtures/http with the line ends of HTTP and
// without the line that says how it was asked for.
inline std::string recorded_answer(const std::string& name) {
  std::ifstream in(std::string(tests::kFixtures) + "/http/" + name);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_FALSE(text.empty()) << name;
  if (text.starts_with("# ")) text.erase(0, text.find('\n') + 1);
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {  // the head, line by line; the body as it is
    const auto end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    at = end == std::string::npos ? text.size() : end + 1;
    if (line.starts_with("transfer-encoding") || line.starts_with("Transfer-Encoding")) continue;
    out += line + "\r\n";
    if (line.empty()) break;
  }
  return out + text.substr(at);
}

}  // namespace wal_exporter::tests
