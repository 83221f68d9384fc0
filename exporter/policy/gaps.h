// What it means that files of the WAL are missing. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "wal/sample.h"

namespace wal_exporter::policy {

// Whether each snapshot of that server leaves a manifest. Before 3.9.13, 3.10.6 and 3.11.4 one
// that had nothing to persist left none, though the WAL files it took are removed. nullopt:
// the version is not known.
[[nodiscard]] std::optional<bool> leaves_every_manifest(const std::string& version);

// How many of the missing numbers an empty snapshot has probably taken, so that nothing is
// lost: those between the last covered file and the first pending one, where the server is
// known to leave no manifest of such. Where its version is not known, where they are a row of
// files and older ones are still there: whoever clears away by age takes those first.
[[nodiscard]] std::uint64_t emptied_gaps(const wal::Sample& sample, const std::string& version);
// For people: of the others.
[[nodiscard]] std::string describe_missing(std::uint64_t numbers);
// For people.
[[nodiscard]] std::string describe_emptied(std::uint64_t numbers, const std::string& version);

// Of files that vanished right behind the newest snapshot: whether what is left are as many as
// an empty snapshot keeps, which are those of any other: `kept`, or where that is not known, as
// many as there are of the covered ones, if there could be more.
[[nodiscard]] bool leaves_what_is_kept(const wal::Sample& sample, std::optional<std::uint64_t> kept);

// For people: what vanished, what that means, what to do. `under_server`: InfluxDB is known to
// have run meanwhile.
[[nodiscard]] std::string describe(const wal::Vanished& vanished, wal::Layout layout, bool under_server);

}  // namespace wal_exporter::policy
