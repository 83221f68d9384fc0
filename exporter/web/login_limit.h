// How many passwords may be checked, and for whom: a bcrypt takes a processor for a quarter
// of a second or more, and strangers may ask for one.
//
// Each address (IPv6: each /64) has a few checks at once and then about a quarter of one
// processor's time; a check that goes well costs nothing. Nobody is locked out: a login that
// had to be refused is let through when it comes again a second later, on a budget of its own,
// which a flood of passwords that are each tried once can't use up. A password that was wrong
// is remembered, so that it costs nothing again. Over all addresses at most `at_once` checks run
// and `inside` threads are held; whoever finds no place is told when to come again.
//
// Logins are known by a keyed hash of name and password. Memory is bounded, whatever is sent.
// Safe from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "web/token_bucket.h"

namespace wal_exporter::web {

enum class LoginOutcome { right, wrong, too_many };

struct LoginAnswer {
  LoginOutcome outcome = LoginOutcome::wrong;
  Duration retry_after{};  // of too_many
};

class LoginLimit {
 public:
  struct Options {
    std::size_t at_once = 1;                  // checks that run
    std::size_t inside = 8;                   // that run or wait; two of these places are for those who come again
    std::size_t inside_of_address = 2;        // of each address
    Duration wait = std::chrono::seconds(2);  // for a place to run
    std::int64_t burst = 5;                   // wrong logins of an address before it has to wait
    std::size_t addresses = 4096;             // told apart; the others share one budget
    std::size_t wrong = 1024;                 // passwords remembered as wrong
  };

  LoginLimit(std::shared_ptr<Clock> clock, Options options);
  // Half of the processors check passwords at most.
  [[nodiscard]] static Options usual();

  // Calls `check`, which takes long, at most once, on this thread and without a lock. The same
  // `key` on another thread at that time gets the answer of the first. `key`: 32 bytes that
  // nobody can foresee.
  [[nodiscard]] LoginAnswer ask(const std::string& address, const std::string& key, const std::function<bool()>& check);

  // Threads that are held by now: that check, or wait.
  [[nodiscard]] std::size_t inside() const WAL_EXPORTER_EXCLUDES(mutex_);

  // What counts as one address: 10.0.0.1, 2001:db8:0:1::/64; else the text itself.
  [[nodiscard]] static std::string client_of(const std::string& address);

 private:
  struct Client {
    TokenBucket first;  // for logins that are new
    TokenBucket again;  // for those that were refused before
    std::size_t inside = 0;
  };
  struct Flight {
    bool done = false;
    LoginAnswer answer;
  };
  struct Visit {
    const std::string& key;
    Client& client;
    TokenBucket& paid;
    std::shared_ptr<Flight> flight;
  };
  // Takes a token and a place; the bucket that paid, or nullptr where there is none.
  [[nodiscard]] TokenBucket* enter(Client& client, const std::string& key, SteadyTime now)
      WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] bool wait_to_run() WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] LoginAnswer join(std::shared_ptr<Flight> flight) WAL_EXPORTER_REQUIRES(mutex_);
  void leave(const Visit& visit, LoginAnswer answer) WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] Client& client(const std::string& name, SteadyTime now) WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] Rate rate(std::int64_t burst) const WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] bool came_before(const std::string& key, SteadyTime now) const WAL_EXPORTER_REQUIRES(mutex_);
  void remember_refused(const std::string& key, SteadyTime now) WAL_EXPORTER_REQUIRES(mutex_);
  void remember_wrong(const std::string& key) WAL_EXPORTER_REQUIRES(mutex_);

  const std::shared_ptr<Clock> clock_;
  const Options options_;
  mutable Mutex mutex_;  // guards the whole account
  CondVar changed_;
  std::size_t running_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::size_t inside_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  Duration last_check_ WAL_EXPORTER_GUARDED_BY(mutex_){};  // how long it took
  std::unordered_map<std::string, Client> clients_ WAL_EXPORTER_GUARDED_BY(mutex_);
  Client others_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::unordered_set<std::string> wrong_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::deque<std::string> wrong_in_order_ WAL_EXPORTER_GUARDED_BY(mutex_);
  // Logins that were refused, each in the one place that its key leads to: 20 more bits of the key,
  // and the second, modulo 4096. Empty until the first one.
  std::vector<std::uint32_t> refused_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

}  // namespace wal_exporter::web
