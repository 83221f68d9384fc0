// The limit on open files of this process. Safe from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace wal_exporter {

// Raises what holds (the soft limit) to what is allowed (the hard one); call it once, before there are threads.
// The usual 1,024 is kept low for programs that use select(2), which nothing here does.
void raise_descriptor_limit();

// A program that was started gets the limit that this process was started with, because it may use select.
void restore_descriptor_limit(pid_t child);

// How many may be open at most, once raised.
[[nodiscard]] std::uint64_t descriptor_limit();

}  // namespace wal_exporter
