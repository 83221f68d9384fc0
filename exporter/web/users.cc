#include "web/users.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "web/password.h"

namespace wal_exporter::web {
namespace {

// A well-formed hash of that cost that belongs to no known password.
std::string decoy_hash(int cost) {
  const auto digits = std::to_string(cost);
  return "$2b$" + std::string(2 - digits.size(), '0') + digits + "$" + std::string(53, '.');
}

}  // namespace

struct Users::Memory {
  const std::string random = random_key();  // as long as the process lives
  LoginLimit limit{std::make_shared<SystemClock>(), LoginLimit::usual()};
  Mutex mutex;
  // The last login of each user that went well, as a keyed hash of the stored hash, the name
  // and the password.
  std::map<std::string, std::string> right WAL_EXPORTER_GUARDED_BY(mutex);
};

Users::Users() : memory_(std::make_shared<Memory>()) {}

Users::Users(std::map<std::string, std::string> hashes)
    : hashes_(std::move(hashes)), memory_(std::make_shared<Memory>()) {
  for (const auto& [user, hash] : hashes_) costliest_ = std::max(costliest_, bcrypt_cost(hash).value_or(0));
}

std::vector<std::string> Users::changes_to(const Users& after) const {
  std::vector<std::string> out;
  const auto login = [](const std::string& name) { return "login " + escape_control(name) + ": "; };
  for (const auto& [name, hash] : hashes_) {
    const auto now = after.hashes_.find(name);
    if (now == after.hashes_.end()) out.push_back(login(name) + "removed");
    if (now != after.hashes_.end() && now->second != hash) out.push_back(login(name) + "password changed");
  }
  for (const auto& [name, hash] : after.hashes_) {
    if (!hashes_.contains(name)) out.push_back(login(name) + "added");
  }
  if (takes_alerts() && after.takes_alerts() && alerts_token_ != after.alerts_token_) {
    out.emplace_back("alerts.token_file: another token");
  }
  return out;
}

void Users::go_on_from(const Users& before) {
  memory_ = before.memory_;
}

void Users::take_rest(const Users& before) {
  control_token_ = before.control_token_;
  alerts_token_ = before.alerts_token_;
  access_ = before.access_;
}

LoginAnswer Users::check(const std::string& name, const std::string& password, const std::string& address) const {
  constexpr LoginAnswer kWrong{};
  if (!configured() || password.size() > kLongestPassword || password.find('\0') != std::string::npos) return kWrong;
  const auto found = hashes_.find(name);
  const bool known = found != hashes_.end();
  const std::string stored = known ? found->second : decoy_hash(costliest_);
  const auto key = keyed_hash(memory_->random, stored + name + ":" + password);
  if (!key) return kWrong;
  if (known) {
    const MutexLock lock(memory_->mutex);
    const auto right = memory_->right.find(name);
    if (right != memory_->right.end() && equal_in_constant_time(right->second, *key)) return {LoginOutcome::right, {}};
  }
  const auto answer = memory_->limit.ask(address, *key, [&] {
    const auto hash = hash_password(password, stored);
    if (known && hash && equal_in_constant_time(*hash, stored)) return true;
    // 2^n rounds for each cost from this user's on: together with those of the check as many as
    // for the costliest user.
    for (int cost = bcrypt_cost(stored).value_or(costliest_); cost < costliest_; ++cost) {
      static_cast<void>(hash_password(password, decoy_hash(cost)));
    }
    return false;
  });
  if (answer.outcome == LoginOutcome::right) {
    const MutexLock lock(memory_->mutex);
    memory_->right[name] = *key;
  }
  return answer;
}

bool Users::check_control(const std::string& token) const {
  return !control_token_.empty() && equal_in_constant_time(control_token_, token);
}

bool Users::check_alerts(const std::string& token) const {
  return takes_alerts() && equal_in_constant_time(alerts_token_, token);
}

}  // namespace wal_exporter::web
