// One connection to a D-Bus bus over libsystemd's sd-bus, with a limit on every
// wait and a way to stop.
//
// A Bus is used by one thread. Every function that waits ends by the deadline of
// its Patience, and soon after a request to stop.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <stop_token>
#include <string>

#include "actions/libsystemd.h"
#include "base/clock.h"
#include "base/result.h"

namespace wal_exporter::actions {

struct Patience {
  const Clock& clock;
  SteadyTime deadline;
  std::stop_token stop;
};

// What the other side answered in place of a result: `name` as D-Bus has it, empty
// where there was no answer.
struct BusError {
  std::string name;
  Error error;
};

template <class T>
using BusResult = tl::expected<T, BusError>;

using Message = std::unique_ptr<sd_bus_message, decltype(Libsystemd::message_unref)>;
using Slot = std::unique_ptr<sd_bus_slot, decltype(Libsystemd::slot_unref)>;

// Where a call goes.
struct Destination {
  const char* service;
  const char* path;
  const char* interface;
  const char* member;
};

class Bus {
 public:
  // `address` as D-Bus writes it; empty: the system bus.
  [[nodiscard]] static Result<Bus> open(const std::string& address);

  // The arguments are texts.
  [[nodiscard]] BusResult<Message> call(const Destination& to, std::initializer_list<std::string> arguments,
                                        const Patience& patience);
  // Lets `on_signal` have every such signal for as long as the slot lives.
  [[nodiscard]] BusResult<Slot> listen(const Destination& from, std::function<void(sd_bus_message*)>& on_signal,
                                       const Patience& patience);
  // Serves the connection until `done` holds.
  [[nodiscard]] Result<void> wait(const std::function<bool()>& done, const Patience& patience);

  [[nodiscard]] const Libsystemd& library() const { return *library_; }

 private:
  using Connection = std::unique_ptr<sd_bus, decltype(Libsystemd::bus_close_unref)>;
  Bus(const Libsystemd* library, std::string address, Connection bus)
      : library_(library), address_(std::move(address)), bus_(std::move(bus)) {}

  const Libsystemd* library_;
  std::string address_;
  Connection bus_;
};

}  // namespace wal_exporter::actions
