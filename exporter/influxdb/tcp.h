// A TCP connection that never blocks for longer than its limits, and gives way to
// a request to stop within 100 ms.
//
// Limits are read from a Clock, waiting is poll(). A Connection is used by one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace wal_exporter::influxdb {

// Until when, and for whom, to wait.
struct Patience {
  const Clock& clock;
  SteadyTime deadline;
  std::stop_token stop;
};

class Connection {
 public:
  // Tries every address the name has, one after the other, within `patience`.
  // Errors: unavailable (refused, unknown name), timeout, cancelled; they say what
  // happened, without the address.
  [[nodiscard]] static Result<Connection> open(const std::string& host, std::uint16_t port, const Patience& patience);

  [[nodiscard]] Result<void> send(std::string_view bytes, const Patience& patience);
  // At least one byte; 0: the other side closed in an orderly way.
  [[nodiscard]] Result<std::size_t> receive(char* buffer, std::size_t size, const Patience& patience);

 private:
  explicit Connection(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace wal_exporter::influxdb
