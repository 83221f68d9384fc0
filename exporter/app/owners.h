// Owners: what is remembered belongs to the server, that is to its WAL's directory, and not to
// a target's name. A target that is renamed, now or while this process was not there, goes on
// with what its directory had; one whose directory becomes another starts anew, and what the
// old one had stays until a target has that again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "settings/settings.h"
#include "state/store.h"

namespace wal_exporter::app {

// Under which a target's directory and the server's addresses are kept.
inline constexpr const char* kOwnerKey = "wal";

// By what a server is known again. All in UTF-8; what is empty is not known.
struct Owner {
  std::string directory;  // made plain
  std::string resolved;   // without links
  std::string inode;      // with device and birth: the same directory by another path
  std::string url;
  std::string backup_address;
};
using Owners = std::map<std::string, Owner>;  // by the target's name

// Looks at the directories, for two seconds at most: one that hangs is known by its path alone.
[[nodiscard]] Owners owners_of(const std::vector<settings::Target>& targets, Pool& pool,
                               const std::shared_ptr<Clock>& clock);

// What goes where, so that each of `targets` (all there are) finds its own under its name. No
// two get the same. By an address alone, where no name and no directory tells, goes what
// protects the server, and not what is known of a WAL.
[[nodiscard]] Result<std::vector<state::Handover>> handovers_for(state::Store& store, const Owners& targets);

// Does that and keeps whose it is. Before the targets begin; those that run already are among
// `targets`, and theirs is not touched.
void settle_owners(state::Store& store, const Owners& targets, const Log& log);

}  // namespace wal_exporter::app
