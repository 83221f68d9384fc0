#include "actions/libsystemd.h"

#include <dlfcn.h>

#include <string>

namespace wal_exporter::actions {
namespace {

constexpr const char* kLibrary = "libsystemd.so.0";

// The last thing that could not be had, or nothing.
[[nodiscard]] std::string load(Libsystemd& out) {
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return ::dlerror();
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) missing = std::string(name) + " is not in it";
  };
  find(out.bus_new, "sd_bus_new");
  find(out.bus_set_address, "sd_bus_set_address");
  find(out.bus_set_bus_client, "sd_bus_set_bus_client");
  find(out.bus_start, "sd_bus_start");
  find(out.bus_close_unref, "sd_bus_close_unref");
  find(out.bus_process, "sd_bus_process");
  find(out.bus_get_fd, "sd_bus_get_fd");
  find(out.bus_get_events, "sd_bus_get_events");
  find(out.bus_call_async, "sd_bus_call_async");
  find(out.bus_match_signal_async, "sd_bus_match_signal_async");
  find(out.slot_unref, "sd_bus_slot_unref");
  find(out.message_new_method_call, "sd_bus_message_new_method_call");
  find(out.message_append, "sd_bus_message_append");
  find(out.message_set_interactive, "sd_bus_message_set_allow_interactive_authorization");
  find(out.message_read, "sd_bus_message_read");
  find(out.message_ref, "sd_bus_message_ref");
  find(out.message_unref, "sd_bus_message_unref");
  find(out.message_is_method_error, "sd_bus_message_is_method_error");
  find(out.message_get_error, "sd_bus_message_get_error");
  return missing;
}

struct Loaded {
  Libsystemd functions;
  std::string problem = load(functions);
};

}  // namespace

Result<const Libsystemd*> libsystemd() {
  static const Loaded loaded;
  if (!loaded.problem.empty()) {
    return failure(ErrorKind::not_found, "restart.method systemd needs " + std::string(kLibrary) +
                                             " (the package libsystemd0): " + loaded.problem);
  }
  return &loaded.functions;
}

}  // namespace wal_exporter::actions
