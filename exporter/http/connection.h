// A TCP connection by libcurl that never blocks for longer than its limits, and gives
// way to a request to stop within 100 ms.
//
// Limits are read from a Clock. A Connection is used by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "http/curl.h"

namespace wal_exporter::http {

// Until when, and for whom, to wait.
struct Patience {
  const Clock& clock;
  SteadyTime deadline;
  std::stop_token stop;
};

class Connection {
 public:
  // Tries the addresses that the name has, within `patience`. Errors: unavailable (refused,
  // unknown name), timeout, cancelled; they say what happened, without the address.
  [[nodiscard]] static Result<Connection> open(const std::string& host, std::uint16_t port, const Patience& patience);

  [[nodiscard]] Result<void> send(std::string_view bytes, const Patience& patience);
  // At least one byte; 0: the other side closed in an orderly way. One that closed without
  // taking what was sent, such as a proxy with nobody behind it: ErrorKind::reset.
  [[nodiscard]] Result<std::size_t> receive(char* buffer, std::size_t size, const Patience& patience);

 private:
  explicit Connection(Curl curl) : curl_(std::move(curl)) {}
  [[nodiscard]] Result<void> connect(const Patience& patience);
  // A short while, or until one of `events` shows on the socket.
  [[nodiscard]] Result<void> wait(short events, const Patience& patience);
  [[nodiscard]] bool is_taken() const;  // all that was sent, by the other side's kernel
  [[nodiscard]] tl::unexpected<Error> failed(CURLcode code, const char* operation) const;

  Curl curl_;
  curl_socket_t socket_ = CURL_SOCKET_BAD;  // curl's
};

}  // namespace wal_exporter::http
