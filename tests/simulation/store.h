// The state database of the simulation: maps that outlive our process. It can fail for
// a while, and our process can be killed right after a write. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "memory_meter.h"
#include "state/store.h"

namespace wal_exporter::simulation {

// Our process is killed here and now; nothing but the simulation catches it.
struct Killed {};

class SimulatedStore final : public state::Store {
 public:
  void fail(bool fails) { fails_ = fails; }
  [[nodiscard]] bool fails() const { return fails_; }
  // Our process is killed right after its write of that number from now on.
  void kill_after(std::optional<std::uint64_t> writes) { kill_after_ = writes; }

  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override;
  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override;
  // What another name has is no concern of Control's.
  Result<std::map<std::string, std::string>> get_all(const std::string& /*key*/) override { return {}; }
  Result<void> hand_over(const std::vector<state::Handover>& /*handovers*/) override { return {}; }
  Result<std::int64_t> append(const state::AuditEntry& entry) override;
  Result<std::vector<state::AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                                 std::size_t limit) override;
  // The newest of one kind: all that Control asks for.
  Result<std::vector<state::AuditEntry>> events(const state::EventQuery& query) override;
  Result<std::int64_t> newest_id() override { return last_id_; }

  [[nodiscard]] std::uint64_t failed_writes() const { return failed_writes_; }

 private:
  [[nodiscard]] Result<void> written();

  bool fails_ = false;
  std::optional<std::uint64_t> kill_after_;
  std::uint64_t failed_writes_ = 0;
  std::int64_t last_id_ = 0;
  std::map<std::string, std::string> values_;
  std::map<std::string, state::AuditEntry> newest_;  // by kind
};

}  // namespace wal_exporter::simulation
