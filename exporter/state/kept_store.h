// KeptStore: a store that knows whether what is written to it is kept, and says so in the
// log: once when it is not, and once when it is again.
//
// Safe from any thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "state/store.h"

namespace wal_exporter::state {

class KeptStore final : public Store {
 public:
  // `problem`: why nothing that is written to `store` can ever be kept; empty: it can.
  KeptStore(std::unique_ptr<Store> store, std::shared_ptr<Clock> clock, Log log, std::string problem);

  // Why what is written is not kept; empty: it is. On a full disk some writes fit and others do
  // not, so it is kept again only where none has failed for 5 s.
  [[nodiscard]] std::string problem() const WAL_EXPORTER_EXCLUDES(mutex_);

  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override {
    return store_->get(target, key);
  }
  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override {
    return noted(store_->put(target, key, value));
  }
  Result<std::map<std::string, std::string>> get_all(const std::string& key) override { return store_->get_all(key); }
  Result<void> hand_over(const std::vector<Handover>& handovers) override {
    return noted(store_->hand_over(handovers));
  }
  Result<std::int64_t> append(const AuditEntry& entry) override { return noted(store_->append(entry)); }
  Result<std::vector<AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                          std::size_t limit) override {
    return store_->history(target, before, limit);
  }
  Result<std::vector<AuditEntry>> events(const EventQuery& query) override { return store_->events(query); }
  Result<std::int64_t> newest_id() override { return store_->newest_id(); }

 private:
  template <class T>
  Result<T> noted(Result<T> written) {
    note(written ? std::string() : written.error().message);
    return written;
  }
  void note(const std::string& error) WAL_EXPORTER_EXCLUDES(mutex_);

  const std::unique_ptr<Store> store_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  const std::string never_;
  mutable Mutex mutex_;  // guards what the last writes came to
  std::string problem_ WAL_EXPORTER_GUARDED_BY(mutex_);
  SteadyTime failed_at_ WAL_EXPORTER_GUARDED_BY(mutex_){};
};

}  // namespace wal_exporter::state
