#include "actions/bus.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/text.h"

namespace wal_exporter::actions {
namespace {

// How long a request to stop, or a clock that was moved, may go unseen.
constexpr Duration kBusSlice = std::chrono::milliseconds(50);
constexpr const char* kSystemBus = "unix:path=/run/dbus/system_bus_socket";

[[nodiscard]] Error bus_error(int result, const std::string& operation, const std::string& address) {
  return system_error(-result, operation, "the bus " + address);
}

[[nodiscard]] tl::unexpected<BusError> unanswered(Error error) {
  return tl::unexpected<BusError>(BusError{{}, std::move(error)});
}

// The state of one call, which libsystemd's callback fills in.
struct Reply {
  const Libsystemd* library;
  Message message;
};

int on_reply(sd_bus_message* message, void* user, sd_bus_error*) {
  auto& reply = *static_cast<Reply*>(user);
  reply.message.reset(reply.library->message_ref(message));
  return 1;
}

// 0: others may have it too. Nothing may throw through libsystemd.
int on_signal(sd_bus_message* message, void* user, sd_bus_error*) try {
  (*static_cast<std::function<void(sd_bus_message*)>*>(user))(message);
  return 0;
} catch (...) {
  return -ENOMEM;
}

// What a reply holds, where it is an error.
[[nodiscard]] BusResult<void> judge(const Libsystemd& library, const Message& reply, const std::string& operation) {
  if (library.message_is_method_error(reply.get(), nullptr) <= 0) return {};
  const sd_bus_error* error = library.message_get_error(reply.get());
  const std::string name = error != nullptr && error->name != nullptr ? error->name : "";
  const std::string text = error != nullptr && error->message != nullptr ? error->message : name;
  // sd-bus makes these itself.
  const ErrorKind kind =
      name == SD_BUS_ERROR_NO_REPLY || name == SD_BUS_ERROR_TIMEOUT ? ErrorKind::timeout : ErrorKind::unavailable;
  return tl::unexpected<BusError>(BusError{name, {kind, operation + ": " + escape_control(text)}});
}

}  // namespace

Result<Bus> Bus::open(const std::string& address) {
  const char* standard = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
  const std::string where = !address.empty() ? address : standard != nullptr ? standard : kSystemBus;
  const auto library = libsystemd();
  if (!library) return tl::unexpected(library.error());
  sd_bus* raw = nullptr;
  int result = (*library)->bus_new(&raw);
  Connection bus(raw, (*library)->bus_close_unref);
  if (result >= 0) result = (*library)->bus_set_address(raw, where.c_str());
  if (result >= 0) result = (*library)->bus_set_bus_client(raw, 1);
  if (result >= 0) result = (*library)->bus_start(raw);
  if (result < 0) return tl::unexpected(bus_error(result, "connecting to", where));
  return Bus(*library, where, std::move(bus));
}

Result<void> Bus::wait(const std::function<bool()>& done, const Patience& patience) {
  while (!done()) {
    const int progress = library_->bus_process(bus_.get(), nullptr);
    if (progress < 0) return tl::unexpected(bus_error(progress, "talking over", address_));
    if (progress > 0) continue;
    if (patience.stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped");
    const Duration left = patience.deadline - patience.clock.steady();
    if (left <= Duration::zero()) return failure(ErrorKind::timeout, "no answer over the bus " + address_ + " in time");
    const int fd = library_->bus_get_fd(bus_.get());
    const int events = library_->bus_get_events(bus_.get());
    if (fd < 0 || events < 0) return tl::unexpected(bus_error(std::min(fd, events), "talking over", address_));
    const auto slice = std::chrono::ceil<std::chrono::milliseconds>(std::min(left, kBusSlice));
    pollfd entry{fd, static_cast<short>(events), 0};
    if (::poll(&entry, 1, static_cast<int>(slice.count())) < 0 && errno != EINTR) {
      return tl::unexpected(system_error(errno, "waiting for the bus", address_));
    }
  }
  return {};
}

BusResult<Message> Bus::call(const Destination& to, std::initializer_list<std::string> arguments,
                             const Patience& patience) {
  const std::string operation = std::string(to.member) + " of " + to.service;
  sd_bus_message* raw = nullptr;
  int result = library_->message_new_method_call(bus_.get(), &raw, to.service, to.path, to.interface, to.member);
  const Message request(raw, library_->message_unref);
  for (const std::string& argument : arguments) {
    if (result >= 0) result = library_->message_append(raw, "s", argument.c_str());
  }
  // A password can't be asked for: nobody sits here.
  if (result >= 0) result = library_->message_set_interactive(raw, 0);
  Reply reply{library_, Message(nullptr, library_->message_unref)};
  Slot slot(nullptr, library_->slot_unref);
  if (result >= 0) {
    sd_bus_slot* made = nullptr;
    // Our own deadline ends the wait; sd-bus would take 25 s.
    result =
        library_->bus_call_async(bus_.get(), &made, raw, &on_reply, &reply, std::numeric_limits<std::uint64_t>::max());
    slot.reset(made);
  }
  if (result < 0) return unanswered(bus_error(result, "asking for " + operation + " over", address_));
  if (auto waited = wait([&] { return reply.message != nullptr; }, patience); !waited) {
    waited.error().message = operation + ": " + waited.error().message;
    return unanswered(waited.error());
  }
  if (auto good = judge(*library_, reply.message, operation); !good) return tl::unexpected(good.error());
  return std::move(reply.message);
}

BusResult<Slot> Bus::listen(const Destination& from, std::function<void(sd_bus_message*)>& handler,
                            const Patience& patience) {
  const std::string operation = "listening for " + std::string(from.member);
  sd_bus_slot* made = nullptr;
  const int result = library_->bus_match_signal_async(bus_.get(), &made, from.service, from.path, from.interface,
                                                      from.member, &on_signal, nullptr, &handler);
  Slot slot(made, library_->slot_unref);
  if (result < 0) return unanswered(bus_error(result, operation + " on", address_));
  // The bus answers in order: what it says to this, it says after the match is in place.
  const auto asked =
      call({"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId"}, {}, patience);
  if (!asked) return tl::unexpected(asked.error());
  return slot;
}

}  // namespace wal_exporter::actions
