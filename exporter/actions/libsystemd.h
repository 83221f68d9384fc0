// The part of libsystemd that bus.h needs, loaded at its first use: with the
// libraries it brings along it costs every process a MiB, and most restart
// InfluxDB in another way or not at all.
//
// Safe from any thread.
#pragma once

#include <systemd/sd-bus.h>

#include "base/result.h"

namespace wal_exporter::actions {

struct Libsystemd {
  decltype(&::sd_bus_new) bus_new = nullptr;
  decltype(&::sd_bus_set_address) bus_set_address = nullptr;
  decltype(&::sd_bus_set_bus_client) bus_set_bus_client = nullptr;
  decltype(&::sd_bus_start) bus_start = nullptr;
  decltype(&::sd_bus_close_unref) bus_close_unref = nullptr;
  decltype(&::sd_bus_process) bus_process = nullptr;
  decltype(&::sd_bus_get_fd) bus_get_fd = nullptr;
  decltype(&::sd_bus_get_events) bus_get_events = nullptr;
  decltype(&::sd_bus_call_async) bus_call_async = nullptr;
  decltype(&::sd_bus_match_signal_async) bus_match_signal_async = nullptr;
  decltype(&::sd_bus_slot_unref) slot_unref = nullptr;
  decltype(&::sd_bus_message_new_method_call) message_new_method_call = nullptr;
  decltype(&::sd_bus_message_append) message_append = nullptr;
  decltype(&::sd_bus_message_set_allow_interactive_authorization) message_set_interactive = nullptr;
  decltype(&::sd_bus_message_read) message_read = nullptr;
  decltype(&::sd_bus_message_ref) message_ref = nullptr;
  decltype(&::sd_bus_message_unref) message_unref = nullptr;
  decltype(&::sd_bus_message_is_method_error) message_is_method_error = nullptr;
  decltype(&::sd_bus_message_get_error) message_get_error = nullptr;
};

// Never unloaded. An error where the library is not installed.
[[nodiscard]] Result<const Libsystemd*> libsystemd();

}  // namespace wal_exporter::actions
