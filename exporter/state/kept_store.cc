#include "state/kept_store.h"

#include <utility>

namespace wal_exporter::state {
namespace {

constexpr Duration kWithoutFailure = std::chrono::seconds(5);

}  // namespace

KeptStore::KeptStore(std::unique_ptr<Store> store, std::shared_ptr<Clock> clock, Log log, std::string problem)
    : store_(std::move(store)), clock_(std::move(clock)), log_(std::move(log)), never_(std::move(problem)) {}

std::string KeptStore::problem() const {
  if (!never_.empty()) return never_;
  const MutexLock lock(mutex_);
  return problem_;
}

void KeptStore::note(const std::string& error) {
  const SteadyTime now = clock_->steady();
  const MutexLock lock(mutex_);
  if (!error.empty()) {
    failed_at_ = now;
    if (problem_.empty()) {
      log_->error(
          "state is not kept: {}; a restart of the exporter now would forget cooldowns, failures, pauses and "
          "what was told",
          error);
    }
    problem_ = error;
  } else if (!problem_.empty() && now - failed_at_ >= kWithoutFailure) {
    problem_.clear();
    log_->info("state is kept again");
  }
}

}  // namespace wal_exporter::state
